/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* X25519 (RFC 7748). Pure; any thread. */
#ifndef TM_CRYPTO_DH_H
#define TM_CRYPTO_DH_H

#include "base/err.h"
#include "base/util.h"

enum { DH_KEY = 32 };

void dh_clamp(uint8_t priv[static DH_KEY]);
/* Both: TM_ENOMEM, which must not be taken for a bad key. */
NODISCARD int dh_public(const uint8_t priv[static DH_KEY], uint8_t ret_pub[static DH_KEY]);

/* A fresh pair; the caller wipes the private one. */
NODISCARD int dh_generate(uint8_t ret_priv[static DH_KEY], uint8_t ret_pub[static DH_KEY]);

/* TM_ECRYPTO when the result is all zeros (RFC 7748 6.1: low-order peer key), with ret_shared wiped. */
NODISCARD int dh(const uint8_t priv[static DH_KEY], const uint8_t pub[static DH_KEY],
	uint8_t ret_shared[static DH_KEY]);

/*
 * A private key made ready. libcrypto computes the public key again each time it is given a private one,
 * which costs as much as the exchange itself: whoever exchanges more than once under one key keeps it.
 * Several threads may use one at a time.
 */
struct dh_key;

NODISCARD int dh_key_new(const uint8_t priv[static DH_KEY], struct dh_key **ret_key);
void dh_key_free(struct dh_key *k); /* wipes; NULL is fine */
DEFINE_CLEANUP(struct dh_key, dh_key_free)
const uint8_t *dh_key_public(const struct dh_key *k); /* DH_KEY bytes, its own */
/* As dh. */
NODISCARD int dh_key_exchange(
	const struct dh_key *k, const uint8_t pub[static DH_KEY], uint8_t ret_shared[static DH_KEY]);

/*
 * False for the points of small order, in every encoding (RFC 7748 6.1): every exchange with them ends in
 * TM_ECRYPTO. So a key can be refused when it comes in, long before the first exchange.
 */
bool dh_public_usable(const uint8_t pub[static DH_KEY]);

#endif
