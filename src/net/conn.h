/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A connection: a chain of layers over a TCP socket, with its owner as the topmost.
 *
 *   owner
 *   websocket    net/websocket.h    whole messages above, bytes below
 *   tls          net/tls.h          bytes on both sides; where it is wanted, as the next one
 *   tunnel       net/tunnel.h       bytes, once a proxy has made the connection
 *   tcp          net/tcp.h          the socket
 *
 * What is to be sent goes down by `output`, what arrives comes up by `input`; each layer hands it on in its
 * own shape. A layer has functions for what it changes; through one that is NULL the call goes on to the next
 * layer. The owner pushes the layers, the lowest first, and itself last.
 *
 * Calls down never call up. Calls up start in the handler of a socket or timer, between net_enter and
 * net_leave, and may end the connection: net_over tells, and until net_leave the layers' memory is still
 * there. One thread.
 */
#ifndef TM_NET_CONN_H
#define TM_NET_CONN_H

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

struct net_conn;
struct net_layer;

enum { NET_QUEUE_LOW = 64 << 10 }; /* bytes; the mark of `drained` */

/* How a connection ended. Texts are borrowed for the call. */
struct net_end {
	int err;
	const char *why; /* a clause: "connection closed" */
	bool whole; /* no, a sentence that says all: nothing is put before it */
	/* We have ended it by saying why; what is queued is still being sent. `closed` comes again, without
	 * this, when the other side has hung up too. */
	bool lingers;
	uint16_t code; /* the other side said goodbye with this code; 0 = it did not */
	unsigned retry_ms; /* it asked us to come back after so long; 0 = it did not */
};

struct net_ops {
	/* --- downwards --- */
	/* Queues n bytes, or one message. After an error the connection is of no use; `closed` follows when
	 * it was the socket's. */
	int (*output)(struct net_layer *l, const void *p, size_t n);
	void (*finish)(
		struct net_layer *l); /* nothing more comes: tell the other side after what is queued */
	size_t (*queued)(struct net_layer *l); /* bytes that this layer alone keeps back */
	/* --- upwards --- */
	void (*ready)(struct net_layer *l); /* the first call: what is below works */
	void (*input)(struct net_layer *l, const uint8_t *p, size_t n);
	void (*drained)(struct net_layer *l); /* the queue was above NET_QUEUE_LOW and is not any more */
	void (*closed)(struct net_layer *l, const struct net_end *end); /* the last call, but for `lingers` */
	/* --- from the connection; the owner has none --- */
	void (*free)(struct net_layer *l);
};

struct net_layer {
	const struct net_ops *ops;
	struct net_conn *conn;
	struct net_layer *above, *below;
};

struct net_conn {
	struct net_layer *bottom, *top;
	ns_t heard; /* when bytes came last */
	unsigned busy; /* calls up that are under way */
	bool over; /* closed by the owner: no more calls up */
	bool secret; /* what comes may be: layers leave no copy of it. Set before they are pushed */
	void (*then)(struct net_conn *c);
};

void net_push(struct net_conn *c, struct net_layer *l); /* l->ops is set */
/* The layers are in place and the socket is connected. Calls `ready`. */
void net_begin(struct net_conn *c);
/*
 * Ends the connection at once and frees the layers below the owner, before returning or as soon as the calls
 * up that are under way have returned; then calls `then`, which may free the owner's memory and be NULL.
 * Again: only `then` counts.
 */
void net_close(struct net_conn *c, void (*then)(struct net_conn *c));

/* Around every handler that calls up. */
static inline void net_enter(struct net_conn *c)
{
	c->busy++;
}
void net_leave(struct net_conn *c);
static inline bool net_over(const struct net_layer *l)
{
	return l->conn->over;
}

/* From layer l to the one below it. */
NODISCARD int net_output(struct net_layer *l, const void *p, size_t n);
void net_finish(struct net_layer *l);
size_t net_queued(const struct net_layer *l); /* of all layers below */
/* From layer l to the one above it; nothing once the connection is over. */
void net_ready(struct net_layer *l);
void net_input(struct net_layer *l, const uint8_t *p, size_t n);
void net_drained(struct net_layer *l);
void net_closed(struct net_layer *l, const struct net_end *end);

#endif
