/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/kdf.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/err.h"
#include "base/secret.h"

enum { SHA256_LEN = 32, HKDF_BLOCKS_MAX = 255 };

void noise_hkdf(const uint8_t ck[static HASH_LEN], const void *ikm, size_t ikm_len, uint8_t *out1,
	uint8_t *out2, uint8_t *out3)
{
	uint8_t *const outs[] = {out1, out2, out3};
	uint8_t temp[HASH_LEN], t[HASH_LEN];

	hmac_blake2s(ck, HASH_LEN, &(struct hash_part){ikm, ikm_len}, 1, temp);
	for (size_t i = 0; i < ARRAY_LEN(outs) && outs[i]; i++) {
		const uint8_t counter = (uint8_t)(i + 1);
		const struct hash_part parts[] = {{t, i > 0 ? sizeof(t) : 0}, {&counter, 1}};

		hmac_blake2s(temp, sizeof(temp), parts, 2, t);
		memcpy(outs[i], t, sizeof(t));
	}
	wipe(temp, sizeof(temp));
	wipe(t, sizeof(t));
}

int hkdf_sha256(const void *ikm, size_t ikm_len, const void *salt, size_t salt_len, const char *info,
	uint8_t *out, size_t n)
{
	const size_t info_len = info ? strlen(info) : 0;
	uint8_t prk[SHA256_LEN], t[SHA256_LEN];
	size_t done = 0;

	if (n > HKDF_BLOCKS_MAX * SHA256_LEN)
		return TM_ERANGE;

	/* RFC 5869 2.2: an absent salt is a string of HashLen zeros, which HMAC treats like an empty key. */
	hmac_sha256(salt, salt_len, &(struct hash_part){ikm, ikm_len}, 1, prk);
	for (uint8_t counter = 1; done < n; counter++) {
		const struct hash_part parts[] = {
			{t, counter > 1 ? sizeof(t) : 0}, {info, info_len}, {&counter, 1}};
		size_t chunk = MIN(n - done, sizeof(t));

		hmac_sha256(prk, sizeof(prk), parts, ARRAY_LEN(parts), t);
		memcpy(out + done, t, chunk);
		done += chunk;
	}
	wipe(prk, sizeof(prk));
	wipe(t, sizeof(t));
	return TM_OK;
}

int scrypt_sha256(const void *secret, size_t n, const uint8_t *salt, size_t n_salt,
	const struct scrypt_cost *cost, uint8_t *out, size_t n_out)
{
	const uint64_t steps = UINT64_C(1) << cost->log_n;
	/* All of its tables: the limit that OpenSSL has by itself is less. */
	const uint64_t memory = UINT64_C(128) * cost->r * (steps + cost->p + 2);
	const int done = EVP_PBE_scrypt(secret, n, salt, n_salt, steps, cost->r, cost->p, memory, out, n_out);

	ERR_clear_error();
	return done == 1 ? TM_OK : TM_ENOMEM;
}
