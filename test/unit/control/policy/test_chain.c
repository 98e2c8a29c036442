/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The whole chain, from the text of a policy to the verdict about a packet's bytes, at both ends of each
 * tunnel: filtering_rules of random documents and meshes, filter_judge, and a judge (chain_world.h) that
 * shares nothing with them. TM_CHAIN_WORLDS=n does that many worlds, TM_CHAIN_SEED=n begins elsewhere.
 */
#include "unit/unit.h"

#include "base/bytes.h"
#include "control/policy/counts.h"
#include "control/policy/filtering.h"
#include "data/filter/filter.h"
#include "unit/control/policy/chain_world.h"
#include "unit/policy/rig.h"

enum { WORLDS = 60, FRESH = 150, LIVE = 24, MEMORY = 4096 };

/* A connection, from the one that began it. */
struct live {
	const struct person *from, *to;
	uint16_t sport, dport;
	bool ended[2]; /* by rules, at either end */
};

struct chain {
	struct world w;
	struct mesh *mesh;
	char nodes[1024];
	struct filtering *filtering[NODES];
	struct counts *counts[NODES]; /* and what they were */
	uint64_t counted[NODES][COUNTS_ACTIONS];
	struct filter_worker worker[NODES];
	uint64_t generation, seed;
	ns_t now;
	uint16_t serial;
	struct live live[LIVE];
	unsigned n_live;
};

static struct chain chain;
static uint64_t packets;
static const enum policy_action actions[] = {
	[ALLOW] = POLICY_ALLOW, [DENY] = POLICY_DENY, [REJECT] = POLICY_REJECT};

/* --- the mesh --- */

static void add_member(struct chain *c, int i)
{
	const struct member *m = &c->w.member[i];
	struct node_rec r = {.host = (uint32_t)i + 1, .kind = i < NODES ? NODE_MESH : NODE_CLIENT};

	snprintf(r.name, sizeof(r.name), "%s", m->name);
	rig_id(m->name, r.id);
	memset(r.key, i + 1, sizeof(r.key));
	if (i >= NODES)
		rig_id(c->w.member[m->node].name, r.via);
	for (unsigned t = 0; t < TAGS; t++)
		if (m->tags >> t & 1)
			snprintf(r.tags[r.n_tags++], sizeof(r.tags[0]), "t%u", t);
	for (unsigned k = 0; k < c->w.n_nets; k++) {
		const struct net *n = &c->w.net[k];

		if (n->node != i)
			continue;
		if (n->prefix.len)
			r.routes.v[r.routes.n++] =
				(struct node_route){.prefix = n->prefix, .offered = true, .approved = true};
		else
			r.routes.exit = EXIT_IP4 | EXIT_APPROVED;
	}
	assert_int_equal(mesh_add(c->mesh, &r), TM_OK);
}

static void write_nodes(struct chain *c)
{
	size_t n = (size_t)snprintf(c->nodes, sizeof(c->nodes), "members *\n"); /* all of them */

	for (int i = 0; i < MEMBERS; i++) {
		/* In the order of names. */
		const struct member *m = &c->w.member[(i + NODES) % MEMBERS];
		char id[NODE_ID_LEN + 1];

		rig_id(m->name, id);
		n += (size_t)snprintf(c->nodes + n, sizeof(c->nodes) - n, "%s %s\n", m->name, id);
	}
}

static void open_nodes(struct chain *c)
{
	const struct filter_memory_config cfg = {.parts = 1, .flows = MEMORY, .key = {1, 2}};

	for (int i = 0; i < NODES; i++) {
		struct ip own[NETS];
		size_t n = 0;

		for (unsigned k = 0; k < c->w.n_nets; k++)
			if (c->w.net[k].node == i)
				own[n++] = world_own(&c->w.net[k]);
		assert_int_equal(filtering_new(&c->filtering[i]), TM_OK);
		assert_int_equal(counts_new(1, &c->counts[i]), TM_OK);
		filtering_count(c->filtering[i], c->counts[i]);
		assert_int_equal(filtering_set_addresses(c->filtering[i], own, n), TM_OK);
		assert_int_equal(filter_memory_new(&cfg, &c->worker[i].memory), TM_OK);
	}
}

