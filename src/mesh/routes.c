/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mesh/routes.h"

#include <stdio.h>
#include <string.h>

static bool route_eq(const struct node_route *a, const struct node_route *b)
{
	return prefix_eq(&a->prefix, &b->prefix) && a->offered == b->offered && a->approved == b->approved &&
	       a->ha == b->ha;
}

bool node_routes_eq(const struct node_routes *a, const struct node_routes *b)
{
	if (a->n != b->n || a->exit != b->exit)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!route_eq(&a->v[i], &b->v[i]))
			return false;
	return true;
}

struct node_route *node_routes_find(struct node_routes *r, const struct prefix *p)
{
	for (size_t i = 0; i < r->n; i++)
		if (prefix_eq(&r->v[i].prefix, p))
			return &r->v[i];
	return NULL;
}

struct node_route *node_routes_add(struct node_routes *r, const struct prefix *p)
{
	struct node_route *found = node_routes_find(r, p);

	if (found || r->n == NODE_ROUTES_MAX)
		return found;
	r->v[r->n] = (struct node_route){.prefix = *p};
	return &r->v[r->n++];
}

void node_routes_tidy(struct node_routes *r)
{
	uint8_t n = 0;

	for (uint8_t i = 0; i < r->n; i++)
		if (r->v[i].offered || r->v[i].approved)
			r->v[n++] = r->v[i];
	memset(&r->v[n], 0, (size_t)(r->n - n) * sizeof(r->v[0]));
	r->n = n;
}

/* --- what may be one --- */

struct reserved {
	struct prefix prefix;
	const char *what;
};

static const struct reserved reserved[] = {
	{{{IP_V4, {0}}, 8}, "addresses of this very network (RFC 1122)"},
	{{{IP_V4, {127}}, 8}, "loopback addresses, which every machine has for itself"},
	{{{IP_V4, {169, 254}}, 16}, "link-local addresses, which no router may pass on"},
	{{{IP_V4, {224}}, 4}, "multicast groups, which routes of this kind do not carry"},
	{{{IP_V4, {255, 255, 255, 255}}, 32}, "the broadcast address"},
	{{{IP_V6, {[15] = 1}}, 128}, "the loopback address, which every machine has for itself"},
	{{{IP_V6, {0}}, 128}, "the unspecified address"},
	{{{IP_V6, {[10] = 0xff, [11] = 0xff}}, 96}, "IPv4 addresses in IPv6's clothes"},
	{{{IP_V6, {0xfe, 0x80}}, 10}, "link-local addresses, which no router may pass on"},
	{{{IP_V6, {0xff}}, 8}, "multicast groups, which routes of this kind do not carry"},
};

static bool is_mesh(const struct prefix *p, const struct prefix *net)
{
	return net->ip.family != IP_NONE && prefix_overlaps(p, net);
}

int route_check(const struct prefix *p, const struct prefix *net4, const struct prefix *net6, struct diag *d)
{
	char text[PREFIX_STR_LEN];

	prefix_format(p, text);
	diag_code(d, "usage");
	if (p->len == 0) {
		diag_hint(d, "`tunnelmesh exit-node offer` offers the way to the internet");
		return diag_what(d, TM_EINVAL, "%s is all there is, not a network behind this machine", text);
	}
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (prefix_overlaps(p, &reserved[i].prefix)) {
			diag_hint(d, "name the networks themselves, such as 192.168.1.0/24");
			return diag_what(d, TM_EINVAL, "%s has %s in it", text, reserved[i].what);
		}
	if (is_mesh(p, net4) || is_mesh(p, net6)) {
		diag_hint(d, "members are reached without a route; name the networks behind this machine");
		return diag_what(d, TM_EINVAL, "%s has addresses of the mesh itself in it", text);
	}
	if (d)
		d->code[0] = '\0';
	return TM_OK;
}

int route_parse(const char *text, const struct prefix *net4, const struct prefix *net6,
	struct prefix *ret_prefix, struct diag *d)
{
	char meant[PREFIX_STR_LEN];
	struct prefix p;

