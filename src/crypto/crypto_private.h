/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Inside crypto/ and its tests only: what a provider of batches is, the memory of one pass over a packet, and
 * libcrypto's one-message operations, which every `struct aead` has.
 */
#ifndef TM_CRYPTO_CRYPTO_PRIVATE_H
#define TM_CRYPTO_CRYPTO_PRIVATE_H

#include <openssl/evp.h>

#include "crypto/aead.h"

/*
 * All constant; any thread. seal and open take an op with n <= AEAD_MAX and return what becomes its err. A
 * provider that seals better in the company of others has seal_all instead of seal: it passes over those that
 * have an err, and cannot fail.
 */
struct aead_provider {
	const char *name;
	bool (*usable)(void); /* by this CPU */
	int (*init)(struct aead *a); /* memory of its own goes to a->own; NULL when it needs none */
	void (*deinit)(struct aead *a); /* wipes and frees it; half-built is fine */
	int (*seal)(struct aead *a, const struct aead_op *op);
	void (*seal_all)(struct aead *a, struct aead_op *ops, size_t n);
	int (*open)(struct aead *a, const struct aead_op *op);
};

extern const struct aead_provider aead_libcrypto;
extern const struct aead_provider aead_libcrypto_direct; /* builds with TM_LIBCRYPTO_DIRECT */
extern const struct aead_provider aead_libgcrypt; /* builds with TM_LIBGCRYPT */
extern const struct aead_provider aead_ipsecmb, aead_ipsecmb_noifma; /* builds with TM_IPSEC_MB */

enum { CHACHA_BLOCK = 64, CHACHA_IV = 16 }; /* iv: block counter, little-endian, then the nonce */

/*
 * Enciphering [64 zero bytes | packet] from block 0 gives the one-time Poly1305 key (RFC 8439 2.6) and the
 * text together, and Poly1305 is fed once: both algorithms pay more for a further call than for copying a
 * packet. The pass goes from one buffer of ours to another, so plaintext reaches the caller only after its
 * tag was verified:
 *
 *    in   | 64 zero bytes | text in        | 16-byte padding and lengths, or what was there |
 *    out  | key block     | text out       | the same, or surplus key stream                |
 */
struct pass {
	uint8_t *in, *out; /* one allocation */
	size_t used; /* of each, to wipe */
};

/* Routines that do more than a block at a time. */
enum { PASS_STEP_MAX = 8 * CHACHA_BLOCK };

NODISCARD int pass_init(struct pass *p);
void pass_deinit(struct pass *p); /* wipes; half-built is fine */
/* Brings n <= AEAD_MAX bytes of text to `in`; returns how many bytes are to be enciphered from there to
 * `out`: whole steps of so many bytes (CHACHA_BLOCK to PASS_STEP_MAX). */
size_t pass_load(struct pass *p, const uint8_t *text, size_t n, size_t step);
/* RFC 8439 2.8: what Poly1305 wants behind n bytes of ciphertext that lie in one of the buffers. Returns its
 * share of them all. */
size_t pass_end(uint8_t *ct, size_t ad_len, size_t n);

struct libcrypto {
	EVP_CIPHER_CTX *cipher;
	EVP_MAC_CTX *mac;
	struct pass pass;
};

struct aead {
	const struct aead_provider *provider;
	struct libcrypto libcrypto;
	void *own; /* the provider's */
};

/* TM_ECRYPTO when what it computes is not what libcrypto computes. */
NODISCARD int aead_new_of(const struct aead_provider *p, struct aead **ret_aead);

NODISCARD int libcrypto_init(struct libcrypto *l);
void libcrypto_deinit(struct libcrypto *l);

/* in holds n bytes of text; writes n + AEAD_TAG bytes. out may equal in. */
NODISCARD int libcrypto_seal(struct libcrypto *l, const uint8_t *key, const uint8_t iv[static CHACHA_IV],
	const void *ad, size_t ad_len, const uint8_t *in, size_t n, uint8_t *out);
/* in holds n bytes and the tag; writes n bytes, once the tag is verified. */
NODISCARD int libcrypto_open(struct libcrypto *l, const uint8_t *key, const uint8_t iv[static CHACHA_IV],
	const void *ad, size_t ad_len, const uint8_t *in, size_t n, uint8_t *out);
/* One block of key stream. */
NODISCARD int libcrypto_block(struct libcrypto *l, const uint8_t *key, const uint8_t iv[static CHACHA_IV],
	uint8_t ret_block[static CHACHA_BLOCK]);

/* Block 0 of the nonce of Noise and WireGuard: 4 zero bytes, counter little-endian. */
void aead_iv(uint64_t counter, uint8_t ret_iv[static CHACHA_IV]);

#endif
