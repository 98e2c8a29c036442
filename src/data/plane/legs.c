/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/legs.h"

#include "base/bytes.h"
#include "data/peer/cookie.h"

#include <string.h>

int legs_new(struct legs **ret_legs)
{
	struct legs *l = calloc(1, sizeof(*l)); /* of a MiB only pages with members exist */
	int err = l ? siphash_key_random(&l->key) : TM_ENOMEM;

	if (err) {
		free(l);
		return err;
	}
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

uint32_t legs_place(const struct legs *l, const struct endpoint *at)
{
	uint8_t text[sizeof(at->ip.bytes) + 3] = {0};

	memcpy(text, at->ip.bytes, at->ip.family == IP_V4 ? 4 : sizeof(at->ip.bytes));
	put_be16(text + sizeof(at->ip.bytes), at->port);
	text[sizeof(text) - 1] = at->ip.family;
	return (uint32_t)(siphash(&l->key, text, sizeof(text)) % LEGS_PLACES);
}

/* The control thread alone changes how many there are. */
static void count(struct legs *l, const struct leg *leg, int more)
{
	if (!leg || leg->way.to.kind != WAY_UDP)
		return;
	_Atomic(uint32_t) *n = &l->at[legs_place(l, &leg->way.to.remote)];

	atomic_store_explicit(
		n, atomic_load_explicit(n, memory_order_relaxed) + (uint32_t)more, memory_order_relaxed);
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
	count(l, next, 1);
	count(l, *ret_old, -1);
	return TM_OK;
}

struct leg *legs_take(struct legs *l, uint32_t host)
{
	struct leg *old = atomic_exchange_explicit(&l->leg[host], NULL, memory_order_acq_rel);

	count(l, old, -1);
	return old;
}
