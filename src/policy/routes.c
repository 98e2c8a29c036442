/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/routes.h"

#include <string.h>

bool policy_prefix_holds(const struct prefix *a, const struct prefix *b)
{
	return a->ip.family == b->ip.family && a->len <= b->len && prefix_contains(a, &b->ip);
}

struct cut {
	struct prefix *v; /* of selectors */
	size_t n;
};

static struct prefix half(const struct prefix *p, bool upper)
{
	struct prefix h = *p;

	if (upper)
		h.ip.bytes[p->len / 8] |= (uint8_t)(0x80 >> p->len % 8);
	h.len++;
	return h;
}

/* Do the longer ones fill it? */
static bool is_filled(const struct cut *c, const struct prefix *p, bool outermost)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++) {
		if (!policy_prefix_holds(p, &c->v[i]))
			continue;
		if (c->v[i].len > p->len)
			any = true;
		else if (!outermost)
			return true;
	}
	if (!any)
		return false;

	const struct prefix low = half(p, false), high = half(p, true);
	return is_filled(c, &low, false) && is_filled(c, &high, false);
}

static int in_order(const void *a, const void *b)
{
	const struct policy_route *x = a, *y = b;

	if (x->via->host != y->via->host)
		return x->via->host < y->via->host ? -1 : 1;
	int order = ip_cmp(&x->prefix.ip, &y->prefix.ip);
	return order ? order : x->prefix.len - y->prefix.len;
}

static void add_selectors(struct cut *c, const struct policy_doc *doc)
{
	for (size_t i = 0; i < doc->n_selectors; i++)
		if (doc->selectors[i]->kind == POLICY_ROUTE)
			c->v[c->n++] = doc->selectors[i]->prefix;
}

/* A route within another's stays behind both: the longer one may go while the other stays. */
static int cut(const struct cut *c, const struct policy_route *routes, size_t n,
	struct policy_route **ret_pieces, size_t *ret_n)
{
	size_t room = n, n_pieces = 0, kept = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < c->n; k++)
			room += policy_prefix_holds(&routes[i].prefix, &c->v[k]);
	struct policy_route *v = calloc(room + 1, sizeof(*v));
	if (!v)
		return TM_ENOMEM;

	for (size_t i = 0; i < n; i++) {
		v[n_pieces++] = routes[i];
		for (size_t k = 0; k < c->n; k++)
			if (policy_prefix_holds(&routes[i].prefix, &c->v[k]))
				v[n_pieces++] = (struct policy_route){c->v[k], routes[i].via};
	}
	qsort(v, n_pieces, sizeof(*v), in_order);
	for (size_t i = 0; i < n_pieces; i++)
		if ((!kept || in_order(&v[i], &v[kept - 1]) != 0) && !is_filled(c, &v[i].prefix, true))
			v[kept++] = v[i];
	*ret_pieces = v;
	*ret_n = kept;
	return TM_OK;
}

int policy_routes_cut(const struct policy_doc *doc, const struct policy_doc *beside,
	const struct policy_route *routes, size_t n, struct policy_route **ret_pieces, size_t *ret_n)
{
	struct cut c = {.v = calloc(doc->n_selectors + (beside ? beside->n_selectors : 0) + 1, sizeof(*c.v))};

	if (!c.v)
		return TM_ENOMEM;
	add_selectors(&c, doc);
	if (beside)
		add_selectors(&c, beside);
	int err = cut(&c, routes, n, ret_pieces, ret_n);
	free(c.v);
	return err;
}

bool policy_leads(const struct mesh_node *n)
{
	for (size_t i = 0; i < n->n_routes; i++)
		if (n->routes[i].approved)
			return true;
	return exit_families(n->exit);
}

static size_t add_routes(const struct mesh_node *n, struct policy_route *v)
{
	static const struct prefix all4 = {.ip = {.family = IP_V4}}, all6 = {.ip = {.family = IP_V6}};
	const unsigned exit = exit_families(n->exit);
	size_t count = 0;

	for (size_t i = 0; i < n->n_routes; i++)
		if (n->routes[i].approved)
			v[count++] = (struct policy_route){n->routes[i].prefix, n};
	if (exit & EXIT_IP4)
		v[count++] = (struct policy_route){all4, n};
	if (exit & EXIT_IP6)
		v[count++] = (struct policy_route){all6, n};
	return count;
}

int policy_routes_of(const struct mesh *m, struct policy_route **ret_v, size_t *ret_n)
{
	const struct mesh_node *n;
	struct policy_route *v;
	size_t room = 1, count = 0;

	for (size_t i = 0; (n = mesh_next(m, &i));)
		room += (size_t)n->n_routes + 2;
	v = calloc(room, sizeof(*v));
	if (!v)
		return TM_ENOMEM;
	for (size_t i = 0; (n = mesh_next(m, &i));)
		count += add_routes(n, v + count);
	*ret_v = v;
	*ret_n = count;
	return TM_OK;
}
