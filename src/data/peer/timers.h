/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When a peer acts by itself (whitepaper 6). Public functions are past events, timers_due says what to do now
 * and when to ask again; timers.c lists the rules in prose. No clock, no I/O. Control thread.
 */
#ifndef TM_DATA_PEER_TIMERS_H
#define TM_DATA_PEER_TIMERS_H

#include "base/time.h"
#include "base/util.h"

struct wg_limits;

struct timers {
	bool wanted; /* a handshake is wanted: tries go on until keys come or time is up */
	bool starved; /* the last try found no endpoint */
	unsigned tries; /* initiations sent in this series */
	unsigned early; /* of them, not waited for, since the way was proved after one had no answer */
	ns_t wanted_since; /* the last time someone asked for it */
	ns_t next_try;
	ns_t last_sent; /* handshake message, ours or an answer; 0 = never */
	ns_t last_attempt; /* also those that found no endpoint; 0 = never */
	ns_t keys_derived; /* newest key material that is still held; 0 = none */
};

/* What workers wrote into the peer, sampled (struct peer), and settings. Times: 0 = nothing pending. */
struct timers_in {
	ns_t data_sent_unanswered, data_recv_unacked, last_auth_sent, last_auth_recv;
	ns_t persistent_keepalive; /* interval; 0 = off */
	bool session; /* there is a key to send under */
};

enum timers_act {
	TIMERS_TRY = 1 << 0, /* send an initiation now */
	TIMERS_GIVE_UP = 1 << 1, /* the series ended without keys: drop what waits */
	TIMERS_UNANSWERED = 1 << 2, /* what we sent got no reply: ask for a handshake, once */
	TIMERS_KEEPALIVE = 1 << 3, /* send an empty packet */
	TIMERS_WIPE = 1 << 4, /* no new keys for too long: forget everything */
};

/* Events. */
void timers_handshake_wanted(struct timers *t, const struct wg_limits *l, ns_t now);
/* For somebody who may be a recording: one try, and nothing more where a series is under way. */
void timers_handshake_once(struct timers *t, const struct wg_limits *l, ns_t now);
void timers_endpoint_arrived(struct timers *t, const struct wg_limits *l, ns_t now);
void timers_initiation_sent(struct timers *t, const struct wg_limits *l, ns_t now, uint32_t random);
void timers_initiation_starved(struct timers *t, const struct wg_limits *l, ns_t now, uint32_t random);
/* The way that initiations go was proved to work now; it takes rtt there and back. */
void timers_way_lives(struct timers *t, ns_t rtt, ns_t now);
void timers_cookie_arrived(struct timers *t, ns_t now); /* for an initiation that had none */
void timers_response_sent(struct timers *t, const struct wg_limits *l, ns_t now);
void timers_keys_derived(struct timers *t, ns_t now);
void timers_handshake_complete(struct timers *t);
void timers_gave_up(struct timers *t);
void timers_wiped(struct timers *t);

/* A set of enum timers_act to do now, and the next time to ask (NS_NEVER: only after another event). */
unsigned timers_due(const struct timers *t, const struct wg_limits *l, const struct timers_in *in, ns_t now,
	ns_t *ret_next);

#endif
