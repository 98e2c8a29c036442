/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The examples of docs/policy.md are policies, and what they say of themselves is true. */
#include "unit/unit.h"

#include "base/strbuf.h"
#include "policy/tests.h"
#include "unit/policy/rig.h"

static char *read_page(void)
{
	FILE *f = fopen(TM_SOURCE_DIR "/docs/policy.md", "r");
	struct strbuf b = {0};
	char line[4096];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		strbuf_puts(&b, line);
	fclose(f);
	return strbuf_take(&b);
}

static void try_one(const char *text, size_t n)
{
	struct mesh *mesh = rig_mesh(
		"hub laptop web1:server web2:server db1:db visitor:guest admin:ops box:lab phone@hub");
	const struct policy_world w = {.mesh = mesh};
	struct policy_tests t = {.n = 0};
	struct policy_model *m = NULL;
	struct policy_doc *doc = NULL;
	struct diag d = {0};
	size_t nobody;

	int err = policy_doc_parse("policy.md", text, n, &doc, &d);
	if (!err)
		err = policy_tests_parse(doc, "policy.md", &t, &d);
	if (!err)
		err = policy_bind(doc, mesh, NULL, "policy.md", &d);
	if (!err)
		err = policy_model_new(doc, &w, &m);
	if (!err)
		err = policy_tests_run(&t, m, "policy.md", &nobody, &d);
	if (err)
		fail_msg("%s: %s (%s)\n%.*s", d.where, d.what, d.hint, (int)n, text);
	policy_model_free(m);
	policy_tests_deinit(&t);
	policy_doc_free(doc);
	mesh_free(mesh);
}

static void every_example_is_a_policy_whose_tests_hold(void **state)
{
	char *page = read_page();
	unsigned n = 0;

	(void)state;
	for (const char *at = page; (at = strstr(at, "```yaml\n")); n++) {
		const char *text = at + strlen("```yaml\n"), *end = strstr(text, "```");

		assert_non_null(end);
		try_one(text, (size_t)(end - text));
		at = end + 3;
	}
	assert_true(n >= 5);
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_example_is_a_policy_whose_tests_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
