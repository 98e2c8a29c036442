/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What one member may cost the coordinator and the other members, with honest members beside it. */
#include "unit/unit.h"

#include "unit/control/coord/rig.h"

#include "base/encode.h"

static json_t *one_candidate(unsigned port)
{
	char addr[32];

	snprintf(addr, sizeof(addr), "192.0.2.1:%u", port);
	return json_pack("[{s:s, s:s}]", "type", "host", "addr", addr);
}

static void say_candidates(struct machine *m, unsigned port)
{
	machine_say(m, json_pack("{s:s, s:o}", "t", "candidates", "candidates", one_candidate(port)));
}

static void say_want(struct machine *m, const struct machine *wanted)
{
	machine_say(m, json_pack("{s:s, s:s}", "t", "want", "node", wanted->id.id));
}

/* The port that this machine was told last. */
static unsigned told_port(const struct machine *m)
{
	const json_t *list = json_object_get(machine_last(m, "candidates"), "candidates");
	const char *addr = json_string_value(json_object_get(json_array_get(list, 0), "addr"));

	return addr ? (unsigned)atol(strrchr(addr, ':') + 1) : 0;
}

static struct machine *joined(struct rig *r, size_t number)
{
	struct machine *m = rig_machine(r, number);
	char name[16];

	snprintf(name, sizeof(name), "m%zu", number);
	machine_join(m, name);
	return m;
}

enum { WATCHERS = 60, CHANGES = 200 };

static bool all_know_the_last(void *ctx)
{
	struct rig *r = ctx;

	for (size_t i = 1; i <= WATCHERS; i++)
		if (told_port(&r->machines[i]) != CHANGES)
			return false;
	return true;
}

static void many_changes_of_one_node_are_few_messages_to_those_who_look_for_it(void **state)
{
	struct rig *r = *state;
	struct machine *moves = joined(r, 0);
	unsigned told = 0;

	r->c->tuning.watch_gap = 200 * MS;
	for (size_t i = 1; i <= WATCHERS; i++)
		say_want(joined(r, i), moves);
	for (size_t i = 1; i <= WATCHERS; i++)
		machine_forget(&r->machines[i]);
	say_candidates(moves, 1);
	assert_int_equal(told_port(&r->machines[1]), 1); /* who moves once is found at once */
	for (unsigned port = 2; port <= CHANGES; port++)
		say_candidates(moves, port);
	rig_until(r, all_know_the_last, r);
	for (size_t i = 1; i <= WATCHERS; i++)
		told += machine_count(&r->machines[i], "candidates");
	/* The first and the last, and one in between where the machine that tests is slow. */
	assert_in_range(told, 2 * WATCHERS, 3 * WATCHERS);
	assert_non_null(moves->conn);
}

static bool knows_the_last(void *ctx)
{
	return told_port(ctx) == CHANGES;
}

static void a_node_that_many_look_for_is_told_of_less_often(void **state)
{
	struct rig *r = *state;
	struct machine *popular = joined(r, 0), *other = joined(r, 1), *by = joined(r, 2);

	say_want(by, other);
	for (size_t i = 3; i <= 12; i++)
		say_want(joined(r, i), popular);
	r->c->tuning.watch_rate = 1; /* a second for each who looks for it */
	r->c->tuning.watch_gap = 1 * MS;
	say_candidates(popular, 1);
	say_candidates(popular, CHANGES);
	say_candidates(other, 1);
	say_candidates(other, CHANGES);
	rig_until(r, knows_the_last, by);
	assert_int_equal(told_port(&r->machines[3]), 1);
}

static void a_node_that_goes_while_others_wait_to_hear_of_it_is_forgotten(void **state)
{
	struct rig *r = *state;
	struct machine *moves = joined(r, 0), *by = joined(r, 1);

	r->c->tuning.watch_gap = 200 * MS;
	say_want(by, moves);
	say_candidates(moves, 1);
	say_candidates(moves, 2);
	assert_false(list_empty(&r->c->telling));
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "m0"));
	rig_settle(r);
	assert_true(list_empty(&r->c->telling));
	assert_int_equal(map_size(r->c->watches), 0);
}

static void a_node_is_not_announced_again_and_again(void **state)
{
	struct rig *r = *state;
	struct machine *asks = joined(r, 0), *asked = joined(r, 1), *other = joined(r, 2);

	for (unsigned i = 0; i < 500; i++)
		say_want(asks, asked);
	say_want(other, asked);
	assert_in_range(machine_count(asked, "candidates"), 2, 10);
	assert_int_equal(machine_count(other, "candidates"), 1);
	r->c->tuning.announce_gap = 0; /* what was to pass has passed */
	unsigned before = machine_count(asked, "candidates");
	say_want(asks, asked);
	assert_int_equal(machine_count(asked, "candidates"), before + 1);
}

static void of_all_nodes_that_one_asks_for_the_latest_are_remembered(void **state)
{
	struct rig *r = *state;
	struct machine *asks = joined(r, 0), *other = joined(r, 9);

	r->c->tuning.watching_max = 3;
	for (size_t i = 1; i <= 3; i++)
		say_want(asks, joined(r, i));
	say_want(other, &r->machines[2]);
	say_want(asks, &r->machines[1]); /* again: it is the latest now */
	say_want(asks, joined(r, 4));
	machine_forget(asks);
	say_candidates(&r->machines[1], 1);
	say_candidates(&r->machines[2], 2);
	assert_int_equal(machine_count(asks, "candidates"), 1);
	assert_int_equal(told_port(other), 2); /* nobody else's place is taken */
	assert_int_equal(map_size(r->c->watches), 4);
}