/* And each node's own. */
static void set_own(struct chain *c, int node)
{
	struct policy_local v[OWN_MAX] = {{.line = 0}};
	char id[NODE_ID_LEN + 1];
	size_t n = 0;

	for (unsigned i = 0; i < c->w.n_own; i++) {
		const struct rule *r = &c->w.own[i];
		struct strbuf who = {0}, services = {0};
		struct diag d = {0};

		if (r->of != node)
			continue;
		world_write_own(&c->w, r, &who, &services);
		snprintf(v[n].id, sizeof(v[n].id), "local-%u", i);
		snprintf(v[n].who, sizeof(v[n].who), "%s", who.s);
		snprintf(v[n].services, sizeof(v[n].services), "%s", services.s);
		v[n].action = actions[r->deed];
		v[n].outbound = r->outbound;
		if (policy_local_bind(&v[n], c->mesh, &d) != TM_OK)
			fail_msg("%s %s: %s", who.s, services.s, d.what);
		strbuf_deinit(&who);
		strbuf_deinit(&services);
		n++;
	}
	rig_id(c->w.member[node].name, id);
	assert_int_equal(filtering_set_local(c->filtering[node], id, v, n), TM_OK);
}

static void new_document(struct chain *c)
{
	struct strbuf text = {0};

	world_write(&c->w, &text);
	c->generation++;
	for (int i = 0; i < NODES; i++) {
		struct filter_space space = {.host = (uint32_t)i + 1,
			.net4 = {{IP_V4, {100, 101}}, 16},
			.net6 = {{IP_V6, {0xfd}}, 64}};
		char id[NODE_ID_LEN + 1];
		struct rules *rules = NULL;
		struct filter *f;
		struct diag d = {0};

		rig_id(c->w.member[i].name, id);
		if (filtering_set(c->filtering[i], text.s, c->nodes, &d) != TM_OK)
			fail_msg("%s: %s\n%s", d.where, d.what, text.s);
		set_own(c, i);
		assert_int_equal(filtering_rules(c->filtering[i], c->mesh, id, &rules), TM_OK);
		assert_non_null(rules);
		assert_int_equal(filter_new(&space, rules, 0, &f), TM_OK);
		filter_free((struct filter *)(uintptr_t)c->worker[i].filter);
		c->worker[i].filter = f;
	}
	strbuf_deinit(&text);
}

static void chain_open(struct chain *c, uint64_t seed)
{
	static const struct mesh_info info = {
		.net4 = {{IP_V4, {100, 101}}, 16}, .net6 = {{IP_V6, {0xfd}}, 64}};

	*c = (struct chain){.now = 10000 * SEC, .seed = seed, .serial = 32768};
	chain_seed(0xc4a1 + seed * 0x9e3779b97f4a7c15u);
	world_make(&c->w);
	assert_int_equal(mesh_new(&info, &c->mesh), TM_OK);
	for (int i = 0; i < MEMBERS; i++)
		add_member(c, i);
	write_nodes(c);
	open_nodes(c);
	new_document(c);
}

static void chain_close(struct chain *c)
{
	for (int i = 0; i < NODES; i++) {
		filter_free((struct filter *)(uintptr_t)c->worker[i].filter);
		filter_memory_free(c->worker[i].memory);
		filtering_free(c->filtering[i]);
		counts_free(c->counts[i]);
	}
	mesh_free(c->mesh);
}

/* --- packets --- */

struct packet {
	uint8_t proto, flags, type;
	uint16_t sport, dport, id;
};

static size_t write_upper(const struct packet *k, uint8_t *p)
{
	memset(p, 0, 20);
	if (k->proto == PROTO_TCP || k->proto == PROTO_UDP) {
		put_be16(p, k->sport);
		put_be16(p + 2, k->dport);
	}
	if (k->proto == PROTO_TCP) {
		p[12] = 5 << 4;
		p[13] = k->flags;
		put_be32(p + 8, 1);
		put_be16(p + 14, 1000);
		return 20;
	}
	if (k->proto == PROTO_UDP)
		put_be16(p + 4, 8);
	if (k->proto == PROTO_ICMP || k->proto == PROTO_ICMP6) {
		p[0] = k->type;
		put_be16(p + 4, k->id);
	}
	return 8;
}

static size_t write_packet(
	const struct person *from, const struct person *to, const struct packet *k, uint8_t *p)
{
	memset(p, 0, IP6_HEADER);
	if (from->ip.family == IP_V4) {
		const size_t n = IP4_HEADER + write_upper(k, p + IP4_HEADER);

		p[0] = 0x45;
		put_be16(p + 2, (uint16_t)n);
		p[8] = 64;
		p[9] = k->proto;
		memcpy(p + 12, from->ip.bytes, 4);
		memcpy(p + 16, to->ip.bytes, 4);
		return n;
	}
	const size_t n = write_upper(k, p + IP6_HEADER);
	p[0] = 0x60;
	put_be16(p + 4, (uint16_t)n);
	p[6] = k->proto;
	p[7] = 64;
	memcpy(p + 8, from->ip.bytes, 16);
	memcpy(p + 24, to->ip.bytes, 16);
	return IP6_HEADER + n;
}

