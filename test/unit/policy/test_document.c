/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/strbuf.h"
#include "policy/tests.h"
#include "policy/warnings.h"
#include "unit/policy/rig.h"

static int parse(const char *text, struct policy_doc **ret_doc, struct diag *d)
{
	return policy_doc_parse("p.yaml", text, strlen(text), ret_doc, d);
}

static void an_empty_policy_has_the_built_in_rules_alone(void **state)
{
	static const char *const rows[] = {"", "# nothing\n", "{}\n", "~\n", "rules:\n", "rules: []\n",
		"groups:\nrules:\nlocal_allow:\ntests:\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_doc *doc = rig_doc(NULL, rows[i]);

		assert_int_equal(doc->n_rules, 1);
		assert_true(doc->rules[0].builtin);
		assert_string_equal(doc->rules[0].id, "builtin:ping");
		policy_doc_free(doc);
	}
}

static void a_whole_policy_reaches_its_fields(void **state)
{
	static const char text[] = "groups:\n"
				   "  admins: [laptop, tag:ops]\n"
				   "  all-of-us: [group:admins, Desk, laptop]\n"
				   "  none: []\n"
				   "rules:\n"
				   "  - id: ssh\n"
				   "    allow: [tcp/22, tcp/8000-8099, ping]\n"
				   "    from: group:all-of-us\n"
				   "    to: [tag:server, route:192.168.1.0/24]\n"
				   "  - {deny: any, from: tag:guest, to: any}\n"
				   "  - reject: udp\n"
				   "    from: any\n"
				   "    to: node:any\n"
				   "local_allow: [tag:lab]\n"
				   "tests:\n"
				   "  - tag:guest cannot reach tag:server\n";
	struct strbuf b = {0};
	struct policy_doc *doc = rig_doc(NULL, text);

	(void)state;
	assert_int_equal(doc->n_groups, 3);
	assert_int_equal(policy_doc_group(doc, "all-of-us")->flat.n, 3); /* laptop, tag:ops, desk */
	assert_int_equal(doc->n_rules, 3 + 1);
	assert_string_equal(doc->rules[0].id, "ssh");
	assert_int_equal(doc->rules[0].line, 6);
	assert_int_equal(doc->rules[0].n_services, 4);
	assert_int_equal(doc->rules[1].action, POLICY_DENY);
	assert_int_equal(doc->rules[1].n_services, POLICY_PROTO_N);
	assert_int_equal(doc->rules[2].action, POLICY_REJECT);
	assert_int_equal(doc->selectors[doc->rules[2].to.v[0]]->kind, POLICY_NODE);
	policy_list_format(doc, NULL, &doc->rules[0].to, &b);
	strbuf_puts(&b, " ");
	policy_services_format(&doc->rules[0], &b);
	strbuf_puts(&b, " ");
	policy_services_format(&doc->rules[1], &b);
	assert_string_equal(
		b.s, "tag:server, route:192.168.1.0/24 tcp/22, tcp/8000-8099, icmp/echo, icmpv6/echo any");
	assert_int_equal(doc->local_allow.n, 1);
	assert_int_equal(doc->n_tests, 1);
	assert_int_equal(doc->tests[0].line, 16);
	strbuf_deinit(&b);
	policy_doc_free(doc);
}

