/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What stands between our data socket and the world? STUN servers (the coordinator and relays) are asked by
 * the method of RFC 5780: which mappings a translator makes (4.3), whom it lets in (4.4), whether it keeps
 * port numbers, how many outside addresses it has, and what a firewall leaves of UDP. Both families at once.
 * Pure: no I/O, no clock, no randomness of its own.
 *
 *   nat_set_servers, nat_start
 *   while (nat_step(p, self, now, &out)) send out        again at p->due at the latest
 *   nat_asked, verify, nat_answered                      for each STUN message that comes
 *   p->report                                            grows; `done` when all is known that can be
 *
 * A report takes NAT_TIME at most, and mostly two round trips. It sends one datagram in NAT_PACE, of each
 * family at most NAT_SENT_MAX; where nothing is lost and everybody is let in, seven and one for each further
 * server. The filter's tests are answered from a port that nobody ever sends to, so that no earlier question
 * has opened it (docs/decisions/0032).
 */
#ifndef TM_CONTROL_PATH_NAT_H
#define TM_CONTROL_PATH_NAT_H

#include "base/time.h"
#include "control/path/stun.h"

enum { NAT_SERVERS = 8, NAT_SEEN = 8, NAT_TRIES = 5, NAT_TESTS = NAT_SERVERS + 9, NAT_SENT_MAX = 72 };
#define NAT_TIME (4600 * MS)
#define NAT_PACE (10 * MS)

/* Where a server's second port is by default, seen from its data port. Far enough to leave the next ones to
 * further meshes on the same machine. */
enum { NAT_SECOND_PORT = 10 };

/* Payloads of UDP: of a full packet of the tunnel by default (1420 + WireGuard's 32), and what fits into the
 * smallest packet that IPv6 allows. */
enum { NAT_LONG = 1452, NAT_MEDIUM = 1232, NAT_SHORT = STUN_ANSWER_WHOLE };

/* --- what is found out --- */

/*
 * RFC 4787 4.1 and 5: on what of the remote side a mapping, or whom it lets in, depends. A set: what the
 * answers leave possible; one member = known.
 */
enum nat_depends {
	NAT_ON_NOTHING = 1, /* endpoint-independent */
	NAT_ON_ADDRESS = 2, /* address-dependent */
	NAT_ON_PORT = 4, /* address- and port-dependent */
	NAT_ON_ANYTHING = 7,
};

enum nat_udp {
	NAT_UDP_UNTRIED, /* nobody to be asked */
	NAT_UDP_ABSENT, /* this host has no address of the family */
	NAT_UDP_SILENT, /* nobody answers */
	NAT_UDP_FIRST_ONLY, /* of a flow the first datagram passes, and no more */
	NAT_UDP_SHORT_ONLY, /* datagrams of NAT_LONG do not pass */
	NAT_UDP_WORKS,
};

enum nat_answer { NAT_UNASKED, NAT_YES, NAT_NO };

/* Of one family. */
struct nat_facts {
	enum nat_udp udp;
	uint16_t payload; /* the longest datagram that passed both ways, of those tried; 0 = none */
	uint8_t mapping, filtering; /* sets of enum nat_depends */
	bool translated; /* the world sees another address than this host's */
	enum nat_answer port_kept, hairpin;
	/* Outside addresses, the one seen most often first. */
	struct nat_seen {
		struct endpoint ep;
		unsigned times;
	} seen[NAT_SEEN];
	size_t n_seen;
};

struct nat_reached {
	char id[NODE_ID_LEN + 1];
	struct endpoint at[2]; /* IPv4, IPv6; unset: not asked there */
	ns_t rtt[2]; /* the best; 0 = no answer */
};

struct nat_report {
	bool done, full;
	ns_t began, ended; /* monotonic; began 0 = never */
	struct nat_facts family[2]; /* IPv4, IPv6 */
	struct nat_reached servers[NAT_SERVERS];
	size_t n_servers;
};

/* What other members are told of it, so that they know which attempts are worth making: IPv4's. */
void nat_tell(const struct nat_report *r, struct nat_told *ret_told);

/* Is a mapping the same for everybody, as far as is known, or surely not? That makes direct connections easy
 * or hard. Neither while even two ports of one server have not been compared. */
bool nat_is_easy(const struct nat_facts *f);
bool nat_is_hard(const struct nat_facts *f);

