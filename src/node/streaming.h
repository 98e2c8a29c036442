/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Our streams to relays: the path core wants one, the agent finds it, the plane gets it. Control thread.
 * Private to node/.
 */
#ifndef TM_NODE_STREAMING_H
#define TM_NODE_STREAMING_H

#include "control/agent/stream.h"
#include "control/path/core.h"
#include "data/plane/stream.h"
#include "net/release.h"

struct node;

struct streaming_state {
	struct node_stream {
		struct node *n;
		char relay[NODE_ID_LEN + 1]; /* "" = none is wanted */
		bool up;
		uint32_t number; /* in the plane, while it is up */
	} v[AGENT_STREAMS_MAX];
};

/* A connection that was made or taken becomes a stream of the plane (struct plane_stream), whose it is from
 * then on, whatever the result. host: the member at the other end; 0: that is a relay of ours. */
NODISCARD int streaming_give(
	struct node *n, enum ws_role role, uint32_t host, struct net_released *r_take, uint32_t *ret_number);

/* CORE_STREAM_OPEN: from now on, until it is closed. */
void streaming_open(struct node *n, const char *relay);
void streaming_close(struct node *n, const char *relay);
bool streaming_has(const struct node *n, uint32_t number); /* it is ours, and up */
/* The plane lost that one: true, if it was ours. */
bool streaming_lost(struct node *n, uint32_t number);

#endif
