/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A bitmap with the index of the first word that may have a free bit: at most 1,024 words are scanned. */
#include "control/coord/ipam.h"

struct ipam {
	uint32_t limit, used;
	size_t n_words, first;
	uint64_t taken[]; /* bit n = host number n; 0 and those past the limit are taken for good */
};

int ipam_new(uint32_t limit, struct ipam **ret_ipam)
{
	size_t n_words = limit / 64 + 1;
	struct ipam *a = calloc(1, sizeof(*a) + n_words * sizeof(a->taken[0]));

	if (!a)
		return TM_ENOMEM;

	a->limit = limit;
	a->n_words = n_words;
	a->taken[0] = 1;
	for (uint64_t n = (uint64_t)limit + 1; n < n_words * 64; n++)
		a->taken[n / 64] |= UINT64_C(1) << n % 64;
	*ret_ipam = a;
	return TM_OK;
}

void ipam_free(struct ipam *a)
{
	free(a);
}

int ipam_take_lowest(struct ipam *a, uint32_t *ret_host)
{
	while (a->first < a->n_words && a->taken[a->first] == UINT64_MAX)
		a->first++;
	if (a->first == a->n_words)
		return TM_EFULL;

	unsigned bit = (unsigned)__builtin_ctzll(~a->taken[a->first]);
	a->taken[a->first] |= UINT64_C(1) << bit;
	a->used++;
	*ret_host = (uint32_t)(a->first * 64 + bit);
	return TM_OK;
}

int ipam_take(struct ipam *a, uint32_t host)
{
	if (host == 0 || host > a->limit)
		return TM_ERANGE;

	uint64_t bit = UINT64_C(1) << host % 64;
	if (a->taken[host / 64] & bit)
		return TM_EEXIST;

	a->taken[host / 64] |= bit;
	a->used++;
	return TM_OK;
}

void ipam_release(struct ipam *a, uint32_t host)
{
	if (host == 0 || host > a->limit)
		return;

	uint64_t bit = UINT64_C(1) << host % 64;
	if (!(a->taken[host / 64] & bit))
		return;

	a->taken[host / 64] &= ~bit;
	a->used--;
	a->first = MIN(a->first, (size_t)(host / 64));
}

uint32_t ipam_used(const struct ipam *a)
{
	return a->used;
}
