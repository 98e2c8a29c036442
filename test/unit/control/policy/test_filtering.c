/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/strbuf.h"
#include "control/policy/counts.h"
#include "control/policy/filtering.h"
#include "data/filter/rules.h"
#include "unit/policy/rig.h"

#define RULES                                                                                                \
	"rules:\n"                                                                                           \
	"  - {id: web, allow: tcp/80, from: any, to: tag:server}\n"                                          \
	"  - {id: no, reject: tcp/80, from: tag:guest, to: any}\n"                                           \
	"  - {id: phone, allow: udp/53, from: phone, to: web}\n"

struct scene {
	struct mesh *mesh;
	struct filtering *f;
	char nodes[256];
};

static void open_scene(struct scene *s, const char *members)
{
	char phone[NODE_ID_LEN + 1], web[NODE_ID_LEN + 1];

	rig_id("phone", phone);
	rig_id("web", web);
	snprintf(s->nodes, sizeof(s->nodes), "phone %s\nweb %s\n", phone, web);
	s->mesh = rig_mesh(members);
	assert_int_equal(filtering_new(&s->f), TM_OK);
}

static void close_scene(struct scene *s)
{
	filtering_free(s->f);
	mesh_free(s->mesh);
}

static struct rules *rules_of(const struct scene *s, const char *name)
{
	struct rules *r = NULL;

	assert_int_equal(filtering_rules(s->f, s->mesh, rig_node(s->mesh, name)->id, &r), TM_OK);
	return r;
}

static struct rules_answer answer(const struct scene *s, const struct rules *r, const char *end,
	const char *other, enum rules_dir dir, enum rules_proto p, uint16_t port)
{
	const struct rules_at at = {
		.end = end ? rules_end_of(r, rig_node(s->mesh, end)->host) : RULES_SELF,
		.class = rules_class_of(r, rig_node(s->mesh, other)->host),
		.dir = dir,
		.proto = p,
	};

	return rules_find(r, &at, port);
}

static enum verdict judge(const struct scene *s, const struct rules *r, const char *end, const char *other,
	enum rules_dir dir, enum rules_proto p, uint16_t port)
{
	return answer(s, r, end, other, dir, p, port).verdict;
}

static void the_rules_of_a_node_are_its_share_of_the_policy(void **state)
{
	struct diag d = {0};
	struct scene s;

	(void)state;
	open_scene(&s, "hub laptop web:server visitor:guest phone@hub");
	assert_int_equal(filtering_set(s.f, RULES, s.nodes, &d), TM_OK);
	struct rules *r = rules_of(&s, "web");
	assert_int_equal(judge(&s, r, NULL, "laptop", RULES_IN, RULES_TCP, 80), VERDICT_PASS);
	assert_int_equal(judge(&s, r, NULL, "laptop", RULES_IN, RULES_TCP, 81), VERDICT_DROP);
	assert_int_equal(judge(&s, r, NULL, "laptop", RULES_OUT, RULES_TCP, 80), VERDICT_DROP);
	assert_int_equal(judge(&s, r, NULL, "visitor", RULES_IN, RULES_TCP, 80), VERDICT_REJECT);
	assert_int_equal(judge(&s, r, NULL, "phone", RULES_IN, RULES_UDP, 53), VERDICT_PASS);
	assert_int_equal(judge(&s, r, NULL, "laptop", RULES_IN, RULES_UDP, 53), VERDICT_DROP);
	assert_int_equal(judge(&s, r, NULL, "laptop", RULES_IN, RULES_ICMP, 8), VERDICT_PASS);
	assert_int_equal(judge(&s, r, NULL, "laptop", RULES_IN, RULES_ICMP, 13), VERDICT_DROP);
	rules_free(r);
	/* The node in front of a phone filters for it. */
	r = rules_of(&s, "hub");
	assert_int_equal(judge(&s, r, "phone", "web", RULES_OUT, RULES_UDP, 53), VERDICT_PASS);
	assert_int_equal(judge(&s, r, NULL, "web", RULES_OUT, RULES_UDP, 53), VERDICT_DROP);
	assert_int_equal(judge(&s, r, "phone", "laptop", RULES_OUT, RULES_UDP, 53), VERDICT_DROP);
	rules_free(r);
	close_scene(&s);
}

