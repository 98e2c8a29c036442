/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The worker's half: finding who fills its socket, and reading the sidings. */
#include "data/plane/siding.h"

/* What is read in full batches until the worker looks how full the buffer is; and as much it counts, if it
 * was, and looks whether anything was lost meanwhile. */
enum { WINDOW_SLOTS = 128 };
/* Of the buffer. The kernel tells what was read as still there until that is a quarter of it. */
enum { PRESSED_PERCENT = 50 };
/*
 * What a slot costs beyond its bytes, in bytes: by the time that it takes of us (a datagram by itself as much
 * as 10,000 bytes more in a train), and by the room in the kernel's buffer (a thousand).
 */
enum { SLOT_COST = 4096 };

void tally_add(struct tally *t, const struct endpoint *who, uint64_t cost)
{
	uint64_t least = cost;
	size_t empty = TALLY_MAX;

	for (size_t i = 0; i < TALLY_MAX; i++) {
		if (!t->cost[i]) {
			empty = i;
			continue;
		}
		if (endpoint_eq(&t->who[i], who)) {
			t->cost[i] += cost;
			return;
		}
		least = MIN(least, t->cost[i]);
	}
	if (empty == TALLY_MAX) {
		/* All pay for it, the newcomer too: who is rare vanishes again. */
		for (size_t i = 0; i < TALLY_MAX; i++) {
			t->cost[i] -= least;
			empty = t->cost[i] ? empty : i;
		}
		cost -= least;
	}
	if (!cost)
		return;

	t->who[empty] = *who;
	t->cost[empty] = cost;
}

const struct endpoint *tally_heaviest(const struct tally *t)
{
	size_t best = 0;

	for (size_t i = 1; i < TALLY_MAX; i++)
		if (t->cost[i] > t->cost[best])
			best = i;
	return t->cost[best] ? &t->who[best] : NULL;
}

/* One at a time: with the heaviest gone from here, the rest may be enough. */
static void wish(struct worker *w, const struct endpoint *who)
{
	if (!who || atomic_load_explicit(&w->wish.is_set, memory_order_acquire))
		return;

	w->wish.source = *who;
	atomic_store_explicit(&w->wish.is_set, true, memory_order_release);
	event_wake(w->env->events);
}

void siding_watch(struct worker *w, size_t n)
{
	if (n < w->n_rx) {
		w->watch.slots = 0;
		w->watch.counting = false;
		return;
	}
	for (size_t i = 0; w->watch.counting && i < n; i++)
		tally_add(&w->watch.tally, &w->rx[i].remote, w->rx[i].n + SLOT_COST);
	w->watch.slots += n;
	if (w->watch.slots < WINDOW_SLOTS)
		return;

	w->watch.slots = 0;
	/* Who only waits, because we did not run for a while, is not in anybody's way, and is read at least
	 * cost where all are. */
	if (w->watch.counting && udp_overflows(w->out.own) != w->watch.lost)
		wish(w, tally_heaviest(&w->watch.tally));
	w->watch.counting = udp_filled(w->out.own) >= PRESSED_PERCENT;
	w->watch.lost = w->watch.counting ? udp_overflows(w->out.own) : 0;
	w->watch.tally = (struct tally){0};
}

/* Replies and what is handed on leave by the same socket: whoever's they are, they take room in no other. */
bool siding_burst(struct worker *w, struct guest *g, unsigned what)
{
	struct siding *s = CONTAINER_OF(g, struct siding, guest);
	struct udp *own = w->out.own;
	const unsigned offloads = w->udp_offloads;
	bool more;

	(void)what; /* an error is read like a datagram, and then it is gone */
	w->out.own = s->udp;
	w->udp_offloads = out_offloads(&w->out); /* what it has lost, our own may still have */
	more = ingress_burst_from(w, s->udp, 0);
	w->out.own = own;
	w->udp_offloads = offloads;
	atomic_store_explicit(&s->last, w->now, memory_order_relaxed);
	return more;
}
