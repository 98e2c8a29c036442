/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the files of the core share: core.c (life, outputs, views), core_input.c (what happened),
 * core_records.c (who was ever used). Private to control/path.
 *
 * Two sizes of peer: a record for everybody who was ever used, and its live part (path, replay window,
 * deadline) while it is used. Only what is authentic makes or prolongs either.
 */
#ifndef TM_CONTROL_PATH_CORE_PRIVATE_H
#define TM_CONTROL_PATH_CORE_PRIVATE_H

#include "base/heap.h"
#include "base/list.h"
#include "control/path/birthday.h"
#include "control/path/core.h"
#include "control/path/legs.h"
#include "control/path/nat_serve.h"
#include "control/path/tell.h"
#include "control/path/turn.h"

/*
 * Of attempts to guess the peer's ports: it outlives a rest of the path. Only `network_at` tells whether all
 * but the last two are of our present network, or say nothing any more.
 */
struct luck {
	ns_t network_at;
	ns_t next_at; /* no attempt before */
	ns_t wait; /* the last time, after an attempt that found nothing; 0 = it found something */
	/* What was found lately, as often as its path did not live long, and when last; 0 = nothing */
	ns_t found_at;
	unsigned finds;
	unsigned in_hour; /* attempts that found nothing since: */
	ns_t hour_since;
};

struct record {
	struct core_member member;
	struct luck luck;
	/* The translator before it, as it said last, and where the coordinator saw it, and when it said so:
	 * likewise. */
	enum nat_maps maps;
	bool keeps_ports;
	struct seen {
		struct ip v[CANDIDATES_SEEN_MAX];
		size_t n;
		ns_t at;
	} seen;
	struct path_memory last; /* of a path that rests */
	uint64_t stamp; /* of the newest check answered before the live part was made */
	struct live *live; /* owned; NULL while nobody uses the peer */
	uint8_t check_key[STUN_KEY];
	bool has_key;
};

/* Guessing ports (core_birthday.c). */
enum {
	CORE_GUESS_TRIES = 3, /* of the question */
	CORE_GUESS_AT_ONCE = 2, /* attempts */
	/* That found nothing, with all peers and with one. */
	CORE_GUESS_PER_HOUR = 60,
	CORE_GUESS_OF_ONE = 12,
	/* Sockets that were found, and for a while those found with them. Those of attempts under way come on
	 * top: so many more are open at most as the attempts have opened. */
	CORE_GUESS_KEPT = 224,
};

struct live {
	struct record *record;
	struct list all;
	struct heap_node due;
	struct path path;
	struct stun_window window;
	char told[LEGS_TOLD_MAX][NODE_ID_LEN + 1]; /* relays that it says it is registered with */
	size_t n_told;
	struct tell tell;
	struct asking {
		ns_t not_before; /* no question of ours for an attempt */
		ns_t again_at; /* the next try of the question whether the peer takes part */
		unsigned n;
		unsigned refused; /* so often in a row */
		uint64_t stamps[CORE_GUESS_TRIES];
	} asking;
	ns_t used_at;
};

enum { CORE_NAT_SEEN = 4 };

