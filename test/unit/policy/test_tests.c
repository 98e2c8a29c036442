/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The tests that a policy brings with it: when it is accepted, and as long as it is in force. */
#include "unit/unit.h"

#include "base/strbuf.h"
#include "policy/prove.h"
#include "policy/tests.h"
#include "unit/policy/rig.h"

static int run_policy(const char *policy, size_t *ret_nobody, struct diag *d)
{
	struct mesh *mesh = rig_mesh("laptop web1:server");
	const struct policy_world w = {.mesh = mesh};
	struct policy_doc *doc = rig_doc(NULL, policy);
	struct policy_model *m = NULL;
	struct policy_tests t = {.n = 0};

	int err = policy_tests_parse(doc, "p.yaml", &t, d);
	if (!err)
		err = policy_bind(doc, mesh, NULL, "p.yaml", d);
	if (!err)
		err = policy_model_new(doc, &w, &m);
	if (!err)
		err = policy_tests_run(&t, m, "p.yaml", ret_nobody, d);
	policy_tests_deinit(&t);
	policy_model_free(m);
	policy_doc_free(doc);
	mesh_free(mesh);
	return err;
}

static void tests_of_a_policy_are_run_with_their_places(void **state)
{
	struct diag d = {0};
	size_t nobody;

	(void)state;
	assert_int_equal(run_policy("rules:\n  - {id: x, allow: tcp/22, from: laptop, to: web1}\ntests:\n"
				    "  - laptop can reach web1 tcp/22\n  - tag:guest cannot reach any tcp\n",
				 &nobody, &d),
		TM_OK);
	assert_int_equal(nobody, 1);
	assert_int_equal(run_policy("rules:\n  - {id: x, allow: tcp/22, from: laptop, to: web1}\ntests:\n"
				    "  - laptop can reach web1 tcp/22\n  - any cannot reach any tcp/1-1023\n",
				 &nobody, &d),
		TM_EPERM);
	assert_string_equal(d.where, "p.yaml:5:5");
	assert_string_equal(d.what, "the test \"any cannot reach any tcp/1-1023\" does not hold");
	assert_string_equal(d.hint, "laptop reaches web1 by tcp/22: rule x allows it");
	d = (struct diag){0};
	assert_int_equal(run_policy("tests:\n  - laptop kann web1\n", &nobody, &d), TM_EINVAL);
	assert_string_equal(d.where, "p.yaml:2:5");
	d = (struct diag){0};
	assert_int_equal(run_policy("tests:\n  - lapdog can reach any\n", &nobody, &d), TM_ENOENT);
	assert_string_equal(d.where, "p.yaml:2:5");
	/* A name stands where it stands first. */
	d = (struct diag){0};
	assert_int_equal(run_policy("rules:\n  - {deny: tcp, from: any, to: lapdog}\ntests:\n"
				    "  - lapdog can reach any\n",
				 &nobody, &d),
		TM_ENOENT);
	assert_string_equal(d.where, "p.yaml:2:32");
}

static int add_line(void *ctx, const char *sentence)
{
	strbuf_printf(ctx, "%s\n", sentence);
	return TM_OK;
}

/* Those of a document from *at on that `work` lasts for. */
static void expect_broken(const char *who, size_t work, size_t *at, size_t end, const char *sentences)
{
	static const char policy[] = "rules:\n  - {id: x, allow: tcp/22, from: tag:guest, to: web1}\ntests:\n"
				     "  - tag:guest cannot reach web1 tcp\n"
				     "  - laptop cannot reach web1 tcp\n"
				     "  - tag:guest can reach web1 tcp/22, tcp/80\n";
	struct mesh *mesh = rig_mesh(who);
	const struct policy_world w = {.mesh = mesh};
	struct policy_doc *doc = rig_doc(NULL, policy);
	struct policy_model *m = NULL;
	struct policy_tests t = {.n = 0};
	struct strbuf b = {0};
	struct diag d = {0};

	assert_int_equal(policy_tests_parse(doc, "p.yaml", &t, &d), TM_OK);
	assert_int_equal(policy_bind(doc, mesh, NULL, "p.yaml", &d), TM_OK);
	assert_int_equal(policy_model_new(doc, &w, &m), TM_OK);
	assert_int_equal(policy_tests_broken(&t, m, work, at, add_line, &b), TM_OK);
	assert_string_equal(b.s ? b.s : "", sentences);
	assert_int_equal(*at, end);
	strbuf_deinit(&b);
	policy_tests_deinit(&t);
	policy_model_free(m);
	policy_doc_free(doc);
	mesh_free(mesh);
}

static void tests_that_do_not_hold_any_more_are_told_as_many_as_there_is_time_for(void **state)
{
	static const char
		first[] = "the test \"tag:guest cannot reach web1 tcp\" on line 4 does not hold any more: "
			  "visitor reaches web1 by tcp/22: rule x allows it\n",
		third[] = "the test \"tag:guest can reach web1 tcp/22, tcp/80\" on line 6 does not hold any "
			  "more: visitor does not reach web1 by tcp/80: no rule allows it\n";
	char both[sizeof(first) + sizeof(third)];
	size_t at = 0;

	(void)state;
	expect_broken("laptop web1", SIZE_MAX, &at, 3, "");
	at = 0;
	snprintf(both, sizeof(both), "%s%s", first, third);
	expect_broken("laptop web1 visitor:guest", SIZE_MAX, &at, 3, both);
	at = 0;
	expect_broken("laptop web1 visitor:guest", 0, &at, 1, first); /* one at least */
	expect_broken("laptop web1 visitor:guest", 1, &at, 2, "");
	expect_broken("laptop web1 visitor:guest", 1, &at, 3, third);
	expect_broken("laptop web1 visitor:guest", 1, &at, 3, "");
	at = 0;
	expect_broken("laptop web1 visitor:guest", 3, &at, 2, first); /* each is one, and so is its pair */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tests_of_a_policy_are_run_with_their_places),
		cmocka_unit_test(tests_that_do_not_hold_any_more_are_told_as_many_as_there_is_time_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
