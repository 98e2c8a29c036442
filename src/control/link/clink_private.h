/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A control link from inside: shared by clink.c (life), stream.c (what arrives) and server.c (accepting).
 * Control thread. */
#ifndef TM_CONTROL_LINK_CLINK_PRIVATE_H
#define TM_CONTROL_LINK_CLINK_PRIVATE_H

#include "base/list.h"
#include "base/time.h"
#include "control/link/dial.h"
#include "control/link/secure.h"
#include "control/link/tuning.h"
#include "wire/upgrade.h"
#include "wire/ws.h"

#define CLINK_PATH "/control"

struct bufferevent;
struct event;

/*
 * DIAL (client) -> UPGRADE -> NOISE -> CONFIRM (server: message 2 sent, the node has not proved yet that it
 * is alive) -> UP
 * -> CLOSING (sending the rest) -> CLOSED (only the `closed` callback is due).
 */
enum clink_state {
	CLINK_DIAL,
	CLINK_UPGRADE,
	CLINK_NOISE,
	CLINK_CONFIRM,
	CLINK_UP,
	CLINK_CLOSING,
	CLINK_CLOSED
};

/* What an accepted link counts as at its server. */
enum clink_seat { SEAT_NONE, SEAT_HALF_OPEN, SEAT_ESTABLISHED };

/*
 * Lives from clink_connect or accept until `closed` has been called or clink_free. While a callback runs
 * (`busy`), freeing is put off until it has returned.
 */
struct clink {
	/* set once */
	struct event_base *base;
	enum ws_role role;
	const struct identity *identity;
	struct clink_tuning tuning;
	struct clink_server *server; /* accepted links */
	char address[255 + 7]; /* for sentences */
	uint8_t remote_key[DH_KEY]; /* client */
	/* owner's */
	struct clink_events events;
	void *user;
	/* state */
	enum clink_state state;
	bool told_up; /* `up` was called */
	bool sent_fin; /* closing: our side is shut */
	bool backed_up; /* the queue has been above CLINK_QUEUE_LOW: `drained` is due */
	bool peer_done; /* closing: the peer said goodbye first, no need to wait for it */
	bool dead; /* freed by its owner during a callback */
	unsigned busy;
	int err; /* for `closed` */
	char why[320];
	struct dial *dial;
	struct bufferevent *bev;
	struct ws_decoder ws;
	struct aead *aead; /* server: the server's */
	struct secure secure;
	bool secure_ready;
	uint8_t upgrade_key[UPGRADE_KEY];
	struct endpoint peer;
	struct event *timer; /* deadline of the state, or keep-alive */
	struct event *finish; /* calls `closed` from the loop */
	ns_t deadline; /* of every state but UP; in UP that of clink_probe, else NS_NEVER */
	ns_t overall; /* client: until `up` */
	ns_t heard, asked; /* last byte received, last ping sent */
	struct list in_server;
	enum clink_seat seat;
};

/* --- clink.c --- */
NODISCARD int clink_new(struct event_base *base, enum ws_role role, const struct identity *id,
	const struct clink_tuning *t, const struct clink_events *ev, struct clink **ret_link);
NODISCARD int clink_attach(
	struct clink *l, int fd, const struct endpoint *peer); /* owns fd, also when it fails */
void clink_set_state(struct clink *l, enum clink_state state, unsigned timeout_ms);
void clink_rearm(struct clink *l);
/* Ends the link now: `closed` follows from the loop. */
void clink_fail(struct clink *l, int err, const char *fmt, ...) PRINTF(3, 4);
/* Ends it after telling the other side: a close frame (code 0: none) and what is queued before. */
void clink_shut(struct clink *l, int err, uint16_t code, const char *fmt, ...) PRINTF(4, 5);
void clink_progress_close(struct clink *l); /* CLOSING: the queue has drained, or the peer hung up */
NODISCARD int clink_send_frame(struct clink *l, enum ws_opcode op, const void *p, size_t n);
/* Ping and pong: left out when the queue is long. */
void clink_send_control(struct clink *l, enum ws_opcode op, const void *p, size_t n);
bool clink_release(struct clink *l); /* leaves a callback; true: the link is gone */
const char *clink_other(const struct clink *l); /* "coordinator" or "node" */

/* --- stream.c --- */
struct evbuffer;
void stream_begin(struct clink *l); /* client: asks for the upgrade */
void stream_received(struct clink *l, struct evbuffer *in);

/* --- server.c --- */
bool server_admit(struct clink *l); /* a link proved itself; false: too many */
void server_forget(struct clink *l); /* it has ended; `closed` may still be due */

#endif
