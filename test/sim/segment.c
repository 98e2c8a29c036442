/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sim/segment.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

_Static_assert(sizeof(struct ip) == 17, "addresses are keys of a map: no padding");

static struct segment_family *family_of(struct segment *g, enum ip_family family)
{
	return family == IP_V4 ? &g->v4 : &g->v6;
}

bool segment_has(const struct segment *g, const struct ip *ip)
{
	const struct prefix *net = ip->family == IP_V4 ? &g->v4.net : &g->v6.net;

	return net->ip.family && prefix_contains(net, ip);
}

static void segment_forward(struct node *n, struct datagram *dg)
{
	struct segment *g = CONTAINER_OF(n, struct segment, super);
	struct segment_family *f = family_of(g, dg->to.ip.family);
	struct node *to = map_get(g->members, &dg->to.ip);

	/* Inside of a firewall are some of the addresses of the network around it: the others are out there.
	 */
	if (!to && (!segment_has(g, &dg->to.ip) || f->above))
		to = f->gateway;
	if (to && g->delay)
		sim_deliver(g->sim, g->sim->now + g->delay, to, dg);
	else if (to)
		to->forward(to, dg);
	else
		sim_drop(g->sim, dg);
}

static void segment_free(struct owned *o)
{
	struct segment *g = CONTAINER_OF(o, struct segment, owned);

	map_free(g->members);
	free(g);
}

struct segment *segment_new(struct sim *s, const char *net4, const char *net6)
{
	struct segment *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	g->super.forward = segment_forward;
	g->sim = s;
	if (net4)
		assert_int_equal(prefix_parse(net4, &g->v4.net), TM_OK);
	if (net6)
		assert_int_equal(prefix_parse(net6, &g->v6.net), TM_OK);
	assert_int_equal(map_new(sizeof(struct ip), &g->members), TM_OK);
	sim_own(s, &g->owned, segment_free);
	return g;
}

struct node *segment_node(struct segment *g)
{
	return &g->super;
}

struct ip segment_join(struct segment *g, enum ip_family family, struct node *member)
{
	struct segment_family *f = family_of(g, family);
	struct ip ip = f->net.ip;

	if (!ip.family)
		return ip;
	if (f->above) {
		ip = segment_join(f->above, family, f->door);
	} else {
		uint8_t *low = family == IP_V4 ? ip.bytes : ip.bytes + 12;

		put_be32(low, get_be32(low) + ++g->last);
	}
	assert_int_equal(map_put(g->members, &ip, member), TM_OK);
	return ip;
}

void segment_leave(struct segment *g, const struct ip *ip)
{
	struct segment_family *f = family_of(g, ip->family);

	map_remove(g->members, ip);
	if (f->above)
		segment_leave(f->above, ip);
}
