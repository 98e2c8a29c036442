/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Path selection for one peer, without I/O: candidate pairs, connectivity checks (STUN Binding requests),
 * choice with hysteresis. The owner (prober.h) sends what path_step asks for and feeds what arrives. Control
 * thread.
 *
 * IDLE: nobody wants the peer. CHECKING: there is traffic, no pair works yet (or any more). UP: an endpoint
 * is chosen. The first pair that answers is chosen at once; a better one replaces it when its answer comes. A
 * chosen pair is checked again only while traffic flows out and nothing authentic comes back, so idle peers
 * are silent.
 */
#ifndef TM_CONTROL_PATH_PATH_H
#define TM_CONTROL_PATH_PATH_H

#include "base/time.h"
#include "mesh/model.h"

enum path_state { PATH_IDLE, PATH_CHECKING, PATH_UP };
enum { PATH_PAIRS_MAX = 24, PATH_SENDS_MAX = 8, PATH_CHECK_TRIES = 6, PATH_HEARTBEAT_TRIES = 3 };

/* First retransmission, then doubling. Shorter than RFC 8445's 500 ms: these checks are few and pairwise. */
#define PATH_CHECK_RTO (250 * MS)
#define PATH_CHECK_RTO_MAX (2 * SEC)
#define PATH_PACING (20 * MS) /* between two steps' batches of checks; RFC 8445 14.2: Ta of 5 ms at least */
/* Until candidates are asked for again, doubling up to PATH_RETRY_MAX. */
#define PATH_ASK_WAIT (1 * SEC)
/* Until everything is checked again after all pairs failed, doubling likewise. */
#define PATH_RETRY_WAIT (5 * SEC)
#define PATH_RETRY_MAX (60 * SEC)
/* Traffic flows out this long and nothing authentic comes back: check the chosen pair. */
#define PATH_SILENCE (1 * SEC)
#define PATH_FRESH (3 * SEC) /* a pair that answered within this time needs no triggered check */
/* Without traffic for so long, a path that does not work is given up. */
#define PATH_WANTED_FOR (600 * SEC)
#define PATH_HELP_FOR (20 * SEC) /* a peer that looks for us is checked back so long */

struct path_pair {
	struct candidate remote;
	ns_t last_ok, rtt; /* 0 = never; smoothed */
	ns_t next_check; /* NS_NEVER = none planned */
	/* Every try has its own, because a repeated one would be refused as a replay. */
	uint8_t txid[PATH_CHECK_TRIES][12];
	ns_t sent_at[PATH_CHECK_TRIES];
	uint8_t tries; /* sent since the last answer */
	bool failed;
};

struct path {
	enum path_state state;
	struct path_pair pairs[PATH_PAIRS_MAX];
	size_t n_pairs;
	int chosen; /* index into pairs, -1 = none */
	ns_t wanted_at; /* traffic last asked for the peer; 0 = never */
	ns_t last_proof; /* something authentic arrived over the chosen pair */
	ns_t last_sending; /* traffic last flowed out */
	ns_t retry_at, retry_wait; /* when to start over; NS_NEVER = nothing planned */
	bool helping; /* the peer looks for us, and there is no traffic of our own */
	bool ask, changed; /* for the next path_step to report */
};

struct path_out {
	struct {
		struct endpoint to;
		uint8_t txid[12];
	} send[PATH_SENDS_MAX]; /* checks to send now */
	size_t n_send;
	bool chosen_changed; /* tell the plane path_chosen() */
	bool ask_candidates; /* ask the coordinator */
	ns_t next; /* call path_step again then at the latest */
};

void path_init(struct path *p);

/* Inputs; call path_step after them. */
void path_want(struct path *p, ns_t now); /* there is traffic for the peer and no session */
/* The peer's: replace all but the chosen and peer-reflexive ones. */
void path_candidates(struct path *p, const struct candidates *c, ns_t now);
void path_check_received(struct path *p, const struct endpoint *from, ns_t now);
/* True when txid belongs to a check of ours. `from` must be where it was sent (RFC 8445 7.2.5.2.1). */
bool path_check_answered(
	struct path *p, const uint8_t txid[static 12], const struct endpoint *from, ns_t now);
void path_authentic(struct path *p, const struct endpoint *from, ns_t now); /* nothing else works: take it */
/* Something authentic came, but not over the chosen pair: check where it came from, and the chosen one. */
void path_heard_elsewhere(struct path *p, const struct endpoint *from, ns_t now);
void path_heard(struct path *p, ns_t at); /* something authentic came over the chosen pair */
void path_sending(struct path *p, ns_t now);
/* Our network changed, or the peer came back: check everything again. */
void path_restart(struct path *p, ns_t now);

void path_step(struct path *p, ns_t now, void (*new_txid)(void *ctx, uint8_t txid[static 12]), void *ctx,
	struct path_out *ret_out);
const struct path_pair *path_chosen(const struct path *p); /* NULL when none */

#endif
