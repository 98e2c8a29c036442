/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/mates.h"

#include "data/plane/legs.h"

/* The stream of the other one of the two, if it is another worker's; NULL: there is nothing to be done. */
static const struct stream *far_mate(const struct worker *w, const struct stream *s, uint64_t pair)
{
	const struct legs *l = atomic_load_explicit(w->env->legs, memory_order_acquire);
	const uint32_t host = relay_other(pair, s->is.host);
	const struct leg *leg = l && host ? legs_find(l, host) : NULL;
	const struct stream *t = NULL;

	if (leg && leg->way.to.kind == WAY_RELAY_TCP)
		t = streams_find(
			atomic_load_explicit(w->env->streams, memory_order_acquire), leg->way.to.socket);
	return t && stream_owner(t) != w ? t : NULL;
}

/* One letter at a time: who finds it taken asks again. */
static void tell(struct worker *w, const struct stream *s, const struct stream *t)
{
	if (!t || atomic_load_explicit(&w->match.is_set, memory_order_acquire))
		return;

	w->match.stream = s->number;
	w->match.other = t->number;
	atomic_store_explicit(&w->match.is_set, true, memory_order_release);
	event_wake(w->env->events);
}

/* The majority's vote (Boyer and Moore 1981), by frames; a lead is not counted for ever, so that whoever
 * talks to another from now on has another mate soon. */
void mates_saw(struct worker *w, struct stream *s, uint64_t pair)
{
	if (pair != s->most.pair && s->most.lead) {
		s->most.lead--;
		return;
	}
	if (pair != s->most.pair) {
		s->most.pair = pair;
		s->most.seen = 0;
		atomic_store_explicit(&s->mates, 0, memory_order_relaxed);
	}
	s->most.seen++;
	s->most.lead = MIN(s->most.lead + 1, (unsigned)MATES_AFTER);
	if (s->most.lead < MATES_AFTER || s->most.seen % MATES_AFTER)
		return;

	atomic_store_explicit(&s->mates, pair, memory_order_relaxed);
	tell(w, s, far_mate(w, s, pair));
}

bool mates_are(const struct stream *s, const struct stream *t)
{
	const uint64_t pair = atomic_load_explicit(&s->mates, memory_order_relaxed);

	return pair && pair == atomic_load_explicit(&t->mates, memory_order_relaxed);
}

void mates_will_leave(struct worker *w, struct stream *s, struct worker *heir)
{
	s->heir = heir;
	s->next_moving = w->leaving;
	w->leaving = s;
}

static void leave(struct worker *w, struct stream *s)
{
	struct streams *all = atomic_load_explicit(w->env->streams, memory_order_acquire);

	crowd_remove(w->crowd, s->is.fd);
	s->blocked = true; /* until it is in the heir's crowd, which then says that it may write */
	s->owes_ack = s->is_listed = false; /* the heir's list has it not */
	s->speaks_at = 0;
	atomic_store_explicit(&s->owner, TAKE(s->heir), memory_order_release);
	s->next_moving = atomic_load_explicit(&all->moved, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
		&all->moved, &s->next_moving, s, memory_order_release, memory_order_relaxed))
		;
	event_wake(w->env->events);
}

void mates_leave(struct worker *w)
{
	/* First what has come for them: what comes to the heir is newer. */
	(void)worker_take_parcels(w);
	while (w->leaving) {
		struct stream *s = w->leaving;

		w->leaving = s->next_moving;
		if (!s->broken)
			leave(w, s);
	}
}