/* The document's first is 1: 0 would say that none does. */
static void an_answer_names_its_rule(void **state)
{
	struct diag d = {0};
	struct scene s;

	(void)state;
	open_scene(&s, "hub laptop web:server visitor:guest phone@hub");
	assert_int_equal(filtering_set(s.f, RULES, s.nodes, &d), TM_OK);
	struct rules *r = rules_of(&s, "web");
	assert_int_equal(answer(&s, r, NULL, "laptop", RULES_IN, RULES_TCP, 80).rule, 1);
	assert_int_equal(answer(&s, r, NULL, "visitor", RULES_IN, RULES_TCP, 80).rule, 2);
	assert_int_equal(answer(&s, r, NULL, "phone", RULES_IN, RULES_UDP, 53).rule, 3);
	assert_int_equal(answer(&s, r, NULL, "laptop", RULES_IN, RULES_TCP, 81).rule, RULE_NONE);
	rules_free(r);
	close_scene(&s);
}

/* What workers count is told of the rules that answers name. */
static void an_answer_counts_for_its_rule(void **state)
{
	struct diag d = {0};
	struct counts *counts = NULL;
	struct counted told[2];
	struct scene s;

	(void)state;
	open_scene(&s, "hub laptop web:server visitor:guest phone@hub");
	assert_int_equal(counts_new(1, &counts), TM_OK);
	filtering_count(s.f, counts);
	assert_int_equal(filtering_set(s.f, RULES, s.nodes, &d), TM_OK);
	struct rules *r = rules_of(&s, "web");
	rules_hit(r, 0, answer(&s, r, NULL, "visitor", RULES_IN, RULES_TCP, 80).rule);
	rules_hit(r, 0, answer(&s, r, NULL, "laptop", RULES_IN, RULES_TCP, 81).rule);
	assert_int_equal(counts_tell(counts, told, ARRAY_LEN(told)), 2);
	assert_string_equal(told[0].id, "");
	assert_int_equal(told[0].action, POLICY_DENY);
	assert_string_equal(told[1].id, "no");
	assert_int_equal(told[1].action, POLICY_REJECT);
	rules_free(r);
	close_scene(&s);
	counts_free(counts);
}

/* One that leads to two networks, of which one is not approved. */
static void add_router(struct mesh *m)
{
	struct node_rec r = {.host = 9, .name = "router"};
	struct node_route *v = r.routes.v;

	rig_id("router", r.id);
	memset(r.key, 9, sizeof(r.key));
	assert_int_equal(prefix_parse("10.1.0.0/16", &v[0].prefix), TM_OK);
	assert_int_equal(prefix_parse("10.2.0.0/16", &v[1].prefix), TM_OK);
	v[0].offered = v[0].approved = v[1].offered = true;
	r.routes.n = 2;
	assert_int_equal(mesh_add(m, &r), TM_OK);
}

static enum verdict judge_behind(
	const struct rules *r, bool ours, const char *address, uint32_t other, uint16_t port)
{
	struct ip ip;

	assert_int_equal(ip_parse(address, &ip), TM_OK);
	const struct rules_at at = {
		.end = ours ? rules_end_behind(r, &ip) : (uint32_t)RULES_SELF,
		.class = ours ? rules_class_of(r, other) : rules_class_behind(r, other, &ip),
		.dir = ours ? RULES_IN : RULES_OUT,
		.proto = RULES_TCP,
	};

	return rules_find(r, &at, port).verdict;
}

static void networks_behind_nodes_have_rules_of_their_own(void **state)
{
	struct diag d = {0};
	struct scene s;

	(void)state;
	open_scene(&s, "hub laptop web:server visitor:guest phone@hub");
	add_router(s.mesh);
	snprintf(s.nodes, sizeof(s.nodes), "laptop %s\nrouter %s\n", rig_node(s.mesh, "laptop")->id,
		rig_node(s.mesh, "router")->id);
	assert_int_equal(filtering_set(s.f,
				 "rules:\n"
				 "  - {allow: tcp/22, from: any, to: router}\n"
				 "  - {allow: tcp/80, from: laptop, to: 'route:10.1.0.0/16'}\n"
				 "  - {deny: any, from: any, to: 'route:10.1.7.0/24'}\n",
				 s.nodes, &d),
		TM_OK);
	const uint32_t laptop = rig_node(s.mesh, "laptop")->host, router = 9;
	for (int at_router = 0; at_router <= 1; at_router++) {
		struct rules *r = rules_of(&s, at_router ? "router" : "laptop");
		const uint32_t other = at_router ? laptop : router;

		assert_int_equal(judge_behind(r, at_router, "10.1.0.1", other, 80), VERDICT_PASS);
		assert_int_equal(judge_behind(r, at_router, "10.1.7.1", other, 80), VERDICT_DROP);
		/* What the router itself may be asked for its networks may not. */
		assert_int_equal(judge_behind(r, at_router, "10.1.0.1", other, 22), VERDICT_DROP);
		assert_int_equal(judge_behind(r, at_router, "10.2.0.1", other, 80), VERDICT_DROP);
		rules_free(r);
	}
	close_scene(&s);
}

