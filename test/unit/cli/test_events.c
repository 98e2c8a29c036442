/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `events`: what the coordinator kept and what this node remembers, in one order, and what happens then. */
#include "unit/unit.h"

#include <jansson.h>

#include "base/time.h"
#include "unit/cli/fixture.h"
#include "unit/cli/run.h"

/* Each look at the clock takes so long, and nothing else does. */
static ns_t a_look;

ns_t __wrap_time_monotonic(void);

ns_t __wrap_time_monotonic(void)
{
	static ns_t now = SEC;

	return now += a_look;
}

static int set_up(void **state)
{
	a_look = 0;
	return fixture_setup(state);
}

#define MESH(number, at, words)                                                                              \
	"{\"origin\":\"mesh\",\"number\":" #number ",\"happened_at\":" #at                                   \
	",\"level\":\"info\",\"text\":\"" words "\"}"
#define NODE(number, at, level, words)                                                                       \
	"{\"origin\":\"node\",\"number\":" #number ",\"happened_at\":" #at ",\"level\":\"" level             \
	"\",\"text\":\"" words "\"}"

static void both_kinds_come_in_the_order_in_which_they_happened(void **state)
{
	static const struct fake_reply replies[] = {
		{"event.list", "{\"ok\":true,\"events\":[" MESH(1, 100, "one") "],\"next\":1}"},
		{"event.list", "{\"ok\":true,\"events\":[" MESH(2, 300, "three") "]}"},
		{"events", "{\"ok\":true,\"events\":[" NODE(1, 200, "info", "two") "," MESH(
				   2, 300, "three") "," NODE(3, 400, "warn", "four") "],\"last\":3}"},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "events --state-dir DIR");
	assert_int_equal(r.status, 0);
	const char *const words[] = {"  one\n", "  two\n", "  three\n", "  warn: four\n"};
	const char *at = r.out;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *found = strstr(at, words[i]);

		if (!found)
			fail_msg("%s is not there, or out of order: %s", words[i], r.out);
		at = found + 1;
	}
	assert_null(strstr(strstr(r.out, "  three\n") + 1, "  three\n"));
	assert_int_equal(fake_daemon_asked(&f->daemon, "event.list"), 2);
	assert_non_null(strstr(f->daemon.requests[0], "\"since\":"));
	assert_non_null(strstr(f->daemon.requests[1], "\"since\":"));
	assert_non_null(strstr(f->daemon.requests[1], "\"after\":1"));
	run_free(&r);
}

static void without_the_coordinator_the_node_has_its_own(void **state)
{
	static const struct fake_reply replies[] = {
		{"event.list", "{\"ok\":false,\"code\":\"timeout\",\"error\":\"no link\",\"hint\":\"\"}"},
		{"events", "{\"ok\":true,\"events\":[" NODE(1, 200, "info", "two") "],\"last\":1}"},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "events --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "  two\n");
	assert_contains(r.err, "what the coordinator knows is missing: no link");
	run_free(&r);
	run_cli(&r, f->dir, "events --state-dir DIR --json");
	assert_int_equal(r.status, 0);
	json_t *j = json_loads(r.out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(j, "events")), 1);
	assert_string_equal(json_string_value(json_object_get(j, "missing")), "no link");
	json_decref(j);
	run_free(&r);
}

