/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The input is a token's text; or, when it starts with a zero byte, the bytes inside one, sealed here with a
 * right checksum, because no fuzzer finds one. A token that decodes encodes to something that decodes to the
 * same.
 */
#include "fuzz/fuzz.h"
#include "wire/token.h"

#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/init.h"

static char *text_of(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	assert(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

static char *sealed(const uint8_t *data, size_t size)
{
	uint8_t *raw = malloc(size + 32);
	char *text = malloc(4 + BASE64_LEN(size + 4) + 1);

	assert(raw && text);
	if (size)
		memcpy(raw, data, size);
	sha256(&(struct hash_part){raw, size}, 1, raw + size);
	memcpy(text, "tm1_", 4);
	base64url_encode(raw, size + 4, text + 4);
	free(raw);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct token t, back;
	struct diag d = {0};
	char again[TOKEN_TEXT_MAX];

	if (size > 3 * TOKEN_TEXT_MAX)
		return 0;
	if (crypto_init(NULL))
		abort();

	char *text = size && data[0] == 0 ? sealed(data + 1, size - 1) : text_of(data, size);
	int err = token_decode(text, &t, &d);
	if (err) {
		assert(d.what[0] && d.hint[0]);
	} else {
		assert(t.n_addrs >= 1 && t.n_addrs <= TOKEN_ADDRS_MAX);
		assert(token_encode(&t, again, sizeof(again)) == TM_OK);
		assert(strstr(text, again));
		assert(token_decode(again, &back, NULL) == TM_OK);
		assert(memcmp(&t, &back, sizeof(t)) == 0);
	}
	free(text);
	return 0;
}
