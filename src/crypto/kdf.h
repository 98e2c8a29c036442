/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Key derivation. Pure; any thread. */
#ifndef TM_CRYPTO_KDF_H
#define TM_CRYPTO_KDF_H

#include "crypto/hash.h"

/* HKDF of Noise revision 34, 4.3, with HMAC-BLAKE2s: 1 to 3 outputs; pass NULL for those not wanted (from the
 * right). */
void noise_hkdf(const uint8_t ck[static HASH_LEN], const void *ikm, size_t ikm_len, uint8_t *out1,
	uint8_t *out2, uint8_t *out3);

/* HKDF-SHA256 (RFC 5869), n <= 255 * 32. */
NODISCARD int hkdf_sha256(const void *ikm, size_t ikm_len, const void *salt, size_t salt_len,
	const char *info, uint8_t *out, size_t n);

/* What a guess shall cost: 128 * r * 2^log_n bytes of memory, and the time to go over them twice, p times. */
struct scrypt_cost {
	uint8_t log_n, r, p;
};
/* scrypt (RFC 7914), for secrets that people choose. TM_ENOMEM. */
NODISCARD int scrypt_sha256(const void *secret, size_t n, const uint8_t *salt, size_t n_salt,
	const struct scrypt_cost *cost, uint8_t *out, size_t n_out);

#endif
