/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Questions about policies that one can answer by looking at them. */
#include "unit/unit.h"

#include "policy/diff.h"
#include "policy/explain.h"
#include "policy/prove.h"
#include "policy/tests.h"
#include "unit/policy/rig.h"

static const char text[] = "groups:\n"
			   "  staff: [laptop, tag:ops]\n"
			   "rules:\n"
			   "  - {id: ssh, allow: tcp/22, from: group:staff, to: tag:server}\n"
			   "  - {id: web, allow: [tcp/80, tcp/443], from: any, to: tag:server}\n"
			   "  - {id: db, allow: tcp/5432, from: tag:server, to: tag:db}\n"
			   "  - {id: guests, deny: tcp/1-1023, from: tag:guest, to: web2}\n"
			   "  - {id: lan, reject: any, from: tag:guest, to: 'route:192.168.0.0/16'}\n"
			   "  - {id: to-lan, allow: any, from: any, to: 'route:192.168.1.0/24'}\n";
static const char members[] =
	"hub:gateway laptop web1:server web2:server db1:db visitor:guest admin:ops phone@hub";

struct scene {
	struct mesh *mesh;
	struct policy_doc *doc;
	struct policy_world world;
	struct policy_route route;
	struct policy_model *model;
	struct policy_statement s;
	struct policy_proof p;
};

static struct scene *scene(const char *who, const char *policy)
{
	struct scene *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->mesh = rig_mesh(who);
	x->doc = rig_doc(x->mesh, policy);
	x->world.mesh = x->mesh;
	if (mesh_by_name(x->mesh, "hub")) {
		x->route.via = rig_node(x->mesh, "hub");
		assert_int_equal(prefix_parse("192.168.0.0/16", &x->route.prefix), TM_OK);
		x->world.routes = &x->route;
		x->world.n_routes = 1;
	}
	return x;
}

static void forget(struct scene *x)
{
	policy_proof_deinit(&x->p);
	policy_statement_deinit(&x->s);
	policy_model_free(TAKE(x->model));
}

static void scene_free(struct scene *x)
{
	forget(x);
	policy_doc_free(x->doc);
	mesh_free(x->mesh);
	free(x);
}

static const struct policy_proof *prove(struct scene *x, const char *statement, bool transitive)
{
	struct diag d = {0};

	forget(x);
	if (policy_statement_parse(x->doc, x->mesh, statement, &x->s, &d) != TM_OK)
		fail_msg("%s: %s (%s)", statement, d.what, d.hint);
	assert_int_equal(policy_model_new(x->doc, &x->world, &x->model), TM_OK);
	assert_int_equal(policy_prove(x->model, &x->s, transitive, &x->p), TM_OK);
	return &x->p;
}

