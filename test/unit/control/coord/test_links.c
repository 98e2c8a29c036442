/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "unit/control/coord/rig.h"

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static json_t *one_candidate(const char *addr)
{
	return json_pack("[{s:s, s:s}]", "type", "host", "addr", addr);
}

/* The only address of the newest candidates message about this node; "" when none. */
static const char *told_candidate(const struct machine *m, const struct machine *about)
{
	const json_t *msg = machine_last(m, "candidates");

	if (!msg || strcmp(json_string_value(json_object_get(msg, "node")), about->id.id) != 0)
		return "";

	const char *addr = json_string_value(
		json_object_get(json_array_get(json_object_get(msg, "candidates"), 0), "addr"));
	return addr ? addr : "";
}

static void a_stranger_is_told_that_it_is_no_member(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_hello(m, NULL);
	assert_non_null(machine_last(m, "removed"));
	assert_null(m->conn);
	assert_int_equal(json_array_size(m->inbox), 1);
}

static void hello_gets_a_welcome_and_the_whole_map_first_and_little_later(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *n = rig_machine(r, 1);

	machine_join(m, "laptop");
	const json_t *w = machine_last(m, "welcome");
	assert_string_equal(json_string_value(json_object_get(w, "observed")), "198.51.100.7");
	assert_int_equal(json_integer_value(json_object_get(w, "time")), rig_unix_now);
	assert_int_equal(json_integer_value(json_object_get(w, "data_port")), 51820);
	assert_int_equal(json_array_size(json_object_get(w, "addresses")), 2);
	rig_settle(r);
	assert_int_equal(m->n_snapshots, 1);
	assert_true(machine_knows(m, "laptop") && machine_knows(m, "hub"));
	machine_join(n, "nas");
	rig_settle(r);
	assert_true(machine_knows(m, "nas") && machine_sees(m, "nas"));
	/* After a short absence a delta is enough. */
	machine_unlink(m);
	machine_unlink(n);
	rig_settle(r);
	machine_hello(m, NULL);
	rig_settle(r);
	assert_int_equal(m->n_snapshots, 1);
	assert_int_equal(m->n_map_errors, 0);
	assert_false(machine_sees(m, "nas"));
	assert_true(machine_sees(m, "laptop"));
}

static void a_welcome_says_where_the_coordinators_data_socket_is(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_hello(&r->hub, json_pack("[{s:s,s:s}]", "type", "host", "addr", "203.0.113.9:51820"));
	machine_join(m, "laptop");
	const json_t *data = json_object_get(machine_last(m, "welcome"), "data");
	assert_int_equal(json_array_size(data), 1);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(data, 0), "addr")), "203.0.113.9:51820");
}

static void who_is_linked_hears_of_new_addresses_of_the_coordinator(void **state)
{
	static const char *const same[] = {"192.0.2.1:8443", "hub.example:443"}, *const next[] = {
											 "192.0.2.7:8443"};
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *stranger = rig_machine(r, 1);

	machine_join(m, "laptop");
	machine_link(stranger);
	coord_set_addresses(r->c, same, ARRAY_LEN(same));
	rig_settle(r);
	assert_null(machine_last(m, "addresses"));
	coord_set_addresses(r->c, next, ARRAY_LEN(next));
	rig_settle(r);
	const json_t *list = json_object_get(machine_last(m, "addresses"), "addresses");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_array_get(list, 0)), next[0]);
	assert_null(machine_last(stranger, "addresses"));
}

static void a_machine_may_say_hello_on_the_link_it_enrolled_on(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);
	struct token t = rig_token(r, json_object());

	machine_enrol(m, &t, "laptop");
	const struct conn *link = m->conn;
	machine_await(m, "reply");
	machine_hello(m, NULL);
	assert_ptr_equal(m->conn, link);
	assert_non_null(machine_last(m, "welcome"));
}

static void the_newer_link_of_a_node_wins(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *twin = rig_machine(r, 1);

	machine_join(m, "laptop");
	rig_settle(r);
	twin->id = m->id;
	machine_hello(twin, NULL);
	assert_null(m->conn);
	assert_non_null(strstr(m->closed_why, "connected again"));
	rig_settle(r);
	assert_true(machine_sees(twin, "laptop"));
	machine_unlink(twin);
	machine_join(m = rig_machine(r, 2), "other");
	rig_settle(r);
	assert_false(machine_sees(m, "laptop"));
}

