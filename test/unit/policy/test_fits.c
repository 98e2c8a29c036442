/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How large a node's share of a policy may be. */
#include "unit/unit.h"

#include "base/strbuf.h"
#include "policy/compile.h"
#include "unit/policy/rig.h"

/* n clients behind a node and n nodes, each with a rule of its own about everybody. */
static int fits(int n, struct diag *d)
{
	struct strbuf members = {0}, text = {0};
	struct policy_model *m = NULL;

	strbuf_puts(&members, "desk hub");
	strbuf_puts(&text, "rules:\n");
	for (int i = 0; i < n; i++) {
		strbuf_printf(&members, " n%03d c%03d@hub", i, i);
		strbuf_printf(&text, "  - {allow: tcp/%d, from: c%03d, to: any}\n", 1000 + i, i);
		strbuf_printf(&text, "  - {allow: udp/%d, from: any, to: n%03d}\n", 1000 + i, i);
	}
	struct mesh *mesh = rig_mesh(members.s);
	struct policy_doc *doc = rig_doc(mesh, text.s);
	const struct policy_world w = {.mesh = mesh};
	assert_int_equal(policy_model_new(doc, &w, &m), TM_OK);
	int err = policy_fits(m, d);
	policy_model_free(m);
	policy_doc_free(doc);
	mesh_free(mesh);
	strbuf_deinit(&members);
	strbuf_deinit(&text);
	return err;
}

static void what_is_too_large_for_a_node_is_said_by_its_name(void **state)
{
	struct diag d = {0};

	(void)state;
	assert_int_equal(fits(100, &d), TM_OK);
	assert_int_equal(fits(330, &d), TM_EFULL); /* each pair is another */
	assert_non_null(strstr(d.what, "hub could not hold this policy: for its 330 clients"));
}

/* A network that the document cuts into n pieces, each with a rule of its own, behind a node without clients;
 * beside one that has a few, all with the same rights. */
static int pieces_fit(int n, struct diag *d)
{
	struct strbuf members = {0}, text = {0};
	struct policy_model *m = NULL;

	strbuf_puts(&members, "desk router hub c0@hub c1@hub c2@hub");
	strbuf_puts(&text, "rules:\n");
	for (int i = 0; i < n; i++) {
		strbuf_printf(&members, " n%03d", i);
		strbuf_printf(&text, "  - {allow: tcp/%d, from: 'route:10.0.%d.%d/32', to: any}\n", 1000 + i,
			i / 256, i % 256);
		strbuf_printf(&text, "  - {allow: udp/%d, from: any, to: n%03d}\n", 1000 + i, i);
	}
	struct mesh *mesh = rig_mesh(members.s);
	struct policy_doc *doc = rig_doc(mesh, text.s);
	const struct policy_route route = {.prefix = {{IP_V4, {10}}, 8}, .via = rig_node(mesh, "router")};
	const struct policy_world w = {.mesh = mesh, .routes = &route, .n_routes = 1};
	assert_int_equal(policy_model_new(doc, &w, &m), TM_OK);
	int err = policy_fits(m, d);
	policy_model_free(m);
	policy_doc_free(doc);
	mesh_free(mesh);
	strbuf_deinit(&members);
	strbuf_deinit(&text);
	return err;
}

static void pieces_of_a_network_count_as_what_they_are(void **state)
{
	struct diag d = {0};

	(void)state;
	assert_int_equal(pieces_fit(100, &d), TM_OK);
	assert_int_equal(pieces_fit(330, &d), TM_EFULL);
	assert_non_null(strstr(d.what, "router could not hold this policy: for its 331 clients"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_too_large_for_a_node_is_said_by_its_name),
		cmocka_unit_test(pieces_of_a_network_count_as_what_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