/* What the filter of that end says. */
static enum filter_says ask(
	struct chain *c, int at, const struct person *from, const struct person *to, const struct packet *k)
{
	const bool out = at == from->node;
	const struct filter_question q = {
		.dir = out ? FILTER_EGRESS : FILTER_INGRESS,
		.peer = (uint32_t)(out ? to->node : from->node) + 1,
		.generation = c->generation,
		.now = ++c->now,
	};
	enum filter_says says = FILTER_PASS;
	uint8_t bytes[128];
	struct ip_view v;

	assert_int_equal(ip_view_of(bytes, write_packet(from, to, k, bytes), &v), TM_OK);
	packets++;
	return filter_judge(&c->worker[at], &q, &v, 1, &says) ? says : FILTER_PASS;
}

static void expect(struct chain *c, int at, const struct person *from, const struct person *to,
	const struct packet *k, enum filter_says want)
{
	const enum filter_says says = ask(c, at, from, to, k);
	char a[IP_STR_LEN], b[IP_STR_LEN];
	struct strbuf text = {0};

	if (says == want)
		return;
	world_write(&c->w, &text);
	fail_msg("world %" PRIu64 ": %s (member %d behind n%d%s) to %s (member %d behind n%d%s), protocol %u "
		 "ports %u %u flags %#x type %u: n%d says %d, not %d\n%s",
		c->seed, ip_format(&from->ip, a), from->member, from->node, from->router ? ", its own" : "",
		ip_format(&to->ip, b), to->member, to->node, to->router ? ", its own" : "", k->proto,
		k->sport, k->dport, k->flags, k->type, at, (int)says, (int)want, text.s);
}

/* So many decisions more at that end, and all of them this one. */
static void expect_counted(struct chain *c, int at, enum deed deed, unsigned times)
{
	uint64_t now[COUNTS_ACTIONS];

	counts_total(c->counts[at], now);
	for (unsigned i = 0; i < COUNTS_ACTIONS; i++)
		if (now[i] - c->counted[at][i] != (i == actions[deed] ? times : 0))
			fail_msg("world %" PRIu64 ": n%d counts %" PRIu64 " more of %s", c->seed, at,
				now[i] - c->counted[at][i], policy_action_name((enum policy_action)i));
}

static void begin_counting(struct chain *c, int at)
{
	counts_total(c->counts[at], c->counted[at]);
}

/* --- what is asked --- */

static const enum filter_says says_of[] = {
	[ALLOW] = FILTER_PASS, [DENY] = FILTER_DENIED, [REJECT] = FILTER_REJECTED};

/* Two in different places, of one family; false: there happened to be none. */
static bool choose(struct chain *c, const struct person **ret_from, const struct person **ret_to)
{
	const struct person *a = &c->w.person[chain_random(c->w.n_people)],
			    *b = &c->w.person[chain_random(c->w.n_people)];

	*ret_from = a;
	*ret_to = b;
	return a->node != b->node && a->ip.family == b->ip.family;
}

/* Types of ICMP that no rule is asked about. */
static bool never_asked(enum kind kind, unsigned type)
{
	if (kind == ICMP6)
		return type < 128 || type == 129;
	return kind == ICMP && (type == 0 || (type >= 3 && type <= 5) || (type >= 11 && type <= 14));
}

/* The first packet of something, and its answer. */
static void ask_fresh(struct chain *c)
{
	static const uint8_t protos[] = {47, 50, 99, 89};
	const struct person *from, *to;
	struct packet k = {.flags = TCP_SYN}, answer;
	enum kind kind = (enum kind)chain_random(KINDS);
	unsigned port;

	if (!choose(c, &from, &to))
		return;
	if (kind == ICMP || kind == ICMP6)
		kind = from->ip.family == IP_V4 ? ICMP : ICMP6;
	k.sport = k.id = c->serial++;
	k.type = (uint8_t)(chain_random(3) ? chain_random(256) : kind == ICMP ? 8 : 128);
	k.dport = (uint16_t)(chain_random(20) ? 1 + chain_random(PORTS + 5) : 65535);
	k.proto = kind == TCP     ? PROTO_TCP
		  : kind == UDP   ? PROTO_UDP
		  : kind == ICMP  ? PROTO_ICMP
		  : kind == ICMP6 ? PROTO_ICMP6
				  : protos[chain_random(ARRAY_LEN(protos))];
	port = kind == TCP || kind == UDP ? k.dport : kind == OTHER ? k.proto : k.type;

	const bool stray = never_asked(kind, port);
	const enum deed out = world_judge(&c->w, from->node, from, to, kind, port),
			in = world_judge(&c->w, to->node, from, to, kind, port);
	c->now += 8000 * SEC; /* nothing is remembered */
	begin_counting(c, from->node);
	begin_counting(c, to->node);
	expect(c, from->node, from, to, &k, stray ? FILTER_STRAY : says_of[out]);
	expect(c, to->node, from, to, &k, stray ? FILTER_STRAY : says_of[in]);
	/* What is let out is the other end's to count. */
	expect_counted(c, from->node, out, !stray && out != ALLOW);
	expect_counted(c, to->node, in, !stray);
	if (stray || out != ALLOW || in != ALLOW)
		return;

	answer = k;
	answer.sport = k.dport;
	answer.dport = k.sport;
	answer.flags = TCP_SYN | TCP_ACK;
	if (kind == ICMP || kind == ICMP6) {
		if (port != (kind == ICMP ? 8u : 128u))
			return;
		answer.type = kind == ICMP ? 0 : 129;
	}
	expect(c, to->node, to, from, &answer, FILTER_PASS);
	expect(c, from->node, to, from, &answer, FILTER_PASS);
	expect_counted(c, from->node, out, 0);
	expect_counted(c, to->node, in, 1);
}