/* --- the tests, and what follows from them --- */

enum nat_test_kind {
	NAT_ASK, /* a server's data port */
	NAT_ASK_PORT, /* its second port */
	NAT_ASK_ADDRESS, /* its second address */
	NAT_AGAIN, /* its data port once more */
	NAT_AGAIN_PORT, /* its second port once more */
	NAT_FROM_PORT, /* to be answered from another port */
	NAT_FROM_ADDRESS, /* from another address and port; asked by a socket that writes to no second address
			   */
	NAT_ASK_LONG, /* padded, and so is the answer */
	NAT_ASK_MEDIUM,
	NAT_ASK_SELF, /* our own outside address: does the translator take it back inside? */
	NAT_TEST_N,
};

struct nat_test {
	enum nat_test_kind kind;
	uint8_t server; /* index */
	uint8_t tries, max_tries;
	bool answered, over; /* over: no further try, nothing is waited for */
	bool at_first; /* the answer was to the first try */
	bool unable; /* the server answered as if it had not been asked for something special */
	struct endpoint to, mapped; /* mapped: as the answer says */
	uint64_t stamps[NAT_TRIES];
	ns_t sent[NAT_TRIES], due, gap; /* gap: between two tries */
};

/* It asks an endpoint that no other test of the family asks. */
static inline bool nat_shows_mapping(const struct nat_test *t)
{
	return t->kind == NAT_ASK || t->kind == NAT_ASK_PORT || t->kind == NAT_ASK_ADDRESS;
}

/* Facts from the tests of a family. `local`: this host's addresses. Pure; in nat_conclude.c. */
struct nat_self {
	const struct ip *local;
	size_t n_local;
	uint16_t port; /* of our data socket */
	bool aside; /* there is a socket for NAT_FROM_ADDRESS */
};
void nat_conclude(
	const struct nat_test *v, size_t n, const struct nat_self *self, struct nat_facts *ret_facts);

/* --- the prober --- */

struct nat_server {
	char id[NODE_ID_LEN + 1];
	uint8_t key[STUN_KEY]; /* of the messages between it and us */
	struct endpoint at[2]; /* its data port by IPv4 and by IPv6; unset: none */
};

enum { NAT_LOCAL = 32 };

struct nat_prober {
	struct nat_server servers[NAT_SERVERS], running[NAT_SERVERS]; /* to be asked next, and being asked */
	size_t n_servers, n_running;
	struct ip local[NAT_LOCAL];
	struct nat_self self; /* local: the above */
	uint8_t self_key[STUN_KEY]; /* of messages to ourselves */
	struct nat_side {
		struct nat_test tests[NAT_TESTS];
		size_t n_tests;
		unsigned sent;
		struct endpoint other; /* OTHER-ADDRESS of who answered first */
	} side[2];
	ns_t last_sent, due; /* NS_NEVER: nothing is under way */
	struct nat_report report;
};

struct nat_out {
	bool aside; /* by that socket, not by the data socket */
	struct endpoint to;
	uint8_t msg[NAT_LONG];
	size_t n;
};

void nat_prober_init(struct nat_prober *p);
/* Those of the next report; beyond NAT_SERVERS they are left out. */
void nat_set_servers(struct nat_prober *p, const struct nat_server *v, size_t n);
/*
 * A new report; one that is under way is given up. full: also what firewalls have been seen to take for an
 * attack (NAT_ASK_SELF), for which self_key is the key between us and ourselves (else NULL).
 */
void nat_start(
	struct nat_prober *p, const struct nat_self *self, bool full, const uint8_t *self_key, ns_t now);
/* False: nothing to be sent until p->due. */
bool nat_step(struct nat_prober *p, struct stun_self *self, ns_t now, struct nat_out *ret_out);
/* The key under which this message must be verified if it is one that we wait for, by sender, stamp and
 * source; NULL: it is not. */
const uint8_t *nat_asked(const struct nat_prober *p, const struct stun_self *self, const char *sender,
	const struct stun_msg *msg, const struct endpoint *from);
/* Have all been answered whose answers show how IPv4 is mapped, of those that were asked so far? */
bool nat_mapping_is_known(const struct nat_prober *p);
void nat_answered(struct nat_prober *p, const struct stun_msg *msg, const struct endpoint *from, ns_t now);

#endif
