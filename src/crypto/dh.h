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

/* TM_ECRYPTO when the result is all zeros (RFC 7748 6.1: low-order peer key), with ret_shared wiped. */
NODISCARD int dh(const uint8_t priv[static DH_KEY], const uint8_t pub[static DH_KEY],
	uint8_t ret_shared[static DH_KEY]);

#endif
