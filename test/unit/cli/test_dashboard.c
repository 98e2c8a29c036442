/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `dashboard password`: one is made, or somebody's own is read; the daemon is told a hash. */
#include "unit/unit.h"

#include <jansson.h>

#include "node/login.h"
#include "unit/cli/fixture.h"

static const struct fake_reply replies[] = {
	{"dashboard.password", "{\"ok\":true,\"listen\":[\"127.0.0.1:8080\"]}"}, {0}};

/* What the daemon was told fits the password, and is all that it was told. */
static void expect_kept(const struct fixture *f, const char *password, bool made)
{
	struct login_kept kept;
	uint8_t hash[LOGIN_HASH];
	json_t *j = json_loads(f->daemon.requests[0], 0, NULL);
	const char *line = json_string_value(json_object_get(j, "kept"));

	assert_non_null(line);
	assert_int_equal(json_object_size(j), 2);
	assert_null(strstr(f->daemon.requests[0], password));
	assert_int_equal(login_kept_parse(line, strlen(line), &kept), TM_OK);
	assert_int_equal(kept.made, made);
	assert_int_equal(login_hash(password, kept.salt, hash), TM_OK);
	assert_memory_equal(hash, kept.hash, sizeof(hash));
	json_decref(j);
}

static void one_is_made_and_printed_alone(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "dashboard password --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.err, "");
	assert_int_equal(r.out_len, LOGIN_MADE_LEN + 1);
	r.out[LOGIN_MADE_LEN] = '\0';
	expect_kept(f, r.out, true);
	run_free(&r);
}

static void ones_own_comes_from_standard_input_and_is_not_repeated(void **state)
{
	struct fixture *f = *state;
	struct run r = {.input = "a rope of sand\n"};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "dashboard password - --json --state-dir DIR");
	assert_int_equal(r.status, 0);
	json_t *j = json_loads(r.out, 0, NULL);
	assert_true(json_is_null(json_object_get(j, "password")));
	assert_int_equal(json_array_size(json_object_get(j, "listen")), 1);
	json_decref(j);
	expect_kept(f, "a rope of sand", false);
	run_free(&r);
}

static void mistakes_are_said_before_anybody_is_asked(void **state)
{
	char longer[LOGIN_PASSWORD_MAX + 2];
	const struct {
		const char *args, *input;
		bool tty;
		const char *err;
		int status;
	} rows[] = {
		{"dashboard password sesame", NULL, false,
			"tunnelmesh: a password on the command line can be read by others (`tunnelmesh "
			"dashboard "
			"password -` reads your own from standard input)\n",
			2},
		{"dashboard password -", NULL, false, "tunnelmesh: there is no password on standard input\n",
			1},
		{"dashboard password -", "of 11 bytes\n", false,
			"tunnelmesh: the password wants 12 to 128 bytes\n", 1},
		{"dashboard password -", longer, false, "tunnelmesh: the password wants 12 to 128 bytes\n",
			1},
		{"dashboard password -", "sesame, open\tnow", false,
			"tunnelmesh: the password has characters that nobody can type\n", 1},
		{"dashboard password -", "a rope of sand\n", true,
			"\r\033[Ktunnelmesh: a password that is typed here can be read by others "
			"(`tunnelmesh "
			"dashboard "
			"password - < FILE`, or from another program)\n",
			1},
	};
	struct fixture *f = *state;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {.input = rows[i].input, .tty = rows[i].tty};

		run_cli(&r, f->dir, rows[i].args);
		if (r.status != rows[i].status || strcmp(r.err, rows[i].err) != 0)
			fail_msg("row %zu: %d %s", i, r.status, r.err);
		run_free(&r);
	}
}

static void where_nobody_listens_yet_it_says_so(void **state)
{
	static const struct fake_reply nowhere[] = {
		{"dashboard.password", "{\"ok\":true,\"listen\":[]}"}, {0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, nowhere);
	run_cli(&r, f->dir, "dashboard password --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.err, "nowhere yet");
	run_free(&r);
}

#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_is_made_and_printed_alone),
		T(ones_own_comes_from_standard_input_and_is_not_repeated),
		T(mistakes_are_said_before_anybody_is_asked),
		T(where_nobody_listens_yet_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