static void who_follows_sees_each_once_until_the_daemon_stops(void **state)
{
	static const struct fake_reply replies[] = {
		{"event.list", "{\"ok\":true,\"events\":[" MESH(7, 100, "seven") "]}"},
		{"events", "{\"ok\":true,\"events\":[],\"last\":4,\"mesh\":true}"},
		/* What was listed may come once more: it was not remembered yet when it was asked for. */
		{"events", "{\"ok\":true,\"events\":[" MESH(7, 100, "seven") "," MESH(
				   8, 300, "eight") "],"
						    "\"last\":6}"},
		{"events", "{\"ok\":true,\"events\":[" NODE(7, 400, "info", "own") "],\"last\":7}"},
		{"events", NULL},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "events -f --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "stopped");
	assert_contains(r.out, "  eight\n");
	assert_contains(r.out, "  own\n");
	assert_null(strstr(strstr(r.out, "seven") + 1, "seven"));
	assert_non_null(strstr(f->daemon.requests[2], "\"after\":4"));
	assert_non_null(strstr(f->daemon.requests[3], "\"after\":6"));
	assert_non_null(strstr(f->daemon.requests[4], "\"wait\":true"));
	assert_int_equal(fake_daemon_asked(&f->daemon, "event.list"), 1);
	run_free(&r);
}

/* Another machine's daemon does not hear of what is done to the mesh: its coordinator is asked. */
static void who_follows_at_a_member_sees_what_is_done_to_the_mesh(void **state)
{
	static const struct fake_reply replies[] = {
		{"event.list", "{\"ok\":true,\"events\":[" MESH(7, 100, "seven") "]}"},
		{"events", "{\"ok\":true,\"events\":[],\"last\":4,\"mesh\":false}"},
		{"events", "{\"ok\":true,\"events\":[" NODE(5, 200, "info", "own") "],\"last\":5}"},
		{"event.list", "{\"ok\":true,\"events\":[" MESH(8, 300, "eight") "]}"},
		{"events", NULL},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "events -f --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_contains(r.out, "  own\n");
	assert_contains(r.out, "  eight\n");
	assert_int_equal(fake_daemon_asked(&f->daemon, "event.list"), 2);
	assert_non_null(strstr(f->daemon.requests[2], "\"for_s\":5"));
	assert_non_null(strstr(f->daemon.requests[3], "\"after\":7"));
	run_free(&r);
}

#define ROUND                                                                                                \
	{                                                                                                    \
		"events", "{\"ok\":true,\"events\":[],\"last\":4}"                                           \
	}

static void that_the_coordinator_is_away_is_said_once_and_the_nodes_own_go_on(void **state)
{
	static const struct fake_reply replies[] = {
		{"event.list", "{\"ok\":true,\"events\":[]}"},
		{"event.list", "{\"ok\":false,\"code\":\"timeout\",\"error\":\"no link\",\"hint\":\"\"}"},
		{"events", "{\"ok\":true,\"events\":[],\"last\":4,\"mesh\":false}"},
		ROUND,
		ROUND,
		ROUND,
		ROUND,
		{"events", "{\"ok\":true,\"events\":[" NODE(5, 200, "info", "own") "],\"last\":5}"},
		{"events", NULL},
		{0},
	};
	const char *const says = "what the coordinator knows is missing for now: no link";
	struct fixture *f = *state;
	struct run r = {0};

	a_look = SEC;

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "events -f --state-dir DIR");
	const char *first = strstr(r.err, says);
	assert_non_null(first);
	assert_null(strstr(first + 1, says));
	assert_in_range(fake_daemon_asked(&f->daemon, "event.list"), 3, 6); /* the list, and then in vain */
	assert_contains(r.out, "  own\n");
	run_free(&r);
}

static void one_too_many_who_follows_is_told_so_and_does_not_ask_again(void **state)
{
	static const struct fake_reply replies[] = {
		{"event.list", "{\"ok\":true,\"events\":[]}"},
		{"events", "{\"ok\":true,\"events\":[],\"last\":0}"},
		{"events",
			"{\"ok\":false,\"code\":\"full\",\"error\":\"as many follow already\",\"hint\":\"end "
			"one\"}"},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "events -f --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "as many follow already");
	assert_contains(r.err, "end one");
	assert_int_equal(fake_daemon_asked(&f->daemon, "events"), 2);
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_teardown)
		T(both_kinds_come_in_the_order_in_which_they_happened),
		T(without_the_coordinator_the_node_has_its_own),
		T(who_follows_sees_each_once_until_the_daemon_stops),
		T(who_follows_at_a_member_sees_what_is_done_to_the_mesh),
		T(that_the_coordinator_is_away_is_said_once_and_the_nodes_own_go_on),
		T(one_too_many_who_follows_is_told_so_and_does_not_ask_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