static void without_a_policy_there_are_no_rules(void **state)
{
	struct diag d = {0};
	struct scene s;

	(void)state;
	open_scene(&s, "hub web:server phone@hub");
	assert_null(rules_of(&s, "web"));
	assert_false(filtering_is_on(s.f));
	assert_int_equal(filtering_set(s.f, "", "", &d), TM_OK); /* an empty one denies */
	struct rules *r = rules_of(&s, "web");
	assert_int_equal(judge(&s, r, NULL, "hub", RULES_IN, RULES_TCP, 22), VERDICT_DROP);
	rules_free(r);
	/* The first one of a new mesh stops nothing, and costs nothing. */
	assert_int_equal(filtering_set(s.f, "rules: [{allow: any, from: any, to: any}]", "", &d), TM_OK);
	assert_true(filtering_is_on(s.f));
	assert_null(rules_of(&s, "web"));
	assert_int_equal(filtering_set(s.f, NULL, NULL, &d), TM_OK);
	assert_null(rules_of(&s, "web"));
	close_scene(&s);
}

static void one_that_cannot_be_read_leaves_the_old_one(void **state)
{
	struct diag d = {0};
	struct scene s;

	(void)state;
	open_scene(&s, "hub web:server phone@hub");
	assert_int_equal(filtering_set(s.f, RULES, s.nodes, &d), TM_OK);
	assert_int_equal(filtering_set(s.f, "rules: [{permit: tcp}]\n", "", &d), TM_EINVAL);
	assert_true(d.what[0]);
	assert_int_not_equal(filtering_set(s.f, RULES, "web\n", &d), TM_OK);
	struct rules *r = rules_of(&s, "web");
	assert_int_equal(judge(&s, r, NULL, "hub", RULES_IN, RULES_TCP, 80), VERDICT_PASS);
	rules_free(r);
	close_scene(&s);
}

static void rules_of_its_own_narrow_the_policy_and_outlive_it(void **state)
{
	const struct policy_local own = {
		.id = "local-1", .action = POLICY_REJECT, .who = "any", .services = "tcp/80"};
	struct diag d = {0};
	struct scene s;

	(void)state;
	open_scene(&s, "hub web:server phone@hub");
	const char *self = rig_node(s.mesh, "web")->id;
	/* Where there is no policy they narrow everything. */
	assert_int_equal(filtering_set_local(s.f, self, &own, 1), TM_OK);
	struct rules *r = rules_of(&s, "web");
	assert_int_equal(judge(&s, r, NULL, "hub", RULES_IN, RULES_TCP, 80), VERDICT_REJECT);
	assert_int_equal(judge(&s, r, NULL, "hub", RULES_OUT, RULES_TCP, 80), VERDICT_PASS);
	assert_int_equal(judge(&s, r, NULL, "hub", RULES_IN, RULES_TCP, 81), VERDICT_PASS);
	rules_free(r);
	assert_int_equal(filtering_set(s.f, RULES, s.nodes, &d), TM_OK);
	r = rules_of(&s, "web");
	assert_int_equal(judge(&s, r, NULL, "hub", RULES_IN, RULES_TCP, 80), VERDICT_REJECT);
	assert_int_equal(judge(&s, r, NULL, "hub", RULES_IN, RULES_TCP, 81), VERDICT_DROP);
	rules_free(r);
	assert_int_equal(filtering_set_local(s.f, self, NULL, 0), TM_OK);
	r = rules_of(&s, "web");
	assert_int_equal(judge(&s, r, NULL, "hub", RULES_IN, RULES_TCP, 80), VERDICT_PASS);
	rules_free(r);
	close_scene(&s);
}