static void a_storm_of_hellos_makes_few_messages(void **state)
{
	enum { N = 250 };
	struct rig *r = *state;
	struct token t = rig_token(r, json_pack("{s:i}", "uses", N));

	for (size_t i = 0; i < N; i++)
		machine_enrol(rig_machine(r, i), &t, "node");
	rig_settle(r);
	for (size_t i = 0; i < N; i++)
		machine_forget(rig_machine(r, i));
	for (size_t i = 0; i < N; i++)
		machine_hello(rig_machine(r, i), NULL);
	rig_settle(r);
	for (size_t i = 0; i < N; i++) {
		const struct machine *m = rig_machine(r, i);

		/* The snapshot, and not a word about all that came online around it. */
		if (m->n_maps != 1 || machine_size(m) != N + 1)
			fail_msg("machine %zu: %u maps, %zu nodes", i, m->n_maps, machine_size(m));
	}
}

static void expect_maps_alike(const struct netmap *a, const struct machine *b, int step)
{
	assert_int_equal(a->version, machine_version(b));
	if (a->n_nodes != machine_size(b))
		fail_msg("step %d: %zu and %zu nodes", step, a->n_nodes, machine_size(b));
	for (size_t i = 0; i < a->n_nodes; i++) {
		const struct node_rec *x = &a->nodes[i];
		const struct mesh_node *y = mesh_by_id(b->map, x->id);

		if (!y || strcmp(x->name, y->name) != 0 || x->host != y->host)
			fail_msg("step %d: %s differs", step, x->name);
	}
}

static void random_event(struct rig *r, uint32_t *seed, int step)
{
	struct machine *m = rig_machine(r, next_random(seed) % 24);
	char name[32], key[64];

	switch (next_random(seed) % 7) {
	case 0:
	case 1: {
		struct token t = rig_token(r, json_object());
		machine_unlink(m);
		machine_enrol(m, &t, "box");
		break;
	}
	case 2:
		machine_unlink(m);
		break;
	case 3:
		if (!m->conn || m->conn->state == CONN_NEW)
			machine_hello(m, NULL);
		break;
	case 4:
		rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", m->id.id));
		break;
	case 5:
		snprintf(name, sizeof(name), "box-%u", (unsigned)(next_random(seed) % 40));
		rig_admin(r,
			json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", m->id.id, "name", name));
		break;
	default:
		snprintf(name, sizeof(name), "phone-%d", step);
		snprintf(key, sizeof(key), "%043d=", step * 4);
		rig_admin(r, json_pack("{s:s, s:s, s:s, s:s}", "cmd", "client.add", "name", name, "key", key,
				     "via", m->id.id));
	}
}

static void whatever_happens_every_linked_node_has_the_map_a_newcomer_gets(void **state)
{
	struct rig *r = *state;
	uint32_t seed = 5;

	for (int step = 0; step < 400; step++) {
		random_event(r, &seed, step);
		if (step % 10)
			continue;
		rig_settle(r);
		struct netmap snapshot = rig_snapshot(r);

		for (size_t i = 0; i < 24; i++) {
			const struct machine *m = rig_machine(r, i);

			if (m->conn && m->conn->state == CONN_MEMBER)
				expect_maps_alike(&snapshot, m, step);
			assert_int_equal(m->n_map_errors, 0);
		}
		netmap_deinit(&snapshot);
	}
}

static void who_wants_a_node_gets_its_candidates_and_is_announced_to_it(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1), *other = rig_machine(r, 2);

	machine_join(a, "a");
	machine_join(b, "b");
	machine_join(other, "other");
	machine_say(
		a, json_pack("{s:s, s:o}", "t", "candidates", "candidates", one_candidate("192.0.2.1:1000")));
	machine_say(
		b, json_pack("{s:s, s:o}", "t", "candidates", "candidates", one_candidate("192.0.2.2:2000")));
	assert_null(machine_last(a, "candidates")); /* nobody asked */
	machine_say(a, json_pack("{s:s, s:s}", "t", "want", "node", b->id.id));
	assert_string_equal(told_candidate(a, b), "192.0.2.2:2000");
	assert_string_equal(told_candidate(b, a), "192.0.2.1:1000");
	/* It is looked for, and the other one looks. */
	assert_true(json_is_true(json_object_get(machine_last(b, "candidates"), "looks")));
	assert_null(json_object_get(machine_last(a, "candidates"), "looks"));
	/* Later changes go to who asked, and to nobody else. */
	machine_say(
		b, json_pack("{s:s, s:o}", "t", "candidates", "candidates", one_candidate("192.0.2.3:3000")));
	assert_string_equal(told_candidate(a, b), "192.0.2.3:3000");
	assert_null(json_object_get(machine_last(a, "candidates"), "looks"));
	unsigned n = machine_count(a, "candidates");
	machine_say(
		b, json_pack("{s:s, s:o}", "t", "candidates", "candidates", one_candidate("192.0.2.3:3000")));
	assert_int_equal(machine_count(a, "candidates"), n); /* no change, no message */
	assert_int_equal(machine_count(b, "candidates"), 1);
	assert_int_equal(machine_count(other, "candidates"), 0);
	/* Also when it comes back from elsewhere, or from where it was. */
	machine_unlink(b);
	machine_say(a, json_pack("{s:s, s:s}", "t", "want", "node", b->id.id));
	assert_true(json_is_false(json_object_get(machine_last(a, "candidates"), "online")));
	machine_hello(b, one_candidate("203.0.113.9:9000"));
	assert_string_equal(told_candidate(a, b), "203.0.113.9:9000");
	assert_true(json_is_true(json_object_get(machine_last(a, "candidates"), "online")));
	machine_unlink(b);
	machine_forget(a);
	machine_hello(b, one_candidate("203.0.113.9:9000"));
	assert_string_equal(told_candidate(a, b), "203.0.113.9:9000");
}

