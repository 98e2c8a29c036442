/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What `netcheck` found out, as values, as JSON (docs/json.md), and in the words of somebody who wants to
 * know why a path is not direct. Texts and the report are borrowed and good until the event loop goes on.
 * Private to node/.
 */
#ifndef TM_NODE_NETCHECK_VIEW_H
#define TM_NODE_NETCHECK_VIEW_H

#include "base/jsonout.h"
#include "control/path/nat.h"
#include "node/view.h"
#include "wire/portal.h"

enum { NETCHECK_TEXT = 320, NETCHECK_ADVICE_MAX = 5 };

struct netcheck_view {
	const struct nat_report *report;
	bool done; /* and so is all else */
	unsigned step; /* of its growth */
	enum portal_verdict http;
	const char *http_proxy; /* through which it was asked; "" = none */
	uint16_t port; /* of our data socket */
	bool coordinator; /* this is it, which nobody but relays can tell anything */
	struct link_view link;
	struct ports_view ports;
	/* Whom the report asked. */
	struct netcheck_server {
		const char *name, *id;
		bool coordinator, home;
		const ns_t *rtt; /* IPv4, IPv6; 0 = no answer */
	} servers[NAT_SERVERS];
	size_t n_servers;
};

/* The better of both; 0 = no answer. */
ns_t netcheck_rtt(const struct netcheck_server *s);
/* Those that answer soonest first, the silent ones last. */
void netcheck_sort(struct netcheck_view *v);
void netcheck_print(const struct netcheck_view *v, struct jsonout *out);

/* netcheck_words.c: pure. */

/* With whom do direct connections work? One sentence. */
const char *netcheck_verdict(const struct netcheck_view *v, char buf[static NETCHECK_TEXT]);
/* What the user can do about it, a sentence each; how many. */
size_t netcheck_advice(const struct netcheck_view *v, char (*ret_v)[NETCHECK_TEXT]);

#endif
