/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a host says about its resolvers: the texts of /etc/resolv.conf (resolv.conf(5)) and /etc/hosts. Pure.
 */
#ifndef TM_NET_RESOLV_H
#define TM_NET_RESOLV_H

#include "base/addr.h"

enum { RESOLV_SERVERS_MAX = 3, RESOLV_SEARCH_MAX = 6, RESOLV_NAME_MAX = 254 };

struct resolv {
	/* This host, when none is named. Of those that are named, the first that can be used: one with a
	 * scope (fe80::1%eth0) cannot, and maybe none can. */
	struct endpoint servers[RESOLV_SERVERS_MAX];
	size_t n_servers;
	char search[RESOLV_SEARCH_MAX][RESOLV_NAME_MAX + 1];
	size_t n_search;
	unsigned ndots; /* a name with fewer dots is tried in the search domains first */
	unsigned attempts; /* of each server */
	unsigned timeout_ms; /* of each attempt */
};

void resolv_parse(const char *text, struct resolv *ret_resolv); /* an empty text is fine */
/* The k-th name to ask for, in the order of ndots; false: there is none. out holds RESOLV_NAME_MAX + 1. */
bool resolv_name(const struct resolv *r, const char *host, size_t k, char out[static RESOLV_NAME_MAX + 1]);
/* The addresses that a hosts file has for a name; how many. */
size_t hosts_find(const char *text, const char *host, struct ip *out, size_t max);

#endif