struct core {
	/* set once */
	struct dh_key *key;
	struct core_ops ops;
	uint16_t port;
	uint32_t self_host;
	uint16_t mtu; /* of the tunnel; 0 = unknown */
	struct prefix net4, net6;
	/* this node */
	struct stun_self self;
	struct ip local[CORE_ADDRESSES_MAX];
	size_t n_local;
	struct endpoint advertise[CORE_ADVERTISE_MAX];
	size_t n_advertise;
	struct endpoint portmap;
	struct legs legs;
	struct heap_node legs_due;
	struct core_nat {
		struct nat_prober prober;
		struct heap_node due;
		ns_t planned; /* the next report; NS_NEVER: none */
		bool over; /* and told so */
		/* Of the last one that is done. */
		ns_t began;
		struct nat_told told;
		bool keeps_ports; /* by IPv4: by somebody we are seen under our own port, so a fresh one will
				     be */
		struct stun_guess outside; /* where the world sees us by IPv4, but for our role */
		struct endpoint seen[CORE_NAT_SEEN]; /* by more than one server */
		size_t n_seen;
		char coordinator[NODE_ID_LEN + 1];
		struct nat_server known[NAT_SERVERS];
		size_t n_known;
		struct nat_doors doors;
		uint32_t aside; /* CORE_DOORS */
	} nat;
	struct core_birthday {
		struct heap_node due;
		struct attempt {
			struct live *live; /* NULL: no attempt */
			bool agreed; /* else we are asking */
			bool opens; /* its sockets, as soon as what is to be sent has left */
			uint16_t port; /* the first that we offer; 0: we do not */
			uint8_t later_ms; /* than it would be, as we have decided and tell */
			struct birthday b;
		} v[CORE_GUESS_AT_ONCE];
		struct kept_socket {
			struct live *live;
			uint32_t number;
			uint64_t stamp; /* of the last question by it */
			ns_t since, due;
		} kept[CORE_GUESS_KEPT];
		size_t n_kept;
		uint32_t closing[CORE_GUESS_AT_ONCE * BIRTHDAY_SOCKETS + CORE_GUESS_KEPT];
		size_t n_closing;
		ns_t hour_since;
		unsigned in_hour;
		ns_t network_at; /* our network changed last */
	} birthday;
	struct candidates mine;
	uint32_t mine_version; /* of `mine`, from 1 on */
	bool away; /* the coordinator: tell.h */
	struct aead *aead; /* of tell.c; NULL until it is needed */
	/* peers */
	struct map *by_key; /* of struct record */
	struct list live;
	size_t n_live;
	struct heap heap; /* of the live ones and the relays */
	struct queue queue;
	uint64_t refused;
	/* Keys computed for messages that proved nothing yet, in the second that began then. */
	ns_t claims_since;
	unsigned claims;
};

/*
 * Whoever knows two ids can ask for the key of the pair, a Diffie-Hellman each time while there is no record
 * to keep it in. So many in a second are a few per cent of a core, and enough for a coordinator of thousands
 * that starts anew.
 */
enum { CORE_CLAIMS_MAX = 1000 };

/* --- core_records.c --- */

void record_free(struct core *c, struct record *rec);
/* Leaves of it what a record keeps. */
void live_free(struct core *c, struct record *rec);
/* NULL: nobody ever used the peer; seeding (core_seed_stamp) counts. */
struct record *record_by_key(const struct core *c, const uint8_t key[static 32]);
/* The live part of a member, used now, made when it is not there. NULL: a stranger, or no memory. */
struct live *live_by_key(struct core *c, const uint8_t key[static 32], ns_t now);
struct live *live_by_id(struct core *c, const char *id, ns_t now);
struct live *live_of(struct core *c, const struct core_member *m, ns_t now);
/* Computed at first use: it costs a Diffie-Hellman. NULL: the peer's key is none. */
const uint8_t *record_check_key(const struct core *c, struct record *rec);
void record_set_key(struct record *rec, const uint8_t key[static STUN_KEY]); /* computed already */
/*
 * The same for a message that claims to be from the member, who has no record perhaps (rec NULL: the key is
 * computed into `room`). NULL also when too many came without proof.
 */
const uint8_t *claimed_check_key(struct core *c, struct record *rec, const struct core_member *m,
	uint8_t room[static STUN_KEY], ns_t now);
struct turn live_turn(struct core *c, struct live *l, ns_t now);

/* --- core_nat.c --- */

void core_nat_init(struct core *c);
/* Something changed that a report may hang on: there will be a new one. */
void core_nat_soon(struct core *c, ns_t now);
/* Somebody who saw us there sees us elsewhere now. */
void core_nat_moved(struct core *c, const struct endpoint *before, const struct endpoint *after, ns_t now);
void core_nat_start(struct core *c, bool full, ns_t now);
void core_nat_coordinator(struct core *c, const struct core_in *in, ns_t now);
void core_nat_relays(struct core *c, const struct core_in *in, ns_t now);
void core_nat_step(struct core *c, ns_t now);
/* False: that is no answer to a question of the prober. */
bool core_nat_taken(
	struct core *c, const struct core_in *in, const char *sender, const struct stun_msg *m, ns_t now);
