/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Where the kernel leads what is of no use: a socket behind a relay's port that nobody reads. Its small
 * buffer is full after a few datagrams, and what comes then costs no thread of ours anything. Once somebody
 * floods the relay (that is when there are sidings) it is the end of all that begins like none of our
 * messages; and of what comes from a source that has sent much for long that could not be handed on or was no
 * message, and nothing else. Such a source is listened to again after a while, for as long as it takes to
 * find that out.
 *
 * STUN and handshakes (what is "free") are heard from everybody, so whoever is no peer and has no leg yet, or
 * has none since we began, can register and have a session; from then on all of its is heard. Who floods us
 * with just those is heard rarely: of four, one comes through, by chance, and of up to sixteen while so much
 * of it comes that others' datagrams are lost. Somebody else behind that address registers all the same: it
 * takes two questions, and the first that is answered begins a round of them anew (control/path/leg.h). Of 22
 * each, while somebody waits for it, that succeeds in 99 of 100 cases, of 7 in 75, and where one of sixteen
 * is heard in 57 and 13; after a round in vain single ones follow, 25 s apart at most. And nobody ends here
 * who has a leg or a session or is a relay of ours, nor who sends from an address where somebody of these is:
 * by forging an address nobody makes us deaf to who is there. Control thread.
 */
#ifndef TM_DATA_PLANE_PIT_H
#define TM_DATA_PLANE_PIT_H

#include "base/addr.h"
#include "base/time.h"
#include "os/udp.h"

enum {
	CAST_MAX = 32, /* sources at the same time; then the one that has been there longest is heard again */
	CAST_PORTS = 4, /* of an address; with one more it is all of the address (of IPv6 the /64) */
};
#define CAST_TIME (20 * SEC)
/* Of what who is heard rarely sends one in so many comes through. */
enum { HEARD_OF = 4, HEARD_OF_MAX = 16 };
/* So often it is looked whether that is too much, and whether it need be so little no more. */
#define WEIGH_EVERY (100 * MS)
#define WEIGH_CALM (4 * SEC)

struct pit {
	struct udp *udp; /* NULL: there is none */
	unsigned number; /* of its socket, behind the port */
	uint64_t lost; /* by those that are closed */
	struct refusal {
		struct ip at;
		ns_t until;
	} refused[8]; /* the last of those where somebody of ours was */
	size_t n_refused;
	size_t n;
	struct udp_cast who[CAST_MAX];
	ns_t until[CAST_MAX];
	unsigned heard_of; /* 0: HEARD_OF */
	uint64_t weighed; /* losses until then */
	ns_t weigh_at, calm_since;
};

/* Like `beside`, whose port it shares; whatever the result, what there was before goes on. */
void pit_open(struct pit *p, const struct udp_config *beside, unsigned number);
void pit_close(struct pit *p); /* forgets all who are in it */
/* Is somebody whom we hear at that address (of IPv6: in that /64)? */
struct pit_ours {
	bool (*is_there)(const void *ctx, const struct ip *at);
	const void *ctx;
};
/* who->from: with port 0 all of the address. False: it stays as it is, because somebody of ours is there, or
 * there is no pit. ours: NULL is fine. */
bool pit_cast(struct pit *p, const struct pit_ours *ours, const struct udp_cast *who, ns_t now);
bool pit_is_free(const uint8_t *msg, size_t n);
bool pit_is_neighbour(const struct ip *a, const struct ip *b); /* the same address, or /64 */
bool pit_has(const struct pit *p, const struct endpoint *who);
/* Those whose time is over; true: there were some. */
bool pit_release(struct pit *p, ns_t now);
/*
 * So many datagrams were lost for want of room, in all, whoever sent them, but for those whose senders have
 * sidings: who is heard rarely is heard half as often, or after a time without losses twice, and within a few
 * of these looks no more often than what we can read beside all else. True: that changed.
 */
bool pit_weigh(struct pit *p, uint64_t lost, ns_t now);
ns_t pit_next(const struct pit *p); /* when to call these two again; NS_NEVER */
/* Whoever is at that address is heard again; true: somebody was not. */
bool pit_forgive(struct pit *p, const struct ip *at);
/* The part of udp_steer's orders that is about it. */
void pit_order(const struct pit *p, struct udp_steering *by);
/* An address as a whole; as pit_cast understands it. */
struct endpoint pit_whole(const struct endpoint *who);
uint64_t pit_count(const struct pit *p); /* of the datagrams that ended here */

#endif