static void statements_are_decided_with_a_counter_example(void **state)
{
	static const struct {
		const char *statement, *counter; /* NULL: it holds */
	} rows[] = {
		{"laptop can reach tag:server tcp/22", NULL},
		{"tag:ops, laptop can reach web1, web2 tcp/22, tcp/443, ping", NULL},
		{"tag:guest cannot reach tag:db",
			"visitor reaches db1 by icmp/echo: rule builtin:ping allows it"},
		{"tag:guest cannot reach tag:db tcp, udp, other", NULL},
		{"tag:guest cannot reach tag:server tcp",
			"visitor reaches web1 by tcp/80: rule web allows it"},
		{"tag:guest cannot reach web2 tcp", NULL},
		{"any can reach tag:server tcp/443",
			"visitor does not reach web2 by tcp/443: rule guests denies it"},
		{"phone cannot reach any tcp/22",
			"phone reaches 192.168.1.0/24 behind hub by tcp/22: rule to-lan allows it"},
		{"phone cannot reach laptop, tag:server, tag:db, tag:ops tcp/22", NULL},
		{"phone can reach web1 tcp/80", NULL}, {"tag:server can reach tag:db tcp/5432", NULL},
		{"tag:server can reach tag:db tcp/5431-5433",
			"web1 does not reach db1 by tcp/5431: no rule allows it"},
		{"tag:guest cannot reach route:192.168.0.0/16", NULL},
		{"visitor can reach route:192.168.1.0/24 udp/53",
			"visitor does not reach 192.168.1.0/24 behind hub by udp/53: rule lan rejects it"},
		{"any cannot reach route:192.168.0.0/16 tcp",
			"laptop reaches 192.168.1.0/24 behind hub by tcp/1: rule to-lan allows it"},
		{"laptop cannot reach route:192.168.2.0/24 tcp", NULL},
		{"laptop cannot reach laptop", NULL}, /* it does not talk to itself through the mesh */
		{"tag:server cannot reach tag:server tcp/443",
			"web1 reaches web2 by tcp/443: rule web allows it"},
		{"hub cannot reach route:192.168.0.0/16", NULL}, /* nor to what it is in front of */
	};
	struct scene *x = scene(members, text);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct policy_proof *p = prove(x, rows[i].statement, false);
		char counter[POLICY_COUNTER_LEN] = "it holds";

		if (p->n)
			policy_counter_format(x->model, &p->v[0], x->s.can, counter);
		if (p->holds != !rows[i].counter || p->holds != (p->n == 0) ||
			(rows[i].counter && strcmp(counter, rows[i].counter) != 0))
			fail_msg("%s: %s", rows[i].statement, counter);
	}
	scene_free(x);
}

static void what_holds_of_nobody_says_so(void **state)
{
	struct scene *x = scene("laptop:ops web1:server",
		"groups: {strangers: ['route:10.9.0.0/16', 'tag:guest']}\n"
		"rules:\n  - {allow: tcp/80, from: tag:guest, to: tag:server}\n");
	const struct policy_proof *p;

	(void)state;
	p = prove(x, "tag:guest cannot reach tag:server tcp/443", false);
	assert_true(p->holds && p->nobody_from && !p->nobody_to);
	assert_true(p->if_joined_known && p->if_joined);
	p = prove(x, "tag:guest cannot reach tag:server tcp/80", false);
	assert_true(p->holds && p->nobody_from);
	assert_true(p->if_joined_known && !p->if_joined); /* the trap */
	p = prove(x, "tag:guest cannot reach tag:nothing tcp", false);
	assert_true(p->holds && p->nobody_from && p->nobody_to);
	assert_true(p->if_joined_known && p->if_joined);
	p = prove(x, "laptop cannot reach route:10.0.0.0/8 tcp", false);
	assert_true(p->holds && p->nobody_to && !p->if_joined_known);
	p = prove(x, "tag:guest can reach tag:server tcp/80", false);
	assert_true(p->holds && p->nobody_from && p->if_joined);
	/* Of a group any tag counts, whatever stands before it. */
	p = prove(x, "group:strangers cannot reach tag:server tcp/80", false);
	assert_true(p->holds && p->nobody_from);
	assert_true(p->if_joined_known && !p->if_joined);
	scene_free(x);
}

static void those_who_may_yet_join_count(void **state)
{
	const struct policy_newcomer token = {"a node of token 1", "guest\0printer\0", false};
	struct scene *x =
		scene("laptop web1:server", "rules:\n  - {allow: tcp/80, from: tag:guest, to: tag:server}\n  "
					    "- {allow: udp, from: tag:guest, to: tag:printer}\n");
	char counter[POLICY_COUNTER_LEN];
	const struct policy_proof *p;

	(void)state;
	assert_true(prove(x, "any cannot reach tag:server tcp", false)->holds);
	x->world.newcomers = &token;
	x->world.n_newcomers = 1;
	p = prove(x, "any cannot reach tag:server tcp", false);
	assert_false(p->holds);
	assert_string_equal(policy_counter_format(x->model, &p->v[0], false, counter),
		"a node of token 1 reaches web1 by tcp/80: rule r-dbdf4170f2 allows it");
	/* One alone does not talk to itself. */
	assert_true(prove(x, "any cannot reach tag:printer udp", false)->holds);
	const struct policy_newcomer many = {"nodes", token.tags, true};
	x->world.newcomers = &many;
	assert_false(prove(x, "any cannot reach tag:printer udp", false)->holds);
	scene_free(x);
}

