/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A question as a person types it: a bare name, a whole one, or an address; and an answer as a person reads
 * it. Pure. */
#ifndef TM_DNS_QUERY_H
#define TM_DNS_QUERY_H

#include "dns/zone.h"

/*
 * The name that is meant by the text, and what is asked about it: an address backwards (DNS_PTR, and nothing
 * else), a word without a dot in our zone, anything else as it stands. TM_EINVAL: it is no name.
 */
NODISCARD int dns_query_read(
	const struct dns_zone *z, const char *text, struct dns_name *ret_name, bool *ret_backwards);

const char *dns_type_name(uint16_t type); /* "A"; "?" for what we have no records of */
bool dns_type_parse(const char *text, uint16_t *ret_type); /* in any case; of those that we have records of */
const char *dns_rcode_name(enum dns_rcode rcode); /* "NXDOMAIN" */

enum { DNS_DATA_TEXT = 3 * DNS_NAME_TEXT };
/* What a record says: an address, a name, or the parts of an SOA with blanks between. */
const char *dns_record_format(const struct dns_record *r, char buf[static DNS_DATA_TEXT]);

#endif
