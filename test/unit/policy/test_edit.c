/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "policy/edit.h"

static const struct policy_new_rule ssh = {POLICY_ALLOW, "tcp/22,ping", "tag:ops,laptop", "any", "ssh"};
#define SSH "- {id: \"ssh\", allow: [\"tcp/22\", \"ping\"], from: [\"tag:ops\", \"laptop\"], to: [\"any\"]}\n"

static void a_rule_is_added_and_the_rest_stays(void **state)
{
	static const struct {
		const char *before, *after;
	} rows[] = {
		{"", "rules:\n  " SSH},
		{"# mine\nrules: []\n", "# mine\nrules:\n  " SSH},
		{"rules: [] # none yet\ngroups: {}\n", "rules:\n  " SSH "groups: {}\n"},
		{"rules:", "rules:\n  " SSH},
		{"rules: # all of them\n\n# first\n- {deny: udp, from: any, to: any} # x\ntests: []\n",
			"rules: # all of them\n" SSH
			"\n# first\n- {deny: udp, from: any, to: any} # x\ntests: []\n"},
		{"rules:\n    - deny: udp\n      from: any\n      to: any\n",
			"rules:\n    " SSH "    - deny: udp\n      from: any\n      to: any\n"},
		{"groups:\n  a: [x]", "groups:\n  a: [x]\nrules:\n  " SSH},
		{"rules:\n-\n  allow: udp\n  from: any\n  to: any\n",
			"rules:\n" SSH "-\n  allow: udp\n  from: any\n  to: any\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};
		char *text = NULL, id[POLICY_ID_MAX + 1];

		if (policy_edit_add(rows[i].before, &ssh, &text, id, &d) != TM_OK)
			fail_msg("row %zu: %s", i, d.what);
		assert_string_equal(text, rows[i].after);
		assert_string_equal(id, "ssh");
		free(text);
	}
}

/* Of a version that took what this one refuses: it must be possible to get rid of it. */
static void a_text_that_was_accepted_once_can_be_edited(void **state)
{
	static const char text[] = "rules:\n- {id: old, deny: icmp/3, from: desk.mesh, to: any}\n";
	struct diag d = {0};
	char *more = NULL, *less = NULL, id[POLICY_ID_MAX + 1];

	(void)state;
	assert_int_equal(policy_edit_add(text, &ssh, &more, id, &d), TM_OK);
	assert_int_equal(policy_edit_remove(more, "old", &less, &d), TM_OK);
	assert_string_equal(less, "rules:\n" SSH);
	free(more);
	free(less);
}

static void what_cannot_be_added_is_said(void **state)
{
	static const struct {
		const char *text;
		struct policy_new_rule r;
		const char *what;
	} rows[] = {
		{"rules: [{deny: udp, from: any, to: any}]\n", {POLICY_ALLOW, "tcp", "any", "any", NULL},
			"do not begin with"},
		{"# mine\n{rules: [{deny: udp, from: any, to: any}]}\n",
			{POLICY_ALLOW, "tcp", "any", "any", NULL}, "do not begin with"},
		{"{}\n", {POLICY_ALLOW, "tcp", "any", "any", NULL}, "do not begin with"},
		{"\"rules\":\n- {deny: udp, from: any, to: any}\n", {POLICY_ALLOW, "tcp", "any", "any", NULL},
			"do not begin with"},
		{"", {POLICY_ALLOW, "tcp/x", "any", "any", NULL}, "\"x\" is no port"},
		{"", {POLICY_ALLOW, "tcp,icmp/3", "any", "any", NULL}, "no rule is asked about"},
		{"", {POLICY_ALLOW, "tcp", "a\"]", "any", NULL}, "cannot be from whom"},
		{"", {POLICY_ALLOW, "tcp", "any", "desk,hub.mesh", NULL}, "longer than a name"},
		{"", {POLICY_ALLOW, "tcp", "a,a", "any", NULL}, "names \"a\" twice"},
		{"", {POLICY_ALLOW, "", "any", "any", NULL}, "cannot be what a rule is about"},
		{"", {POLICY_ALLOW, "tcp", "group:x", "any", NULL}, "there is no group"},
		{"rules:\n- {id: ssh, deny: udp, from: any, to: any}\n",
			{POLICY_ALLOW, "tcp", "any", "any", "ssh"}, "the id ssh is given twice"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};
		char *text = NULL, id[POLICY_ID_MAX + 1];

		if (policy_edit_add(rows[i].text, &rows[i].r, &text, id, &d) == TM_OK ||
			!strstr(d.what, rows[i].what) || d.where[0])
			fail_msg("row %zu: %s: %s", i, d.where, d.what);
		assert_null(text);
	}
}

static void a_rule_is_removed_and_the_rest_stays(void **state)
{
	static const char text[] = "rules:\n"
				   "  # one\n"
				   "  - id: one\n"
				   "    allow: tcp\n"
				   "    from: any\n"
				   "    to: any\n"
				   "\n"
				   "  # two\n"
				   "  - {id: two, deny: udp,\n"
				   "     from: any, to: any}\n"
				   "  - {id: three, allow: udp/1, from: any, to: any}\n"
				   "local_allow: []\n";
	struct diag d = {0};
	char *a = NULL, *b = NULL, *c = NULL;

	(void)state;
	assert_int_equal(policy_edit_remove(text, "two", &a, &d), TM_OK);
	assert_null(strstr(a, "deny"));
	assert_non_null(strstr(a, "  # two\n  - {id: three"));
	assert_int_equal(policy_edit_remove(a, "one", &b, &d), TM_OK);
	assert_non_null(strstr(b, "rules:\n  # one\n\n  # two\n"));
	assert_int_equal(policy_edit_remove(b, "three", &c, &d), TM_OK);
	assert_string_equal(c, "rules:\n  # one\n\n  # two\nlocal_allow: []\n");
	free(a);
	free(b);
	free(c);
}

/* With each comment, however far it is indented. */
static void what_was_added_and_removed_leaves_the_text_as_it_was(void **state)
{
	static const char *const rows[] = {
		"rules:\n    # of the office\n  - {allow: udp, from: any, to: any}\n",
		"rules:\n      # of nobody yet\ntests: []\n",
		"rules:\n# at the top\n\n    # and below\n  - allow: udp\n    # why\n    from: any\n    to: "
		"any\n",
		"rules:\n-\n  allow: udp\n  from: any\n  to: any\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};
		char *more = NULL, *less = NULL, id[POLICY_ID_MAX + 1];

		if (policy_edit_add(rows[i], &ssh, &more, id, &d) != TM_OK ||
			policy_edit_remove(more, id, &less, &d) != TM_OK)
			fail_msg("row %zu: %s", i, d.what);
		assert_string_equal(less, rows[i]);
		free(more);
		free(less);
	}
}

static void what_cannot_be_removed_is_said(void **state)
{
	struct diag d = {0};
	char *text = NULL;

	(void)state;
	assert_int_equal(policy_edit_remove("", "builtin:ping", &text, &d), TM_EPERM);
	assert_int_equal(
		policy_edit_remove("rules:\n- {id: ssh, deny: udp, from: any, to: any}\n", "sssh", &text, &d),
		TM_ENOENT);
	assert_string_equal(d.hint, "did you mean \"ssh\"?");
	assert_int_equal(
		policy_edit_remove("rules: [{id: ssh, deny: udp, from: any, to: any}]\n", "ssh", &text, &d),
		TM_EUNSUPPORTED);
	assert_int_equal(policy_edit_remove("rules: [{id: a, deny: udp, from: any, to: any},\n"
					    " {id: ssh, deny: udp, from: any, to: any}]\n",
				 "ssh", &text, &d),
		TM_EUNSUPPORTED);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_is_added_and_the_rest_stays),
		cmocka_unit_test(a_text_that_was_accepted_once_can_be_edited),
		cmocka_unit_test(what_cannot_be_added_is_said),
		cmocka_unit_test(a_rule_is_removed_and_the_rest_stays),
		cmocka_unit_test(what_was_added_and_removed_leaves_the_text_as_it_was),
		cmocka_unit_test(what_cannot_be_removed_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
