/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/err.h"
#include "fake/random.h"
#include "unit/control/policy/chain_world.h"

static uint64_t seed;

void chain_seed(uint64_t s)
{
	seed = s;
	for (int i = 0; i < 8; i++)
		fake_random(&seed);
}

uint32_t chain_random(uint32_t n)
{
	return fake_random(&seed) % n;
}

#define rnd chain_random

/* Networks that there may be, and that rules may name: some within others, and the internet. */
static const char *const routes[] = {"10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16", "fd01::/32", "0.0.0.0/0",
	"10.1.2.1/32", "198.51.100.0/24"};
enum { OFFERED = 5 }; /* the first of them are behind somebody */

static struct prefix route_of(unsigned i)
{
	struct prefix p;

	assert_int_equal(prefix_parse(routes[i], &p), TM_OK);
	return p;
}

struct ip world_own(const struct net *n)
{
	struct ip ip = n->prefix.ip;

	if (!n->prefix.len)
		assert_int_equal(ip_parse("198.51.100.1", &ip), TM_OK);
	else
		ip.bytes[ip.family == IP_V4 ? 3 : 15] = 1;
	return ip;
}

/* --- who is there --- */

static void add_person(struct world *w, int member, int node, bool router, const struct ip *ip)
{
	assert_true(w->n_people < PEOPLE_MAX);
	w->person[w->n_people++] = (struct person){member, node, router, *ip};
}

static void add_members(struct world *w)
{
	for (int i = 0; i < MEMBERS; i++) {
		struct member *m = &w->member[i];
		const uint8_t v4[4] = {100, 101, 0, (uint8_t)(i + 1)};
		uint8_t v6[16] = {0xfd};

		snprintf(m->name, sizeof(m->name), "%c%d", i < NODES ? 'n' : 'c', i < NODES ? i : i - NODES);
		m->tags = rnd(1 << TAGS) & rnd(1 << TAGS);
		m->node = i < NODES ? i : (int)rnd(2);
		v6[15] = (uint8_t)(i + 1);
		const struct ip a = ip_v4(v4), b = ip_v6(v6);
		add_person(w, i, m->node, false, &a);
		add_person(w, i, m->node, false, &b);
	}
}

static bool leads(const struct world *w, int node, const char *to)
{
	struct prefix p;

	assert_int_equal(prefix_parse(to, &p), TM_OK);
	for (unsigned i = 0; i < w->n_nets; i++)
		if (w->net[i].node == node && w->net[i].prefix.len == p.len &&
			ip_eq(&w->net[i].prefix.ip, &p.ip))
			return true;
	return false;
}

static void add_net(struct world *w)
{
	const unsigned which = rnd(OFFERED);
	const int node = (int)(2 + rnd(3));
	struct net *n = &w->net[w->n_nets];

	if (leads(w, node, routes[which]))
		return;
	*n = (struct net){route_of(which), node};
	w->n_nets++;
	const struct ip own = world_own(n);
	struct ip other = own;
	add_person(w, -1, node, true, &own);
	other.bytes[other.family == IP_V4 ? 3 : 15] = 9;
	add_person(w, -1, node, false, &other);
}

void world_make(struct world *w)
{
	*w = (struct world){.n_nets = 0};
	add_members(w);
	for (unsigned i = rnd(NETS + 1); i; i--)
		add_net(w);
	world_make_rules(w);
}

/* --- rules --- */

static bool same(const struct selector *a, const struct selector *b)
{
	return a->what == b->what && a->which == b->which;
}

static void make_list(struct selector *v, unsigned *ret_n)
{
	unsigned n = 0;

	for (unsigned i = 1 + rnd(LIST_MAX); i; i--) {
		static const unsigned of[] = {
			[ANYBODY] = 1, [ALL_MEMBERS] = 1, [MEMBER] = MEMBERS, [TAG] = TAGS, [ROUTE] = 0};
		struct selector s = {.what = rnd(SELECTORS)};
		bool twice = false;

		s.which = rnd(s.what == ROUTE ? ARRAY_LEN(routes) : of[s.what]);
		for (unsigned k = 0; k < n; k++)
			twice |= same(&s, &v[k]);
		if (!twice)
			v[n++] = s;
	}
	*ret_n = n;
}

static void make_services(struct rule *r)
{
	static const struct {
		unsigned first, last;
	} types[] = {{0, 255}, {8, 8}, {42, 42}, {2, 13}, {100, 200}},
	  types6[] = {{0, 255}, {128, 128}, {130, 140}, {100, 200}},
	  others[] = {{0, 255}, {47, 47}, {50, 99}};

	r->n_about = 1 + rnd(LIST_MAX);
	for (unsigned i = 0; i < r->n_about; i++) {
		const enum kind k = (enum kind)rnd(KINDS);
		unsigned t = rnd(4);

		r->about[i].kind = k;
		if (k == TCP || k == UDP) {
			r->about[i].first = t ? 1 + rnd(PORTS) : 0;
			r->about[i].last = t ? r->about[i].first + rnd(4) : 65535;
			continue;
		}
		t = rnd(k == ICMP ? ARRAY_LEN(types) : k == ICMP6 ? ARRAY_LEN(types6) : ARRAY_LEN(others));
		r->about[i].first = k == ICMP    ? types[t].first
				    : k == ICMP6 ? types6[t].first
						 : others[t].first;
		r->about[i].last = k == ICMP ? types[t].last : k == ICMP6 ? types6[t].last : others[t].last;
	}
}

