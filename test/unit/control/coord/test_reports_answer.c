/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is answered of the members' reports, and to whom. */
#include "unit/unit.h"

#include "control/coord/reports_private.h"
#include "unit/control/coord/rig.h"

static void tell(struct machine *m, const struct machine *peer, const char *path, int rx)
{
	machine_say(
		m, json_pack("{s:s, s:i, s:{s:i, s:[s]}, s:[{s:s, s:s, s:s, s:i, s:i, s:i}]}", "t", "report",
			   "over_ms", 1000, "self", "mtu", 1420, "alarms", "clock", "peers", "node",
			   peer->id.id, "path", path, "not_direct", strcmp(path, "relay") == 0 ? "udp" : "",
			   "family", 4, "rtt_us", 1500, "rx", rx));
}

/* a and b talk through a relay, b and c directly, and more goes between a and c. */
static void three_members(struct rig *r, struct machine *v[static 3])
{
	static const char *const names[] = {"a", "b", "c"};

	for (size_t i = 0; i < 3; i++) {
		v[i] = rig_machine(r, i);
		machine_join(v[i], names[i]);
		machine_await(v[i], "report");
	}
	tell(v[0], v[1], "relay", 0);
	tell(v[1], v[2], "direct", 0);
	tell(v[0], v[2], "direct", 0);
	tell(v[0], v[2], "direct", 7000);
}

static const json_t *ask(struct machine *m, json_t *req_take)
{
	machine_forget(m);
	json_object_set_new(req_take, "id", json_integer(7));
	machine_say(m, req_take);
	return machine_await(m, "reply");
}

static size_t n_of(const json_t *answer, const char *list)
{
	return json_array_size(json_object_get(answer, list));
}

static const json_t *first(const json_t *answer, const char *list)
{
	return json_array_get(json_object_get(answer, list), 0);
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static int64_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void the_administration_sees_each_pair_once(void **state)
{
	struct rig *r = *state;
	struct machine *v[3];

	three_members(r, v);
	const json_t *answer = rig_admin(r, json_pack("{s:s}", "cmd", "report.list"));
	const json_t *total = json_object_get(answer, "total");
	assert_int_equal(n_of(answer, "pairs"), 3);
	assert_int_equal(number(total, "relay"), 1);
	assert_int_equal(number(total, "direct"), 2);
	assert_int_equal(number(total, "rate"), 7000);
	assert_int_equal(number(total, "relayed_rate"), 0);
	assert_null(json_object_get(answer, "next"));

	const json_t *member = first(answer, "members");
	assert_string_equal(text(member, "name"), "a");
	assert_string_equal(json_string_value(first(member, "alarms")), "clock");
	assert_int_equal(number(member, "mtu"), 1420);
	assert_int_equal(number(member, "rx_rate"), 7000);
}

static void a_member_sees_what_is_its_own(void **state)
{
	struct rig *r = *state;
	struct machine *v[3];

	three_members(r, v);
	const json_t *answer = ask(v[1], json_pack("{s:s}", "t", "report.list"));
	assert_int_equal(n_of(answer, "members"), 1);
	assert_string_equal(text(first(answer, "members"), "name"), "b");
	assert_int_equal(n_of(answer, "pairs"), 2);
	assert_null(json_object_get(answer, "total"));

	answer = ask(v[1], json_pack("{s:s, s:s}", "t", "report.node", "node", "b"));
	assert_string_equal(text(json_object_get(answer, "member"), "name"), "b");
	assert_int_equal(n_of(answer, "pairs"), 2);
	answer = ask(v[1], json_pack("{s:s, s:s}", "t", "report.node", "node", "a"));
	assert_null(json_object_get(answer, "member"));
	assert_int_equal(n_of(answer, "pairs"), 1);
	answer = ask(v[1], json_pack("{s:s, s:s, s:s}", "t", "report.node", "node", "a", "peer", "c"));
	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_null(json_object_get(answer, "pairs"));
}

static void a_node_has_its_pairs_with_what_wants_attention_first(void **state)
{
	struct rig *r = *state;
	struct machine *v[3];

	three_members(r, v);
	const json_t *answer = rig_admin(r, json_pack("{s:s, s:s}", "cmd", "report.node", "node", "a"));
	const json_t *pair = first(answer, "pairs");
	assert_int_equal(number(answer, "pairs_in_all"), 2);
	assert_string_equal(text(pair, "path"), "relay");
	assert_string_equal(text(pair, "not_direct"), path_not_text(PATH_NOT_UDP));
	assert_string_equal(text(first(pair, "ends"), "name"), "a");
	assert_true(json_is_true(json_object_get(first(pair, "ends"), "told")));
	assert_true(json_is_false(json_object_get(json_array_get(json_object_get(pair, "ends"), 1), "told")));
	assert_int_equal(number(first(pair, "recent"), "rtt_us"), 1500);
	assert_string_equal(text(first(pair, "day"), "path"), "relay");
	assert_string_equal(text(first(pair, "changes"), "by"), "a");
	/* Both of c's are direct: more goes to a. */
	answer = rig_admin(r, json_pack("{s:s, s:s}", "cmd", "report.node", "node", "c"));
	assert_string_equal(
		text(json_array_get(json_object_get(first(answer, "pairs"), "ends"), 1), "name"), "a");
}

static void add_member(struct rig *r, uint32_t i, char ret_id[static NODE_ID_LEN + 1])
{
	struct store_node x = {.rec = {.host = 1000 + i, .key = {1}}};

	memcpy(x.rec.key + 1, &i, sizeof(i));
	snprintf(x.rec.id, sizeof(x.rec.id), "%016x", i);
	snprintf(x.rec.name, sizeof(x.rec.name), "n%u", i);
	memcpy(ret_id, x.rec.id, sizeof(x.rec.id));
	assert_int_equal(
		registry_put(r->c->reg, registry_version(r->c->reg) + ((uint64_t)1 << 31), &x, NULL), TM_OK);
}

static void of_many_pairs_some_are_shown_and_few_with_how_they_were(void **state)
{
	enum { N = 300, SHOWN = 256, WITH_HISTORY = 6 };
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);
	char id[NODE_ID_LEN + 1];
	size_t n_history = 0, i;
	json_t *pair;

	machine_join(m, "a");
	machine_await(m, "report");
	for (uint32_t k = 0; k < N;) {
		json_t *peers = json_array();

		for (; k < N && json_array_size(peers) < REPORT_PEERS_MAX; k++) {
			add_member(r, k, id);
			json_array_append_new(peers, json_pack("{s:s, s:s}", "node", id, "path", "direct"));
		}
		machine_say(m, json_pack("{s:s, s:o}", "t", "report", "peers", peers));
	}
	const json_t *answer = rig_admin(r, json_pack("{s:s, s:s}", "cmd", "report.node", "node", "a"));
	assert_int_equal(number(answer, "pairs_in_all"), N);
	assert_int_equal(n_of(answer, "pairs"), SHOWN);
	json_array_foreach (json_object_get(answer, "pairs"), i, pair)
		n_history += n_of(pair, "recent") > 0;
	assert_int_equal(n_history, WITH_HISTORY);
}

