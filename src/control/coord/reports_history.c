/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How a pair was, for small charts: rings that grow with what is in them. */
#include "control/coord/reports_private.h"

enum { ROOM_FIRST = 8, RTT_BITS = 24 };

static uint32_t pack(const struct pair_sample *s)
{
	const uint32_t rtt_max = (UINT32_C(1) << RTT_BITS) - 1;

	return MIN(s->rtt_us, rtt_max) << (32 - RTT_BITS) | (uint32_t)s->path;
}

static void unpack(const struct packed_sample *p, struct pair_sample *ret_s)
{
	*ret_s = (struct pair_sample){.at = p->at,
		.rtt_us = p->rtt_and_path >> (32 - RTT_BITS),
		.path = (enum report_path)(p->rtt_and_path & 0xff)};
}

/* It is full when it cannot grow, and then the oldest gives its place. */
static struct packed_sample *next_place(struct ring_samples *r, size_t max)
{
	if (r->n == r->room && r->room < max && !r->first) {
		const size_t room = MIN(MAX((size_t)r->room * 2, (size_t)ROOM_FIRST), max);
		struct packed_sample *v = realloc(r->v, room * sizeof(*v));

		if (v) {
			r->v = v;
			r->room = (uint16_t)room;
		}
	}
	if (!r->room)
		return NULL;
	/* While it grows nothing has been overwritten, so that `first` is 0; what could not grow once never
	 * does. */
	if (r->n < r->room && !r->first)
		return &r->v[r->n++];
	struct packed_sample *oldest = &r->v[r->first];
	r->first = (uint16_t)((r->first + 1u) % r->room);
	return oldest;
}

static struct packed_sample *newest(struct ring_samples *r)
{
	return r->n ? &r->v[(r->first + r->n - 1u) % r->room] : NULL;
}

void samples_add(struct ring_samples *r, size_t max, unsigned span, const struct pair_sample *s)
{
	const uint32_t packed = pack(s), at = (uint32_t)s->at;
	struct packed_sample *last = newest(r);

	if (last && last->rtt_and_path == packed)
		return;
	if (last && last->at / span == at / span) {
		last->rtt_and_path = packed;
		return;
	}
	struct packed_sample *place = next_place(r, max);
	if (place)
		*place = (struct packed_sample){at, packed};
}

size_t samples_read(const struct ring_samples *r, struct pair_sample *v, size_t max)
{
	const size_t n = MIN((size_t)r->n, max);

	for (size_t i = 0; i < n; i++)
		unpack(&r->v[(r->first + (r->n - n) + i) % r->room], &v[i]);
	return n;
}

size_t samples_bytes(const struct ring_samples *r)
{
	return r->room * sizeof(*r->v);
}

void changes_add(struct pair_history *h, const struct pair_change *change)
{
	if (h->n_changes < REPORTS_CHANGES) {
		h->changes[h->n_changes++] = *change;
		return;
	}
	h->changes[h->first_change] = *change;
	h->first_change = (uint8_t)((h->first_change + 1u) % REPORTS_CHANGES);
}

size_t changes_read(const struct pair_history *h, struct pair_change *v, size_t max)
{
	const size_t n = MIN((size_t)h->n_changes, max);

	for (size_t i = 0; i < n; i++)
		v[i] = h->changes[(h->first_change + (h->n_changes - n) + i) % REPORTS_CHANGES];
	return n;
}

void pair_history_free(struct pair_history *h)
{
	if (!h)
		return;
	free(h->recent.v);
	free(h->day.v);
	free(h);
}
