/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* BLAKE2s (RFC 7693), SHA-2 and HMAC over libcrypto. Pure apart from cached algorithm handles; any thread. */
#ifndef TM_CRYPTO_HASH_H
#define TM_CRYPTO_HASH_H

#include "base/err.h"
#include "base/util.h"

enum { HASH_LEN = 32, BLAKE2S_MAC_LEN = 16 };

struct hash_part {
	const void *p;
	size_t n;
};

/* Hash of the parts one after the other. Cannot fail after crypto_init() (see crypto/init.h). */
void blake2s(const struct hash_part *parts, size_t n, uint8_t out[static HASH_LEN]);
void sha256(const struct hash_part *parts, size_t n, uint8_t out[static 32]);
void sha512(const struct hash_part *parts, size_t n, uint8_t out[static 64]);

/* Keyed BLAKE2s with 16 bytes of output: WireGuard's MAC() for mac1, mac2 and cookies. key_len <= 32. */
void blake2s_mac(
	const uint8_t *key, size_t key_len, const void *p, size_t n, uint8_t out[static BLAKE2S_MAC_LEN]);

void hmac_blake2s(const uint8_t *key, size_t key_len, const struct hash_part *parts, size_t n,
	uint8_t out[static HASH_LEN]);
void hmac_sha256(
	const uint8_t *key, size_t key_len, const struct hash_part *parts, size_t n, uint8_t out[static 32]);
void hmac_sha1(const uint8_t *key, size_t key_len, const void *p, size_t n,
	uint8_t out[static 20]); /* STUN vectors only */
void sha1(const void *p, size_t n, uint8_t out[static 20]); /* RFC 6455 accept key only */

#endif