static void all_who_look_for_a_node_get_one_and_the_same_text(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1), *moves = rig_machine(r, 2);

	machine_join(a, "a");
	machine_join(b, "b");
	machine_join(moves, "moves");
	machine_say(a, json_pack("{s:s, s:s}", "t", "want", "node", moves->id.id));
	machine_say(b, json_pack("{s:s, s:s}", "t", "want", "node", moves->id.id));
	machine_say(moves,
		json_pack("{s:s, s:o}", "t", "candidates", "candidates", one_candidate("192.0.2.3:3000")));
	assert_string_equal(told_candidate(a, moves), "192.0.2.3:3000");
	assert_string_equal(told_candidate(b, moves), "192.0.2.3:3000");
	assert_ptr_equal(a->last, b->last);
}

static void an_asker_is_told_of_changes_only_for_a_while(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);

	machine_join(a, "a");
	machine_join(b, "b");
	r->c->tuning.watch_for = 0;
	machine_say(a, json_pack("{s:s, s:s}", "t", "want", "node", b->id.id));
	assert_int_equal(machine_count(a, "candidates"), 1);
	machine_say(
		b, json_pack("{s:s, s:o}", "t", "candidates", "candidates", one_candidate("192.0.2.3:3000")));
	assert_int_equal(machine_count(a, "candidates"), 1);
	assert_int_equal(map_size(r->c->watches), 0);
}

static void candidates_that_cannot_be_right_are_dropped(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);
	static const char *const bad[] = {"100.101.0.9:1000", "[fd5c::9]:1000", "0.0.0.0:1000", "[::]:1",
		"224.0.0.1:1000", "[ff02::1]:1", "192.0.2.1:0", "nonsense", "", "[::ffff:100.101.0.9]:1000",
		"[::ffff:224.0.0.1]:1000", "[::ffff:0.0.0.0]:1", "127.0.0.1:1000", "[::1]:1000",
		"[fe80::1]:1000", "169.254.7.7:1000"};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "type", "host", "addr", bad[i]));
	json_array_append_new(list, json_pack("{s:s, s:s}", "type", "host", "addr", "192.0.2.7:7"));
	machine_join(a, "a");
	machine_join(b, "b");
	machine_say(b, json_pack("{s:s, s:o}", "t", "candidates", "candidates", list));
	machine_say(a, json_pack("{s:s, s:s}", "t", "want", "node", b->id.id));
	assert_string_equal(told_candidate(a, b), "192.0.2.7:7");
	assert_int_equal(json_array_size(json_object_get(machine_last(a, "candidates"), "candidates")), 1);
}

