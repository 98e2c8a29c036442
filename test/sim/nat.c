/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sim/nat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { LOWEST_PORT = 1024 };

const struct nat_kind nat_home = {
	.mapping = NAT_ENDPOINT_INDEPENDENT,
	.filtering = NAT_ADDRESS_DEPENDENT,
	.ports = NAT_PRESERVING,
	.refresh_inbound = true,
};

static bool same_for(enum nat_scope scope, const struct endpoint *a, const struct endpoint *b)
{
	switch (scope) {
	case NAT_ENDPOINT_INDEPENDENT:
		return true;
	case NAT_ADDRESS_DEPENDENT:
		return ip_eq(&a->ip, &b->ip);
	case NAT_ADDRESS_AND_PORT_DEPENDENT:
		break;
	}
	return endpoint_eq(a, b);
}

static ns_t expiry(const struct nat *t)
{
	return t->kind.expiry ? t->kind.expiry : 120 * SEC;
}

/* 30 s: nf_conntrack_udp_timeout, of a flow that was not answered. */
const struct nat_kind nat_bare_linux = {
	.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.ports = NAT_PRESERVING,
	.refresh_inbound = true,
	.answers = true,
	.expiry = 30 * SEC,
};

static bool is_live(const struct nat *t, ns_t used)
{
	return t->sim->now - used <= expiry(t);
}

static void remove_mapping(struct nat *t, size_t i)
{
	free(t->mappings[i].contacts);
	t->mappings[i] = t->mappings[--t->n_mappings];
}

static void expire(struct nat *t)
{
	for (size_t i = 0; i < t->n_mappings;) {
		if (is_live(t, t->mappings[i].used))
			i++;
		else
			remove_mapping(t, i);
	}
}

/* remote: whose flow it is, where ports are shared by flows. */
static struct nat_mapping *by_outside(
	struct nat *t, const struct endpoint *outside, const struct endpoint *remote)
{
	for (size_t i = 0; i < t->n_mappings; i++) {
		struct nat_mapping *m = &t->mappings[i];

		if (endpoint_eq(&m->outside, outside) &&
			(!t->kind.answers || endpoint_eq(&m->remote, remote)))
			return m;
	}
	return NULL;
}

const struct nat_mapping *nat_mapping_of(struct nat *t, const struct endpoint *inside)
{
	expire(t);
	for (size_t i = 0; i < t->n_mappings; i++) {
		if (endpoint_eq(&t->mappings[i].inside, inside))
			return &t->mappings[i];
	}
	return NULL;
}

/* --- outbound --- */

static unsigned pool_size(const struct nat *t)
{
	return t->kind.pool ? t->kind.pool : 1;
}

/* Where the host's block on that outside address begins. */
static unsigned block_base(const struct nat *t, const struct endpoint *inside, const struct ip *outside)
{
	unsigned n = (UINT16_MAX + 1) / t->kind.block, skip = MAX(LOWEST_PORT / t->kind.block, 1U);
	unsigned which = inside->ip.bytes[3] * 7u + outside->bytes[3] * 13u;

	return (skip + which % (n - skip)) * t->kind.block;
}

static bool block_is_full(struct nat *t, const struct ip *outside, unsigned base)
{
	unsigned taken = 0;

	for (size_t i = 0; i < t->n_mappings; i++)
		taken += ip_eq(&t->mappings[i].outside.ip, outside) &&
			 t->mappings[i].outside.port / t->kind.block == base / t->kind.block;
	return taken >= t->kind.block;
}

static struct endpoint in_block(struct nat *t, const struct endpoint *inside, const struct ip *outside)
{
	unsigned base = block_base(t, inside, outside);
	struct endpoint ep = {.ip = *outside};

	if (block_is_full(t, outside, base))
		return ep;
	do
		ep.port = (uint16_t)(base + sim_random(t->sim) % t->kind.block);
	while (by_outside(t, &ep, NULL));
	return ep;
}

static uint16_t wanted_port(struct nat *t, uint16_t inside)
{
	switch (t->kind.ports) {
	case NAT_PRESERVING:
		return inside;
	case NAT_SEQUENTIAL:
		return t->next_port++;
	case NAT_RANDOM:
	case NAT_BLOCK:
		break;
	}
	return (uint16_t)sim_between(t->sim, LOWEST_PORT, UINT16_MAX);
}

/* Port 0: there is none left. */
static struct endpoint outside_for(
	struct nat *t, const struct endpoint *inside, const struct endpoint *remote)
{
	unsigned which = t->kind.arbitrary_pool ? (unsigned)sim_random(t->sim) : inside->ip.bytes[3];
	struct endpoint ep = {.ip = t->pool[which % pool_size(t)]};