/* And not what is behind them; those who may yet join are some. */
static void members_are_all_who_have_joined_or_may(void **state)
{
	static const struct {
		const char *statement;
		bool holds;
	} rows[] = {
		{"members can reach members", true},
		{"any can reach members tcp/22", false}, /* nor who is behind the hub */
		{"route:0.0.0.0/0 cannot reach any tcp, udp, other", true},
		{"members cannot reach route:0.0.0.0/0 tcp, udp, other", true},
		{"tag:guest can reach laptop tcp/22", true},
		{"phone can reach laptop tcp/22", true},
		{"any cannot reach phone tcp/22", false},
	};
	static const char open[] = "rules:\n  - {allow: any, from: members, to: members}\n",
			  half[] = "rules:\n  - {allow: tcp/443, from: members, to: any}\n"
				   "  - {deny: any, from: tag:guest, to: members}\n";
	const struct policy_newcomer token = {"a node of token 1", "guest\0", true};
	struct scene *x = scene(members, open);

	(void)state;
	x->world.newcomers = &token;
	x->world.n_newcomers = 1;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (prove(x, rows[i].statement, false)->holds != rows[i].holds)
			fail_msg("%s", rows[i].statement);
	scene_free(x);
	x = scene(members, half);
	assert_true(prove(x, "members can reach route:192.168.0.0/16 tcp/443", false)->holds);
	assert_true(prove(x, "route:192.168.0.0/16 cannot reach any tcp, udp", false)->holds);
	assert_true(prove(x, "visitor cannot reach members", false)->holds);
	assert_false(prove(x, "visitor cannot reach any", false)->holds);
	scene_free(x);
}

static void by_way_of_others_is_a_question_of_its_own(void **state)
{
	struct scene *x = scene(members, text);
	const struct policy_proof *p;

	(void)state;
	assert_true(prove(x, "tag:guest cannot reach tag:db tcp", false)->holds);
	p = prove(x, "tag:guest cannot reach tag:db tcp", true);
	assert_false(p->holds);
	assert_int_equal(p->path_length, 2);
	assert_string_equal(p->path[0]->node->name, "visitor");
	assert_string_equal(p->path[1]->node->name, "web1");
	assert_string_equal(p->v[0].to->node->name, "db1");
	assert_int_equal(p->v[0].service.first, 5432);
	/* That everybody answers an echo lets nobody go on. */
	assert_true(prove(x, "tag:db cannot reach laptop tcp", true)->holds);
	assert_int_equal(
		policy_prove(x->model, &(struct policy_statement){.can = true}, true, &x->p), TM_EINVAL);
	scene_free(x);
}

static void rules_of_a_nodes_own_count_where_they_are_granted(void **state)
{
	struct scene *x = scene("laptop box:lab",
		"rules:\n  - {id: no, deny: tcp/22, from: any, to: tag:lab}\nlocal_allow: [tag:lab]\n");
	char counter[POLICY_COUNTER_LEN];
	const struct policy_proof *p;

	(void)state;
	p = prove(x, "laptop cannot reach box tcp", false);
	assert_false(p->holds);
	assert_string_equal(policy_counter_format(x->model, &p->v[0], false, counter),
		"laptop reaches box by tcp/1: that node's own rules may allow it");
	assert_true(prove(x, "laptop cannot reach box tcp/22", false)->holds); /* they only fill gaps */
	assert_false(prove(x, "laptop can reach box tcp/80", false)->holds); /* nor are they promised */
	assert_true(prove(x, "box cannot reach laptop tcp", false)->holds);
	scene_free(x);
}

