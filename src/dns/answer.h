/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A question in octets becomes an answer in octets, as RFCs 1035, 2308, 6891, 8020 and 8482 want it. No I/O;
 * the clock is the caller's. Control thread.
 */
#ifndef TM_DNS_ANSWER_H
#define TM_DNS_ANSWER_H

#include "dns/limit.h"
#include "dns/zone.h"

enum { DNS_ANSWER_MAX = 2048 }; /* longer is no answer of ours */

enum dns_transport { DNS_UDP, DNS_TCP };

/* What became of questions, one counter for each. */
#define DNS_COUNTERS(X)                                                                                      \
	X(answered, "a name or address that is there")                                                       \
	X(denied, "a name, an address or a type that is not")                                                \
	X(refused, "names of others, other classes, and askers that are not served")                         \
	X(malformed, "not understood, or of a kind that is not done")                                        \
	X(limited, "askers that ask too often")                                                              \
	X(dropped, "no question at all")

struct dns_counters {
#define X(name, text) uint64_t name;
	DNS_COUNTERS(X)
#undef X
};

struct dns_answerer {
	const struct dns_zone *zone; /* borrowed */
	struct dns_limit by_udp, by_tcp; /* apart: by UDP somebody else may ask in an asker's name */
	struct dns_counters counters;
	uint32_t slips; /* askers over the limit that were told so */
};

struct dns_asker {
	enum dns_transport transport;
	struct ip from;
	bool served; /* else everything is refused */
	bool own; /* a program of this machine: no limit, whoever is behind 127.0.0.1 */
};

NODISCARD int dns_answerer_init(struct dns_answerer *a, const struct dns_zone *zone);
/*
 * The answer's length; 0 = there is none to be given. *ret_member: whose address was given away, so that it
 * will be spoken to in a moment; else NULL.
 */
size_t dns_answer(struct dns_answerer *a, const struct dns_asker *from, const uint8_t *question, size_t n,
	ns_t now, uint8_t out[static DNS_ANSWER_MAX], const struct mesh_node **ret_member);

#endif
