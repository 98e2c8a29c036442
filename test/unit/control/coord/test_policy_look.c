/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whether the policy in force still fits the mesh, as looks at it find, and who is told. */
#include "unit/unit.h"

#include "unit/control/coord/policy_rig.h"

#define WEB "rules:\n  - {id: web, allow: tcp/80, from: any, to: tag:server}\n"

/* Sentence by sentence: what is warned of now. */
static const char *warned(struct rig *r)
{
	static char all[2048];
	json_t *warnings = json_object_get(rig_admin(r, rig_ask("policy.get", NULL, NULL)), "warnings");

	all[0] = '\0';
	for (size_t i = 0; i < json_array_size(warnings); i++) {
		const char *one = json_string_value(json_array_get(warnings, i));

		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s\n", one);
	}
	return all;
}

/* That the last look was done, and what it found: its log has the same. */
static bool was_looked_at(void *ctx)
{
	const struct policy_looks *k = &((struct rig *)ctx)->c->policy.look;

	return k->warnings && !k->looking && !k->again && !loop_timer_is_set(k->timer);
}

static const char *looked(struct rig *r)
{
	rig_until(r, was_looked_at, r);
	return r->c->policy.look.warnings;
}

#define GUESTS                                                                                               \
	"rules:\n- {id: web, allow: tcp/80, from: any, to: 'tag:db'}\ntests:\n- tag:guest cannot reach "     \
	"tag:db "                                                                                            \
	"tcp\n- printer cannot reach tag:guest tcp\n"

/* Held of nobody when it was accepted, say. */
static void a_test_that_does_not_hold_any_more_is_warned_of(void **state)
{
	static const char
		nobody[] = "no node has the tag guest\n",
		removed[] =
			"the node printer has been removed: rules and tests that name it are about nobody\n";
	struct rig *r = *state;
	struct token t;
	char broken[256];

	machine_join(rig_machine(r, 0), "db");
	machine_join(rig_machine(r, 1), "printer");
	rig_admin(r, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", "db", "add", "db"));
	rig_must_set(r, GUESTS);
	assert_string_equal(looked(r), nobody);
	assert_string_equal(warned(r), nobody);

	t = rig_token(r, json_pack("{s:[s]}", "tags", "guest"));
	snprintf(broken, sizeof(broken),
		"the test \"tag:guest cannot reach tag:db tcp\" on line 4 does not hold any more: a new node "
		"by "
		"token %02x%02x%02x%02x",
		t.id[0], t.id[1], t.id[2], t.id[3]);
	assert_int_equal(strncmp(looked(r), broken, strlen(broken)), 0);
	assert_non_null(strstr(looked(r), " reaches db by tcp/80: rule web allows it\n"));
	assert_string_equal(warned(r), looked(r));
	rig_must_not(r, rig_rule("b", "udp", "members"), "does not hold");
	/* It stays in force. */
	assert_int_equal(rig_in_force(r), 1);

	machine_enrol(rig_machine(r, 2), &t, "visitor");
	machine_await(rig_machine(r, 2), "reply");
	rig_admin(r, rig_ask("node.remove", "node", "printer"));
	snprintf(broken, sizeof(broken),
		"%sthe test \"tag:guest cannot reach tag:db tcp\" on line 4 does not hold any more: visitor "
		"reaches db by tcp/80: rule web allows it\n",
		removed);
	assert_string_equal(warned(r), broken);
	assert_string_equal(looked(r), broken);
	/* After a restart, too; and until somebody mends it. */
	rig_stop(r);
	rig_start(r);
	assert_string_equal(looked(r), broken);
	rig_must_set(r, WEB);
	assert_string_equal(looked(r), "no node has the tag server\n");
	assert_string_equal(warned(r), "no node has the tag server\n");
}

/* More tests than one turn has time for: they take several, and the answer is what the last of them found. */
static void many_tests_are_asked_one_after_the_other(void **state)
{
	struct rig *r = *state;
	const char *both;

	r->c->tuning.policy_slice = 1;
	machine_join(rig_machine(r, 0), "a");
	rig_must_set(r,
		"rules:\n- {id: ssh, allow: tcp/22, from: 'tag:ops', to: members}\ntests:\n"
		"- a cannot reach hub tcp/22\n- a cannot reach hub udp\n- tag:ops cannot reach hub tcp\n");
	assert_string_equal(looked(r), "no node has the tag ops\n");
	rig_admin(r, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", "a", "add", "ops"));
	both = looked(r);
	assert_non_null(strstr(both, "the test \"a cannot reach hub tcp/22\" on line 4 does not hold"));
	assert_non_null(strstr(both, "\nthe test \"tag:ops cannot reach hub tcp\" on line 6 does not hold"));
	assert_string_equal(warned(r), both);
	rig_must_set(r, WEB);
	assert_string_equal(looked(r), "no node has the tag server\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_test_that_does_not_hold_any_more_is_warned_of, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			many_tests_are_asked_one_after_the_other, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