/* Of the nodes' own: the one side is the node. */
static void make_own(struct world *w)
{
	w->n_own = rnd(OWN_MAX + 1);
	for (unsigned i = 0; i < w->n_own; i++) {
		struct rule *r = &w->own[i];
		const unsigned of = rnd(NODES);

		*r = (struct rule){.deed = (enum deed)rnd(3), .of = (int)of};
		r->outbound = r->deed != ALLOW && rnd(2);
		make_list(r->outbound ? r->to : r->from, r->outbound ? &r->n_to : &r->n_from);
		(r->outbound ? r->from : r->to)[0] = (struct selector){MEMBER, of};
		*(r->outbound ? &r->n_from : &r->n_to) = 1;
		make_services(r);
	}
}

void world_make_rules(struct world *w)
{
	w->n_rules = 1 + rnd(RULES_MAX);
	for (unsigned i = 0; i < w->n_rules; i++) {
		struct rule *r = &w->rule[i];

		r->deed = rnd(3) ? ALLOW : (enum deed)(1 + rnd(2));
		r->of = -1;
		make_list(r->from, &r->n_from);
		make_list(r->to, &r->n_to);
		make_services(r);
	}
	/* A document that stops nobody is no filter at all, and lets strays through. */
	w->rule[0].deed = DENY;
	w->grant = rnd(3) ? (int)rnd(TAGS) : -1;
	make_own(w);
}

static void write_list(
	const struct world *w, const struct selector *v, unsigned n, const char *quote, struct strbuf *out)
{
	for (unsigned i = 0; i < n; i++) {
		strbuf_printf(out, "%s%s", i ? "," : "", quote);
		if (v[i].what == ANYBODY)
			strbuf_puts(out, "any");
		else if (v[i].what == ALL_MEMBERS)
			strbuf_puts(out, "members");
		else if (v[i].what == MEMBER)
			strbuf_puts(out, w->member[v[i].which].name);
		else if (v[i].what == TAG)
			strbuf_printf(out, "tag:t%u", v[i].which);
		else
			strbuf_printf(out, "route:%s", routes[v[i].which]);
		strbuf_puts(out, quote);
	}
}

static void write_services(const struct rule *r, struct strbuf *out)
{
	static const char *const kinds[] = {"tcp", "udp", "icmp", "icmpv6", "other"};

	for (unsigned k = 0; k < r->n_about; k++) {
		const unsigned first = r->about[k].first, last = r->about[k].last;

		strbuf_printf(out, "%s%s", k ? "," : "", kinds[r->about[k].kind]);
		if (first || (last != 255 && last != 65535))
			strbuf_printf(out, "/%u-%u", first, last);
	}
}

void world_write(const struct world *w, struct strbuf *out)
{
	static const char *const deeds[] = {"allow", "deny", "reject"};

	if (w->grant >= 0)
		strbuf_printf(out, "local_allow: ['tag:t%d']\n", w->grant);
	strbuf_puts(out, "rules:\n");
	for (unsigned i = 0; i < w->n_rules; i++) {
		const struct rule *r = &w->rule[i];

		strbuf_printf(out, "  - {id: r%u, %s: [", i, deeds[r->deed]);
		write_services(r, out);
		strbuf_puts(out, "], from: [");
		write_list(w, r->from, r->n_from, "'", out);
		strbuf_puts(out, "], to: [");
		write_list(w, r->to, r->n_to, "'", out);
		strbuf_puts(out, "]}\n");
	}
}

void world_write_own(const struct world *w, const struct rule *r, struct strbuf *who, struct strbuf *services)
{
	write_list(w, r->outbound ? r->to : r->from, r->outbound ? r->n_to : r->n_from, "", who);
	write_services(r, services);
}

/* --- the judge --- */

static bool is_among(
	const struct world *w, int at, const struct selector *v, unsigned n, const struct person *p)
{
	/* A router knows its own addresses. */
	const int member = p->router && at == p->node ? p->node : p->member;

	for (unsigned i = 0; i < n; i++) {
		if (v[i].what == ANYBODY || (v[i].what == ALL_MEMBERS && member >= 0))
			return true;
		if (v[i].what == MEMBER && member == (int)v[i].which)
			return true;
		if (v[i].what == TAG && member >= 0 && w->member[member].tags >> v[i].which & 1)
			return true;
		const struct prefix route = route_of(v[i].what == ROUTE ? v[i].which : 0);
		if (v[i].what == ROUTE && member < 0 && prefix_contains(&route, &p->ip))
			return true;
	}
	return false;
}

static bool is_granted(const struct world *w, int member)
{
	return member >= 0 && w->grant >= 0 && w->member[member].tags >> w->grant & 1;
}

static bool is_about(const struct world *w, int at, const struct rule *r, const struct person *from,
	const struct person *to, enum kind kind, unsigned port)
{
	bool about = false;

	for (unsigned k = 0; k < r->n_about; k++)
		about |= r->about[k].kind == kind && r->about[k].first <= port && port <= r->about[k].last;
	return about && is_among(w, at, r->from, r->n_from, from) && is_among(w, at, r->to, r->n_to, to);
}

enum deed world_judge(const struct world *w, int at_node, const struct person *from, const struct person *to,
	enum kind kind, unsigned port)
{
	/* Pings need no rule. */
	bool allowed = (kind == ICMP && port == 8) || (kind == ICMP6 && port == 128);

	for (unsigned i = 0; i < w->n_rules + w->n_own; i++) {
		const struct rule *r = i < w->n_rules ? &w->rule[i] : &w->own[i - w->n_rules];

		if ((r->of >= 0 && r->of != at_node) || !is_about(w, at_node, r, from, to, kind, port))
			continue;
		if (r->deed != ALLOW)
			return r->deed;
		allowed |= r->of < 0 || is_granted(w, at_node);
	}
	/* Who is asked may have a rule of its own, which the other side does not know. */
	return allowed || (at_node == from->node && is_granted(w, to->member)) ? ALLOW : DENY;
}
