/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/owed.h"

#include "os/tcp.h"

enum { LITTLE = 4096, ACKS_AT_ONCE = 32 };
#define ACK_EVERY (4 * MS)

/* False: there is no room. */
static bool enlist(struct worker *w, struct stream *s, ns_t at)
{
	if (!s->is_listed && w->owed.n == OWED_MAX)
		return false;

	w->owed.due = w->owed.n ? ns_min(w->owed.due, at) : at;
	if (!s->is_listed)
		w->owed.stream[w->owed.n++] = s->number;
	s->is_listed = true;
	return true;
}

/* --- acknowledgements --- */

static ns_t next_ack(const struct stream *s)
{
	return s->acks + ACK_EVERY;
}

/* False: not yet. */
static bool ack(const struct worker *w, struct stream *s)
{
	s->acks = MAX(s->acks, w->now - ACKS_AT_ONCE * ACK_EVERY);
	if (next_ack(s) > w->now)
		return false;

	s->acks += ACK_EVERY;
	tcp_ack_now(s->is.fd);
	return true;
}

void owed_ack(struct worker *w, struct stream *s, size_t got)
{
	if (got == 0 || got >= LITTLE || s->owes_ack || s->broken)
		return;
	if (!ack(w, s))
		s->owes_ack = enlist(w, s, next_ack(s));
}

/* --- company --- */

bool owed_wait(struct worker *w, struct stream *s)
{
	enum { COMPANY_MAX = FRAMES_URGENT_MAX / 2 };
	const ns_t until = w->now + OWED_COMPANY;

	if (s->queue.n_urgent >= COMPANY_MAX)
		return false; /* enough; more would push each other out */
	if (!s->speaks_at && s->is.role == WS_CLIENT && enlist(w, s, until))
		s->speaks_at = until;
	return s->speaks_at;
}

/* --- both --- */

static void pay(struct worker *w, struct stream *s)
{
	ns_t next = NS_NEVER;

	if (s->speaks_at && s->speaks_at <= w->now)
		stream_write(w, s);
	if (s->owes_ack && ack(w, s))
		s->owes_ack = false;
	if (s->owes_ack)
		next = next_ack(s);
	if (s->speaks_at)
		next = ns_min(next, s->speaks_at);
	if (next != NS_NEVER)
		(void)!enlist(w, s, next); /* its own place is free */
}

void owed_pay(struct worker *w)
{
	const struct streams *all = atomic_load_explicit(w->env->streams, memory_order_acquire);
	const unsigned n = w->owed.n;

	if (w->now < w->owed.due)
		return;

	w->owed.n = 0; /* those that are not due yet come again, none behind where it was */
	for (unsigned i = 0; i < n; i++) {
		struct stream *s = streams_find(all, w->owed.stream[i]);

		if (!s || stream_owner(s) != w || s->broken || !s->is_listed)
			continue;
		s->is_listed = false;
		pay(w, s);
	}
}
