/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The relays of the mesh as this node uses them: a leg of each family to every one of them (leg.h), which of
 * them we are registered with, which is our home, and the stream for where UDP does not pass. Part of the
 * core; pure.
 *
 * Relays stand in an order that is the same at all nodes: the coordinator's, then by host number. The first
 * two that answer have us from the start, so that an idle node is reached at once through either, and through
 * the second when the first one dies: nobody has to be told anything then, nor does anybody have to notice it
 * at the same time (docs/decisions/0044). One that answers clearly sooner than the coordinator is our home
 * and has us, too; others' relays are registered with while a peer is reached through them, and otherwise
 * only measured, seldom. Home is kept while it answers at all: not one lost probe moves it, and nothing does
 * while the coordinator is out of reach, since nobody would learn of it.
 *
 * A stream that stands by is made our leg by registering through it, when the question by UDP stays
 * unanswered; the next one that is answered by UDP takes that back. Where UDP does not pass at all, streams
 * to the first two relays that take them stand by.
 *
 * A relay knows one address of ours at a time, the one that registered last. So only one family registers
 * with a relay: IPv4, as its packets leave more room in a datagram, or IPv6 where IPv4 does not answer.
 */
#ifndef TM_CONTROL_PATH_LEGS_H
#define TM_CONTROL_PATH_LEGS_H

#include "control/path/core.h"
#include "control/path/leg.h"

enum { LEGS_MAX = CORE_RELAYS_MAX + 1, LEGS_WAYS_MAX = 4, LEGS_TOLD_MAX = 2 };

enum {
	LEGS_LIVING = 2, /* so many that answer have us */
	LEGS_STANDING_MAX = 4, /* and with those that are awaited so many */
};
#define LEGS_USED_FOR (120 * SEC) /* a relay that a path was sent through is registered with so long */
#define LEGS_STREAM_FOR                                                                                      \
	(120 * SEC) /* the stream stands by after the last traffic through a relay or in doubt */
#define LEGS_STREAM_PATIENCE (5 * SEC) /* before one of the next relay is opened, too */
/* One that was only measured so far, and all at our start, is registered with in a random part of this. */
#define LEGS_SOON (250 * MS)
#define LEGS_SETTLE                                                                                          \
	(5 * SEC) /* over which the first questions to those that are only measured are spread               \
		   */
/* What a new home must be better by: both. */
#define LEGS_HOME_GAIN (10 * MS)
#define LEGS_HOME_SHARE(rtt) ((rtt)*2 / 3)

enum legs_stream { STREAM_NONE, STREAM_OPENING, STREAM_UP };

struct legs_relay {
	struct core_member member;
	uint8_t key[STUN_KEY]; /* of the messages between it and us */
	bool coordinator; /* told by CORE_SERVER */
	bool listed; /* told by CORE_RELAYS */
	bool streams; /* it takes them */
	bool home;
	bool standing; /* it is among the first of the common order, and has us */
	struct leg leg[2]; /* IPv4, IPv6 */
	unsigned family; /* which of them registers */
	ns_t used_at; /* a path wants it; 0 = never */
	enum legs_stream stream;
	ns_t opening_since;
	struct way_to stream_way; /* while it is up, but for the peer */
	ns_t up_since; /* likewise */
	uint64_t stream_stamp; /* of the last registration by it */
	ns_t claimed; /* when that was; 0 = never */
	ns_t by_stream; /* when the relay was last told to use it, also by its first message; 0 = never */
};

struct legs {
	struct legs_relay v[LEGS_MAX]; /* in the common order */
	size_t n;
	struct core_member closing[LEGS_MAX]; /* gone, and their streams are to be closed yet */
	size_t n_closing;
	ns_t busy_at; /* a relay was needed, or may be; 0 = never */
	bool link_up; /* the coordinator is reachable */
	bool told; /* who relays; what comes later comes to all nodes at one moment */
	bool changed; /* what legs_ways gives; whoever looks at it clears it */
};

void legs_init(struct legs *r);
void legs_deinit(struct legs *r); /* wipes */

/* --- what happened --- */

