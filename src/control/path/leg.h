/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Our leg to one relay by one family: under which address does it see our data socket, and are we registered
 * with it, so that it hands on to us what others send? One question for both (docs/protocol.md, section 2),
 * asked again and again, which also keeps a translator's mapping alive. A coordinator that relays nothing
 * answers it, too. Where the relay may have several addresses, the tries go round them, and the one that
 * answers is asked from then on. Pure.
 *
 * A registration costs two round trips: the first answer brings the cookie that proves that we receive at our
 * address, the second question shows it. As long as our address stays, one is enough, also after a relay's
 * restart.
 */
#ifndef TM_CONTROL_PATH_LEG_H
#define TM_CONTROL_PATH_LEG_H

#include "control/path/stun.h"

enum { LEG_SERVERS = 4, LEG_ASKED = 8 };
/* RFC 4787 REQ-5 asks translators for two minutes, many give half a minute. Every wait is shortened by a
 * random part, lest all nodes of a mesh ask at one moment. */
#define LEG_EVERY (25 * SEC)
#define LEG_JITTER (5 * SEC)
#define LEG_SELDOM (300 * SEC) /* of a leg that keeps nothing alive */
#define LEG_LIFETIME 120 /* s; asked for */
#define LEG_RTO (500 * MS) /* RFC 8489 6.2.1; half of it, or two round trips, where these are known */
#define LEG_AGAIN (1 * SEC) /* in doubt it is asked at once, but no more often than this */
/* While somebody missed it within this time, a leg that answered is asked at an even pace for a round. */
#define LEG_MISSED_FOR (2 * SEC)

struct leg {
	/* the relay */
	struct endpoint servers[LEG_SERVERS]; /* where it may be */
	size_t n_servers, first; /* 0: none is known; the one that answered last */
	/* the question under way */
	struct leg_try {
		uint64_t stamp;
		ns_t at;
		struct endpoint to;
		bool registering; /* it was a registration, too */
	} asked[LEG_ASKED]; /* the newest, a ring */
	unsigned tries; /* in vain since the last answer */
	unsigned pauses; /* since a round of them was in vain; 0 = none was */
	ns_t began; /* the first of them, or of the last question; 0 = it was never asked */
	ns_t missed; /* last; 0 = never */
	ns_t answered; /* when that was sent which was answered last */
	unsigned refused; /* cookies in a row that it did not take */
	ns_t due; /* NS_NEVER: there is nobody to ask */
	/* the answers */
	struct endpoint reflexive; /* IP_NONE = unknown */
	unsigned seen; /* answers in a row that gave this address */
	ns_t rtt; /* smoothed; 0 = unknown */
	uint8_t cookie[STUN_COOKIE];
	ns_t registered; /* since then; 0 = not */
	ns_t registered_until;
	bool silent; /* the last question got no answer at all */
};

void leg_init(struct leg *l);
/*
 * Where the relay may be by this family; the first question is asked after `wait`. A list that has the
 * address which answers changes nothing but that we ask again after `wait` if `again`; of one that nobody
 * answers yet the next try comes after `wait` at the latest.
 */
void leg_set_servers(struct leg *l, const struct endpoint *v, size_t n, bool again, ns_t wait, ns_t now);
void leg_ask_now(struct leg *l, ns_t now); /* the network changed */
/* What should have come by it did not: does it still know us? Nothing to one that is known to be away. */
void leg_miss(struct leg *l, ns_t now);
/* The relay ended a connection of ours, and knows us no more if it starts anew: asked at once, however lately
 * it was. */
void leg_ended(struct leg *l, ns_t now);

/* What a leg is for: it decides how often and how it is asked. */
struct leg_use {
	bool registers;
	bool kept; /* its mapping is worth keeping alive, as others are told of it */
};

/*
 * What is due: what to ask (`out` gets a message of *ret_n bytes, 0 = nothing) and where. True when something
 * that we had is lost, because nobody answers: the address, the registration.
 */
bool leg_step(struct leg *l, const struct leg_use *use, struct stun_self *self, const char *id,
	const uint8_t key[static STUN_KEY], ns_t now, uint8_t *out, size_t out_len, size_t *ret_n,
	struct endpoint *ret_to);
/* Is that an answer to a question of ours, by stamp and source? The caller knows who sent it. */
bool leg_asked(const struct leg *l, const struct stun_msg *msg, const struct endpoint *from);
/* own: the address in it is one of this host. True when our address or the registration changed. */
bool leg_answered(struct leg *l, const struct leg_use *use, const struct stun_msg *msg,
	const struct endpoint *from, bool own, uint32_t random, ns_t now);

/* A sign that the relay is there: a question that goes unanswered is repeated now, and one that was away is
 * asked as at first. */
void leg_hurry(struct leg *l, ns_t now);

bool leg_registered(const struct leg *l, ns_t now);
/* And no question has gone unanswered since. */
bool leg_is_sure(const struct leg *l, ns_t now);
/* There is a relay to be asked, and it answers or may still. */
bool leg_hopeful(const struct leg *l);
/* The one that answered last, or is asked next. There must be one. */
const struct endpoint *leg_server(const struct leg *l);

#endif