static void a_name_in_a_statement_is_that_of_today(void **state)
{
	struct scene *x = scene("notebook laptop", "rules: []\n");
	struct policy_doc *doc = rig_doc(NULL, "rules:\n  - {allow: tcp, from: laptop, to: any}\n");
	struct policy_bindings b = {0};
	char id[NODE_ID_LEN + 1];

	(void)state;
	policy_doc_free(x->doc);
	x->doc = doc;
	rig_id("notebook", id); /* it was called laptop when the policy was accepted */
	assert_int_equal(policy_bindings_add(&b, "laptop", id), TM_OK);
	policy_bind_again(doc, &b);
	assert_true(prove(x, "notebook can reach laptop tcp", false)->holds);
	assert_true(prove(x, "laptop cannot reach notebook tcp", false)->holds);
	policy_bindings_deinit(&b);
	scene_free(x);
}

static void a_sentence_that_is_none_is_explained(void **state)
{
	static const struct {
		const char *text, *what;
	} rows[] = {
		{"", "somebody should be named"},
		{"laptop", "\"cannot reach\" or \"can reach\""},
		{"laptop could reach web1", "\"cannot reach\" or \"can reach\""},
		{"laptop can see web1", "\"cannot reach\" or \"can reach\""},
		{"laptop can reach", "somebody should be named"},
		{"laptop can reach web1,", "somebody should be named"},
		{"laptop can reach web1 tcp/22,", "a protocol should be named"},
		{"laptop can reach web1 tcp/22 udp", "should end before \"udp\""},
		{"laptop can reach web1 htpp", "\"htpp\" is no protocol"},
		{"lapdog can reach web1", "there is no node \"lapdog\""},
		{"group:x can reach web1", "there is no group \"x\""},
		{"tags:x can reach web1", "names nobody"},
	};
	struct scene *x = scene(members, text);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_statement s = {.can = false};
		struct diag d = {0};

		if (policy_statement_parse(x->doc, x->mesh, rows[i].text, &s, &d) == TM_OK ||
			!strstr(d.what, rows[i].what))
			fail_msg("\"%s\": %s", rows[i].text, d.what);
	}
	assert_true(prove(x, " laptop  can not  reach\ttag:db , tag:guest tcp ,udp/1 ", false)->holds);
	scene_free(x);
}

static void a_packet_is_explained_at_both_ends(void **state)
{
	struct scene *x = scene(members, text);
	struct policy_explanation e;
	struct policy_service s = {POLICY_TCP, 443, 443};
	const struct policy_subject *from, *to;

	(void)state;
	assert_int_equal(policy_model_new(x->doc, &x->world, &x->model), TM_OK);
	from = policy_model_find(x->model, "visitor");
	to = policy_model_find(x->model, "web2.mesh");
	assert_int_equal(policy_explain(x->model, from, to, &s, &e), TM_OK);
	assert_int_equal(e.decision.action, POLICY_DENY);
	assert_string_equal(x->doc->rules[e.decision.rule].id, "guests");
	assert_int_equal(e.n_rules, 2);
	assert_string_equal(x->doc->rules[e.rules[1]].id, "web");
	assert_string_equal(e.filter_from->name, "visitor");
	policy_explanation_deinit(&e);

	from = policy_model_find(x->model, "phone");
	to = policy_model_find(x->model, "192.168.1.77");
	assert_int_equal(policy_explain(x->model, from, to, &s, &e), TM_OK);
	assert_int_equal(e.decision.action, POLICY_ALLOW);
	assert_string_equal(e.filter_from->name, "hub"); /* a phone has no filter */
	assert_string_equal(e.filter_to->name, "hub");
	policy_explanation_deinit(&e);
	assert_null(policy_model_find(x->model, "10.0.0.1"));
	assert_null(policy_model_find(x->model, "nobody"));
	assert_int_equal(policy_explain(x->model, from, from, &s, &e), TM_EINVAL);
	scene_free(x);
}

