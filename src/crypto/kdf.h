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

#endif
