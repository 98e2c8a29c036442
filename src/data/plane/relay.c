/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The control thread's half of being a relay: who may be relayed, and to where. */
#include "data/plane/plane_private.h"

#include "data/plane/legs.h"

static struct legs *legs_of(const struct plane *p)
{
	return atomic_load_explicit(&p->legs, memory_order_relaxed);
}

static void retire_leg(struct plane *p, struct leg *leg)
{
	if (!leg)
		return;
	epoch_retire(&p->epoch, &leg->retired, leg, free);
	event_wake(&p->events);
}

int plane_relay_offer(struct plane *p, bool on)
{
	struct legs *l = legs_of(p), *next = NULL;
	int err;

	ON_CONTROL(p);
	if (on == (l != NULL))
		return TM_OK;

	err = on ? legs_new(&next) : TM_OK;
	if (err)
		return err;

	atomic_store_explicit(&p->legs, next, memory_order_release);
	if (!on)
		plane_close_sidings(p);
	if (l)
		epoch_retire(&p->epoch, &l->retired, l, legs_free);
	event_wake(&p->events);
	return TM_OK;
}

static bool is_leg(const struct plane *p, const struct way_to *way)
{
	if (way->relay || way->kind == WAY_RELAY_UDP)
		return false;
	if (way->kind == WAY_RELAY_TCP)
		return plane_has_stream(p, way->socket);
	return endpoint_is_set(&way->remote) && !snapshot_loops(plane_live(p), &way->remote.ip);
}

int plane_relay_put(struct plane *p, uint32_t host, const struct plane_leg *leg)
{
	struct leg *old = NULL;
	int err;

	ON_CONTROL(p);
	if (!legs_of(p))
		return TM_EBUSY;
	if (!host || host > RELAY_HOST_MAX || host == p->env.host || !is_leg(p, &leg->way))
		return TM_EINVAL;

	err = legs_put(legs_of(p), host, leg, &old);
	retire_leg(p, old);
	if (!err)
		plane_forgive(p, &leg->way.remote.ip);
	return err;
}

void plane_relay_remove(struct plane *p, uint32_t host)
{
	ON_CONTROL(p);
	if (legs_of(p) && host <= RELAY_HOST_MAX)
		retire_leg(p, legs_take(legs_of(p), host));
}

struct plane_relayed plane_relayed(const struct plane *p)
{
	struct plane_relayed sum = {0};

	ON_CONTROL(p);
	for (unsigned i = 0; i < p->n_workers; i++) {
		const struct worker *w = &p->workers[i];

		sum.packets += atomic_load_explicit(&w->relayed.packets, memory_order_relaxed);
		sum.bytes += atomic_load_explicit(&w->relayed.bytes, memory_order_relaxed);
	}
	return sum;
}
