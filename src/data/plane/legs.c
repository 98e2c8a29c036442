/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/legs.h"

#include "data/peer/cookie.h"

/* A limit always lets one whole train pass, else it would let none. */
enum { BURST_MIN = UDP_TRAIN_MAX };

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

	for (size_t i = 0; l && i < ARRAY_LEN(l->account); i++) {
		struct account *a = atomic_load_explicit(&l->account[i], memory_order_relaxed);

		if (a)
			free(atomic_load_explicit(&a->leg, memory_order_relaxed));
		free(a);
	}
	free(l);
}

static struct account *open_account(struct legs *l, uint32_t host)
{
	struct account *a = legs_account(l, host);

	if (!a) {
		a = calloc(1, sizeof(*a));
		atomic_store_explicit(&l->account[host], a, memory_order_release);
	}
	return a;
}

static void set_limit(struct account *a, const struct plane_leg *leg)
{
	uint64_t burst = MIN(MAX(leg->burst_bytes, (uint64_t)BURST_MIN), UINT32_MAX);

	atomic_store_explicit(
		&a->burst_ns, leg->bytes_per_s ? burst * SEC / leg->bytes_per_s : 0, memory_order_relaxed);
	atomic_store_explicit(&a->bytes_per_s, leg->bytes_per_s, memory_order_relaxed);
}

int legs_put(struct legs *l, uint32_t host, const struct plane_leg *leg, struct leg **ret_old)
{
	struct leg *next = malloc(sizeof(*next));
	struct account *a = next ? open_account(l, host) : NULL;

	if (!a) {
		free(next);
		return TM_ENOMEM;
	}

	way_init(&next->way, &leg->way);
	next->way.payload_max = UINT16_MAX; /* of one datagram, and we send trains */
	cookie_mac1_key(leg->key, next->mac1_key);
	set_limit(a, leg);
	*ret_old = atomic_exchange_explicit(&a->leg, next, memory_order_acq_rel);
	return TM_OK;
}

struct leg *legs_take(struct legs *l, uint32_t host)
{
	struct account *a = legs_account(l, host);

	return a ? atomic_exchange_explicit(&a->leg, NULL, memory_order_acq_rel) : NULL;
}

static ns_t cost(size_t bytes, uint64_t rate)
{
	return (ns_t)((uint64_t)bytes * SEC / rate);
}

ns_t account_owe(struct account *a, size_t bytes, ns_t now)
{
	const uint64_t rate = atomic_load_explicit(&a->bytes_per_s, memory_order_relaxed);
	ns_t paid = atomic_load_explicit(&a->paid_at, memory_order_relaxed), next;

	if (!rate)
		return 0;

	do
		next = MAX(paid, now) + cost(bytes, rate);
	while (!atomic_compare_exchange_weak_explicit(
		&a->paid_at, &paid, next, memory_order_relaxed, memory_order_relaxed));
	next -= (ns_t)atomic_load_explicit(&a->burst_ns, memory_order_relaxed);
	return next > now ? next : 0;
}

bool account_pay(struct account *a, size_t bytes, ns_t now)
{
	const uint64_t rate = atomic_load_explicit(&a->bytes_per_s, memory_order_relaxed);
	ns_t paid = atomic_load_explicit(&a->paid_at, memory_order_relaxed), next;

	if (!rate)
		return true;

	do {
		next = MAX(paid, now) + cost(bytes, rate);
		if (next > now + (ns_t)atomic_load_explicit(&a->burst_ns, memory_order_relaxed))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&a->paid_at, &paid, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}
