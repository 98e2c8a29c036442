/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/policy/owners.h"

#include <string.h>

#include "base/text.h"

struct lost {
	uint32_t host;
	ns_t until;
};

enum { LOST_MAX = 64 };

struct owners {
	struct owned *v; /* by prefix */
	size_t n;
	struct lost lost[LOST_MAX];
	size_t n_lost;
};

int owners_new(struct owners **ret_owners)
{
	struct owners *o = calloc(1, sizeof(*o));

	if (!o)
		return TM_ENOMEM;
	*ret_owners = o;
	return TM_OK;
}

void owners_free(struct owners *o)
{
	if (!o)
		return;
	free(o->v);
	free(o);
}

/* --- who is lost --- */

void owners_found(struct owners *o, uint32_t host)
{
	for (size_t i = 0; i < o->n_lost; i++)
		if (o->lost[i].host == host) {
			o->lost[i] = o->lost[--o->n_lost];
			return;
		}
}

void owners_lost(struct owners *o, uint32_t host, ns_t now)
{
	owners_found(o, host);
	/* With so many it does not matter whom to believe in. */
	if (o->n_lost == LOST_MAX)
		memmove(o->lost, o->lost + 1, --o->n_lost * sizeof(o->lost[0]));
	o->lost[o->n_lost++] = (struct lost){host, now + OWNERS_LOST_FOR};
}

static bool is_lost(const struct owners *o, uint32_t host, ns_t now)
{
	for (size_t i = 0; i < o->n_lost; i++)
		if (o->lost[i].host == host)
			return o->lost[i].until > now;
	return false;
}

bool owners_may_leave(const struct owners *o, uint32_t host)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->v[i].host == host && o->v[i].others)
			return true;
	return false;
}

/* --- who may own what --- */

struct claims {
	struct owned *v;
	size_t n, room;
	struct prefix *own; /* ours */
	size_t n_own;
};

static int claim(struct claims *c, const struct prefix *p, uint32_t host)
{
	if (c->n == c->room) {
		size_t room = c->room ? 2 * c->room : 16;
		struct owned *v = array_resize(c->v, room, sizeof(*v));

		if (!v)
			return TM_ENOMEM;
		c->v = v;
		c->room = room;
	}
	c->v[c->n++] = (struct owned){.prefix = *p, .host = host};
	return TM_OK;
}

static int claim_exit(struct claims *c, const struct mesh_node *n)
{
	static const struct prefix all4 = {{IP_V4, {0}}, 0}, all6 = {{IP_V6, {0}}, 0};
	const unsigned families = exit_families(n->exit);
	int err = families & EXIT_IP4 ? claim(c, &all4, n->host) : TM_OK;

	return !err && families & EXIT_IP6 ? claim(c, &all6, n->host) : err;
}

static int claims_of(struct claims *c, const struct mesh_node *n, const struct owners_rule *rule)
{
	int err = TM_OK;

	for (size_t i = 0; i < n->n_routes && !err && !rule->none; i++) {
		const struct node_route *r = &n->routes[i];

		if (route_counts(r) && (rule->all || prefix_is_private(&r->prefix)) &&
			route_check(&r->prefix, &rule->net4, &rule->net6, NULL) == TM_OK)
			err = claim(c, &r->prefix, n->host);
	}
	if (!err && strcmp(n->id, rule->exit) == 0)
		err = claim_exit(c, n);
	return err;
}

static int by_prefix(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;
	int c = ip_cmp(&x->prefix.ip, &y->prefix.ip);

	if (c)
		return c;
	if (x->prefix.len != y->prefix.len)
		return x->prefix.len < y->prefix.len ? -1 : 1;
	return x->host < y->host ? -1 : x->host > y->host;
}

static bool is_ours(const struct mesh_node *self, const struct prefix *p)
{
	for (size_t i = 0; self && i < self->n_routes; i++)
		if (self->routes[i].offered && prefix_eq(&self->routes[i].prefix, p))
			return true;
	return false;
}