/* Addresses under which more than one server sees us. */
size_t core_nat_seen(const struct core *c, struct endpoint ret_eps[static CORE_NAT_SEEN]);
/* The answer to a member's question about its translator, and how it leaves; its length. */
size_t core_nat_serve(const struct core *c, const struct core_in *in, const struct core_member *who,
	const uint8_t key[static STUN_KEY], const struct stun_msg *req, struct way_to *ret_by, uint8_t *out,
	size_t out_len);

/* --- core_why.c --- */

/* *ret_addresses: of its own, that are tried. */
enum path_not core_not_direct(const struct core *c, const struct live *l, unsigned *ret_addresses);

/* --- core_input.c --- */

/* A peer's candidates, whoever told them; looks: as in core.h. */
void core_candidates(struct core *c, struct live *l, const struct candidates *told, bool looks, ns_t now);

/* --- core_birthday.c --- */

/* The path took its step: is this the time for an attempt, or for its end? When to ask again. */
ns_t core_birthday_consider(struct core *c, struct live *l, ns_t now);
void core_birthday_step(struct core *c, ns_t now);
/* Our network changed: all attempts are over, and the next ones need not wait. */
void core_birthday_network(struct core *c, ns_t now);
void core_birthday_forget(struct core *c, struct live *l); /* it goes */
void core_birthday_opened(struct core *c, const struct core_in *in, ns_t now);
/* The peer asks for an attempt. We take part if *ret_ours says so (its role is none otherwise). */
void core_birthday_asked(struct core *c, struct live *l, const struct core_in *in, const struct stun_msg *m,
	ns_t now, struct stun_guess *ret_ours);
/* False: it is not the answer to a question for an attempt, or of a socket that is kept. */
bool core_birthday_answered(struct core *c, struct live *l, const struct stun_msg *m, ns_t now);
/* Something authentic came from the peer, a question or an answer, perhaps by a right guess. */
void core_birthday_hint(
	struct core *c, const struct live *l, const struct way_to *by, bool question, ns_t now);
/* PATH_NOT_GUESSING, MEETING, MISSED, UNMET or NOTHING. */
enum path_not core_birthday_not(const struct core *c, const struct live *l);
/* An answer to no check of the path: true when it is to a guess. The address is checked then. */
bool core_birthday_found(struct core *c, struct live *l, const struct way_to *by, ns_t now);

/* --- core_luck.c --- */

/* Ports that are offered begin there, and so many further on at most. */
enum { CORE_OFFERS_FROM = 16384, CORE_OFFERS_RANGE = 32768 };

bool core_is_meeting(enum stun_guess_role role);
/* Of our present network, but for what is counted. */
struct luck *core_luck(const struct core *c, const struct live *l);
/* One more attempt now, by what is counted? `next_at` is another matter. */
bool core_luck_allows(struct core *c, const struct live *l, ns_t now);
/* One begins: as if it were in vain, until it has found something. */
void core_luck_tries(struct core *c, const struct live *l, ns_t now);
void core_luck_found(struct core *c, const struct live *l, ns_t now);
/* Of what the peer says, what may be sent to. True: somebody else says so, too, the coordinator (within a
 * day) or an answer that came from there; what else it says is left out then. */
bool core_luck_usable(const struct core *c, const struct live *l, const struct stun_guess *told, ns_t now,
	struct stun_guess *ret_usable);
/* Is the pair what was looked for, where it was looked for? A candidate that answers meanwhile is not, nor
 * another address of a peer that wants to be asked for attempts. */
bool core_luck_is_find(const struct birthday *b, const struct pair *pair);

/* --- core.c --- */

void core_refresh_mine(struct core *c);
void core_legs_are_due(struct core *c, ns_t now); /* something happened to them */

#endif
