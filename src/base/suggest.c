/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/suggest.h"

#include <limits.h>
#include <string.h>

enum { WORD_MAX = 40 };

unsigned word_distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1][WORD_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > WORD_MAX || m > WORD_MAX)
		return UINT_MAX;

	for (size_t i = 0; i <= n; i++)
		row[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			unsigned best = row[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			best = MIN(best, row[i - 1][j] + 1);
			best = MIN(best, row[i][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, row[i - 2][j - 2] + 1);
			row[i][j] = best;
		}
	return row[n][m];
}

struct suggest suggest_for(const char *typed)
{
	return (struct suggest){.typed = typed, .distance = UINT_MAX};
}

/* A third of the word may be wrong, and the beginning of a long word counts as near. */
void suggest_offer(struct suggest *s, const char *word)
{
	size_t n = strlen(s->typed);
	unsigned d = word_distance(s->typed, word);

	if (n >= 3 && strncmp(s->typed, word, n) == 0)
		d = MIN(d, 1u);
	if (d < s->distance && d <= MAX(1u, (unsigned)n / 3)) {
		s->distance = d;
		s->best = word;
	}
}