static void wanting_what_is_not_there_is_no_mistake(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0);

	machine_join(a, "a");
	machine_say(a, json_pack("{s:s, s:s}", "t", "want", "node", "0123456789abcdef"));
	machine_say(a, json_pack("{s:s, s:s}", "t", "want", "node", a->id.id));
	machine_say(a, json_pack("{s:s, s:i}", "t", "want", "node", 7));
	machine_say(a, json_pack("{s:s}", "t", "want"));
	assert_non_null(a->conn);
	assert_int_equal(machine_count(a, "candidates"), 0);
}

static void mistakes_close_the_link_with_a_reason_and_disturb_nobody(void **state)
{
	static const struct {
		bool member;
		const char *text;
		bool closes;
	} rows[] = {
		{false, "{}", true},
		{false, "{\"t\":7}", true},
		{false, "{\"t\":\"\"}", true},
		{false, "{\"t\":\"want\",\"node\":\"0123456789abcdef\"}", true},
		{false, "{\"t\":\"leave\",\"id\":1}", true},
		{false, "{\"t\":\"enrol\"}", true},
		{false, "{\"t\":\"enrol\",\"id\":1,\"token\":{\"id\":\"zz\",\"secret\":[]}}", true},
		{false,
			"{\"t\":\"enrol\",\"id\":1,\"token\":{\"id\":\"0000000000000000\",\"secret\":"
			"\"00000000000000000000000000000000\"},"
			"\"ed\":\"AAAA\"}",
			true},
		{false, "{\"t\":\"something.new\",\"x\":[1,2]}", false},
		{true, "{}", true},
		{true, "{\"t\":\"hello\"}", true},
		{true, "{\"t\":\"enrol\"}", true},
		{true, "{\"t\":\"leave\"}", true},
		{true, "{\"t\":\"leave\",\"id\":\"1\"}", true},
		{true, "{\"t\":\"something.new\",\"x\":[1,2]}", false},
		{true, "{\"t\":\"candidates\",\"candidates\":7}", false},
		{true, "{\"t\":\"candidates\"}", false},
		{true, "{\"t\":\"client.add\",\"id\":1}", false},
		{true, "{\"t\":\"node.list\",\"id\":-1}", false},
	};
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1), *stranger = rig_machine(r, 2);

	machine_join(m, "m");
	machine_join(other, "other");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct machine *by = rows[i].member ? m : stranger;

		if (!by->conn) {
			machine_link(by);
			if (rows[i].member)
				machine_hello(by, NULL);
		}
		machine_say(by, json_loads(rows[i].text, 0, NULL));
		rig_settle(r);
		if ((by->conn == NULL) != rows[i].closes || (rows[i].closes && !by->closed_why[0]))
			fail_msg("%s: %s", rows[i].text, by->conn ? "still open" : by->closed_why);
	}
	assert_non_null(other->conn);
}

static void a_node_that_sends_too_much_is_closed(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);

	machine_join(m, "m");
	machine_join(other, "other");
	for (int i = 0; i < 100000 && m->conn; i++)
		machine_say(m, json_pack("{s:s, s:s}", "t", "want", "node", other->id.id));
	assert_null(m->conn);
	assert_non_null(strstr(m->closed_why, "too many"));
	assert_non_null(other->conn);
}

/* A new link gives no new right to flood. */
static void a_node_that_sent_too_much_and_comes_again_has_sent_it_all_the_same(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);
	unsigned sent[2] = {0};

	machine_join(m, "m");
	machine_join(other, "other");
	for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
		for (; sent[i] < 100000 && m->conn; sent[i]++)
			machine_say(m, json_pack("{s:s, s:s}", "t", "want", "node", other->id.id));
		assert_null(m->conn);
		machine_link(m);
		machine_hello(m, NULL);
	}
	assert_in_range(sent[1], 0, sent[0] / 2);
}

static void a_link_that_takes_nothing_more_is_dropped_alone(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1), *third = rig_machine(r, 2);

	machine_join(m, "m");
	machine_join(other, "other");
	rig_settle(r);
	m->refuse = true;
	machine_join(third, "third");
	rig_settle(r);
	assert_null(m->conn);
	assert_true(machine_knows(other, "third"));
	assert_false(machine_sees(other, "m"));
	m->refuse = false;
	machine_hello(m, NULL);
	rig_settle(r);
	assert_true(machine_knows(m, "third"));
}

static bool is_closed(void *ctx)
{
	return ((const struct machine *)ctx)->conn == NULL;
}

