/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * ChaCha20-Poly1305 (RFC 8439) over batches of packets, and XChaCha20-Poly1305 for WireGuard cookies.
 *
 * A `struct aead` is one thread's working state: contexts fetched once, no allocation afterwards; never
 * shared between threads. Keys come with each operation, so one context serves every peer. Everything that
 * was derived from keys is wiped when it is freed.
 *
 * Batches are computed by a provider, which the CPU decides (docs/decisions/0009); single messages always by
 * libcrypto.
 */
#ifndef TM_CRYPTO_AEAD_H
#define TM_CRYPTO_AEAD_H

#include "base/err.h"
#include "base/util.h"

enum { AEAD_KEY = 32, AEAD_TAG = 16, AEAD_NONCE = 12, XAEAD_NONCE = 24 };
enum { AEAD_MAX = 65536 }; /* longest text of one operation; TM_EINVAL beyond */

/* The i-th provider that this build has and this CPU can run, the preferred one first; NULL behind the last.
 * AEAD_LIBCRYPTO is always there, and all that single messages need. */
#define AEAD_LIBCRYPTO "libcrypto"
const char *aead_provider_at(size_t i);

struct aead;
/* The first of these that computes right: each is compared with libcrypto before it is used. */
NODISCARD int aead_new(struct aead **ret_aead);
/* That provider and no other. TM_ENOENT: not one of aead_provider_at; TM_ECRYPTO: it computes wrong here. */
NODISCARD int aead_new_with(const char *provider, struct aead **ret_aead);
void aead_free(struct aead *a);
DEFINE_CLEANUP(struct aead, aead_free)
const char *aead_provider(const struct aead *a); /* its name, for `version` */

/* One packet. In place: `data` holds n bytes of text, and room for the tag after them. */
struct aead_op {
	const uint8_t *key; /* AEAD_KEY bytes, borrowed */
	uint64_t counter; /* nonce = 4 zero bytes, counter little-endian */
	uint8_t *data;
	size_t n; /* without the tag */
	int err; /* out: TM_OK or, opening, TM_EAUTH: nothing is deciphered before its tag was verified, so
		    data is as it was */
};

/* No associated data, as WireGuard's transport messages; any n. err is set in each op; returns the number
 * that failed. */
NODISCARD size_t aead_seal_batch(struct aead *a, struct aead_op *ops, size_t n);
size_t aead_open_batch(struct aead *a, struct aead_op *ops, size_t n);

/* One message with associated data, for handshakes. out may equal in. Seal writes n + AEAD_TAG, open n -
 * AEAD_TAG bytes. */
NODISCARD int aead_seal(struct aead *a, const uint8_t key[static AEAD_KEY], uint64_t counter, const void *ad,
	size_t ad_len, const uint8_t *in, size_t n, uint8_t *out);
NODISCARD int aead_open(struct aead *a, const uint8_t key[static AEAD_KEY], uint64_t counter, const void *ad,
	size_t ad_len, const uint8_t *in, size_t n, uint8_t *out);

/* XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), for cookie replies. */
NODISCARD int xaead_seal(struct aead *a, const uint8_t key[static AEAD_KEY],
	const uint8_t nonce[static XAEAD_NONCE], const void *ad, size_t ad_len, const uint8_t *in, size_t n,
	uint8_t *out);
NODISCARD int xaead_open(struct aead *a, const uint8_t key[static AEAD_KEY],
	const uint8_t nonce[static XAEAD_NONCE], const void *ad, size_t ad_len, const uint8_t *in, size_t n,
	uint8_t *out);

#endif
