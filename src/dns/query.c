/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "dns/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dns/reverse.h"

static const struct {
	uint16_t type;
	const char *name;
} types[] = {{DNS_A, "A"}, {DNS_AAAA, "AAAA"}, {DNS_PTR, "PTR"}, {DNS_NS, "NS"}, {DNS_SOA, "SOA"},
	{DNS_ANY, "ANY"}};

const char *dns_type_name(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].type == type)
			return types[i].name;
	return "?";
}

bool dns_type_parse(const char *text, uint16_t *ret_type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		const size_t n = strlen(types[i].name);

		if (strlen(text) == n && same_but_case(text, types[i].name, n)) {
			*ret_type = types[i].type;
			return true;
		}
	}
	return false;
}

const char *dns_rcode_name(enum dns_rcode rcode)
{
	static const char *const names[] = {
		[DNS_NOERROR] = "NOERROR",
		[DNS_FORMERR] = "FORMERR",
		[DNS_SERVFAIL] = "SERVFAIL",
		[DNS_NXDOMAIN] = "NXDOMAIN",
		[DNS_NOTIMP] = "NOTIMP",
		[DNS_REFUSED] = "REFUSED",
	};

	return rcode < ARRAY_LEN(names) ? names[rcode] : "BADVERS";
}

int dns_query_read(const struct dns_zone *z, const char *text, struct dns_name *ret_name, bool *ret_backwards)
{
	struct dns_name n;
	struct ip ip;

	if (ip_parse(text, &ip) == TM_OK) {
		*ret_name = dns_reverse_write(&ip, ip.family == IP_V4 ? 4 : 32);
		*ret_backwards = true;
		return TM_OK;
	}
	*ret_backwards = false;
	if (dns_name_parse(text, &n) != TM_OK || n.len == 1)
		return TM_EINVAL;
	if (strchr(text, '.')) {
		*ret_name = n;
		return TM_OK;
	}
	return dns_name_prepend(text, strlen(text), &z->name, ret_name) == TM_OK ? TM_OK : TM_EINVAL;
}

const char *dns_record_format(const struct dns_record *r, char buf[static DNS_DATA_TEXT])
{
	char target[DNS_NAME_TEXT], mailbox[DNS_NAME_TEXT], ip[IP_STR_LEN];

	switch (r->type) {
	case DNS_A:
	case DNS_AAAA:
		snprintf(buf, DNS_DATA_TEXT, "%s", ip_format(&r->ip, ip));
		break;
	case DNS_SOA:
		snprintf(buf, DNS_DATA_TEXT, "%s %s %" PRIu32 " %" PRIu32,
			dns_name_format(&r->target, target), dns_name_format(&r->mailbox, mailbox), r->serial,
			r->minimum);
		break;
	default:
		snprintf(buf, DNS_DATA_TEXT, "%s", dns_name_format(&r->target, target));
	}
	return buf;
}
