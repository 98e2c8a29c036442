/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Path selection for one peer: candidate pairs, which of them is in use, when to look again. Decides in the
 * turn that it is given (turn.h); the pairs know their checks (pair.h). Part of the core (core.h).
 *
 * IDLE: nobody wants the peer. CHECKING: there is traffic, no pair works yet (or any more). UP: a pair is
 * chosen. A relay that has us is chosen at once, unproven; else the first pair that answers. A better one
 * replaces it when its answer comes; checks that fail make nothing worse while anything else shows that the
 * pair works. A chosen pair is checked again only while traffic flows out and nothing authentic comes back by
 * it, so idle peers are silent.
 *
 * Doubt (path_doubt.c): when that check, too, is not answered in time, or after a silence in which a
 * translator may have forgotten us, each datagram leaves by a relay as well until the pair is proved or left.
 * What left before, since the pair was last known to live, leaves again.
 *
 * Trial: one answer may be the only one that ever comes, where a network lets the first packet of a flow pass
 * and no more. A direct pair that takes over from a relay is asked once more, and until it has answered twice
 * each datagram leaves by the relay as well.
 */
#ifndef TM_CONTROL_PATH_PATH_H
#define TM_CONTROL_PATH_PATH_H

#include "control/path/mtu.h"
#include "control/path/pair.h"
#include "control/path/why.h"

enum path_state { PATH_IDLE, PATH_CHECKING, PATH_UP };
enum { PATH_PAIRS_MAX = 24, PATH_SENDS_MAX = 8, PATH_FINDS_MAX = 4 };
/* Pairs of each kind, and of those of each family, so that a peer with many addresses of one kind keeps its
 * others, and IPv4. */
enum { PATH_KIND_MAX = 6, PATH_FAMILY_MAX = 4, PATH_PRFLX_MAX = 4 };

#define PATH_PACING (20 * MS) /* between two steps' batches of checks; RFC 8445 14.2: Ta of 5 ms at least */
/* Until candidates are asked for again, doubling up to PATH_RETRY_MAX. */
#define PATH_ASK_WAIT (1 * SEC)
/* Until everything is checked again after all pairs failed, doubling likewise. */
#define PATH_RETRY_WAIT (5 * SEC)
#define PATH_RETRY_MAX (60 * SEC)
/* Traffic flows out this long and nothing authentic comes back: check the chosen pair. */
#define PATH_SILENCE (175 * MS)
#define PATH_FLOWING (500 * MS) /* packets no further apart than this are one flow */
/*
 * Its check is not answered after so long: by another way as well. Up to 100 ms that is a round trip and
 * more; with longer ones some of what flows in one direction alone is sent twice, which is the price of a
 * stall of 400 ms and one round trip at most.
 */
#define PATH_DOUBT(rtt) ((rtt) / 2 + 50 * MS)
/* After so long the answer is lost or the pair is dead: what may be lost leaves again, and the peer is told.
 */
#define PATH_OVERDUE(rtt) MAX(PATH_DOUBT(rtt), (rtt) + (rtt) / 4 + 25 * MS)
/* What was asked by another way than the one that is proved now may still be answered by that one. */
#define PATH_ELSEWHERE (400 * MS)
#define PATH_AGAIN_MAX (2 * SEC) /* nobody waits for what left before that */
#define PATH_AGAIN_TOLD (1 * SEC) /* a peer that hears nothing of us says so within this */
/* Nothing proved it for so long: many translators have forgotten it by now. */
#define PATH_STALE (25 * SEC)
enum { PATH_HEARD_TRIES = 3 }; /* checks of one in use that is heard, before it is left */
#define PATH_PROVED (500 * MS) /* what proved it within this time spares a question */
/* While traffic takes a detour, better ways are looked for again, after twice as long each time. */
#define PATH_UPGRADE_FIRST (2 * SEC) /* the networks or the link may just have changed */
#define PATH_UPGRADE_WAIT (30 * SEC)
#define PATH_UPGRADE_MAX (300 * SEC)
#define PATH_ASKED_LATELY (20 * SEC) /* questions so old are asked again when the link is back */
/* A peer that looks for us has so long for its own handshake, when that is due. */
#define PATH_WAKE (25 * MS)
/* Without traffic for so long, a path is given up: one that does not work, and also one that does. */
#define PATH_WANTED_FOR (600 * SEC)
#define PATH_FINDS_EVERY (5 * SEC) /* in which at most PATH_FINDS_MAX addresses count that nobody told us */
enum { PATH_FOUND_MAX = 16 }; /* of these, in PATH_ROUND or until we look for ways anew */
#define PATH_ROUND (600 * SEC)
#define PATH_HELP_FOR (20 * SEC) /* a peer that looks for us is checked back so long */
/* A peer may name any address, also a victim's. To those that never answered go so many checks at once,
 * enough for all pairs to fail once, and from then on one per PATH_BLIND_EVERY. */
enum { PATH_BLIND_MAX = PATH_PAIRS_MAX * PAIR_TRIES };
#define PATH_BLIND_EVERY (100 * MS)
/*
 * How often traffic is looked at: quiet paths each second, busy ones when they may have been silent for
 * PATH_SILENCE. All at multiples of PATH_SAMPLE_GRID, so that a node wakes up once for many.
 */
#define PATH_SAMPLE_GRID (25 * MS)
#define PATH_SAMPLE_QUIET (1 * SEC)

struct turn;

/* What is left of a path that rests: how the peer was reached last. */
struct path_memory {
	struct way_to way; /* remote IP_NONE = never reached */
	enum candidate_type type;
};

