/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The filter's slow twin: what docs and headers say, done the obvious way, on descriptions of packets and not
 * on their bytes. Lists that are walked, times in nanoseconds, no hash, no table that fills up, nothing of
 * the product's code. Its windows are exact where the product's are rounded up to powers of two, its times
 * where those may be late by a quarter of a second: whoever compares stays away from what lies between.
 */
#ifndef TM_TEST_FILTER_MODEL_H
#define TM_TEST_FILTER_MODEL_H

#include "base/time.h"
#include "unit/data/filter/pkt.h"

/* In words of its own. */
enum model_says { MODEL_PASS, MODEL_DENIED, MODEL_REJECTED, MODEL_STRAY, MODEL_HIDDEN, MODEL_PIECE };
enum model_proto { MODEL_TCP, MODEL_UDP, MODEL_ICMP, MODEL_ICMP6, MODEL_OTHER };

struct model_rule {
	bool inbound; /* the remote end begins */
	unsigned end, class, proto, first, last;
	enum model_says verdict; /* pass, denied, rejected */
};

struct model_flow {
	bool used, by_remote;
	bool dead; /* rules have ended it */
	unsigned version, proto;
	uint32_t remote, local, peer;
	uint16_t remote_port, local_port;
	unsigned generation;
	ns_t until;
	enum {
		M_OPEN, /* not TCP */
		M_ANSWERED,
		M_SYN,
		M_SYNACK,
		M_UP,
		M_DOWN, /* a reset */
		M_WAIT, /* TIME-WAIT */
	} state;
	struct {
		bool known, fin, acked, no_scale;
		uint32_t edge;
		uint64_t window;
		unsigned scale;
	} side[2]; /* 0 began */
};

struct model_whole {
	bool used, spoilt;
	unsigned version, proto;
	uint32_t from, to, id;
	uint32_t first, seen, end;
	ns_t until;
};

enum { MODEL_RULES = 256, MODEL_FLOWS = 8192, MODEL_WHOLES = 400 };

struct model {
	struct model_rule rule[MODEL_RULES];
	unsigned n_rules;
	enum model_says otherwise;
	unsigned generation;
	ns_t now, since;
	struct model_flow flow[MODEL_FLOWS];
	struct model_whole whole[MODEL_WHOLES];
	unsigned n_flows, n_wholes;
	/* of a host number: of which end it is, of which class; the world is behind a member */
	int (*end_of)(uint32_t host); /* -1: none */
	int (*class_of)(uint32_t host, uint32_t peer);
};

/* `out`: from our end into the tunnel. */
enum model_says model_judge(struct model *m, bool out, uint32_t peer, const struct pkt *p);
/* The flow that it is of; NULL: there is none. */
const struct model_flow *model_flow_of(struct model *m, bool out, const struct pkt *p);
/* A flow that there is, for whoever makes up packets; NULL: none at i. */
const struct model_flow *model_flow_at(const struct model *m, unsigned i);

#endif