static unsigned lists_answered(struct machine *m, unsigned asked)
{
	unsigned n = 0;

	machine_forget(m);
	for (unsigned i = 0; i < asked && m->conn; i++)
		machine_say(m, json_pack("{s:s, s:i}", "t", "node.list", "id", 1));
	for (size_t i = 0; i < json_array_size(m->inbox); i++)
		n += json_is_true(json_object_get(json_array_get(m->inbox, i), "ok"));
	return n;
}

static void long_answers_cost_more_than_short_ones(void **state)
{
	struct rig *r = *state;
	struct machine *asks = joined(r, 0), *other = joined(r, 1);

	r->c->tuning.msg_rate = 0; /* nothing is forgotten while this runs */
	r->c->tuning.msg_burst = 2000;
	unsigned cheap = lists_answered(asks, 800);
	r->c->tuning.msg_bytes = 16; /* as if the list were longer: some fifty messages' worth */
	unsigned dear = lists_answered(other, 200);
	assert_int_equal(cheap, 800);
	assert_in_range(dear, 5, 100);
	/* It is told so, and its link lives: there is room for what a node has to say. */
	assert_non_null(other->conn);
	assert_string_equal(json_string_value(json_object_get(machine_last(other, "reply"), "error")),
		"this node has asked the coordinator for too much lately");
	say_want(other, asks);
	assert_int_equal(machine_count(other, "candidates"), 1);
	/* Nor does a new link help. */
	machine_unlink(other);
	machine_hello(other, NULL);
	assert_int_equal(lists_answered(other, 1), 0);
	/* Administration on the coordinator itself is not limited. */
	assert_true(
		json_is_true(json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "node.list")), "ok")));
}

/* Whoever has a phone's configuration has a key that the registry knows, but is no node. */
static void the_key_of_a_client_is_a_strangers(void **state)
{
	struct rig *r = *state;
	char key[BASE64_LEN(32) + 1];
	unsigned open = 0;

	base64_encode(rig_machine(r, 1)->id.x_pub, 32, key);
	const json_t *answer =
		rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "client.add", "name", "phone", "key", key));
	assert_true(json_is_true(json_object_get(answer, "ok")));
	rig_settle(r);
	for (size_t i = 1; i <= 100; i++) {
		rig_machine(r, i)->id = r->machines[1].id;
		machine_link(&r->machines[i]);
	}
	for (size_t i = 1; i <= 100; i++)
		open += r->machines[i].conn != NULL;
	assert_int_equal(open, 64);
	assert_int_equal(r->c->n_strangers, 64);
	machine_hello(&r->machines[100], NULL);
	assert_non_null(machine_last(&r->machines[100], "removed"));
}

static void a_node_that_comes_and_goes_is_told_to_nobody_and_changes_nothing(void **state)
{
	struct rig *r = *state;
	struct machine *m = joined(r, 0), *other = joined(r, 1);

	rig_settle(r);
	machine_forget(other);
	uint64_t version = registry_version(r->c->reg), fed = r->c->fed;
	for (unsigned i = 0; i < 200; i++) {
		machine_unlink(m);
		machine_hello(m, NULL);
	}
	rig_settle(r);
	/* It may be asked how it is meanwhile, once. */
	assert_int_equal(json_array_size(other->inbox), machine_last(other, "report") ? 1 : 0);
	assert_int_equal(registry_version(r->c->reg), version);
	assert_int_equal(r->c->fed, fed);
	assert_false(r->c->touching); /* when it was seen is stored with that of all others, twice a minute */
}

static bool is_free(void *ctx)
{
	struct machine *m = ctx;

	return conn_key_is_free(m->rig->c, m->id.x_pub);
}

/* Its address pays for whoever comes again and again, as for a stranger. */
static void a_member_that_comes_again_and_again_is_not_free(void **state)
{
	struct rig *r = *state;
	struct machine *m = joined(r, 0), *other = joined(r, 1);
	char key[BASE64_LEN(32) + 1];

	r->c->tuning.returns_a_minute = 0;
	assert_false(conn_key_is_free(r->c, rig_machine(r, 2)->id.x_pub));
	for (unsigned i = 0; i < r->c->tuning.returns_max; i++) {
		assert_true(conn_key_is_free(r->c, m->id.x_pub));
		conn_key_came(r->c, m->id.x_pub);
	}
	assert_false(conn_key_is_free(r->c, m->id.x_pub));
	assert_true(conn_key_is_free(r->c, other->id.x_pub));
	r->c->tuning.returns_a_minute = 60 * 1000;
	rig_until(r, is_free, m);
	/* Nor is the key of a phone. */
	base64_encode(rig_machine(r, 3)->id.x_pub, 32, key);
	rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "client.add", "name", "phone", "key", key));
	rig_settle(r);
	assert_false(conn_key_is_free(r->c, r->machines[3].id.x_pub));
}

#define T(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(many_changes_of_one_node_are_few_messages_to_those_who_look_for_it),
		T(a_node_that_many_look_for_is_told_of_less_often),
		T(a_node_that_goes_while_others_wait_to_hear_of_it_is_forgotten),
		T(a_node_is_not_announced_again_and_again),
		T(of_all_nodes_that_one_asks_for_the_latest_are_remembered),
		T(long_answers_cost_more_than_short_ones),
		T(the_key_of_a_client_is_a_strangers),
		T(a_node_that_comes_and_goes_is_told_to_nobody_and_changes_nothing),
		T(a_member_that_comes_again_and_again_is_not_free),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
