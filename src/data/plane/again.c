/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/again.h"

#include "data/plane/kept.h"
#include "data/plane/worker.h"

_Static_assert((int)KEPT_HEADROOM >= (int)RELAY_HEADER, "any way's header fits before what is kept");

void again_ask(struct worker *w, struct again *a_take)
{
	a_take->next = atomic_load_explicit(&w->again, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
		&w->again, &a_take->next, a_take, memory_order_release, memory_order_relaxed))
		;
	worker_wake(w);
}

static void send_kept(struct worker *w, const struct again *a)
{
	const struct kept_message *m;

	for (unsigned i = 0; (m = kept_next(w->kept, a->peer, a->since, &i));)
		worker_emit(w, &a->way, kept_bytes(w->kept, m), m->n, m->tos);
	worker_flush(w); /* the way is the request's */
}

void again_send(struct worker *w)
{
	struct again *a = atomic_exchange_explicit(&w->again, NULL, memory_order_acquire);

	for (struct again *next; a; a = next) {
		next = a->next;
		send_kept(w, a);
		free(a);
	}
}

void again_forget(struct worker *w)
{
	struct again *a = atomic_exchange_explicit(&w->again, NULL, memory_order_acquire);

	for (struct again *next; a; a = next) {
		next = a->next;
		free(a);
	}
}
