/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A control link from inside: clink.c (life and time), connect.c (connecting), server.c (accepting), greet.c
 * (the Noise handshake), message.c (what is said afterwards). Control thread.
 */
#ifndef TM_CONTROL_LINK_CLINK_PRIVATE_H
#define TM_CONTROL_LINK_CLINK_PRIVATE_H

#include "base/list.h"
#include "base/time.h"
#include "control/link/secure.h"
#include "control/link/tuning.h"
#include "net/conn.h"
#include "wire/address.h"
#include "wire/proxy.h"

#define CLINK_PATH "/control"
#define CLINK_STREAM_PATH "/relay"
#define CLINK_OTHER_VERSION "control protocol version" /* on the wire, as the reason of a close frame */

struct dial;
struct loop_timer;

/*
 * DIAL (client) -> UPGRADE -> GREET -> CONFIRM (server: message 2 sent, the node has not proved yet that it
 * is alive) -> UP
 * -> CLOSING (sending the rest) -> CLOSED (only the `closed` callback is due).
 */
enum clink_state {
	CLINK_DIAL,
	CLINK_UPGRADE,
	CLINK_GREET,
	CLINK_CONFIRM,
	CLINK_UP,
	CLINK_CLOSING,
	CLINK_CLOSED
};

/* Where a client's link leads. */
struct clink_target {
	struct address address;
	bool tls;
	const struct stream_asker *stream; /* NULL: a control link */
	struct proxy via; /* host "": none; wiped */
	struct endpoint dialled;
	char host_field[ADDRESS_HOST_FIELD];
	char path[ADDRESS_PREFIX + sizeof(CLINK_PATH)];
};

/* What an accepted link counts as at its server. */
enum clink_seat { SEAT_NONE, SEAT_HALF_OPEN, SEAT_ESTABLISHED };

/*
 * Lives from clink_connect or accept until `closed` has been called or clink_free. There are ten thousand of
 * them: what only some need is allocated for them.
 */
struct clink {
	struct net_layer layer; /* the topmost of conn */
	struct net_conn conn;
	/* set once */
	struct event_base *base;
	const struct clink_tuning *tuning; /* the server's, or own_tuning */
	struct clink_server *server; /* accepted links; NULL: a client, or its server is gone */
	struct clink_tuning *own_tuning; /* client */
	struct clink_target *target; /* client */
	char *where; /* client: what it is called, and where it is, for messages */
	bool client;
	/* owner's */
	struct clink_events events;
	void *user;
	/* state */
	enum clink_state state;
	bool told_up; /* `up` was called */
	int err; /* for `closed` */
	char *why;
	unsigned retry_ms;
	struct dial *dial;
	struct dh_key *key; /* client: our static key, until the handshake is through */
	struct aead *aead; /* server: the server's */
	struct secure secure;
	struct endpoint peer;
	struct loop_timer *timer; /* deadline of the state, or keep-alive; CLOSED: `closed` is due */
	ns_t deadline; /* of every state but UP; in UP that of clink_probe, else NS_NEVER */
	ns_t overall; /* all of it until `up` */
	ns_t asked; /* last ping sent */
	/* server's */
	struct list in_server;
	enum clink_seat seat;
	ns_t progressed; /* when it came as far as it has */
};

/* --- clink.c --- */
NODISCARD int clink_new(struct event_base *base, bool client, const struct clink_tuning *t,
	const struct clink_events *ev, struct clink **ret_link);
void clink_destroy(struct clink *l); /* one that no callback knows of yet */
/* client: TCP leads to the coordinator, or to what answers in its place. */
void clink_on_way(struct net_conn *c);
NODISCARD int clink_attach(struct clink *l, int fd); /* owns fd, also when it fails */
/* Until now + timeout_ms, but no longer than `overall`. 0: for ever. */
void clink_set_state(struct clink *l, enum clink_state state, unsigned timeout_ms);
/* Ends the link now: `closed` follows from the loop. */
void clink_fail(struct clink *l, int err, const char *fmt, ...) PRINTF(3, 4);
/* Ends it after telling the other side: a close frame with this code, after what is queued. */
void clink_shut(struct clink *l, int err, uint16_t code, const char *fmt, ...) PRINTF(4, 5);
void clink_now_up(struct clink *l);
const char *clink_other(const struct clink *l); /* "coordinator" or "node" */
/* client: whom it dials, "coordinator" or "proxy", and where that is. */
const char *clink_dialled(const struct clink *l);
const char *clink_where_dialled(const struct clink *l, char buf[static ENDPOINT_STR_LEN]);
/* The other's address; buf may be used for it. */
const char *clink_where(const struct clink *l, char buf[static ENDPOINT_STR_LEN]);

/* --- greet.c --- */
void greet_ready(struct clink *l); /* upgraded */
void greet_received(struct clink *l, const uint8_t *p, size_t n); /* in state GREET */
void greet_wrong_coordinator(struct clink *l);
void greet_wrong_version(struct clink *l);
void greet_busy(struct clink *l, unsigned retry_ms); /* come again then; 0: it did not say */

/* --- message.c --- */
void message_received(struct clink *l, const uint8_t *p, size_t n); /* in states CONFIRM and UP */

/* --- server.c --- */
struct websocket_server;
struct tls_door;
const struct websocket_server *server_websocket(const struct clink_server *s);
bool server_is_stream(const struct clink *l); /* from `ready` on */
void server_progressed(struct clink *l); /* a half-open link has come one step further */
bool server_admit(struct clink *l); /* a link proved itself; false: too many */
void server_forget(struct clink *l); /* it has ended; `closed` may still be due */
/* The first message of a stream: true when the connection has gone elsewhere. */
bool server_take_stream(struct clink *l, const uint8_t *p, size_t n);
/* NULL: a link of it speaks no TLS. */
const struct tls_door *server_door(const struct clink_server *s);
int server_greet(struct clink *l); /* makes its secure channel */
/* Reads a node's handshake message, if it is to be paid for. TM_EBUSY: not now. Else as secure_hello_read. */
NODISCARD int server_read_hello(struct clink *l, const uint8_t *p, size_t n);

#endif
