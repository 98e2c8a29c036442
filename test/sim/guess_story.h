/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What stories about guessed ports share: two members behind translators, and a relay between them. */
#ifndef TM_TEST_SIM_GUESS_STORY_H
#define TM_TEST_SIM_GUESS_STORY_H

#include "sim/relay.h"
#include "sim/story.h"

static const struct nat_kind easy = {
	.mapping = NAT_ENDPOINT_INDEPENDENT,
	.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.ports = NAT_PRESERVING,
};

static const struct nat_kind hard = {
	.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.ports = NAT_RANDOM,
};
/* The inside port if it is free, else the next one: what is seen of one socket says nothing of others. */
static const struct nat_kind preserving = {
	.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.ports = NAT_PRESERVING,
};

/* It lets in whoever wants. */
static const struct nat_kind open_to_all = {
	.mapping = NAT_ENDPOINT_INDEPENDENT,
	.filtering = NAT_ENDPOINT_INDEPENDENT,
	.ports = NAT_PRESERVING,
};

static struct endpoint hub_at;

static inline bool only_the_hub(const struct datagram *dg)
{
	return endpoint_eq(&dg->to, &hub_at);
}

static inline struct mesh with_relay(uint64_t seed, const struct nat_kind *at_a, const struct nat_kind *at_b)
{
	struct mesh m = mesh_new(seed);

	relay_new(m.c->host);
	host_open_doors(m.c->host);
	plug_behind(m.a, at_a);
	plug_behind(m.b, at_b);
	host_line(m.a)->delay = (ns_t)sim_between(m.s, 1, 60) * MS;
	host_line(m.b)->delay = (ns_t)sim_between(m.s, 1, 60) * MS;
	sim_run(m.s, 10 * SEC); /* what the translators do is known and told */
	return m;
}

/* The same, everybody 40 ms away from everybody. */
static inline struct mesh forty_ms_apart(
	uint64_t seed, const struct nat_kind *at_a, const struct nat_kind *at_b)
{
	struct mesh m = with_relay(seed, at_a, at_b);

	host_line(m.a)->delay = host_line(m.b)->delay = host_line(m.c->host)->delay = 20 * MS;
	return m;
}

static inline bool is_direct(const struct host *a, const struct host *b)
{
	struct core_view v = host_path(a, b);

	return v.state == PATH_UP && v.way.kind == WAY_UDP;
}

/* Both speak until the path is direct on both sides; NS_NEVER: it never was. */
static inline ns_t direct_after(struct mesh *m, ns_t patience)
{
	const ns_t start = m->s->now;

	while (m->s->now - start < patience) {
		if (is_direct(m->a, m->b) && is_direct(m->b, m->a))
			return m->s->now - start;
		talk(m->a, m->b, true, 20 * MS, 20 * MS);
	}
	return NS_NEVER;
}

#endif