struct path {
	enum path_state state;
	struct pair *pairs; /* owned; grows up to PATH_PAIRS_MAX */
	unsigned n_pairs, room;
	int chosen, also; /* indices into pairs, -1 = none */
	int resent; /* by this one what `unsure` means has left again; -1 = by none */
	struct path_memory last;
	struct mtu mtu; /* of the pair below */
	struct way_to mtu_way; /* remote IP_NONE: of none */
	ns_t wanted_at; /* traffic last asked for the peer */
	ns_t since; /* the chosen one was chosen, and not only given another source address */
	ns_t last_proof; /* something authentic arrived over the chosen pair */
	ns_t last_sending; /* traffic last flowed out */
	ns_t asking; /* it has been flowing out since then, and nothing has come back; 0 = no */
	ns_t retry_at, retry_wait; /* when to start over; NS_NEVER = nothing planned */
	ns_t unsure; /* what left since then may not have arrived; 0 = nothing says so */
	ns_t alarm; /* the chosen pair is in doubt since then, which only an answer can end; 0 = it is not */
	ns_t sample_at; /* while UP */
	ns_t asked_at; /* for the peer's candidates; 0 = never */
	ns_t upgrade_at, upgrade_wait; /* while a detour is in use; NS_NEVER = nothing planned */
	uint64_t tx_bytes; /* at the last sample, if there was one */
	ns_t finding_since; /* of the addresses that nobody told us */
	ns_t round_since;
	unsigned finds, found;
	ns_t blind_until; /* when the checks of addresses that never answered are all paid for */
	bool look_again; /* the next step asks whether the chosen one still leads where it led */
	bool restart; /* the next step checks everything again */
	bool ask_again; /* and asks for what else there is, but leaves the chosen one alone */
	bool counted; /* there was a sample */
	bool using; /* the next step says which way is used now, and why */
	enum path_why use_why;
	bool overdue; /* the answer of the chosen one is: nothing of the peer's comes by it, so it is told */
	bool lost; /* what is unsure was lost, most likely: nothing lived at that time */
	bool settled; /* the chosen one lives: the next step ends what was unsure */
	bool trial; /* it has answered once at most: the relay that it replaces carries everything, too */
	ns_t lives; /* it was proved just now, after it was not sure: the next step says so, and what an
		       answer may take at least; 0 = no */
	bool helping; /* the peer looks for us, and there is no traffic of our own */
	bool relays_known; /* when that began: one that has us only since then is news to the peer */
	ns_t checked_at; /* the peer's last check came */
	ns_t wake_since; /* there should be a session; 0 = that is nobody's concern */
};

void path_init(struct path *p, const struct path_memory *last);
void path_deinit(struct path *p);

/* --- what happened; path_step is due at once after each --- */

void path_want(struct path *p, struct turn *t); /* there is traffic for the peer and no session */
/* The peer's: replace all but the chosen and peer-reflexive ones. They are checked if the peer looks for us,
 * or there is traffic: idle paths are silent. */
void path_candidates(struct path *p, const struct candidates *c, bool looks, struct turn *t);
/* doubted: the peer says that what we send by other ways may not arrive. */
void path_check_received(struct path *p, const struct way_to *a, bool doubted, struct turn *t);
/* True when the stamp is that of a check of ours. It counts when it comes from where the check was sent (RFC
 * 8445 7.2.5.2.1), or, of one through a relay, by whichever leg the relay has of us. */
bool path_check_answered(struct path *p, uint64_t stamp, const struct way_to *a, struct turn *t);
/* It looks for us, and the path is up: there should be a session (CORE_WAKE). */
void path_wake(struct path *p, struct turn *t);
/* The peer's authentic packets come by another way than the one we chose. */
void path_heard(struct path *p, const struct way_to *a, struct turn *t);
void path_activity(struct path *p, ns_t last_recv, uint64_t tx_bytes, struct turn *t);
/* Our network changed: the next step checks everything again. */
void path_restart(struct path *p);
/* The coordinator is back: what was asked lately may have been lost with the link. */
void path_linked(struct path *p, ns_t now);
/* The relay at that address (of its data port) may have ended. */
void path_relay_doubted(struct path *p, const struct endpoint *relay, ns_t now);
/* It knows us again, after it had not answered us for a while. */
void path_relay_back(struct path *p, const struct endpoint *relay, ns_t now);
/* The stream of that number, by which the peer came to us as its relay, has ended; no other gets its number.
 */
void path_stream_gone(struct path *p, uint32_t stream, struct turn *t);
/* Routes changed: the next step does the same if the chosen pair's packets leave otherwise than before. */
void path_look_again(struct path *p);

/* When a direct pair last answered; 0 = none ever did. */
ns_t path_last_direct(const struct path *p);
/* By a socket of ours beside the one that everybody has: the way, if it is in use, or the peer was heard by
 * it since; NULL: nobody needs it. */
const struct way_to *path_by_socket(const struct path *p, uint32_t socket, ns_t since);
/* It is closed; not while it is in use. */
void path_forget_socket(struct path *p, uint32_t socket);

/* Does what is due; returns when to call again at the latest. */
ns_t path_step(struct path *p, struct turn *t);

const struct pair *path_chosen(const struct path *p); /* NULL when none */
/* The longest packet of a tunnel with that MTU that is known to pass by the chosen pair; 0 = unknown. */
uint16_t path_mtu(const struct path *p, uint16_t tunnel);

#endif