/* --- connections while documents change --- */

static void say(
	struct chain *c, const struct live *l, bool back, uint8_t flags, int at, enum filter_says want)
{
	const struct packet k = {.proto = PROTO_TCP,
		.flags = flags,
		.sport = back ? l->dport : l->sport,
		.dport = back ? l->sport : l->dport};

	expect(c, at, back ? l->to : l->from, back ? l->from : l->to, &k, want);
}

static void connect_some(struct chain *c)
{
	c->n_live = 0;
	c->now += 8000 * SEC;
	for (unsigned i = 0; i < 40 * LIVE && c->n_live < LIVE; i++) {
		struct live l = {.sport = c->serial++, .dport = (uint16_t)(1 + chain_random(PORTS + 5))};

		if (!choose(c, &l.from, &l.to) ||
			world_judge(&c->w, l.from->node, l.from, l.to, TCP, l.dport) != ALLOW ||
			world_judge(&c->w, l.to->node, l.from, l.to, TCP, l.dport) != ALLOW)
			continue;
		for (int end = 0; end < 2; end++)
			say(c, &l, false, TCP_SYN, end ? l.to->node : l.from->node, FILTER_PASS);
		for (int end = 0; end < 2; end++)
			say(c, &l, true, TCP_SYN | TCP_ACK, end ? l.from->node : l.to->node, FILTER_PASS);
		for (int end = 0; end < 2; end++)
			say(c, &l, false, TCP_ACK, end ? l.to->node : l.from->node, FILTER_PASS);
		c->live[c->n_live++] = l;
	}
}

/* Whoever speaks first, and whatever the other side may begin: it goes on while it may begin. Only what was
 * decided otherwise than before counts, and once. */
static void go_on(struct chain *c)
{
	for (unsigned i = 0; i < c->n_live; i++) {
		struct live *l = &c->live[i];

		begin_counting(c, l->from->node);
		begin_counting(c, l->to->node);
		for (unsigned turn = 0, first = chain_random(2); turn < 4; turn++)
			for (int end = 0; end < 2; end++) {
				const int at = end ? l->to->node : l->from->node;
				const enum deed d = world_judge(&c->w, at, l->from, l->to, TCP, l->dport);

				say(c, l, (turn + first) % 2, TCP_ACK, at, says_of[d]);
			}
		for (int end = 0; end < 2; end++) {
			const int at = end ? l->to->node : l->from->node;
			const enum deed d = world_judge(&c->w, at, l->from, l->to, TCP, l->dport);
			const bool ended = d != ALLOW;

			expect_counted(c, at, d, ended != l->ended[end] && (ended || end));
			l->ended[end] = ended;
		}
	}
}

static void run_world(uint64_t seed)
{
	struct chain *c = &chain;

	chain_open(c, seed);
	for (unsigned documents = 0; documents < 3; documents++) {
		for (unsigned i = 0; i < FRESH; i++)
			ask_fresh(c);
		connect_some(c);
		go_on(c);
		for (unsigned changes = 0; changes < 3; changes++) {
			world_make_rules(&c->w);
			new_document(c);
			go_on(c);
		}
	}
	chain_close(c);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void what_the_document_allows_passes_both_ends_and_nothing_else_does(void **state)
{
	const uint64_t first = number("TM_CHAIN_SEED", 0), worlds = number("TM_CHAIN_WORLDS", WORLDS);
	(void)state;

	for (uint64_t i = 0; i < worlds; i++)
		run_world(first + i);
	print_message("%" PRIu64 " decisions agree, in %" PRIu64 " worlds\n", packets, worlds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_document_allows_passes_both_ends_and_nothing_else_does)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
