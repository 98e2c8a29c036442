/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is decoded can be encoded, decodes to the same and verifies under our key only. */
#include "fuzz/fuzz.h"
#include "wire/stun.h"

#include "crypto/init.h"

static void check_equal(const struct stun_msg *a, const struct stun_msg *b)
{
	assert(a->class == b->class && a->method == b->method);
	assert(memcmp(a->txid, b->txid, STUN_TXID) == 0);
	assert(strcmp(a->username, b->username) == 0);
	assert(endpoint_eq(&a->mapped, &b->mapped));
	assert(a->priority == b->priority && a->use_candidate == b->use_candidate);
	assert(a->error_code == b->error_code);
	assert(a->candidates_len == b->candidates_len);
	assert(!a->candidates_len || memcmp(a->candidates, b->candidates, a->candidates_len) == 0);
	assert(a->has_lifetime == b->has_lifetime && a->lifetime_s == b->lifetime_s);
	assert(a->has_cookie == b->has_cookie && memcmp(a->cookie, b->cookie, STUN_COOKIE) == 0);
	assert(a->change_ip == b->change_ip && a->change_port == b->change_port);
	assert(endpoint_eq(&a->other, &b->other) && endpoint_eq(&a->origin, &b->origin));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[STUN_KEY] = "a key of 32 bytes, known to none";
	static const uint8_t other[STUN_KEY] = "another key of 32 bytes, unknown";
	struct stun_msg m, back;
	uint8_t out[STUN_MAX];

	if (crypto_init(NULL))
		abort();
	if (stun_decode(data, size, &m))
		return 0;
	assert(stun_classify(data, size));
	assert(m.n_unknown <= ARRAY_LEN(m.unknown));
	if (m.integrity_sha256)
		assert(m.integrity_sha256 + m.integrity_len <= data + size &&
			m.integrity_sha256 == data + m.integrity_at + 4);
	(void)!stun_verify(data, size, &m, key);
	(void)!stun_verify_sha1(data, size, &m, key, sizeof(key));

	size_t n = stun_encode(&m, key, out, sizeof(out));
	assert(n);
	assert(stun_decode(out, n, &back) == TM_OK);
	check_equal(&m, &back);
	assert(back.has_fingerprint);
	assert(stun_verify(out, n, &back, key) == TM_OK);
	assert(stun_verify(out, n, &back, other) == TM_EAUTH);

	m.pad_to = (uint16_t)(n + 4 + (size > 4 ? get_be16(data + 2) : 0) % 1024 / 4 * 4);
	assert(stun_encode(&m, key, out, sizeof(out)) == m.pad_to);
	assert(stun_decode(out, m.pad_to, &back) == TM_OK);
	check_equal(&m, &back);
	assert(stun_verify(out, m.pad_to, &back, key) == TM_OK);
	return 0;
}
