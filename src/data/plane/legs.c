/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/legs.h"

#include "data/peer/cookie.h"

int legs_new(struct legs **ret_legs)
{
	struct legs *l = calloc(1, sizeof(*l)); /* half a MiB, of which only pages with members exist */

	if (!l)
		return TM_ENOMEM;

	*ret_legs = l;
	return TM_OK;
}

void legs_free(void *legs)
{
	struct legs *l = legs;

	for (size_t i = 0; l && i < ARRAY_LEN(l->leg); i++)
		free(atomic_load_explicit(&l->leg[i], memory_order_relaxed));
	free(l);
}

int legs_put(struct legs *l, uint32_t host, const struct plane_leg *leg, struct leg **ret_old)
{
	struct leg *next = malloc(sizeof(*next));

	if (!next)
		return TM_ENOMEM;

	way_init(&next->way, &leg->way);
	next->way.payload_max = UINT16_MAX; /* of one datagram, and we send trains */
	cookie_mac1_key(leg->key, next->mac1_key);
	l->most = MAX(l->most, host);
	*ret_old = atomic_exchange_explicit(&l->leg[host], next, memory_order_acq_rel);
	return TM_OK;
}

struct leg *legs_take(struct legs *l, uint32_t host)
{
	return atomic_exchange_explicit(&l->leg[host], NULL, memory_order_acq_rel);
}