/* What is wrong, where, and what would be right. */
static void each_mistake_is_one_sentence_with_a_place(void **state)
{
	static const struct {
		const char *text, *where, *what, *hint;
	} rows[] = {
		{"rule: []\n", "p.yaml:1:1", "unknown key \"rule\" in a policy", "did you mean \"rules\"?"},
		{"rules:\n  - alow: tcp\n    from: any\n    to: any\n", "p.yaml:2:5",
			"unknown key \"alow\" in a rule", "did you mean \"allow\"?"},
		{"rules:\n  - allow: tcp/22\n    to: any\n", "p.yaml:2:5", "this rule has no \"from\"",
			"write \"from: any\" where everybody is meant"},
		{"rules:\n  - allow: tcp/22\n    from: any\n    to: []\n", "p.yaml:4:9",
			"\"to\" names nobody", ""},
		{"rules:\n  - from: any\n    to: any\n", "p.yaml:2:5",
			"this rule has none of allow, deny and reject", "write \"allow: tcp/22\""},
		{"rules:\n  - allow: tcp\n    deny: udp\n    from: any\n    to: any\n", "p.yaml:2:5",
			"a rule does one thing", "write"},
		{"rules:\n  - allow: tpc/22\n    from: any\n    to: any\n", "p.yaml:2:12",
			"\"tpc\" is no protocol", "did you mean \"tcp\"?"},
		{"rules:\n  - allow: tcp/70000\n    from: any\n    to: any\n", "p.yaml:2:12",
			"\"70000\" is no port from 1 to 65535", "write tcp/22"},
		{"rules:\n  - allow: [tcp/22, tcp/90-80]\n    from: any\n    to: any\n", "p.yaml:2:21",
			"the range 90-80 ends before it begins", ""},
		{"rules:\n  - allow: any/22\n    from: any\n    to: any\n", "p.yaml:2:12",
			"\"any\" has no ports", "write tcp/... and udp/..."},
		{"rules:\n  - allow: other/6\n    from: any\n    to: any\n", "p.yaml:2:12",
			"protocol 6 is tcp", "write \"tcp\""},
		{"rules:\n  - allow: []\n    from: any\n    to: any\n", "p.yaml:2:12",
			"this rule speaks of no protocol", "write"},
		{"rules:\n  - allow: tcp\n    from: tags:db\n    to: any\n", "p.yaml:3:11",
			"\"tags:db\" names nobody", "did you mean \"tag:db\"?"},
		{"rules:\n  - allow: tcp\n    from: \"*\"\n    to: any\n", "p.yaml:3:11",
			"\"*\" names nobody", "write any, or members"},
		{"rules:\n  - allow: tcp\n    from: tag:a, tag:b\n    to: any\n", "p.yaml:3:11",
			"one entry names one", "[laptop, tag:ops]"},
		{"rules:\n  - allow: tcp\n    from: 100.101.0.1\n    to: any\n", "p.yaml:3:11",
			"\"100.101.0.1\" is an address", "write the name"},
		{"rules:\n  - allow: tcp\n    from: Laptop.home.arpa\n    to: any\n", "p.yaml:3:11",
			"\"Laptop.home.arpa\" is longer than a name: a policy names members without their "
			"zone",
			"write \"laptop\""},
		{"rules:\n  - allow: tcp\n    from: node:laptop.mesh\n    to: any\n", "p.yaml:3:11",
			"without their zone", "write \"laptop\""},
		{"rules:\n  - allow: tcp\n    from: -.mesh\n    to: any\n", "p.yaml:3:11",
			"is no name that a node can have", "write the name"},
		{"rules:\n  - allow: [tcp, icmp/3-5]\n    from: any\n    to: any\n", "p.yaml:2:18",
			"no rule is asked about type \"3-5\" of icmp", "write icmp/echo"},
		{"rules:\n  - allow: tcp\n    from: route:192.168.1.5/24\n    to: any\n", "p.yaml:3:11",
			"has bits behind its length", "did you mean \"route:192.168.1.0/24\"?"},
		{"groups: {admins: [a]}\nrules:\n  - allow: tcp\n    from: group:admin\n    to: any\n",
			"p.yaml:4:11", "there is no group \"admin\"", "did you mean \"group:admins\"?"},
		{"groups:\n  a: [group:b]\n  b: [group:c]\n  c: [group:a]\n", "p.yaml:2:3",
			"the group a contains itself", ""},
		{"groups: {a: [x, x]}\n", "p.yaml:1:17", "a group names \"x\" twice", ""},
		{"groups:\n  a: [x]\n  a: [y]\n", "p.yaml:3:3", "the group a is given twice, first on line 2",
			""},
		{"groups: [a]\n", "p.yaml:1:9", "groups must be a mapping", "admins"},
		{"rules:\n  - {id: x, allow: tcp, from: any, to: any}\n  - {id: x, allow: udp, from: any, "
		 "to: any}\n",
			"p.yaml:3:5", "the id x is given twice, first on line 2", ""},
		{"rules:\n  - {allow: [tcp, udp], from: any, to: any}\n  - {allow: [udp, tcp], from: any, "
		 "to: any}\n",
			"p.yaml:3:5", "this rule stands here for the second time, first on line 2",
			"remove one"},
		{"rules:\n  - {id: \"a b\", allow: tcp, from: any, to: any}\n", "p.yaml:2:10",
			"\"a b\" is no id", "write 1 to 32"},
		{"rules:\n  - {id: local-1, allow: tcp, from: any, to: any}\n", "p.yaml:2:10",
			"ids that begin with \"local-\"", "choose another"},
		{"rules: []\nrules: []\n", "p.yaml:2:1", "rules is given twice, first on line 1", ""},
		{"rules: yes\n", "p.yaml:1:8", "rules must be a list, not a single value",
			"write each entry"},
		{"rules:\n  - just words\n", "p.yaml:2:5", "a rule must be a mapping", "write"},
		{"- a\n", "p.yaml:1:1", "a policy consists of", ""},
		{"local_allow: [laptop]\n", "p.yaml:1:14", "local_allow names tags alone", "write [tag:lab]"},
		{"tests: [[a]]\n", "p.yaml:1:9", "a test must be a single value, not a list", ""},
		{"rules:\n\t- a\n", "p.yaml:2:1", "YAML does not allow a tab", "indent with spaces"},
		{"rules: &x []\n", "p.yaml:1:8", "anchors and aliases", "in quotes"},
		{"rules: []\n---\nrules: []\n", "p.yaml:3:1", "the file must be one YAML document", ""},
		{"rules: [[[[[]]]]]\n", "p.yaml:1:11", "nested too deeply", ""},
		{"rules: [\n", "p.yaml:2:1", "not valid YAML", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_doc *doc = NULL;
		struct diag d = {0};

		if (parse(rows[i].text, &doc, &d) == TM_OK)
			fail_msg("row %zu is taken: %s", i, rows[i].text);
		assert_null(doc);
		if (strcmp(d.where, rows[i].where) != 0 || !strstr(d.what, rows[i].what) ||
			(rows[i].hint[0] ? !strstr(d.hint, rows[i].hint) : d.hint[0]))
			fail_msg("row %zu: %s: %s (%s)", i, d.where, d.what, d.hint);
	}
}

static int note(void *ctx, const char *sentence)
{
	strbuf_printf(ctx, "%s\n", sentence);
	return TM_OK;
}

/* By an earlier version of this program: it means what it meant, and what means nothing is said. */
static void what_was_accepted_once_is_read_for_ever(void **state)
{
	static const char text[] =
		"rules:\n"
		"  - {id: old, deny: [icmp/3-5, icmp/3-9, tcp], from: Desk.mesh, to: any}\n"
		"tests:\n"
		"  - desk.mesh cannot reach any icmp/3\n";
	struct mesh *m = rig_mesh("desk");
	const struct policy_world w = {.mesh = m};
	struct policy_doc *doc = NULL;
	struct policy_tests tests;
	struct strbuf b = {0};
	struct diag d = {0};

	(void)state;
	assert_int_equal(parse(text, &doc, &d), TM_EINVAL);
	assert_int_equal(policy_doc_read("p.yaml", text, strlen(text), POLICY_ACCEPTED, &doc, &d), TM_OK);
	assert_string_equal(doc->selectors[doc->rules[0].from.v[0]]->name, "desk");
	assert_int_equal(policy_tests_parse(doc, "p.yaml", &tests, &d), TM_OK);
	assert_int_equal(policy_bind(doc, m, NULL, "p.yaml", &d), TM_OK);
	assert_int_equal(policy_warnings(doc, &w, note, &b), TM_OK);
	assert_string_equal(b.s,
		"rule old says icmp/3-5, about which no rule is asked: errors and answers belong to their "
		"connections\n");
	strbuf_deinit(&b);
	policy_tests_deinit(&tests);
	policy_doc_free(doc);
	mesh_free(m);
}

/* Members on hosts 1 and 2, who of them has the alias, and what is warned of a document that named the first
 * by it. */
static void expect_alias(const struct policy_doc *doc, uint32_t owner, const char *warnings)
{
	const struct mesh_info info = {.net4 = {{IP_V4, {100, 101}}, 16}, .net6 = {{IP_V6, {0xfd}}, 64}};
	struct policy_world w = {.mesh = NULL};
	struct mesh *m = NULL;
	struct strbuf b = {0};

	assert_int_equal(mesh_new(&info, &m), TM_OK);
	for (uint32_t host = 1; host <= 2; host++) {
		struct node_rec r = {.host = host};

		snprintf(r.name, sizeof(r.name), "%s", host == 1 ? "desk" : "other");
		rig_id(r.name, r.id);
		memset(r.key, (int)host, sizeof(r.key));
		if (host == owner)
			assert_int_equal(node_aliases_add(&r.aliases, "nas"), TM_OK);
		assert_int_equal(mesh_add(m, &r), TM_OK);
	}
	w.mesh = m;
	assert_int_equal(policy_warnings(doc, &w, note, &b), TM_OK);
	assert_string_equal(b.s ? b.s : "", warnings);
	strbuf_deinit(&b);
	mesh_free(m);
}

static void who_is_named_by_an_alias_is_warned_of_when_it_is_anothers(void **state)
{
	struct policy_doc *doc = rig_doc(NULL, "rules:\n  - {allow: tcp, from: nas, to: any}\n");
	struct policy_bindings b = {0};
	char id[NODE_ID_LEN + 1];

	(void)state;
	rig_id("desk", id);
	assert_int_equal(policy_bindings_add(&b, "nas", id), TM_OK);
	policy_bind_again(doc, &b);
	expect_alias(doc, 1, "");
	expect_alias(doc, 0, "the node nas is called desk now, and still meant\n");
	expect_alias(doc, 2,
		"the node nas is called desk now, and still meant, not the one that is called so now\n");
	policy_bindings_deinit(&b);
	policy_doc_free(doc);
}

static void an_id_follows_from_what_a_rule_says_alone(void **state)
{
	struct policy_doc *a = rig_doc(NULL, "rules:\n"
					     "  - {deny: tcp/1, from: any, to: any}\n"
					     "  - {allow: [tcp/22, udp/53], from: [x, tag:y], to: any}\n");
	struct policy_doc *b = rig_doc(NULL, "rules:\n"
					     "  - to: any\n"
					     "    from: [tag:y, x]\n"
					     "    allow: [udp/53, tcp/22]\n"
					     "  - {allow: tcp/1, from: any, to: any}\n");

	(void)state;
	assert_string_equal(a->rules[1].id, b->rules[0].id);
	assert_string_not_equal(a->rules[0].id, b->rules[1].id);
	assert_string_equal(
		a->rules[1].id, "r-6c6f8237e6"); /* the same in every version and on every machine */
	policy_doc_free(a);
	policy_doc_free(b);
}

static void what_is_too_large_is_refused(void **state)
{
	struct strbuf b = {0};
	struct policy_doc *doc = NULL;
	struct diag d = {0};

	(void)state;
	strbuf_puts(&b, "rules:\n");
	for (int i = 0; i <= POLICY_RULES_MAX; i++)
		strbuf_printf(&b, "  - {allow: tcp/%d, from: any, to: any}\n", i + 1);
	assert_int_equal(parse(b.s, &doc, &d), TM_ERANGE);
	assert_string_equal(d.what, "rules has 4001 entries, and at most 4000 are allowed");
	while (b.len <= POLICY_TEXT_MAX)
		strbuf_puts(&b, "# much more of it\n");
	assert_int_equal(parse(b.s, &doc, &d), TM_ERANGE);
	assert_string_equal(d.what, "a policy has at most 512 KiB");
	strbuf_deinit(&b);
}

static void groups_in_a_long_chain_are_followed(void **state)
{
	struct strbuf b = {0};

	(void)state;
	strbuf_puts(&b, "groups:\n");
	for (int i = 0; i < POLICY_GROUPS_MAX - 1; i++)
		strbuf_printf(&b, "  g%d: [group:g%d]\n", i, i + 1);
	strbuf_printf(&b, "  g%d: [end]\n", POLICY_GROUPS_MAX - 1);
	struct policy_doc *doc = rig_doc(NULL, b.s);
	assert_int_equal(doc->groups[0].flat.n, 1);
	assert_string_equal(doc->selectors[doc->groups[0].flat.v[0]]->text, "end");
	policy_doc_free(doc);
	strbuf_deinit(&b);
}

static void the_first_policy_lets_members_do_everything(void **state)
{
	struct policy_doc *doc = rig_doc(NULL, policy_text_members());

	(void)state;
	assert_int_equal(doc->n_rules, 2);
	assert_string_equal(doc->rules[0].id, "members");
	assert_int_equal(doc->rules[0].n_services, POLICY_PROTO_N);
	/* It costs nothing while there are members alone, and keeps what is behind them from opening
	 * anything. */
	assert_true(policy_doc_is_open(doc, false));
	assert_false(policy_doc_is_open(doc, true));
	policy_doc_free(doc);
	doc = rig_doc(NULL, policy_text_open());
	assert_true(policy_doc_is_open(doc, true));
	policy_doc_free(doc);
}

static void a_name_means_the_node_that_had_it_when_it_was_accepted(void **state)
{
	static const char text[] = "rules:\n  - {allow: tcp, from: laptop, to: desk}\n";
	struct mesh *m = rig_mesh("laptop desk"), *later = rig_mesh("old:x laptop desk");
	struct policy_doc *doc = rig_doc(m, text), *again = rig_doc(NULL, text);
	struct policy_bindings b = {0};
	struct diag d = {0};
	char id[NODE_ID_LEN + 1];

	(void)state;
	rig_id("laptop", id);
	assert_int_equal(policy_bindings_of(doc, &b), TM_OK);
	assert_int_equal(b.n, 2);
	assert_string_equal(policy_bindings_find(&b, "laptop")->id, id);
	assert_null(policy_bindings_find(&b, "nobody"));
	rig_id("old", b.v[1].id); /* then it was another's */
	policy_bind_again(again, &b);
	assert_string_equal(again->selectors[again->rules[0].from.v[0]]->id, b.v[1].id);
	/* In the next version of the document, too: it was renamed, and another is called so now. */
	snprintf(again->selectors[again->rules[0].from.v[0]]->id, sizeof(id), "?");
	assert_int_equal(policy_bind(again, later, &b, "p.yaml", &d), TM_OK);
	assert_string_equal(again->selectors[again->rules[0].from.v[0]]->id, b.v[1].id);
	/* Where it is gone, another does not take its rights with its name; but if it is meant. */
	assert_int_equal(policy_bind(again, m, &b, "p.yaml", &d), TM_EEXIST);
	assert_string_equal(d.where, "p.yaml:2:24");
	assert_non_null(strstr(d.what, "the one that is called so now is another"));
	assert_int_equal(policy_bind(again, m, NULL, "p.yaml", &d), TM_OK);
	assert_string_equal(again->selectors[again->rules[0].from.v[0]]->id, id);
	policy_bindings_deinit(&b);
	policy_doc_free(doc);
	policy_doc_free(again);
	mesh_free(m);
	mesh_free(later);
}

/* Whoever reads a document without the word for it, of an earlier version, does not read it as a name. */
static void members_are_all_of_them_and_no_name(void **state)
{
	static const char text[] = "rules:\n  - {allow: tcp, from: members, to: 'node:members'}\n";
	struct mesh *m = rig_mesh("laptop members");
	struct policy_doc *doc = rig_doc(m, text);
	struct policy_bindings b = {0}, again = {0};
	struct strbuf s = {0};
	char id[NODE_ID_LEN + 1], line[64];

	(void)state;
	rig_id("members", id);
	assert_int_equal(doc->selectors[doc->rules[0].from.v[0]]->kind, POLICY_MEMBERS);
	assert_string_equal(doc->selectors[doc->rules[0].to.v[0]]->text, "node:members");
	assert_string_equal(doc->selectors[doc->rules[0].to.v[0]]->id, id);
	assert_int_equal(policy_bindings_of(doc, &b), TM_OK);
	policy_bindings_format(&b, &s);
	snprintf(line, sizeof(line), "members *\nmembers %s\n", id);
	assert_string_equal(s.s, line);
	assert_int_equal(policy_bindings_parse(s.s, &again), TM_OK);
	assert_true(again.members);
	policy_bind_again(doc, &again);
	assert_int_equal(doc->selectors[doc->rules[0].from.v[0]]->kind, POLICY_MEMBERS);
	strbuf_deinit(&s);
	policy_bindings_deinit(&b);
	policy_bindings_deinit(&again);
	policy_doc_free(doc);
	mesh_free(m);
}

static void where_members_was_the_name_of_a_node_it_stays_one(void **state)
{
	static const char text[] = "rules:\n  - {allow: tcp, from: members, to: any}\n";
	struct mesh *m = rig_mesh("laptop members");
	struct policy_bindings before = {0};
	struct policy_doc *doc = NULL, *next = rig_doc(NULL, text);
	struct diag d = {0};
	char id[NODE_ID_LEN + 1];

	(void)state;
	rig_id("members", id);
	assert_int_equal(policy_bindings_add(&before, "members", id), TM_OK);
	assert_int_equal(policy_doc_read("p", text, strlen(text), POLICY_ACCEPTED, &doc, &d), TM_OK);
	policy_bind_again(doc, &before);
	const struct policy_selector *s = doc->selectors[doc->rules[0].from.v[0]];
	assert_int_equal(s->kind, POLICY_NODE);
	assert_string_equal(s->id, id);
	policy_doc_free(doc);
	/* By a rollback, too. */
	assert_int_equal(policy_doc_read("p", text, strlen(text), POLICY_ACCEPTED, &doc, &d), TM_OK);
	assert_int_equal(policy_bind(doc, m, &before, "p", &d), TM_OK);
	assert_int_equal(doc->selectors[doc->rules[0].from.v[0]]->kind, POLICY_NODE);
	policy_doc_free(doc);
	/* That it means more from now on is for the author to say. */
	assert_int_equal(policy_bind(next, m, &before, "p", &d), TM_EEXIST);
	assert_string_equal(d.where, "p:2:24");
	assert_non_null(strstr(d.hint, "node:members"));
	assert_int_equal(policy_bind(next, m, NULL, "p", &d), TM_OK);
	assert_int_equal(next->selectors[next->rules[0].from.v[0]]->kind, POLICY_MEMBERS);
	policy_bindings_deinit(&before);
	policy_doc_free(next);
	mesh_free(m);
}

static void a_name_of_nobody_is_refused_unless_it_was_bound_before(void **state)
{
	static const char text[] = "rules:\n  - {allow: tcp, from: laptop, to: any}\n";
	struct mesh *m = rig_mesh("notebook desk laptob");
	struct policy_bindings before = {0};
	struct policy_doc *doc = rig_doc(NULL, text);
	struct diag d = {0};
	char id[NODE_ID_LEN + 1];

	(void)state;
	assert_int_equal(policy_bind(doc, m, NULL, "p.yaml", &d), TM_ENOENT);
	assert_string_equal(d.where, "p.yaml:2:24");
	assert_string_equal(d.what, "there is no node \"laptop\"");
	assert_string_equal(d.hint, "did you mean \"laptob\"?");
	rig_id("notebook", id); /* it was renamed */
	assert_int_equal(policy_bindings_add(&before, "laptop", id), TM_OK);
	assert_int_equal(policy_bindings_add(&before, "desk", id), TM_EBADMSG); /* not in order */
	assert_int_equal(policy_bind(doc, m, &before, "p.yaml", &d), TM_OK);
	assert_string_equal(doc->selectors[doc->rules[0].from.v[0]]->id, id);
	policy_bindings_deinit(&before);
	policy_doc_free(doc);
	mesh_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_policy_has_the_built_in_rules_alone),
		cmocka_unit_test(a_whole_policy_reaches_its_fields),
		cmocka_unit_test(each_mistake_is_one_sentence_with_a_place),
		cmocka_unit_test(what_was_accepted_once_is_read_for_ever),
		cmocka_unit_test(who_is_named_by_an_alias_is_warned_of_when_it_is_anothers),
		cmocka_unit_test(an_id_follows_from_what_a_rule_says_alone),
		cmocka_unit_test(what_is_too_large_is_refused),
		cmocka_unit_test(groups_in_a_long_chain_are_followed),
		cmocka_unit_test(the_first_policy_lets_members_do_everything),
		cmocka_unit_test(a_name_means_the_node_that_had_it_when_it_was_accepted),
		cmocka_unit_test(members_are_all_of_them_and_no_name),
		cmocka_unit_test(where_members_was_the_name_of_a_node_it_stays_one),
		cmocka_unit_test(a_name_of_nobody_is_refused_unless_it_was_bound_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
