/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/strbuf.h"
#include "policy/explain.h"
#include "policy/local.h"
#include "unit/policy/rig.h"

static struct policy_local rule(enum policy_action a, bool outbound, const char *who, const char *services)
{
	struct policy_local r = {.id = "local-1", .action = a, .outbound = outbound};

	snprintf(r.who, sizeof(r.who), "%s", who);
	snprintf(r.services, sizeof(r.services), "%s", services);
	return r;
}

static enum policy_action judge(const struct policy_doc *doc, const struct mesh *mesh, const char *from,
	const char *to, uint16_t port)
{
	const struct policy_service s = {POLICY_TCP, port, port};
	const struct policy_world w = {.mesh = mesh};
	struct policy_explanation e;
	struct policy_model *m;

	assert_int_equal(policy_model_new(doc, &w, &m), TM_OK);
	assert_int_equal(
		policy_explain(m, policy_model_find(m, from), policy_model_find(m, to), &s, &e), TM_OK);
	const enum policy_action action = (enum policy_action)e.decision.action;
	policy_explanation_deinit(&e);
	policy_model_free(m);
	return action;
}

static void a_rule_of_its_own_narrows_what_the_document_allows(void **state)
{
	struct mesh *mesh = rig_mesh("self laptop visitor:guest old:guest");
	struct policy_doc *doc = rig_doc(mesh, "rules:\n  - {allow: tcp/1-100, from: any, to: any}\n");
	struct policy_local in = rule(POLICY_REJECT, false, "tag:guest,laptop", "tcp/22,udp"),
			    out = rule(POLICY_DENY, true, "any", "tcp/25");
	const char *self = rig_node(mesh, "self")->id;
	struct diag d = {0};

	(void)state;
	assert_int_equal(policy_local_bind(&in, mesh, &d), TM_OK);
	assert_int_equal(policy_local_bind(&out, mesh, &d), TM_OK);
	assert_string_equal(strchr(in.who, ',') + 1, rig_node(mesh, "laptop")->id);
	assert_int_equal(policy_local_add(doc, self, &in), TM_OK);
	assert_int_equal(policy_local_add(doc, self, &out), TM_OK);
	assert_int_equal(judge(doc, mesh, "visitor", "self", 22), POLICY_REJECT);
	assert_int_equal(judge(doc, mesh, "laptop", "self", 22), POLICY_REJECT);
	assert_int_equal(judge(doc, mesh, "laptop", "self", 23), POLICY_ALLOW);
	assert_int_equal(judge(doc, mesh, "laptop", "self", 101), POLICY_DENY);
	assert_int_equal(judge(doc, mesh, "self", "laptop", 25), POLICY_DENY);
	assert_int_equal(judge(doc, mesh, "laptop", "self", 25), POLICY_ALLOW);
	/* Of others it says nothing. */
	assert_int_equal(judge(doc, mesh, "visitor", "laptop", 22), POLICY_ALLOW);
	policy_doc_free(doc);
	mesh_free(mesh);
}

/* What a node narrows for itself must not keep a new policy of the mesh out. */
static void they_fit_into_a_document_that_names_as_many_as_it_may(void **state)
{
	struct policy_local r = rule(POLICY_DENY, false, "tag:x,tag:y", "tcp/22");
	struct strbuf b = {0};
	char self[NODE_ID_LEN + 1];

	(void)state;
	rig_id("self", self);
	strbuf_puts(&b, "rules:\n");
	for (int i = 0; i < POLICY_SELECTORS_MAX - 1; i++)
		strbuf_printf(&b, "%s tag:t%d%s", i % 1000 ? "," : "  - {allow: tcp, to: any, from: [", i,
			i % 1000 == 999 || i == POLICY_SELECTORS_MAX - 2 ? "]}\n" : "");
	struct policy_doc *doc = rig_doc(NULL, b.s);
	assert_int_equal(doc->n_selectors, POLICY_SELECTORS_MAX);
	assert_int_equal(policy_local_add(doc, self, &r), TM_OK);
	policy_doc_free(doc);
	strbuf_deinit(&b);
}

static void one_that_cannot_be_is_explained(void **state)
{
	static const struct {
		enum policy_action action;
		const char *who, *services, *what;
	} rows[] = {
		{POLICY_DENY, "", "tcp", "names nobody"},
		{POLICY_DENY, "any", "", "about no protocol"},
		{POLICY_DENY, "lapdog", "tcp", "there is no node \"lapdog\""},
		{POLICY_DENY, "node:lapdog", "tcp", "there is no node \"lapdog\""},
		{POLICY_DENY, "group:x", "tcp", "do not know the groups"},
		{POLICY_DENY, "tags:x", "tcp", "names nobody"},
		{POLICY_DENY, "any", "tcp/0", "no port"},
		/* Each has room by its name, and not by its id. */
		{POLICY_DENY, "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", "tcp", "too many are named"},
	};
	struct mesh *mesh = rig_mesh("self laptop");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_local r = rule(rows[i].action, false, rows[i].who, rows[i].services);
		struct diag d = {0};

		if (policy_local_bind(&r, mesh, &d) == TM_OK || !strstr(d.what, rows[i].what))
			fail_msg("row %zu: %s", i, d.what);
	}
	struct policy_local opens = rule(POLICY_ALLOW, true, "any", "tcp");
	struct diag d = {0};
	assert_int_equal(policy_local_bind(&opens, mesh, &d), TM_EINVAL);
	assert_string_equal(
		d.what, "a node's own rule allows what others open here, not what it opens elsewhere");
	mesh_free(mesh);
}