static uint32_t owner_now(const struct owners *o, const struct prefix *p)
{
	for (size_t i = 0; i < o->n; i++)
		if (prefix_eq(&o->v[i].prefix, p))
			return o->v[i].host;
	return 0;
}

/* Of the n that claim one network. */
static uint32_t choose(const struct owners *o, const struct owned *v, size_t n, ns_t now)
{
	const uint32_t current = owner_now(o, &v[0].prefix);
	uint32_t first = 0;
	bool there = false;

	for (size_t i = 0; i < n; i++) {
		there |= v[i].host == current;
		if (!first && !is_lost(o, v[i].host, now))
			first = v[i].host;
	}
	if (there && (!first || !is_lost(o, current, now)))
		return current;
	return first ? first : v[0].host;
}

static void settle(const struct owners *o, struct claims *c, const struct mesh_node *self, ns_t now)
{
	size_t kept = 0;

	if (c->n)
		qsort(c->v, c->n, sizeof(*c->v), by_prefix);
	for (size_t first = 0, end; first < c->n; first = end) {
		for (end = first + 1; end < c->n && prefix_eq(&c->v[end].prefix, &c->v[first].prefix);)
			end++;
		if (is_ours(self, &c->v[first].prefix))
			continue;
		const struct owned chosen = {
			.prefix = c->v[first].prefix,
			.host = choose(o, &c->v[first], end - first, now),
			.others = (unsigned)(end - first - 1),
		};
		c->v[kept++] = chosen;
	}
	c->n = kept;
}

/* --- what changed --- */

static void note(uint32_t *hosts, size_t *n, uint32_t host)
{
	for (size_t i = 0; i < *n; i++)
		if (hosts[i] == host)
			return;
	hosts[(*n)++] = host;
}

/* Those that lost a network or got one. */
static int compare(const struct owners *o, const struct claims *c, uint32_t **ret_hosts, size_t *ret_n)
{
	uint32_t *hosts = calloc(o->n + c->n + 1, sizeof(*hosts));
	size_t n = 0, a = 0, b = 0;

	if (!hosts)
		return TM_ENOMEM;
	while (a < o->n || b < c->n) {
		struct owned x = a < o->n ? o->v[a] : c->v[b], y = b < c->n ? c->v[b] : o->v[a];
		int order;

		x.host = y.host = 0;
		order = a == o->n ? 1 : b == c->n ? -1 : by_prefix(&x, &y);
		if (order == 0 && o->v[a].host != c->v[b].host) {
			note(hosts, &n, o->v[a].host);
			note(hosts, &n, c->v[b].host);
		} else if (order < 0) {
			note(hosts, &n, o->v[a].host);
		} else if (order > 0) {
			note(hosts, &n, c->v[b].host);
		}
		a += order <= 0;
		b += order >= 0;
	}
	*ret_hosts = hosts;
	*ret_n = n;
	return TM_OK;
}

int owners_follow(struct owners *o, const struct mesh *m, const struct owners_rule *rule, ns_t now,
	uint32_t **ret_hosts, size_t *ret_n)
{
	const struct mesh_node *n, *self = NULL;
	struct claims c = {.n = 0};
	int err = TM_OK;

	for (size_t i = 0; !err && (n = mesh_next(m, &i));) {
		if (n->host == rule->self_host)
			self = n;
		else if (n->n_routes || n->exit)
			err = claims_of(&c, n, rule);
	}
	if (!err) {
		settle(o, &c, self, now);
		err = compare(o, &c, ret_hosts, ret_n);
	}
	if (err) {
		free(c.v);
		return err;
	}
	free(o->v);
	o->v = c.v;
	o->n = c.n;
	return TM_OK;
}

const struct owned *owners_all(const struct owners *o, size_t *ret_n)
{
	*ret_n = o->n;
	return o->v;
}
