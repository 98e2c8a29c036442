/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `capture`: what is asked for, and what becomes of a daemon that refuses, stops or makes no sense. */
#include "unit/unit.h"

#include <jansson.h>
#include <unistd.h>

#include "unit/cli/fixture.h"
#include "unit/cli/run.h"

static void mistakes_are_said_before_anybody_is_asked(void **state)
{
	static const struct {
		const char *args, *err;
	} rows[] = {
		{"capture", "tunnelmesh: capture wants NAME (usage: tunnelmesh capture NAME)\n"},
		{"capture nas --json", "tunnelmesh: --json is for a capture into a file: -w FILE\n"},
		{"capture nas --json -w -", "tunnelmesh: --json is for a capture into a file: -w FILE\n"},
		{"capture nas -c 0", "tunnelmesh: --count wants a number from 1 to 4294967295, not \"0\"\n"},
		{"capture nas -b 70000",
			"tunnelmesh: --bytes wants a number from 1 to 65535, not \"70000\"\n"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		run_cli(&r, f->dir, rows[i].args);
		if (r.status != 2 || strcmp(r.err, rows[i].err) != 0)
			fail_msg("%s: %d %s", rows[i].args, r.status, r.err);
		run_free(&r);
	}
}

static void a_refusal_is_the_sentence_and_makes_no_file(void **state)
{
	static const struct fake_reply replies[] = {
		{"capture", "{\"ok\":false,\"code\":\"no_permission\",\"error\":\"only root may look\"}"},
		{0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "capture nas -c 5 --for 2m -b 96 -w DIR/x.pcapng --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "tunnelmesh: only root may look\n");
	assert_contains(f->daemon.requests[0], "\"node\":\"nas\"");
	assert_contains(f->daemon.requests[0], "\"count\":5");
	assert_contains(f->daemon.requests[0], "\"seconds\":120");
	assert_contains(f->daemon.requests[0], "\"keep\":96");
	run_free(&r); /* the folder has to be empty at the end */
}

static void a_daemon_that_stops_in_the_middle_is_told(void **state)
{
	static const struct fake_reply replies[] = {{"capture", "{\"ok\":true,\"name\":\"nas\"}"}, {0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "capture nas --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "tunnelmesh: tunnelmesh stopped before the capture was over\n");
	run_free(&r);
}

static void what_is_there_already_is_left_alone(void **state)
{
	static const struct fake_reply replies[] = {{"capture", "{\"ok\":true,\"name\":\"nas\"}"}, {0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "capture nas --state-dir DIR -w DIR/tunnelmesh.sock");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "tunnelmesh.sock is there already\n");
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(mistakes_are_said_before_anybody_is_asked),
		T(a_refusal_is_the_sentence_and_makes_no_file),
		T(a_daemon_that_stops_in_the_middle_is_told),
		T(what_is_there_already_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
