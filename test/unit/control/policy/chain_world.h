/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A random mesh and random rules as plain structs, and who may open what by them. Knows nothing of src/policy
 * and src/data/filter: it is what they are held against.
 */
#ifndef TM_TEST_CHAIN_WORLD_H
#define TM_TEST_CHAIN_WORLD_H

#include "base/addr.h"
#include "base/strbuf.h"

enum {
	NODES = 6,
	CLIENTS = 5,
	MEMBERS = NODES + CLIENTS, /* nodes first */
	NETS = 6,
	TAGS = 4,
	RULES_MAX = 12,
	OWN_MAX = 2 * NODES,
	LIST_MAX = 3,
	PEOPLE_MAX = 2 * MEMBERS + 3 * NETS,
	PORTS = 12, /* 1 to 12 are spoken of */
};

enum deed { ALLOW, DENY, REJECT };
enum kind { TCP, UDP, ICMP, ICMP6, OTHER, KINDS };

struct member {
	char name[8];
	unsigned tags; /* bits */
	int node; /* in front of it: itself, but for clients */
};

struct net {
	struct prefix prefix; /* all there is: an exit */
	int node;
};

struct selector {
	enum { ANYBODY, ALL_MEMBERS, MEMBER, TAG, ROUTE, SELECTORS } what;
	unsigned which; /* ROUTE: of chain_routes */
};

struct rule {
	enum deed deed;
	int of; /* the node whose own it is, which is one of its sides; -1: everybody's */
	bool outbound; /* that one is `from` */
	struct selector from[LIST_MAX], to[LIST_MAX];
	unsigned n_from, n_to;
	struct {
		enum kind kind;
		unsigned first, last;
	} about[LIST_MAX];
	unsigned n_about;
};

/* Whom a packet is from or for. */
struct person {
	int member; /* -1: an address of a network */
	int node; /* whose filter is in front of it */
	bool router; /* the address is that node's own; from afar nobody can know that */
	struct ip ip;
};

struct world {
	struct member member[MEMBERS];
	struct net net[NETS];
	unsigned n_nets;
	struct person person[PEOPLE_MAX];
	unsigned n_people;
	struct rule rule[RULES_MAX], own[OWN_MAX];
	unsigned n_rules, n_own;
	int grant; /* the tag whose nodes may allow by rules of their own; -1: none */
};

uint32_t chain_random(uint32_t n);
void chain_seed(uint64_t seed);

void world_make(struct world *w);
void world_make_rules(struct world *w); /* others, of the same mesh */
void world_write(const struct world *w, struct strbuf *out); /* as a document */
/* Whom a rule of a node's own is about beside it, and what, with commas. */
void world_write_own(
	const struct world *w, const struct rule *r, struct strbuf *who, struct strbuf *services);
struct ip world_own(const struct net *n); /* of the router in its network */

/* What is said, at this node, to a packet that would begin something. `port` as data/filter/rules.h has it.
 */
enum deed world_judge(const struct world *w, int at_node, const struct person *from, const struct person *to,
	enum kind kind, unsigned port);

#endif
