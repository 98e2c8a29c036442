/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/histogram.h"

void histogram_add(struct histogram *h, ns_t v)
{
	size_t i = 0;

	while (i < h->n && v > h->bounds[i])
		i++;
	h->count[i]++;
	h->sum += v;
}

uint64_t histogram_count(const struct histogram *h)
{
	uint64_t sum = 0;

	for (size_t i = 0; i <= h->n; i++)
		sum += h->count[i];
	return sum;
}
