/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Numbers that look random and are the same in every run. */
#ifndef TM_TEST_RANDOM_H
#define TM_TEST_RANDOM_H

#include <stdint.h>

/* xorshift64: the seed is anything but 0. */
static inline uint32_t fake_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 16);
}

#endif
