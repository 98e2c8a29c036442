/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the traffic tools send: an endless pseudo-random text that a seed names. Any place of it can be
 * computed on its own, so that a receiver compares every byte that arrives with what belongs there: one lost,
 * doubled, moved or changed byte is found, and where it is. Words are splitmix64 (Steele, Lea, Flood 2014) of
 * their number.
 */
#ifndef TM_LAB_PATTERN_H
#define TM_LAB_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t pattern_word(uint64_t seed, uint64_t i)
{
	uint64_t z = seed + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Bytes [at, at + n) of the text; room has space for n + 16 bytes. The result points into it. */
static inline const uint8_t *pattern_bytes(uint64_t seed, uint64_t at, size_t n, uint8_t *room)
{
	size_t lead = at % 8, words = (lead + n + 7) / 8;

	for (size_t i = 0; i < words; i++) {
		uint64_t w = pattern_word(seed, at / 8 + i);

		memcpy(room + 8 * i, &w, sizeof(w));
	}
	return room + lead;
}

/* Where two texts first differ; n when they do not. */
static inline size_t pattern_differs(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t i = 0;

	if (memcmp(a, b, n) == 0)
		return n;
	while (a[i] == b[i])
		i++;
	return i;
}

/* Small numbers for choices, reproducible from a seed. */
struct dice {
	uint64_t seed, thrown;
};

static inline uint64_t dice_between(struct dice *d, uint64_t least, uint64_t most)
{
	return least + pattern_word(d->seed, d->thrown++) % (most - least + 1);
}

#endif