static void a_pair_that_rests_still_has_its_history(void **state)
{
	struct rig *r = *state;
	struct machine *v[3];

	three_members(r, v);
	tell(v[0], v[1], "gone", 0);
	const json_t *answer =
		rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "report.node", "node", "b", "peer", "a"));
	assert_string_equal(text(first(answer, "pairs"), "path"), "gone");
	assert_int_equal(n_of(first(answer, "pairs"), "changes"), 2);
	answer = rig_admin(r, json_pack("{s:s, s:s}", "cmd", "report.node", "node", "b"));
	assert_int_equal(n_of(answer, "pairs"), 1);
}

static void only_the_administration_makes_others_report_often(void **state)
{
	struct rig *r = *state;
	struct machine *v[3];

	three_members(r, v);
	ask(v[0], json_pack("{s:s, s:b}", "t", "report.list", "watch", 1));
	ask(v[0], json_pack("{s:s, s:s, s:b}", "t", "report.node", "node", "a", "watch", 1));
	assert_int_equal(machine_count(v[0], "report"), 0);
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "report.node", "node", "a"));
	assert_int_equal(machine_count(v[0], "report"), 0);
	machine_forget(v[1]);
	rig_admin(r, json_pack("{s:s, s:s, s:b}", "cmd", "report.node", "node", "a", "watch", 1));
	assert_int_equal(machine_count(v[0], "report"), 1);
	assert_int_equal(machine_count(v[1], "report"), 0);
	rig_admin(r, json_pack("{s:s, s:b}", "cmd", "report.list", "watch", 1));
	assert_int_equal(machine_count(v[1], "report"), 1);
}

static void what_is_not_there_is_said(void **state)
{
	struct rig *r = *state;

	assert_non_null(strstr(
		rig_refused(r, json_pack("{s:s, s:s}", "cmd", "report.node", "node", "x")), "no node \"x\""));
	assert_non_null(strstr(rig_refused(r, json_pack("{s:s}", "cmd", "report.node")), "which node"));
	assert_non_null(strstr(
		rig_refused(r, json_pack("{s:s, s:i}", "cmd", "report.list", "watch", 1)), "watch must be"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_administration_sees_each_pair_once, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_member_sees_what_is_its_own, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			a_node_has_its_pairs_with_what_wants_attention_first, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			of_many_pairs_some_are_shown_and_few_with_how_they_were, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			a_pair_that_rests_still_has_its_history, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			only_the_administration_makes_others_report_often, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(what_is_not_there_is_said, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