/* With the node's own rules as they are by then. */
static void one_that_did_not_do_gives_way_to_the_one_before(void **state)
{
	const struct policy_local own = {
		.id = "local-1", .action = POLICY_DENY, .who = "any", .services = "tcp/80"};
	struct scene s;
	struct diag d = {0};

	(void)state;
	open_scene(&s, "web laptop");
	const char *self = rig_node(s.mesh, "web")->id;
	filtering_back(s.f); /* there is none */
	assert_int_equal(filtering_set(s.f, "rules: [{allow: tcp, from: any, to: any}]", "", &d), TM_OK);
	filtering_settle(s.f);
	filtering_back(s.f);
	assert_true(filtering_has_policy(s.f));
	assert_int_equal(filtering_set(s.f, "", "", &d), TM_OK);
	assert_int_equal(filtering_set_local(s.f, self, &own, 1), TM_OK);
	filtering_back(s.f);
	struct rules *r = rules_of(&s, "web");
	assert_int_equal(judge(&s, r, NULL, "laptop", RULES_IN, RULES_TCP, 80), VERDICT_DROP);
	assert_int_equal(judge(&s, r, NULL, "laptop", RULES_IN, RULES_TCP, 81), VERDICT_PASS);
	rules_free(r);
	assert_int_equal(filtering_set(s.f, NULL, NULL, &d), TM_OK);
	filtering_back(s.f);
	assert_true(filtering_has_policy(s.f));
	close_scene(&s);
}

static void a_node_that_is_not_in_its_map_lets_nobody_through(void **state)
{
	struct diag d = {0};
	struct rules *r = NULL;
	struct scene s;

	(void)state;
	open_scene(&s, "hub web:server phone@hub");
	assert_int_equal(filtering_set(s.f, RULES, s.nodes, &d), TM_OK);
	assert_int_equal(filtering_rules(s.f, s.mesh, "00000000000000ff", &r), TM_OK);
	assert_non_null(r);
	assert_int_equal(rules_class_of(r, 1), RULES_NO_CLASS);
	rules_free(r);
	close_scene(&s);
}

/* The rules about it hold for it also where it is asked by an address in a network that it leads to. */
static void an_address_of_the_router_itself_is_the_router(void **state)
{
	static const char text[] =
		"rules:\n"
		"  - {deny: tcp/22, from: any, to: 'tag:r'}\n"
		"  - {allow: tcp, from: any, to: ['route:10.1.0.0/16', 'route:10.1.0.1/32', 'tag:r']}\n";
	struct ip own[2];
	struct diag d = {0};
	struct scene s;

	(void)state;
	open_scene(&s, "hub laptop web phone");
	struct node_rec r = {.host = 9, .name = "router"};
	rig_id("router", r.id);
	memset(r.key, 9, sizeof(r.key));
	snprintf(r.tags[r.n_tags++], sizeof(r.tags[0]), "r");
	assert_int_equal(prefix_parse("10.1.0.0/16", &r.routes.v[0].prefix), TM_OK);
	r.routes.v[0].offered = r.routes.v[0].approved = true;
	r.routes.n = 1;
	assert_int_equal(mesh_add(s.mesh, &r), TM_OK);
	assert_int_equal(filtering_set(s.f, text, s.nodes, &d), TM_OK);
	assert_int_equal(ip_parse("10.1.0.1", &own[0]), TM_OK);
	assert_int_equal(ip_parse("192.0.2.1", &own[1]), TM_OK);
	assert_int_equal(filtering_set_addresses(s.f, own, 2), TM_OK);
	struct rules *rules = rules_of(&s, "router");
	assert_int_equal(rules_end_behind(rules, &own[0]), RULES_SELF);
	assert_int_equal(judge_behind(rules, true, "10.1.0.1", 2, 22), VERDICT_DROP);
	assert_int_equal(judge_behind(rules, true, "10.1.0.1", 2, 80), VERDICT_PASS);
	assert_int_equal(judge_behind(rules, true, "10.1.0.2", 2, 22), VERDICT_PASS);
	rules_free(rules);
	close_scene(&s);
}

