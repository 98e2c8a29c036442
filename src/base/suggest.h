/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* "Did you mean": the offered word nearest to what was typed, when it is near enough to be a slip of the
 * hand. Pure. */
#ifndef TM_BASE_SUGGEST_H
#define TM_BASE_SUGGEST_H

#include "base/util.h"

struct suggest {
	const char *typed;
	const char *best; /* NULL while nothing is near */
	unsigned distance;
};

struct suggest suggest_for(const char *typed);
void suggest_offer(struct suggest *s, const char *word);

/* Insertions, deletions, substitutions and swaps of neighbours between two words (optimal string alignment);
 * long words: the maximum. */
unsigned word_distance(const char *a, const char *b);

#endif
