/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A pair: a way to the peer, identified by our socket, the peer's address (or the relay's, and that it is a
 * relay's), with the checks that ask
 * whether they reach each other. A check is a STUN Binding request, repeated after 200, 300 and 500 ms, then
 * each second: at first both sides' firewalls have to be opened, and later the peer's may open late. Every
 * try has a stamp of its own, because a repeated one would be refused as a replay. Pure.
 */
#ifndef TM_CONTROL_PATH_PAIR_H
#define TM_CONTROL_PATH_PAIR_H

#include "base/addr.h"
#include "base/time.h"
#include "data/link/way.h"
#include "mesh/model.h"

enum { PAIR_TRIES = 12, PAIR_HEARTBEAT_TRIES = 5 /* of the pair in use */ };

/* Until the next try of the pair in use, unless two of its round trips are longer. Shorter than RFC 8445's
 * 500 ms: these checks are few and pairwise. */
#define PAIR_RTO (250 * MS)
#define PAIR_FRESH (3 * SEC) /* a pair that answered within this time needs no triggered check */

/* What a packet to a remote address of this host's goes through. */
enum reach {
	REACH_PLAIN,
	REACH_NONE, /* there is no route */
	REACH_TUNNEL, /* somebody else's tunnel: better than nothing */
	REACH_MESH, /* the mesh itself, directly or below what lies on it: a packet would never arrive, and
		       never end */
};

/* Where packets to a remote address leave this host, by its routes. */
struct outlet {
	enum reach reach;
	uint32_t ifindex; /* 0 = unknown */
	struct ip source; /* that they would have, IP_NONE = unknown */
};
bool outlet_eq(const struct outlet *a, const struct outlet *b);

struct pair {
	struct way_to way;
	struct outlet outlet; /* when it was last looked at: before each check and use */
	enum candidate_type type;
	bool failed;
	bool vain; /* all tries of a round went without an answer, and nothing has come by it since */
	bool listed; /* through a relay, as the legs have it (legs.h): goes when they do */
	bool in_doubt; /* the last try's wait is over, and the plane was asked what WireGuard heard */
	uint8_t tries; /* sent since the last answer */
	uint8_t hurried; /* so many tries until silence means something again: the next one was moved up */
	uint32_t sent_us[PAIR_TRIES]; /* after `began` */
	uint64_t stamps[PAIR_TRIES];
	ns_t began; /* when the first of the tries was sent */
	ns_t next_check; /* NS_NEVER = none planned */
	ns_t last_ok; /* a check was answered; 0 = never */
	ns_t last_heard; /* the peer's packets came from there while another pair was in use; 0 = never */
	ns_t rtt; /* smoothed; 0 = unknown */
};

/* A pair to be checked at once. */
struct pair pair_make(const struct way_to *way, enum candidate_type type, ns_t now);
bool pair_is(const struct pair *p, const struct way_to *way); /* by kind, socket, remote and relay */
bool pair_is_relayed(const struct pair *p);
/* By two further sockets of ours to one address. */
bool pair_is_twin(const struct pair *a, const struct pair *b);
/* Check it again, from the first try. */
void pair_plan(struct pair *p, ns_t at);
bool pair_is_fresh(const struct pair *p, ns_t now);

/* What is due; in_use: it is the one that carries the peer's traffic. */
enum pair_due { PAIR_WAITS, PAIR_SENDS, PAIR_GIVES_UP };
enum pair_due pair_due(const struct pair *p, bool in_use, ns_t now);
void pair_sent(struct pair *p, uint64_t stamp, bool in_use, ns_t now);
/* The tries are over: unanswered, unless something else proves that the pair works. */
void pair_gave_up(struct pair *p, bool works);

/* Is that the stamp of a try of ours? */
bool pair_asked(const struct pair *p, uint64_t stamp);
void pair_answered(struct pair *p, uint64_t stamp, ns_t now);

/* How much sooner a pair of the same rank must answer to be worth a change: 20 %, but so much at least. */
#define PAIR_MARGIN (10 * MS)
/* Lower is better: LAN and IPv6 without translation, other direct ones, through tunnels of others, through
 * relays, through relays' streams. */
unsigned pair_rank(const struct pair *p);
enum { PAIR_RANK_DETOUR = 2 }; /* from here on anything better is worth any round trip */
/* Is `a` worth leaving `b`, which works? A better kind may cost a little, the same kind must be clearly
 * faster. */
bool pair_clearly_better(const struct pair *a, const struct pair *b);

#endif