/* Phones behind a node, each of which may use a desk of its own: as many rights as pairs, nearly. */
static void hundreds_of_clients_with_rights_of_their_own_have_rules(void **state)
{
	enum { PAIRS = 330 };
	struct strbuf members = {0}, text = {0}, nodes = {0};
	struct diag d = {0};
	struct scene s;

	(void)state;
	strbuf_puts(&members, "hub");
	strbuf_puts(&text, "rules:\n");
	for (int i = 0; i < PAIRS; i++) {
		strbuf_printf(&members, " d%03d p%03d@hub", i, i);
		strbuf_printf(&text, "  - {allow: tcp/%d, from: p%03d, to: d%03d}\n", 1000 + i, i, i);
	}
	for (int i = 0; i < 2 * PAIRS; i++) {
		char name[8], id[NODE_ID_LEN + 1];

		snprintf(name, sizeof(name), "%c%03d", i < PAIRS ? 'd' : 'p', i % PAIRS);
		rig_id(name, id);
		strbuf_printf(&nodes, "%s %s\n", name, id);
	}
	s.mesh = rig_mesh(members.s);
	assert_int_equal(filtering_new(&s.f), TM_OK);
	assert_int_equal(filtering_set(s.f, text.s, nodes.s, &d), TM_OK);
	struct rules *r = rules_of(&s, "hub");
	assert_int_equal(judge(&s, r, "p007", "d007", RULES_OUT, RULES_TCP, 1007), VERDICT_PASS);
	assert_int_equal(judge(&s, r, "p007", "d007", RULES_OUT, RULES_TCP, 1008), VERDICT_DROP);
	assert_int_equal(judge(&s, r, "p007", "d008", RULES_OUT, RULES_TCP, 1007), VERDICT_DROP);
	assert_int_equal(judge(&s, r, "p329", "d329", RULES_OUT, RULES_TCP, 1329), VERDICT_PASS);
	assert_true(rules_bytes(r) < 1 << 20);
	rules_free(r);
	close_scene(&s);
	strbuf_deinit(&members);
	strbuf_deinit(&text);
	strbuf_deinit(&nodes);
}

/* Exits, whose networks are cut by each that the document names. */
static void many_exits_and_many_networks_in_the_document_have_rules(void **state)
{
	enum { EXITS = 60, NETWORKS = 100 };
	struct strbuf text = {0};
	struct diag d = {0};
	struct scene s;

	(void)state;
	open_scene(&s, "hub web phone");
	for (uint32_t i = 0; i < EXITS; i++) {
		struct node_rec r = {.host = 10 + i};

		snprintf(r.name, sizeof(r.name), "exit%u", i);
		rig_id(r.name, r.id);
		memset(r.key, (int)r.host, sizeof(r.key));
		r.routes.exit = EXIT_IP4 | EXIT_APPROVED;
		assert_int_equal(mesh_add(s.mesh, &r), TM_OK);
	}
	strbuf_puts(&text, "rules:\n");
	for (int i = 0; i < NETWORKS; i++)
		strbuf_printf(
			&text, "  - {allow: tcp/%d, from: any, to: 'route:10.%d.0.0/16'}\n", 100 + i, i);
	assert_int_equal(filtering_set(s.f, text.s, s.nodes, &d), TM_OK);
	struct rules *r = rules_of(&s, "hub");
	assert_int_equal(judge_behind(r, false, "10.7.1.1", 15, 107), VERDICT_PASS);
	assert_int_equal(judge_behind(r, false, "10.7.1.1", 15, 108), VERDICT_DROP);
	assert_int_equal(judge_behind(r, false, "10.99.1.1", 69, 199), VERDICT_PASS);
	rules_free(r);
	close_scene(&s);
	strbuf_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rules_of_a_node_are_its_share_of_the_policy),
		cmocka_unit_test(an_answer_names_its_rule),
		cmocka_unit_test(an_answer_counts_for_its_rule),
		cmocka_unit_test(networks_behind_nodes_have_rules_of_their_own),
		cmocka_unit_test(without_a_policy_there_are_no_rules),
		cmocka_unit_test(one_that_cannot_be_read_leaves_the_old_one),
		cmocka_unit_test(rules_of_its_own_narrow_the_policy_and_outlive_it),
		cmocka_unit_test(one_that_did_not_do_gives_way_to_the_one_before),
		cmocka_unit_test(a_node_that_is_not_in_its_map_lets_nobody_through),
		cmocka_unit_test(an_address_of_the_router_itself_is_the_router),
		cmocka_unit_test(hundreds_of_clients_with_rights_of_their_own_have_rules),
		cmocka_unit_test(many_exits_and_many_networks_in_the_document_have_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
