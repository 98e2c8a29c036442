/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whatever names and reasons the daemon hands on, a terminal is not steered by them. */
#include "unit/unit.h"

#include <jansson.h>
#include <unistd.h>

#include "base/plain.h"
#include "unit/cli/fixture.h"
#include "unit/cli/run.h"

/* A mesh that clears the screen (CSI as C1), and a reason that is turned round. */
#define FOREIGN_MESH "home\\u009b2J"
#define FOREIGN_WHY                                                                                          \
	"\xe2\x80\xae"                                                                                       \
	"txt.exe \x7f"

static const struct fake_reply replies[] = {
	{"status",
		"{\"ok\":true,\"self\":{\"name\":\"hub\",\"ip4\":\"100.64.0.1\",\"ip6\":\"fd00::1\"},"
		"\"mesh\":{\"name\":"
		"\"" FOREIGN_MESH "\"},\"link\":{\"up\":false,\"error\":\"" FOREIGN_WHY "\"},\"peers\":[]}"},
	{"node.rename", "{\"ok\":false,\"error\":\"" FOREIGN_WHY "\",\"hint\":\"" FOREIGN_MESH "\"}"},
	{0},
};

static int setup(void **state)
{
	assert_int_equal(fixture_setup(state), 0);
	struct fixture *f = *state;
	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	return 0;
}

static void assert_lines_are_plain(char *text)
{
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
		if (!plain_is(line))
			fail_msg("not fit for a terminal: %s", plain_make(line));
}

static void what_the_daemon_says_is_printed_plainly(void **state)
{
	static const char *const commands[] = {"status --state-dir DIR", "node rename a b --state-dir DIR"};
	const struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		struct run r = {0};

		run_cli(&r, f->dir, commands[i]);
		assert_contains(i ? r.err : r.out, "???txt.exe ?");
		assert_lines_are_plain(r.out);
		assert_lines_are_plain(r.err);
		run_free(&r);
	}
}

static void json_escapes_what_a_terminal_would_obey_and_keeps_it(void **state)
{
	const struct fixture *f = *state;
	struct run r = {0};

	run_cli(&r, f->dir, "status --json --state-dir DIR");
	assert_int_equal(r.status, 0);
	json_t *j = json_loads(r.out, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(json_object_get(j, "mesh"), "name")),
		"home\xc2\x9b"
		"2J");
	json_decref(j);
	assert_contains(r.out, "\\u009B2J");
	assert_contains(r.out, "\\u202E");
	run_free(&r);
}

static void an_error_in_the_journal_has_the_priority_of_one(void **state)
{
	const struct fixture *f = *state;
	struct run r = {.journal = true};

	run_cli(&r, f->dir, "node rename a b --state-dir DIR");
	assert_true(strncmp(r.err, "<3>tunnelmesh: ", 15) == 0);
	run_free(&r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_the_daemon_says_is_printed_plainly),
		T(an_error_in_the_journal_has_the_priority_of_one),
		T(json_escapes_what_a_terminal_would_obey_and_keeps_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
