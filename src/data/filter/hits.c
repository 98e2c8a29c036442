/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/filter/hits.h"

#include "os/low/memory.h"

#include <string.h>

enum { LINE = 64 };

int hits_new(unsigned parts, uint32_t rules, struct hits **ret_h)
{
	const size_t a_line = LINE / sizeof(uint64_t), row = (rules + a_line - 1) / a_line * a_line;
	const size_t bytes = sizeof(struct hits) + parts * row * sizeof(uint64_t);
	struct hits *h = memory_aligned(_Alignof(struct hits), bytes);

	if (!h)
		return TM_ENOMEM;

	memset(h, 0, bytes);
	h->held = 1;
	h->parts = parts;
	h->rules = rules;
	h->row = row;
	*ret_h = h;
	return TM_OK;
}

struct hits *hits_hold(struct hits *h)
{
	h->held++;
	return h;
}

void hits_drop(struct hits *h)
{
	if (h && --h->held == 0)
		memory_aligned_free(h);
}

bool hits_are_done(const struct hits *h)
{
	return h->held == 1;
}

uint64_t hits_of(const struct hits *h, uint32_t rule)
{
	uint64_t sum = 0;

	if (rule >= h->rules)
		return 0;
	for (unsigned part = 0; part < h->parts; part++)
		sum += atomic_load_explicit(&h->n[part * h->row + rule], memory_order_relaxed);
	return sum;
}