	if (t->kind.firewall)
		return *inside;
	if (t->kind.ports == NAT_BLOCK)
		return in_block(t, inside, &ep.ip);
	ep.port = wanted_port(t, inside->port);
	for (size_t i = 0; t->kind.answers && i < t->n_mappings; i++)
		if (endpoint_eq(&t->mappings[i].inside, inside))
			ep.port = t->mappings[i].outside.port;
	while (ep.port < LOWEST_PORT || (t->kind.parity && (ep.port ^ inside->port) & 1) ||
		by_outside(t, &ep, remote)) {
		ep.port = t->kind.answers ? (uint16_t)sim_random(t->sim) : (uint16_t)(ep.port + 1);
		if (t->kind.ports == NAT_SEQUENTIAL)
			t->next_port = (uint16_t)(ep.port + 1);
	}
	return ep;
}

static struct nat_mapping *add_mapping(struct nat *t, const struct nat_mapping *fresh)
{
	if (t->n_mappings == t->cap_mappings) {
		t->cap_mappings = t->cap_mappings ? 2 * t->cap_mappings : 8;
		t->mappings = realloc(t->mappings, t->cap_mappings * sizeof(*fresh));
		assert_non_null(t->mappings);
	}
	t->mappings[t->n_mappings] = *fresh;
	return &t->mappings[t->n_mappings++];
}

/* NULL: no port is left for it. */
static struct nat_mapping *mapping_for(
	struct nat *t, const struct endpoint *inside, const struct endpoint *remote)
{
	expire(t);
	for (size_t i = 0; i < t->n_mappings; i++) {
		struct nat_mapping *m = &t->mappings[i];

		if (endpoint_eq(&m->inside, inside) && same_for(t->kind.mapping, &m->remote, remote))
			return m;
	}
	struct nat_mapping fresh = {
		.inside = *inside, .outside = outside_for(t, inside, remote), .remote = *remote};
	return fresh.outside.port ? add_mapping(t, &fresh) : NULL;
}

/* False: the datagram goes no further. */
static bool contact(struct nat *t, struct nat_mapping *m, const struct endpoint *remote)
{
	size_t i = 0;

	m->used = t->sim->now;
	while (i < m->n_contacts && !endpoint_eq(&m->contacts[i].remote, remote))
		i++;
	if (i == m->n_contacts) {
		if (i == m->cap_contacts) {
			m->cap_contacts = i ? 2 * i : 4;
			m->contacts = realloc(m->contacts, m->cap_contacts * sizeof(*m->contacts));
			assert_non_null(m->contacts);
		}
		m->contacts[m->n_contacts++] = (struct nat_contact){.remote = *remote};
	}
	if (!is_live(t, m->contacts[i].used))
		m->contacts[i] = (struct nat_contact){.remote = *remote};
	m->contacts[i].used = t->sim->now;
	return m->contacts[i].out++ == 0 || !t->kind.first_only;
}

/* --- inbound --- */

static bool lets_in(struct nat *t, struct nat_mapping *m, const struct endpoint *from)
{
	bool in = t->kind.filtering == NAT_ENDPOINT_INDEPENDENT;

	for (size_t i = 0; i < m->n_contacts; i++) {
		struct nat_contact *c = &m->contacts[i];

		if (!is_live(t, c->used) || !same_for(t->kind.filtering, &c->remote, from))
			continue;
		in = c->in++ == 0 || !t->kind.first_only;
		if (t->kind.refresh_inbound)
			c->used = t->sim->now;
	}
	return in;
}

static bool is_outside_address(const struct nat *t, const struct ip *ip)
{
	for (unsigned i = 0; i < pool_size(t) && !t->kind.firewall; i++) {
		if (ip_eq(&t->pool[i], ip))
			return true;
	}
	return false;
}

/* `source` is what the inside host will see as the sender. */
static void pass_in(struct nat *t, struct datagram *dg, const struct endpoint *source)
{
	struct node *inside = segment_node(t->inside);
	struct nat_mapping *m;

	expire(t);
	m = by_outside(t, &dg->to, &dg->from);
	if (!m && t->kind.answers)
		m = add_mapping(t, &(struct nat_mapping){.outside = dg->to, .remote = dg->from});
	if (m && !m->inside.port)
		m->used = t->sim->now; /* the router's own */
	if (!m || !m->inside.port || !lets_in(t, m, &dg->from)) {
		sim_drop(t->sim, dg);
		return;
	}
	if (t->kind.refresh_inbound)
		m->used = t->sim->now;
	dg->from = *source;
	dg->to = m->inside;
	inside->forward(inside, dg);
}

