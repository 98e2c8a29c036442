/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/stamps.h"

#include "base/bytes.h"
#include "base/encode.h"

enum {
	CHECK_BYTES = 8,
	KEY_AT = 0,
	KEY_LEN = BASE64_LEN(32),
	HANDSHAKE_AT = KEY_LEN + 1,
	HANDSHAKE_LEN = HEX_LEN(PLANE_STAMP),
	CHECK_AT = HANDSHAKE_AT + HANDSHAKE_LEN + 1,
	CHECK_LEN = HEX_LEN(CHECK_BYTES),
	LINE_LEN = CHECK_AT + CHECK_LEN,
};

void stamps_add(struct strbuf *b, const uint8_t key[static 32], const struct stamps *s)
{
	char key_text[KEY_LEN + 1], handshake[HANDSHAKE_LEN + 1], check[CHECK_LEN + 1];
	uint8_t check_bytes[CHECK_BYTES];

	put_be64(check_bytes, s->check);
	base64_encode(key, 32, key_text);
	hex_encode(s->handshake, PLANE_STAMP, handshake);
	hex_encode(check_bytes, CHECK_BYTES, check);
	strbuf_printf(b, "%s %s %s\n", key_text, handshake, check);
}

static int parse_line(const char *line, size_t n, uint8_t key[static 32], struct stamps *ret_s)
{
	uint8_t check[CHECK_BYTES];
	size_t key_len;

	if (n != LINE_LEN || line[HANDSHAKE_AT - 1] != ' ' || line[CHECK_AT - 1] != ' ')
		return TM_EBADMSG;

	int err = base64_decode(line + KEY_AT, KEY_LEN, key, 32, &key_len);
	if (!err && key_len != 32)
		err = TM_EBADMSG;
	if (!err)
		err = hex_decode(line + HANDSHAKE_AT, HANDSHAKE_LEN, ret_s->handshake, PLANE_STAMP);
	if (!err)
		err = hex_decode(line + CHECK_AT, CHECK_LEN, check, CHECK_BYTES);
	if (!err)
		ret_s->check = get_be64(check);
	return err;
}

void stamps_parse(const char *text, size_t n,
	void (*found)(void *ctx, const uint8_t key[static 32], const struct stamps *s), void *ctx)
{
	while (n) {
		const char *end = memchr(text, '\n', n);
		size_t len = end ? (size_t)(end - text) : n;
		struct stamps s = {.check = 0};
		uint8_t key[32];

		if (parse_line(text, len, key, &s) == TM_OK)
			found(ctx, key, &s);
		len += end != NULL;
		text += len;
		n -= len;
	}
}
