/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The WebSocket layer (RFC 6455): opens with an HTTP upgrade, then one `input` or `output` is one whole
 * binary message. Pings are answered. A client asks as soon as what is below is ready; `ready` above means
 * upgraded.
 *
 * Ends tell why: TM_EPROTO before `ready` = what answers does not speak this; TM_EBUSY = it is overloaded and
 * said when to come back. Whatever breaks the rules is told so with its close code.
 */
#ifndef TM_NET_WEBSOCKET_H
#define TM_NET_WEBSOCKET_H

#include "net/conn.h"

/* Largest message, either way. */
enum { WEBSOCKET_MESSAGE_MAX = 65535 };

struct websocket_offer {
	const char *host; /* Host header: "example.org:8443"; borrowed until `ready` */
	const char *path;
};
NODISCARD int websocket_offer_push(struct net_conn *c, const struct websocket_offer *cfg);

struct websocket_server {
	const char *const *paths; /* those that are upgraded, under any prefix; ended by NULL */
	const char *page; /* a line of text for people who look with a browser (GET /) */
};
NODISCARD int websocket_server_push(
	struct net_conn *c, const struct websocket_server *cfg); /* cfg is borrowed */

/* The following are of the owner, whose layer is right above the WebSocket. */
/* From `ready` on, a server's: the index of the path that was asked for. */
size_t websocket_path(const struct net_layer *owner);
/* In `input`: what has come behind the message. */
size_t websocket_rest(const struct net_layer *owner, const uint8_t **ret_p);
/* The largest message taken from now on, at most (and at first) WEBSOCKET_MESSAGE_MAX: nothing longer is kept
 * while it comes in. Not less than what has been taken of the present one. */
void websocket_limit(struct net_layer *owner, size_t bytes);
NODISCARD int websocket_ping(struct net_layer *owner); /* left out when the queue is long */
/*
 * Neither has the last ping been answered, nor has so much come since that the answer may have been left out.
 * Less than that may also come from one who hears nothing of us: what it had on its way, and tries to send
 * again.
 */
bool websocket_is_asking(const struct net_layer *owner);
/* Says goodbye with a code of RFC 6455 and a reason (before the upgrade: says nothing), then waits for the
 * other side to hang up: `closed` comes then. What arrives meanwhile is dropped. */
void websocket_close(struct net_layer *owner, uint16_t code, const char *reason);

#endif
