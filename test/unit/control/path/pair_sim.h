/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Two path cores in virtual time, joined by up to ROUTES_MAX routes. A route joins one address of each host;
 * it has a delay and a loss rate, may be cut, and may have a stateful firewall at either end, which lets a
 * packet in only after one went out on the route. Packets are checks and their answers; authentication is
 * taken for granted here. Same seed, same run.
 */
#ifndef TM_TEST_PAIR_SIM_H
#define TM_TEST_PAIR_SIM_H

#include "control/path/path.h"

enum { ROUTES_MAX = 10, PACKETS_MAX = 512, A = 0, B = 1 };

struct route {
	struct endpoint end[2]; /* of A, of B */
	enum candidate_type type;
	ns_t delay;
	unsigned loss_percent;
	bool cut, firewall[2], opened[2];
};

struct packet {
	ns_t at;
	unsigned to, route;
	bool answer;
	uint8_t txid[12];
};

struct sim_host {
	struct path path;
	ns_t next;
	unsigned sent, asked, changes; /* checks, questions for candidates, chosen_changed */
	unsigned largest_burst;
	bool exchange; /* a question brings the candidates of each to the other, as the coordinator does */
	struct endpoint last_choice;
	ns_t chosen_at;
	uint64_t stamp;
};

struct sim {
	ns_t now;
	uint64_t seed;
	struct route routes[ROUTES_MAX];
	unsigned n_routes;
	struct packet packets[PACKETS_MAX];
	unsigned n_packets;
	struct sim_host host[2];
	ns_t coordinator_delay;
};

void sim_init(struct sim *s, uint64_t seed);
/* Addresses like "10.0.0.1:1". */
struct route *sim_route(struct sim *s, enum candidate_type type, const char *a, const char *b, ns_t delay);
struct candidates sim_candidates(const struct sim *s, unsigned of);
void sim_want(struct sim *s, unsigned host);
void sim_run(struct sim *s, ns_t how_long);
/* Runs with traffic from `host`, a packet every 100 ms; answered ones prove the path. */
void sim_run_with_traffic(struct sim *s, unsigned host, bool both_ways, ns_t how_long);
void sim_step(struct sim *s, unsigned host);
/* The route that the host has chosen, or NULL. */
const struct route *sim_chosen(const struct sim *s, unsigned host);

#endif
