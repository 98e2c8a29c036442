/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `paths`: the changes of each peer's way. */
#include "commands_rig.h"

static int setup(void **state)
{
	int err = rig_setup(state);
	struct rig *r = *state;

	return err ? err : path_history_new(&r->n.path_history);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	path_history_free(r->n.path_history);
	return rig_teardown(state);
}

/* Of the member with that first byte of its key. */
static void change(struct rig *r, uint8_t member, enum reaching_by to, enum path_why why, int64_t seconds)
{
	const uint8_t key[32] = {member};
	struct endpoint at;

	assert_int_equal(endpoint_parse("192.0.2.1:51820", &at), TM_OK);
	path_history_add(r->n.path_history,
		&(struct reaching_change){.key = key, .from = BY_NOTHING, .to = to, .at = &at, .why = why},
		seconds * SEC);
}

static void each_peer_is_told_with_its_changes_and_reasons(void **state)
{
	struct rig *r = *state;

	change(r, 2, BY_RELAY, WHY_RELAYED, 100);
	change(r, 2, BY_DIRECT, WHY_BETTER, 101);
	say(r, node_command, cmd("paths"));
	const json_t *peers = json_object_get(r->answer, "peers");
	assert_int_equal(json_array_size(peers), 1); /* of the others there is nothing to tell */
	const json_t *hub = json_array_get(peers, 0), *changes = json_object_get(hub, "changes");
	assert_string_equal(text(hub, "name"), "hub");
	assert_string_equal(text(hub, "id"), "00000000000000bb");
	assert_int_equal(json_array_size(changes), 2);
	const json_t *last = json_array_get(changes, 1);
	assert_int_equal(json_integer_value(json_object_get(last, "at_ms")), 101000);
	assert_string_equal(text(last, "from"), "none");
	assert_string_equal(text(last, "to"), "direct");
	assert_string_equal(text(last, "endpoint"), "192.0.2.1:51820");
	assert_string_equal(text(last, "why"), "a better address answered");
	assert_null(json_object_get(r->answer, "next"));
	assert_int_equal(json_integer_value(json_object_get(r->answer, "kept")), PATH_HISTORY_KEPT);
}

static void a_page_begins_behind_the_member_that_the_last_one_ended_with(void **state)
{
	struct rig *r = *state;

	change(r, 2, BY_DIRECT, WHY_FIRST, 100); /* hub, host 2 */
	change(r, 3, BY_DIRECT, WHY_FIRST, 100); /* phone, host 3 */
	say(r, node_command, json_pack("{s:s, s:i}", "cmd", "paths", "after", 2));
	const json_t *peers = json_object_get(r->answer, "peers");
	assert_int_equal(json_array_size(peers), 1);
	assert_string_equal(text(json_array_get(peers, 0), "name"), "phone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(each_peer_is_told_with_its_changes_and_reasons),
		T(a_page_begins_behind_the_member_that_the_last_one_ended_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