/* A counter-example is a packet that the filter would let through, and not an error of no connection. */
static void of_icmp_a_counter_example_is_a_type_that_rules_are_asked_about(void **state)
{
	struct mesh *mesh = rig_mesh("a b");
	struct policy_doc *doc = rig_doc(mesh, "rules: [{id: x, allow: icmp, from: any, to: any}]\n");
	const struct policy_world w = {.mesh = mesh};
	struct policy_statement s;
	struct policy_proof p;
	struct policy_model *m;

	(void)state;
	assert_int_equal(policy_statement_parse(doc, mesh, "a cannot reach b icmp", &s, NULL), TM_OK);
	assert_int_equal(policy_model_new(doc, &w, &m), TM_OK);
	assert_int_equal(policy_prove(m, &s, false, &p), TM_OK);
	assert_false(p.holds);
	assert_int_equal(p.v[0].service.first, 1); /* 0 is the answer to a ping */
	policy_proof_deinit(&p);
	policy_statement_deinit(&s);
	assert_int_equal(policy_statement_parse(doc, mesh, "a can reach b icmp", &s, NULL), TM_OK);
	policy_statement_deinit(&s);
	assert_int_equal(policy_statement_parse(doc, mesh, "a cannot reach b icmp/3", &s, NULL), TM_EINVAL);
	policy_model_free(m);
	policy_doc_free(doc);
	mesh_free(mesh);
}

static bool holds(
	struct policy_doc *doc, const struct policy_world *w, const char *statement, bool transitive)
{
	struct policy_statement s;
	struct policy_proof p;
	struct policy_model *m;

	assert_int_equal(policy_statement_parse(doc, w->mesh, statement, &s, NULL), TM_OK);
	assert_int_equal(policy_model_new(doc, w, &m), TM_OK);
	assert_int_equal(policy_prove(m, &s, transitive, &p), TM_OK);
	const bool h = p.holds;
	policy_proof_deinit(&p);
	policy_model_free(m);
	policy_statement_deinit(&s);
	return h;
}

/* Who leads to a network can send as if he were in it, and as the clients behind him. */
/* Of the other protocols none that has a word of its own: its packets are asked about by that. */
static void of_other_protocols_tcp_and_udp_are_none(void **state)
{
	static const char rules[] = "rules:\n"
				    "  - {allow: other/5-7, from: any, to: any}\n"
				    "  - {deny: [other/5, other/7], from: any, to: any}\n";
	struct scene *x = scene("a b", rules);

	(void)state;
	assert_true(prove(x, "a cannot reach b other", false)->holds);
	scene_free(x);
}

static void by_way_of_others_is_also_in_their_name(void **state)
{
	struct mesh *mesh = rig_mesh("nas db box phone@box:x");
	struct policy_doc *doc = rig_doc(mesh, "rules:\n"
					       "  - {allow: tcp, from: 'route:10.77.0.0/24', to: db}\n"
					       "  - {allow: udp, from: 'tag:x', to: db}\n");
	struct policy_route route = {.via = rig_node(mesh, "nas")};
	const struct policy_world w = {.mesh = mesh, .routes = &route, .n_routes = 1};

	(void)state;
	assert_int_equal(prefix_parse("10.77.0.0/24", &route.prefix), TM_OK);
	assert_true(holds(doc, &w, "nas cannot reach db tcp", false));
	assert_false(holds(doc, &w, "nas cannot reach db tcp", true));
	assert_true(holds(doc, &w, "box cannot reach db udp", false));
	assert_false(holds(doc, &w, "box cannot reach db udp", true));
	assert_true(holds(doc, &w, "box cannot reach db tcp", true));
	assert_true(holds(doc, &w, "db cannot reach nas, box tcp", true));
	policy_doc_free(doc);
	mesh_free(mesh);
}

