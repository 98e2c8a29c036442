/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Two path cores, joined by up to ROUTES_MAX routes: for tests that look at single messages and at the order
 * of effects (hosts, NATs, loss: test/sim). A route joins one address of each side; it has a delay and may be
 * cut. Each side has the little of a plane that a core needs: the way it was told, and counters. All outputs
 * are kept as lines. Same seed, same run.
 */
#ifndef TM_TEST_PATH_RIG_H
#define TM_TEST_PATH_RIG_H

#include "base/strbuf.h"
#include "control/path/core.h"

enum { ROUTES_MAX = 10, DATAGRAMS_MAX = 512, A = 0, B = 1 };

struct route {
	struct endpoint end[2]; /* of A, of B */
	enum candidate_type type;
	ns_t delay;
	bool cut, loses_checks;
	enum reach reach; /* what A's packets to B's end go through */
	uint32_t arrives; /* the interface of A by which B's packets come in; 0 = not said */
};

struct datagram {
	ns_t at;
	unsigned to, route;
	uint8_t msg[CORE_MESSAGE_MAX];
	size_t n;
};

struct side {
	struct rig *rig;
	unsigned number;
	struct core *core;
	struct core_member self;
	uint8_t private_key[32];
	bool stranger; /* the other does not know it (any more) */
	bool exchange; /* its question brings the candidates of each to the other, as the coordinator does */
	ns_t real;
	ns_t touched; /* by its newest input */
	uint32_t uplink; /* the interface by which its packets leave; 0 = unknown */
	/* the plane */
	struct way_to way;
	ns_t last_recv;
	uint64_t tx_bytes;
	/* what the core wanted, by kind; checks of its own among the SENDs */
	unsigned outs[CORE_OUT_N], checks, largest_burst;
	struct strbuf lines;
};

struct rig {
	ns_t now;
	ns_t lateness; /* of every timer, as an event loop has it; 300 us unless changed */
	uint64_t seed;
	struct route routes[ROUTES_MAX];
	unsigned n_routes;
	struct datagram wire[DATAGRAMS_MAX];
	unsigned n_wire;
	struct side side[2];
};

void rig_init(struct rig *r, uint64_t seed);
void rig_deinit(struct rig *r);

extern struct rig rig; /* of the test that runs */
int rig_setup(void **state);
int rig_teardown(void **state);
#define RIG_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

/* Addresses like "10.0.0.1:1". */
struct route *rig_route(struct rig *r, enum candidate_type type, const char *a, const char *b, ns_t delay);
struct candidates rig_candidates(const struct rig *r, unsigned of);

/* Inputs to one side, and what it does about them at once. */
void rig_input(struct rig *r, unsigned to, struct core_in in);
void rig_want(struct rig *r, unsigned side);
void rig_tell(struct rig *r, unsigned to, bool looks); /* the candidates of the other, who looks for it */
void rig_heard(
	struct rig *r, unsigned at, const struct route *by); /* a packet of the other's, by the route */
void rig_network(struct rig *r, unsigned side, const char *address); /* NULL: no address */

void rig_run(struct rig *r, ns_t how_long);
/* Runs with a packet from `side` every 100 ms; both_ways: the other answers each. Returns how many of the
 * packets of `side` arrived. */
unsigned rig_run_with_traffic(struct rig *r, unsigned side, bool both_ways, ns_t how_long);

struct core_view rig_view(const struct rig *r, unsigned side);
/* The route that the side's plane was told to use, or NULL. */
const struct route *rig_chosen(const struct rig *r, unsigned side);
void rig_assert_chosen(const struct rig *r, unsigned side, const struct route *expected); /* NULL: nothing */
/* Since the last call of this function. The caller frees it. */
char *rig_lines(struct rig *r, unsigned side);

#endif