/* Of what the document denies nothing, and to nobody else. */
static void one_that_allows_does_so_where_the_document_grants_it_and_does_not_speak(void **state)
{
	static const char granted[] = "local_allow: [tag:other, tag:lab]\n"
				      "rules:\n"
				      "  - {deny: tcp/22, from: tag:guest, to: any}\n",
			  other[] = "local_allow: [tag:other]\n"
				    "rules:\n"
				    "  - {deny: tcp/22, from: tag:guest, to: any}\n";
	struct mesh *mesh = rig_mesh("self:lab laptop visitor:guest box:other");
	struct policy_local in = rule(POLICY_ALLOW, false, "laptop,tag:guest", "tcp/20-25");
	struct diag d = {0};

	(void)state;
	assert_int_equal(policy_local_bind(&in, mesh, &d), TM_OK);
	for (int grant = 0; grant <= 1; grant++) {
		struct policy_doc *doc = rig_doc(mesh, grant ? granted : other);
		const enum policy_action then = grant ? POLICY_ALLOW : POLICY_DENY;

		assert_int_equal(policy_local_granted(doc, rig_node(mesh, "self")), grant);
		assert_false(policy_local_granted(doc, rig_node(mesh, "laptop")));
		assert_int_equal(policy_local_add(doc, rig_node(mesh, "self")->id, &in), TM_OK);
		assert_int_equal(judge(doc, mesh, "laptop", "self", 22), then);
		assert_int_equal(judge(doc, mesh, "visitor", "self", 23), then);
		assert_int_equal(judge(doc, mesh, "visitor", "self", 22), POLICY_DENY);
		assert_int_equal(judge(doc, mesh, "laptop", "self", 26), POLICY_DENY);
		assert_int_equal(judge(doc, mesh, "box", "self", 22), POLICY_DENY);
		assert_int_equal(judge(doc, mesh, "self", "laptop", 22), POLICY_DENY);
		assert_int_equal(judge(doc, mesh, "laptop", "box", 22), POLICY_DENY);
		policy_doc_free(doc);
	}
	mesh_free(mesh);
}

/* What stays when members go: of those who are not there it says nothing, and is a rule all the same. */
static void one_that_stays_follows_who_has_its_names(void **state)
{
	struct mesh *before = rig_mesh("self visitor"), *after = rig_mesh("self laptop visitor");
	const struct policy_local written = rule(POLICY_DENY, false, "laptop,node:lapdog,visitor", "tcp");
	struct policy_local r = written, all_gone = rule(POLICY_DENY, false, "lapdog", "tcp");
	char absent[NODE_NAME_MAX + 1];

	(void)state;
	assert_int_equal(policy_local_bind_known(&r, before, absent), TM_OK);
	assert_string_equal(r.who, rig_node(before, "visitor")->id);
	assert_string_equal(absent, "laptop");
	r = written;
	assert_int_equal(policy_local_bind_known(&r, after, absent), TM_OK);
	assert_int_equal(strlen(r.who), 2 * NODE_ID_LEN + 1);
	assert_string_equal(absent, "lapdog");
	assert_int_equal(policy_local_bind_known(&all_gone, after, absent), TM_OK);
	struct policy_doc *doc = rig_doc(after, "rules: [{allow: any, from: any, to: any}]");
	assert_int_equal(policy_local_add(doc, rig_node(after, "self")->id, &all_gone), TM_OK);
	assert_int_equal(policy_local_add(doc, rig_node(after, "self")->id, &r), TM_OK);
	assert_int_equal(judge(doc, after, "laptop", "self", 22), POLICY_DENY);
	assert_false(policy_doc_is_open(doc, true));
	policy_doc_free(doc);
	mesh_free(before);
	mesh_free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_of_its_own_narrows_what_the_document_allows),
		cmocka_unit_test(they_fit_into_a_document_that_names_as_many_as_it_may),
		cmocka_unit_test(one_that_cannot_be_is_explained),
		cmocka_unit_test(one_that_allows_does_so_where_the_document_grants_it_and_does_not_speak),
		cmocka_unit_test(one_that_stays_follows_who_has_its_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