/* The coordinator may be at these addresses; the questions wait `wait`. TM_ECRYPTO: that key is none. */
NODISCARD int legs_set_coordinator(struct legs *r, const struct dh_key *own, const char *id,
	const uint8_t key[static 32], const struct endpoint *v, size_t n, ns_t wait, ns_t now);
/* All that relay, but ourselves. Those whose key is none are left out. */
void legs_set(struct legs *r, const struct dh_key *own, const struct core_relay *v, size_t n, uint32_t random,
	ns_t now);
void legs_network(struct legs *r, ns_t now); /* it changed: ask everybody now */
void legs_stream(struct legs *r, const char *id, uint32_t socket, const struct endpoint *remote, ns_t now);
/* The first message by a new stream: it stands by (LIFETIME 0) where UDP works. 0: no such relay. */
size_t legs_stream_question(
	struct legs *r, struct stun_self *self, const char *id, ns_t now, uint8_t *out, size_t out_len);
/* Is that the sealed answer to it? */
bool legs_stream_answered(
	const struct legs *r, const char *id, const struct stun_msg *msg, const uint8_t *p, size_t n);
/* The path by that way is silent: does the relay still know us? */
void legs_doubt(struct legs *r, const struct way_to *way, ns_t now);
/* A peer's message came by it: if that is a relay that was away, it may be back. */
void legs_heard(struct legs *r, const struct way_to *by, ns_t now);

/* The leg that asked what this answers, NULL: none. *ret_key is what it must be sealed with. */
struct leg *legs_asked(struct legs *r, const char *sender, const struct stun_msg *msg,
	const struct endpoint *from, const uint8_t **ret_key);
/* True when an address of ours changed. */
bool legs_answered(struct legs *r, struct leg *leg, const struct stun_msg *msg, const struct endpoint *from,
	bool own, uint32_t random, ns_t now);

/* --- what to do --- */

struct legs_out {
	enum core_out_kind kind; /* SEND, STREAM_OPEN, STREAM_CLOSE */
	const struct core_member *to;
	struct way_to way; /* SEND */
	uint8_t msg[CORE_MESSAGE_MAX];
	size_t n;
};
/* The next thing that is due; false: nothing until legs_next. *lost: an address of ours is lost (never set to
 * false). */
bool legs_step(struct legs *r, struct stun_self *self, ns_t now, struct legs_out *ret_out, bool *ret_lost);
ns_t legs_next(const struct legs *r, ns_t now);
/* When the coordinator's are asked next; 0 = there are none. */
ns_t legs_begin(const struct legs *r);

/* --- what is so --- */

/*
 * The ways to a peer through relays, the best first: through those that it says it is registered with
 * (`told`, ids), then through the first of the common order, then by streams. wanted: register with these if
 * we are not yet; the ways come when that is done (r->changed).
 */
size_t legs_ways(struct legs *r, uint64_t pair, const struct core_member *peer, char (*told)[NODE_ID_LEN + 1],
	size_t n_told, bool wanted, ns_t now, struct way_to ret_ways[static LEGS_WAYS_MAX]);
/* Addresses under which the world sees us, the coordinator's view of each family first; what another relay
 * sees counts when two of them, or one twice, saw the same. */
enum { LEGS_REFLEXIVE_MAX = 8 };
size_t legs_reflexive(const struct legs *r, struct endpoint ret_eps[static LEGS_REFLEXIVE_MAX]);
/* Adds our home relay to the candidates that we tell others, if it is not the coordinator, whom all know. */
void legs_told(const struct legs *r, struct candidates *c);
/* The endpoints of those that we are registered with: from there comes what others send us through them. */
size_t legs_endpoints(const struct legs *r, ns_t now, struct endpoint ret_eps[static 2 * LEGS_MAX]);
/* UDP passes to none of them, though they were asked. */
bool legs_udp_blocked(const struct legs *r);
/* And each was asked to the end: enough to tell others. */
bool legs_udp_silent(const struct legs *r);
/* The id of the relay that the way leads through, "" = of none that we know. */
void legs_name(const struct legs *r, const struct way_to *way, char ret_id[static NODE_ID_LEN + 1]);
/* NULL: nobody of that id. */
const struct legs_relay *legs_find(const struct legs *r, const char *id);

#endif
