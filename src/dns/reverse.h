/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Addresses written as names: 5.0.100.100.in-addr.arpa, and nibble by nibble below ip6.arpa. A prefix that
 * does not end with an octet, or a nibble, is several zones side by side. Pure; private to dns/.
 */
#ifndef TM_DNS_REVERSE_H
#define TM_DNS_REVERSE_H

#include "base/addr.h"
#include "dns/name.h"

struct dns_reverse {
	struct ip ip; /* what the name says of it, zeros behind */
	uint8_t parts; /* octets or nibbles that it names */
	uint8_t zone_parts; /* as many of them are the zone of the prefix */
	bool whole; /* all of an address */
	bool strange; /* further labels, which are no part of one */
	size_t labels; /* of the whole name */
};

/* Is the name in, or above a host of, a zone of that prefix? */
bool dns_reverse_read(const struct dns_name *n, const struct prefix *net, struct dns_reverse *ret_reverse);
/* How many labels the name of its zone has. */
size_t dns_reverse_zone_labels(const struct dns_reverse *r);
/* The name of the first `parts` octets or nibbles. */
struct dns_name dns_reverse_write(const struct ip *ip, size_t parts);

#endif