static void a_link_that_never_says_who_it_is_gets_closed(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	r->c->tuning.first_message = 20 * MS;
	machine_link(m);
	rig_until(r, is_closed, m);
	assert_string_equal(m->closed_why, "no hello");
}

static bool is_gone(void *ctx)
{
	const struct machine *m = ctx;

	return registry_by_id(m->rig->c->reg, m->id.id) == NULL;
}

static void strangers_who_do_not_enrol_cannot_pile_up(void **state)
{
	struct rig *r = *state;
	struct machine *member = rig_machine(r, 0), *newcomer = rig_machine(r, 1);
	struct token t = rig_token(r, json_object());
	unsigned open = 0;

	machine_join(member, "member");
	machine_enrol(newcomer, &t, "newcomer"); /* its job is under way */
	for (size_t i = 2; i < 200; i++)
		machine_link(rig_machine(r, i));
	for (size_t i = 2; i < 200; i++)
		open += r->machines[i].conn != NULL;
	assert_int_equal(open, 63); /* and the newcomer */
	assert_non_null(r->machines[199].conn);
	assert_string_equal(r->machines[2].closed_why, "too many links that do not enrol");
	assert_non_null(member->conn);
	assert_true(json_is_true(json_object_get(machine_await(newcomer, "reply"), "ok")));
	machine_hello(newcomer, NULL);
	assert_non_null(machine_last(newcomer, "welcome"));
	assert_int_equal(r->c->n_strangers, 63);
}

static void the_key_of_a_member_has_one_link_that_says_nothing(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "m");
	for (size_t i = 1; i < 100; i++) {
		rig_machine(r, i)->id = m->id;
		machine_link(rig_machine(r, i));
	}
	for (size_t i = 1; i < 99; i++)
		assert_null(r->machines[i].conn);
	assert_non_null(m->conn); /* saying nothing does not replace the one that works */
	machine_hello(rig_machine(r, 99), NULL);
	assert_non_null(machine_last(rig_machine(r, 99), "welcome"));
	assert_null(m->conn);
	machine_link(m); /* and whoever is welcome is in nobody's way */
	assert_non_null(r->machines[99].conn);
	machine_unlink(m);
}

static void an_ephemeral_node_is_removed_when_it_stays_away(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);
	struct token t = rig_token(r, json_pack("{s:b}", "ephemeral", 1));

	machine_join(other, "other");
	machine_enrol(m, &t, "runner");
	machine_await(m, "reply");
	machine_hello(m, NULL);
	rig_settle(r);
	assert_true(list_empty(&r->c->expiry));
	r->c->tuning.ephemeral_after = 20 * MS;
	machine_unlink(m);
	rig_until(r, is_gone, m);
	rig_settle(r);
	assert_false(machine_knows(other, "runner"));
	assert_int_equal(registry_size(r->c->reg), 2);
	assert_true(machine_knows(other, "hub"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_stranger_is_told_that_it_is_no_member),
		T(hello_gets_a_welcome_and_the_whole_map_first_and_little_later),
		T(a_welcome_says_where_the_coordinators_data_socket_is),
		T(who_is_linked_hears_of_new_addresses_of_the_coordinator),
		T(a_machine_may_say_hello_on_the_link_it_enrolled_on),
		T(the_newer_link_of_a_node_wins),
		T(a_storm_of_hellos_makes_few_messages),
		T(whatever_happens_every_linked_node_has_the_map_a_newcomer_gets),
		T(who_wants_a_node_gets_its_candidates_and_is_announced_to_it),
		T(all_who_look_for_a_node_get_one_and_the_same_text),
		T(an_asker_is_told_of_changes_only_for_a_while),
		T(candidates_that_cannot_be_right_are_dropped),
		T(wanting_what_is_not_there_is_no_mistake),
		T(mistakes_close_the_link_with_a_reason_and_disturb_nobody),
		T(a_node_that_sends_too_much_is_closed),
		T(a_node_that_sent_too_much_and_comes_again_has_sent_it_all_the_same),
		T(a_link_that_takes_nothing_more_is_dropped_alone),
		T(a_link_that_never_says_who_it_is_gets_closed),
		T(strangers_who_do_not_enrol_cannot_pile_up),
		T(the_key_of_a_member_has_one_link_that_says_nothing),
		T(an_ephemeral_node_is_removed_when_it_stays_away),
	};

	return cmocka_run_group_tests_name("links", tests, NULL, NULL);
}
