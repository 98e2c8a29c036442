/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash for tables whose keys strangers may choose. Pure. */
#ifndef TM_BASE_SIPHASH_H
#define TM_BASE_SIPHASH_H

#include "base/util.h"

struct siphash_key {
	uint64_t k0, k1;
};

NODISCARD int siphash_key_random(struct siphash_key *ret_key); /* TM_EIO */
uint64_t siphash(const struct siphash_key *key, const void *p, size_t n);

#endif
