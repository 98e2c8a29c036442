/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a rule lets through or stops: a protocol and a range of its ports. As text: "tcp/22", "udp/5000-5010",
 * "icmp/echo", "tcp" (all of it), "any" (all of all). Pure.
 *
 * The ports of ICMP and ICMPv6 are types ("icmp/8", "icmpv6/128-129"), those of "other", which is all other
 * protocols, their numbers ("other/47"): as data/filter/rules.h has them.
 */
#ifndef TM_POLICY_SERVICE_H
#define TM_POLICY_SERVICE_H

#include "base/diag.h"
#include "base/err.h"
#include "base/util.h"

enum policy_proto { POLICY_TCP, POLICY_UDP, POLICY_ICMP, POLICY_ICMPV6, POLICY_OTHER, POLICY_PROTO_N };

struct policy_service {
	uint8_t proto; /* enum policy_proto */
	uint16_t first, last;
};

/*
 * What is read: words that somebody wants to be in force, of which those that mean nothing are mistakes; or
 * words that were accepted once, perhaps by an earlier version of this program. Those are read for ever.
 */
enum policy_reading { POLICY_FRESH, POLICY_ACCEPTED };

enum { POLICY_SERVICE_LEN = 24 };

const char *policy_proto_name(enum policy_proto p);
struct policy_service policy_proto_whole(
	enum policy_proto p); /* all that it has: 0 to 255 where those are types */
/* "any" and "ping" are several. TM_EINVAL, TM_ERANGE with a sentence. */
NODISCARD int policy_service_parse(
	const char *text, struct policy_service ret_v[static POLICY_PROTO_N], size_t *ret_n, struct diag *d);
/* The same of words that are read so; policy_service_parse is for fresh ones. */
NODISCARD int policy_service_read(const char *text, enum policy_reading how,
	struct policy_service ret_v[static POLICY_PROTO_N], size_t *ret_n, struct diag *d);
/* Returns buf. */
const char *policy_service_format(const struct policy_service *s, char buf[static POLICY_SERVICE_LEN]);
/* Without types of ICMP, or numbers of protocols, at its ends that no rule is asked about; false: it has no
 * others. */
bool policy_service_clip(struct policy_service *s);
/* The lowest port that a packet of it has which a rule is asked about: not 0 where there is another. */
uint16_t policy_service_lowest(const struct policy_service *s);

#endif
