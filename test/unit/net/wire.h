/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Two connections over a socket pair, each with an owner that notes what it sees, and a layer that may stand
 * in between: it cuts what comes up into short pieces and holds each back for a while, as a bad line would.
 */
#ifndef TM_TEST_NET_WIRE_H
#define TM_TEST_NET_WIRE_H

#include "unit/unit.h"

#include "net/conn.h"

struct event_base;

/* An owner. */
struct end {
	struct net_layer layer;
	struct net_conn conn;
	unsigned ready, inputs, drained, closed, gone;
	uint8_t *got; /* all input, joined */
	size_t n;
	/* the first end */
	int err;
	bool lingers;
	uint16_t code;
	unsigned retry_ms;
	char why[160];
	bool close_on_ready, close_on_input; /* what to do when it happens */
};

struct wire {
	struct event_base *base;
	struct end a, b;
};

void wire_open(struct wire *w); /* tcp layers only: push others, then the owners with wire_begin */
void wire_begin(struct wire *w);
void wire_close(struct wire *w);
void wire_run_until(struct wire *w, const unsigned *counter, unsigned n);
void wire_run_until_bytes(struct wire *w, const struct end *e, size_t n);
void wire_turn(struct wire *w);
void chopper_push(struct net_conn *c, struct event_base *base, size_t piece, ns_t delay);

#endif
