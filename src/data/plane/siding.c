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
/* More than the buffer of a siding holds, so that what is left of its last owner's is nobody's debt. */
enum { VAIN_SLOTS = 8192 };
/* Without anything of use; then the others go first, mostly. */
enum { USELESS_SLOTS = 1024 };
/* In the socket of all: so many times in a row all of one address was junk, and a quarter of what was
 * counted. */
enum { BLAMED_TIMES = 4 };

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

	w->wish.source.from = *who;
	atomic_store_explicit(&w->wish.is_set, true, memory_order_release);
	event_wake(w->env->events);
}

struct junk siding_junk(const struct worker *w)
{
	/* Who has too many questions for the control thread has a full queue, too, or keeps others' out of
	 * it: who asks seldom is seldom the one. */
	static const enum plane_drop asking[] = {
		DROP_HS_MALFORMED, DROP_HS_MAC1, DROP_HS_UNEXPECTED, DROP_STUN_FLOOD, DROP_QUEUE_FULL};
	static const enum plane_drop others[] = {
		DROP_MALFORMED, DROP_TRUNCATED, DROP_NO_SESSION, DROP_RELAY_STRANGER, DROP_RELAY_UNPROVEN};
	struct junk sum = {0};

	for (size_t i = 0; i < ARRAY_LEN(asking); i++)
		sum.asking += atomic_load_explicit(&w->drops[asking[i]], memory_order_relaxed);
	sum.all = sum.asking;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		sum.all += atomic_load_explicit(&w->drops[others[i]], memory_order_relaxed);
	return sum;
}

static uint64_t cost_of(const struct tally *t, const struct endpoint *who)
{
	for (size_t i = 0; i < TALLY_MAX; i++)
		if (t->cost[i] && endpoint_eq(&t->who[i], who))
			return t->cost[i];
	return 0;
}

/* Nothing good comes from that address, and a quarter of all that is junk, from many ports: who has one gets
 * a siding. */
static bool is_to_blame(const struct worker *w, const struct endpoint *who)
{
	const struct endpoint *one = tally_heaviest(&w->watch.tally);
	const uint64_t cost = cost_of(&w->watch.junk, who);
	const struct endpoint its = pit_whole(one);

	return 4 * cost >= w->watch.cost && !cost_of(&w->watch.good, who) &&
	       !(endpoint_eq(&its, who) && 2 * cost_of(&w->watch.tally, one) >= cost);
}

static void blame(struct worker *w)
{
	const struct endpoint *who = tally_heaviest(&w->watch.junk);

	if (!who || !tally_heaviest(&w->watch.tally) || !is_to_blame(w, who)) {
		w->watch.blamed = 0;
		return;
	}
	if (w->watch.blamed && !endpoint_eq(&w->watch.who, who))
		w->watch.blamed = 0;
	w->watch.who = *who;
	if (++w->watch.blamed < BLAMED_TIMES || atomic_load_explicit(&w->blame.is_set, memory_order_acquire))
		return;

	w->watch.blamed = 0;
	w->blame.source.from = *who;
	w->blame.source.rarely = 2 * cost_of(&w->watch.asking, who) >= cost_of(&w->watch.junk, who);
	atomic_store_explicit(&w->blame.is_set, true, memory_order_release);
	event_wake(w->env->events);
}

static void count(struct worker *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct endpoint *from = &w->rx[i].remote, whole = pit_whole(from);
		const uint64_t cost = w->rx[i].n + SLOT_COST;

		w->watch.cost += cost;
		tally_add(&w->watch.tally, from, cost);
		if (w->watch.slot[i] == SLOT_GOOD)
			tally_add(&w->watch.good, &whole, cost);
		if (w->watch.slot[i] >= SLOT_JUNK)
			tally_add(&w->watch.junk, &whole, cost);
		if (w->watch.slot[i] == SLOT_JUNK_ASKING)
			tally_add(&w->watch.asking, &whole, cost);
	}
}

void siding_watch(struct worker *w, size_t n)
{
	if (n < w->n_rx) {
		w->watch.slots = 0;
		w->watch.counting = false;
		return;
	}
	if (w->watch.counting)
		count(w, n);
	w->watch.slots += n;
	if (w->watch.slots < WINDOW_SLOTS)
		return;

	w->watch.slots = 0;
	/* Who only waits, because we did not run for a while, is not in anybody's way, and is read at least
	 * cost where all are. */
	if (w->watch.counting && udp_overflows(w->out.own) != w->watch.lost) {
		wish(w, tally_heaviest(&w->watch.tally));
		blame(w);
	}
	w->watch.counting = udp_filled(w->out.own) >= PRESSED_PERCENT;
	w->watch.lost = w->watch.counting ? udp_overflows(w->out.own) : 0;
	w->watch.tally = w->watch.junk = w->watch.asking = w->watch.good = (struct tally){0};
	w->watch.cost = 0;
}

/* What has been of use: handed on, or proved to be from a peer. */
static uint64_t use_of(const struct worker *w)
{
	return w->heard + atomic_load_explicit(&w->relayed.packets, memory_order_relaxed);
}

/* Of n slots so many were junk. */
static void judge(struct worker *w, struct siding *s, size_t n, struct junk junk, bool of_use)
{
	const bool is_new = atomic_load_explicit(&s->is_new, memory_order_acquire), anew = of_use || is_new;

	s->useless = anew ? 0 : MIN(s->useless + (unsigned)n, (unsigned)USELESS_SLOTS);
	s->vain = anew ? 0 : s->vain + (unsigned)junk.all;
	s->asking = anew ? 0 : s->asking + (unsigned)junk.asking;
	s->guest.turn.is_short = s->useless == USELESS_SLOTS;
	if (is_new) {
		/* What was written was about the last one. */
		atomic_store_explicit(&s->is_vain, VAIN_NOT, memory_order_relaxed);
		atomic_store_explicit(&s->is_new, false, memory_order_release);
	}
	if (s->vain < VAIN_SLOTS)
		return;

	atomic_store_explicit(
		&s->is_vain, 2 * s->asking >= s->vain ? VAIN_ASKING : VAIN_JUNK, memory_order_release);
	s->vain = s->asking = 0;
	event_wake(w->env->events);
}

/* Replies and what is handed on leave by the same socket: whoever's they are, they take room in no other. */
bool siding_burst(struct worker *w, struct guest *g, unsigned what)
{
	struct siding *s = CONTAINER_OF(g, struct siding, guest);
	struct udp *own = w->out.own;
	const unsigned offloads = w->udp_offloads;
	const uint64_t use = use_of(w);
	const struct junk before = siding_junk(w);
	struct junk junk;
	size_t n;

	(void)what; /* an error is read like a datagram, and then it is gone */
	w->out.own = s->udp;
	w->udp_offloads = out_offloads(&w->out); /* what it has lost, our own may still have */
	n = ingress_batch(w, s->udp, 0);
	w->out.own = own;
	w->udp_offloads = offloads;
	atomic_store_explicit(&s->last, w->now, memory_order_relaxed);
	junk = siding_junk(w);
	junk.all = MIN(n, junk.all - before.all);
	junk.asking = MIN(n, junk.asking - before.asking);
	judge(w, s, n, junk, use_of(w) != use);
	return n == w->n_rx;
}
