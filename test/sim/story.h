/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the scenario files share: cmocka, and a world of two hosts that know each other. */
#ifndef TM_TEST_SIM_STORY_H
#define TM_TEST_SIM_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/init.h"
#include "sim/coordinator.h"
#include "sim/host.h"

/* A number of the environment: how many seeds to run, or which one. */
static inline uint64_t number_from(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

struct world {
	struct sim *s;
	struct host *a, *b;
};

static inline int two_hosts(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || crypto_init(NULL) < 0)
		return -1;
	w->s = sim_new(1);
	w->a = sim_host(w->s, "a");
	w->b = sim_host(w->s, "b");
	sim_befriend(w->a, w->b, NULL);
	*state = w;
	return 0;
}

static inline int end_of_world(void **state)
{
	struct world *w = *state;

	sim_free(w->s);
	free(w);
	return 0;
}

#define SCENARIO(name) cmocka_unit_test_setup_teardown(name, two_hosts, end_of_world)
#define WORLD(state)                                                                                         \
	struct world *w = *(state);                                                                          \
	struct sim *s = w->s;                                                                                \
	struct host *a = w->a, *b = w->b;                                                                    \
	(void)s, (void)a, (void)b

/* --- members of a mesh --- */

/* Two members on the internet that know no address of each other, three seconds after the start: links are
 * up, and everybody knows its outer address. */
struct mesh {
	struct sim *s;
	struct coordinator *c;
	struct host *a, *b;
};

static inline struct mesh mesh_new(uint64_t seed)
{
	struct mesh m = {.s = sim_new(seed)};

	m.c = coordinator_new(m.s, "coordinator");
	m.a = sim_member(m.s->internet, m.c, "a");
	m.b = sim_member(m.s->internet, m.c, "b");
	sim_meet(m.a, m.b);
	return m;
}

static inline int two_members(void **state)
{
	struct mesh *m = calloc(1, sizeof(*m));

	if (!m || crypto_init(NULL) < 0)
		return -1;
	*m = mesh_new(1);
	sim_run(m->s, 3 * SEC);
	*state = m;
	return 0;
}

static inline int end_of_mesh(void **state)
{
	struct mesh *m = *state;

	sim_free(m->s);
	free(m);
	return 0;
}

#define MESH_SCENARIO(name) cmocka_unit_test_setup_teardown(name, two_members, end_of_mesh)
#define MESH(state)                                                                                          \
	struct mesh *m = *(state);                                                                           \
	struct sim *s = m->s;                                                                                \
	struct host *a = m->a, *b = m->b;                                                                    \
	(void)s, (void)a, (void)b

static inline void plug_behind(struct host *h, const struct nat_kind *kind)
{
	host_plug(h, 0, nat_new(h->sim, h->sim->internet, kind, "192.168.1.0/24")->inside);
}

/* Packets from a (and back, if both) at the pace, for so long. */
static inline void talk(struct host *a, struct host *b, bool both, ns_t pace, ns_t how_long)
{
	const ns_t end = a->sim->now + how_long;

	while (a->sim->now < end) {
		host_send(a, b);
		if (both)
			host_send(b, a);
		sim_run(a->sim, pace);
	}
}

static inline bool is_up(const struct host *a, const struct host *b)
{
	return host_path(a, b).state == PATH_UP;
}

/* Does the path lead to that address? */
static inline bool leads_to(const struct host *a, const struct host *b, const struct ip *ip)
{
	struct core_view v = host_path(a, b);

	return v.state == PATH_UP && ip_eq(&v.way.remote.ip, ip);
}

/* a reaches b at that address. */
static inline void expect_way(const struct host *a, const struct host *b, const struct ip *ip)
{
	char got[ENDPOINT_STR_LEN], want[IP_STR_LEN];
	struct core_view v = host_path(a, b);
	const struct way *way = atomic_load(&sim_friend(a, b)->p->way);

	if (v.state != PATH_UP || !way || !endpoint_eq(&way->to.remote, &v.way.remote) ||
		!ip_eq(&v.way.remote.ip, ip))
		fail_msg("%s reaches %s at %s, not at %s", a->name, b->name,
			endpoint_format(&v.way.remote, got), ip_format(ip, want));
}

#endif
