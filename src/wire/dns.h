/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a stub resolver needs of DNS (RFC 1035, RFC 3596): one question for addresses, and what answers it.
 * Pure. */
#ifndef TM_WIRE_DNS_H
#define TM_WIRE_DNS_H

#include "base/addr.h"
#include "base/err.h"

enum dns_type { DNS_A = 1, DNS_AAAA = 28 };
enum dns_rcode { DNS_OK = 0, DNS_NXDOMAIN = 3 }; /* others: this server cannot or will not say */

enum {
	DNS_NAME_MAX = 253, /* characters of a name without the last dot */
	DNS_QUERY_MAX = 12 + DNS_NAME_MAX + 2 + 4,
	DNS_ADDRESSES_MAX = 8,
};

/* Asks for a recursive answer. TM_EINVAL: not a name that DNS could know (a last dot is allowed). */
NODISCARD int dns_query_encode(
	uint16_t id, const char *name, enum dns_type type, uint8_t out[static DNS_QUERY_MAX], size_t *ret_n);

struct dns_answer {
	unsigned rcode;
	size_t n;
	struct ip addresses[DNS_ADDRESSES_MAX]; /* of the type asked for; more are left out */
};

/*
 * The answer to exactly this query. Addresses are taken under whatever name the server has them, as the end
 * of a chain of aliases. TM_EAGAIN: an answer to something else; TM_EBADMSG.
 */
NODISCARD int dns_answer_decode(
	const uint8_t *p, size_t n, const uint8_t *query, size_t query_len, struct dns_answer *ret_answer);

#endif
