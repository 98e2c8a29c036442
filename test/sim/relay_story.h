/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What stories about relays share: a coordinator that relays, and how two members reach each other. */
#ifndef TM_TEST_SIM_RELAY_STORY_H
#define TM_TEST_SIM_RELAY_STORY_H

#include "sim/relay.h"
#include "sim/story.h"

static const struct nat_kind symmetric = {.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.ports = NAT_RANDOM};

/* Two members whose coordinator relays, three seconds after the start. */
static inline int with_relay(void **state)
{
	struct mesh *m = calloc(1, sizeof(*m));

	if (!m || crypto_init(NULL) < 0)
		return -1;
	*m = mesh_new(1);
	relay_new(m->c->host);
	sim_run(m->s, 3 * SEC);
	*state = m;
	return 0;
}

#define RELAY_SCENARIO(name) cmocka_unit_test_setup_teardown(name, with_relay, end_of_mesh)

static inline bool is_relayed(const struct host *a, const struct host *b)
{
	struct core_view v = host_path(a, b);

	return v.state == PATH_UP && v.way.kind != WAY_UDP;
}

static inline bool is_direct(const struct host *a, const struct host *b)
{
	struct core_view v = host_path(a, b);

	return v.state == PATH_UP && v.way.kind == WAY_UDP;
}

static inline void expect_relay(const struct host *a, const struct host *b, const struct host *relay)
{
	struct core_view v = host_path(a, b);

	assert_int_equal(v.way.kind, WAY_RELAY_UDP);
	assert_true(endpoint_eq(&v.way.remote, &relay->at));
}

/* From a through the relay to b and back. */
static inline ns_t relay_rtt(const struct host *a, const struct host *b, const struct mesh *m)
{
	return a->face[0].up.delay + b->face[0].up.delay + 2 * m->c->host->face[0].up.delay;
}

/* How long until a packet of a's is answered by b. */
static inline ns_t first_answer(struct host *a, struct host *b)
{
	const ns_t start = a->sim->now;
	uint64_t had = sim_friend(b, a)->received, heard = sim_friend(a, b)->received;

	host_send(a, b);
	while (sim_friend(b, a)->received == had && a->sim->now - start < 10 * SEC)
		sim_run(a->sim, MS);
	host_send(b, a);
	while (sim_friend(a, b)->received == heard && a->sim->now - start < 10 * SEC)
		sim_run(a->sim, MS);
	return a->sim->now - start;
}

/* Where the relay is, for lines that pass nothing else: a story sets it. */
static struct endpoint hub;

static inline bool only_the_hub(const struct datagram *dg)
{
	return endpoint_eq(&dg->to, &hub);
}

/* The longest time without a packet at either side. */
static inline ns_t longest_stall(struct host *a, struct host *b, ns_t how_long)
{
	const ns_t end = a->sim->now + how_long;
	ns_t last[2] = {a->sim->now, a->sim->now}, worst = 0;
	struct friendship *f[2] = {sim_friend(a, b), sim_friend(b, a)};
	uint64_t had[2] = {f[0]->received, f[1]->received};

	for (unsigned i = 0; a->sim->now < end; i++) {
		if (i % 10 == 0) {
			host_send(a, b);
			host_send(b, a);
		}
		sim_run(a->sim, MS);
		for (unsigned k = 0; k < 2; k++) {
			if (f[k]->received == had[k])
				continue;
			worst = MAX(worst, a->sim->now - last[k]);
			had[k] = f[k]->received;
			last[k] = a->sim->now;
		}
	}
	return worst;
}

#endif