static void nat_from_outside(struct node *n, struct datagram *dg)
{
	struct nat *t = CONTAINER_OF(n, struct nat, from_outside);
	struct endpoint source = dg->from;

	pass_in(t, dg, &source);
}

static void nat_from_inside(struct node *n, struct datagram *dg)
{
	struct nat *t = CONTAINER_OF(n, struct nat, from_inside);
	struct node *outside = segment_node(t->outside);
	struct endpoint source = dg->from; /* what a host behind the same NAT sees */
	bool back = is_outside_address(t, &dg->to.ip);
	struct nat_mapping *m;

	if (back && t->kind.hairpin == NAT_NO_HAIRPIN) {
		sim_drop(t->sim, dg);
		return;
	}
	m = mapping_for(t, &dg->from, &dg->to);
	if (!m) {
		sim_drop(t->sim, dg);
		return;
	}
	if (!contact(t, m, &dg->to)) {
		sim_drop(t->sim, dg);
		return;
	}
	dg->from = m->outside;
	if (t->kind.hairpin == NAT_EXTERNAL_SOURCE)
		source = dg->from;
	if (back)
		pass_in(t, dg, &source);
	else
		outside->forward(outside, dg);
}

/* --- life --- */

struct nat *nat_of(const struct segment *g)
{
	struct node *gateway = g->v4.gateway;

	return gateway ? CONTAINER_OF(gateway, struct nat, from_inside) : NULL;
}

void nat_reboot(struct nat *t)
{
	while (t->n_mappings)
		remove_mapping(t, 0);
	t->next_port = (uint16_t)sim_between(t->sim, LOWEST_PORT, UINT16_MAX);
}

void nat_renumber(struct nat *t)
{
	nat_reboot(t);
	for (unsigned i = 0; i < pool_size(t); i++) {
		if (t->pool[i].family)
			segment_leave(t->outside, &t->pool[i]);
		t->pool[i] = segment_join(t->outside, IP_V4, &t->from_outside);
	}
}

static void nat_free(struct owned *o)
{
	struct nat *t = CONTAINER_OF(o, struct nat, owned);

	while (t->n_mappings)
		remove_mapping(t, 0);
	free(t->mappings);
	free(t);
}

static struct nat *new_nat(
	struct sim *s, struct segment *inside, struct segment *outside, const struct nat_kind *kind)
{
	struct nat *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	*t = (struct nat){
		.from_inside.forward = nat_from_inside,
		.from_outside.forward = nat_from_outside,
		.sim = s,
		.kind = *kind,
		.inside = inside,
		.outside = outside,
	};
	assert_true(kind->pool <= NAT_POOL_MAX);
	sim_own(s, &t->owned, nat_free);
	return t;
}

struct nat *nat_new(struct sim *s, struct segment *outside, const struct nat_kind *kind, const char *net4)
{
	struct nat *t = new_nat(s, segment_new(s, net4, NULL), outside, kind);

	t->inside->v4.gateway = &t->from_inside;
	nat_renumber(t);
	return t;
}

static struct nat_kind only_filtering(const struct nat_kind *kind)
{
	return (struct nat_kind){
		.firewall = true,
		.mapping = NAT_ENDPOINT_INDEPENDENT,
		.filtering = kind->filtering,
		.refresh_inbound = kind->refresh_inbound,
		.expiry = kind->expiry,
	};
}

static struct segment_family part_of(struct nat *t, const struct segment_family *outside)
{
	return (struct segment_family){.net = outside->net,
		.gateway = &t->from_inside,
		.above = t->outside,
		.door = &t->from_outside};
}

struct nat *firewall_for_ip6(struct nat *beside, const struct nat_kind *kind)
{
	struct nat_kind k = only_filtering(kind);
	struct nat *t = new_nat(beside->sim, beside->inside, beside->outside, &k);

	t->inside->v6 = part_of(t, &t->outside->v6);
	return t;
}

struct nat *firewall_new(struct sim *s, struct segment *outside, const struct nat_kind *kind)
{
	struct nat_kind k = only_filtering(kind);
	struct nat *t = new_nat(s, segment_new(s, NULL, NULL), outside, &k);

	t->inside->v4 = part_of(t, &outside->v4);
	t->inside->v6 = part_of(t, &outside->v6);
	return t;
}
