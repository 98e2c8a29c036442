/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Under which address of one family does the world see our data socket? The coordinator's data port is asked
 * by STUN, again and again: that also keeps a translator's mapping alive. Where it may have several
 * addresses, the tries go round them, and the one that answers is asked from then on. Pure.
 */
#ifndef TM_CONTROL_PATH_MAPPING_H
#define TM_CONTROL_PATH_MAPPING_H

#include "control/path/pair.h"
#include "control/path/stun.h"

enum { MAPPING_TRIES = 5, MAPPING_SERVERS = 4 };
/* RFC 4787 REQ-5 asks translators for two minutes, many give half a minute. Every wait is shortened by a
 * random part, lest all nodes of a mesh ask at one moment. */
#define MAPPING_EVERY (25 * SEC)
#define MAPPING_JITTER (5 * SEC)
#define MAPPING_OWN_EVERY (300 * SEC) /* there is no translator: the world sees an address of this host */
#define MAPPING_RTO (500 * MS) /* RFC 8489 6.2.1 */

struct mapping {
	/* the server */
	char id[NODE_ID_LEN + 1];
	uint8_t key[STUN_KEY]; /* of the messages between it and us */
	struct endpoint servers[MAPPING_SERVERS]; /* where it may be */
	size_t n_servers, first; /* 0: none is known; the one that answered last */
	/* the question under way */
	uint64_t stamps[MAPPING_TRIES];
	unsigned tries;
	ns_t due; /* NS_NEVER: no server */
	/* the answer */
	struct endpoint reflexive; /* IP_NONE = unknown */
};

void mapping_init(struct mapping *m);
/*
 * Asks after a random part of `spread`. A server that we know is left in its rhythm if it answered, else
 * asked again soon. TM_ECRYPTO for a key that is none.
 */
NODISCARD int mapping_set_server(struct mapping *m, const char *id, const struct endpoint *servers, size_t n,
	const struct dh_key *own, const uint8_t key[static 32], ns_t spread, uint32_t random, ns_t now);
/* The network changed: ask now. */
void mapping_restart(struct mapping *m, ns_t now);
/*
 * What is due: a question to be written to `out`, *ret_n bytes (0 = none), for ret_to. True when the address
 * that we had is lost, because nobody answers.
 */
bool mapping_step(struct mapping *m, struct stun_self *self, ns_t now, uint8_t *out, size_t out_len,
	size_t *ret_n, struct endpoint *ret_to);
/* Is that an answer to our question, by sender, stamp and source? The caller verifies it under m->key. */
bool mapping_asked(
	const struct mapping *m, const char *sender, const struct stun_msg *msg, const struct endpoint *from);
/* own: that is an address of this host. True when our address changed. */
bool mapping_answered(struct mapping *m, const struct endpoint *from, const struct endpoint *mapped, bool own,
	uint32_t random, ns_t now);

#endif
