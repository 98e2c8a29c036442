/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The relays that we use: where relayed messages may come from. Everything in them proves itself, so one from
 * elsewhere could do no harm that it could not do without the header; but it would make us answer, and the
 * control plane look at, a relay that nobody chose.
 */
#include "data/plane/plane_private.h"

struct relays {
	struct epoch_retired retired;
	size_t n;
	struct endpoint v[];
};

bool worker_knows_relay(const struct worker *w, const struct endpoint *at)
{
	const struct relays *r = atomic_load_explicit(w->env->relays, memory_order_acquire);

	for (size_t i = 0; r && i < r->n; i++)
		if (endpoint_eq(&r->v[i], at))
			return true;
	return false;
}

bool plane_has_relay_at(const struct plane *p, const struct ip *at)
{
	const struct relays *r = atomic_load_explicit(&p->relays, memory_order_relaxed);

	for (size_t i = 0; r && i < r->n; i++)
		if (pit_is_neighbour(&r->v[i].ip, at))
			return true;
	return false;
}

int plane_set_relays(struct plane *p, const struct endpoint *v, size_t n)
{
	struct relays *next, *old;

	ON_CONTROL(p);
	if (n > PLANE_RELAYS_MAX)
		return TM_EFULL;

	next = malloc(sizeof(*next) + n * sizeof(v[0]));
	if (!next)
		return TM_ENOMEM;

	*next = (struct relays){.n = n};
	if (n)
		memcpy(next->v, v, n * sizeof(v[0]));
	old = atomic_exchange_explicit(&p->relays, next, memory_order_acq_rel);
	if (old)
		epoch_retire(&p->epoch, &old->retired, old, free);
	event_wake(&p->events);
	return TM_OK;
}