	if (prefix_parse(text, &p) != TM_OK) {
		diag_code(d, "usage");
		diag_hint(d, "a network is written as 192.168.1.0/24 or 2001:db8:1::/64");
		return diag_what(d, TM_EINVAL, "\"%.60s\" is not a network", text);
	}
	const struct prefix masked = prefix_mask(&p);
	if (!ip_eq(&masked.ip, &p.ip)) {
		diag_code(d, "usage");
		diag_hint(d, "%s is the network that it is in", prefix_format(&masked, meant));
		return diag_what(d, TM_EINVAL, "\"%.60s\" is an address in a network, not the network", text);
	}
	int err = route_check(&masked, net4, net6, d);
	if (!err)
		*ret_prefix = masked;
	return err;
}

const struct node_route *route_clash(const struct node_route *r, const struct node_routes *theirs)
{
	for (size_t i = 0; i < theirs->n; i++) {
		const struct node_route *t = &theirs->v[i];

		if (route_counts(t) && !(r->ha && t->ha) && prefix_overlaps(&r->prefix, &t->prefix))
			return t;
	}
	return NULL;
}

/* --- text --- */

struct flags {
	char text[4];
};

static struct flags flags_of(bool a, char x, bool b, char y, bool c, char z)
{
	struct flags f = {{0}};
	size_t n = 0;

	if (a)
		f.text[n++] = x;
	if (b)
		f.text[n++] = y;
	if (c)
		f.text[n] = z;
	return f;
}

void node_routes_join(const struct node_routes *r, char ret_text[static ROUTES_TEXT_MAX])
{
	char net[PREFIX_STR_LEN];
	size_t len = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < r->n; i++) {
		const struct node_route *v = &r->v[i];

		len += (size_t)snprintf(ret_text + len, ROUTES_TEXT_MAX - len, "%s%s %s", len ? ";" : "",
			prefix_format(&v->prefix, net),
			flags_of(v->offered, 'o', v->approved, 'a', v->ha, 'h').text);
	}
	if (r->exit)
		snprintf(ret_text + len, ROUTES_TEXT_MAX - len, "%sexit %s", len ? ";" : "",
			flags_of(r->exit & EXIT_IP4, '4', r->exit & EXIT_IP6, '6', r->exit & EXIT_APPROVED,
				'a')
				.text);
}

static int split_one(const char *word, const char *flags, struct node_routes *r)
{
	const struct prefix none = {.len = 0};
	struct prefix p;

	if (strcmp(word, "exit") == 0) {
		r->exit =
			(uint8_t)((strchr(flags, '4') ? EXIT_IP4 : 0) | (strchr(flags, '6') ? EXIT_IP6 : 0) |
				  (strchr(flags, 'a') ? EXIT_APPROVED : 0));
		return TM_OK;
	}
	if (prefix_parse(word, &p) != TM_OK || r->n == NODE_ROUTES_MAX)
		return TM_EBADMSG;
	p = prefix_mask(&p);
	if (route_check(&p, &none, &none, NULL) != TM_OK || node_routes_find(r, &p))
		return TM_EBADMSG;
	r->v[r->n++] = (struct node_route){.prefix = p,
		.offered = strchr(flags, 'o'),
		.approved = strchr(flags, 'a'),
		.ha = strchr(flags, 'h')};
	return TM_OK;
}

int node_routes_split(const char *text, struct node_routes *ret_r)
{
	struct node_routes r = {.n = 0};

	while (*text) {
		const size_t len = strcspn(text, ";");
		char line[PREFIX_STR_LEN + 8], word[PREFIX_STR_LEN], flags[4] = "";

		_Static_assert(PREFIX_STR_LEN == 50, "as below");
		if (len >= sizeof(line))
			return TM_EBADMSG;
		memcpy(line, text, len);
		line[len] = '\0';
		if (sscanf(line, "%49s %3s", word, flags) < 1 || split_one(word, flags, &r) != TM_OK)
			return TM_EBADMSG;
		text += len + (text[len] == ';');
	}
	*ret_r = r;
	return TM_OK;
}