/* What a node may allow by rules of its own can be reached: to `prove`, and so to a diff. */
static void a_diff_names_what_is_left_to_nodes(void **state)
{
	struct mesh *mesh = rig_mesh("a web:x");
	struct policy_doc *before = rig_doc(mesh, "rules: []\n"),
			  *after = rig_doc(mesh, "local_allow: [tag:x]\nrules: []\n");
	struct policy_model *x, *y;
	struct policy_diff d;

	(void)state;
	const struct policy_world wx = {.mesh = mesh, .beside = after}, wy = {.mesh = mesh, .beside = before};
	assert_int_equal(policy_model_new(before, &wx, &x), TM_OK);
	assert_int_equal(policy_model_new(after, &wy, &y), TM_OK);
	for (int back = 0; back < 2; back++) {
		assert_int_equal(back ? policy_diff_of(y, x, &d) : policy_diff_of(x, y, &d), TM_OK);
		assert_true(d.n > 0);
		for (size_t i = 0; i < d.n; i++) {
			assert_string_equal(d.v[i].to->node->name, "web");
			assert_int_equal(d.v[i].gained, !back);
			assert_int_equal(back ? d.v[i].before : d.v[i].after, POLICY_RULE_LOCAL);
		}
		policy_diff_deinit(&d);
	}
	policy_model_free(x);
	policy_model_free(y);
	policy_doc_free(before);
	policy_doc_free(after);
	mesh_free(mesh);
}

static void a_diff_names_what_is_gained_and_lost(void **state)
{
	static const char next[] = "rules:\n"
				   "  - {id: web, allow: [tcp/80, tcp/8443], from: any, to: tag:server}\n"
				   "  - {id: db, allow: tcp/5432, from: tag:server, to: tag:db}\n";
	static const char old[] = "rules:\n"
				  "  - {id: web, allow: [tcp/80, tcp/443], from: any, to: tag:server}\n"
				  "  - {id: db, allow: tcp/5432, from: tag:server, to: tag:db}\n";
	struct mesh *mesh = rig_mesh("a b web1:server db1:db");
	struct policy_doc *before = rig_doc(mesh, old), *after = rig_doc(mesh, next);
	struct policy_model *x, *y;
	struct policy_diff d;
	size_t gained = 0;

	(void)state;
	const struct policy_world wx = {.mesh = mesh, .beside = after}, wy = {.mesh = mesh, .beside = before};
	assert_int_equal(policy_model_new(before, &wx, &x), TM_OK);
	assert_int_equal(policy_model_new(after, &wy, &y), TM_OK);
	assert_int_equal(policy_diff_of(x, y, &d), TM_OK);
	assert_int_equal(d.n, 4); /* {a, b} and db1 to web1; tcp/443 lost and tcp/8443 gained */
	for (size_t i = 0; i < d.n; i++) {
		gained += d.v[i].gained;
		assert_string_equal(d.v[i].to->node->name, "web1");
		assert_int_equal(d.v[i].service.first, d.v[i].gained ? 8443 : 443);
		assert_int_equal(d.v[i].service.last, d.v[i].service.first);
		assert_int_equal(d.v[i].gained ? d.v[i].before : d.v[i].after, POLICY_RULE_NONE);
	}
	assert_int_equal(gained, 2);
	policy_diff_deinit(&d);
	assert_int_equal(policy_diff_of(x, x, &d), TM_OK);
	assert_int_equal(d.n_all, 0);
	policy_diff_deinit(&d);
	policy_model_free(x);
	policy_model_free(y);
	policy_doc_free(before);
	policy_doc_free(after);
	mesh_free(mesh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements_are_decided_with_a_counter_example),
		cmocka_unit_test(what_holds_of_nobody_says_so),
		cmocka_unit_test(those_who_may_yet_join_count),
		cmocka_unit_test(members_are_all_who_have_joined_or_may),
		cmocka_unit_test(by_way_of_others_is_a_question_of_its_own),
		cmocka_unit_test(rules_of_a_nodes_own_count_where_they_are_granted),
		cmocka_unit_test(a_name_in_a_statement_is_that_of_today),
		cmocka_unit_test(a_sentence_that_is_none_is_explained),
		cmocka_unit_test(a_packet_is_explained_at_both_ends),
		cmocka_unit_test(of_icmp_a_counter_example_is_a_type_that_rules_are_asked_about),
		cmocka_unit_test(of_other_protocols_tcp_and_udp_are_none),
		cmocka_unit_test(by_way_of_others_is_also_in_their_name),
		cmocka_unit_test(a_diff_names_what_is_left_to_nodes),
		cmocka_unit_test(a_diff_names_what_is_gained_and_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
