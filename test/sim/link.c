/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sim/link.h"

static void link_forward(struct node *n, struct datagram *dg)
{
	struct link *l = CONTAINER_OF(n, struct link, super);
	struct sim *s = l->sim;
	bool passes = !l->blocked && (!l->mtu || dg->n <= l->mtu) && (!l->passes || l->passes(dg));
	unsigned copies = !passes ? 0 : sim_chance(s, l->duplicate) ? 2 : 1;

	for (unsigned i = 0; i < copies; i++) {
		ns_t late = l->jitter ? (ns_t)(sim_random(s) % (uint64_t)l->jitter) : 0;
		struct datagram *copy;

		if (sim_chance(s, l->loss))
			continue;
		copy = sim_copy(s, dg);
		if (sim_chance(s, l->corrupt) && copy->n)
			copy->bytes[sim_random(s) % copy->n] ^= (uint8_t)(1u << sim_random(s) % 8);
		sim_deliver(s, s->now + l->delay + late, l->next, copy);
	}
	sim_drop(s, dg);
}

void link_init(struct link *l, struct sim *s, struct node *next, ns_t delay)
{
	*l = (struct link){.super.forward = link_forward, .next = next, .sim = s, .delay = delay};
}
