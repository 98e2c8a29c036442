/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `top` where there is no terminal: one table, or one sentence. */
#include "unit/unit.h"

#include <jansson.h>

#include "unit/cli/fixture.h"
#include "unit/cli/run.h"

#define STATUS(rx)                                                                                           \
	"{\"ok\":true,\"self\":{\"name\":\"desk\"},\"mesh\":{\"name\":\"home\"},\"uptime_s\":60,"            \
	"\"left_out\":0,\"link\":{\"up\":false},\"peers\":[{\"name\":\"nas\",\"id\":\"01\",\"path\":"        \
	"\"direct\",\"endpoint\":\"192.0.2.1:1\",\"ip4\":\"100.64.0.2\",\"rtt_ms\":3.5,\"rx_bytes\":" rx     \
	",\"tx_bytes\":0}]}"

static const struct fake_reply replies[] = {
	{"status", STATUS("0")}, {"status", STATUS("1000000000000000")}, {0}};

static void once_is_one_table_with_what_went_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	fixture_ask(f, &r, "top --once -i 0.1");
	assert_contains(r.out, "desk");
	assert_contains(r.out, "no link to the coordinator");
	assert_contains(r.out, "nas");
	assert_contains(r.out, "Tbit/s"); /* so much that it is so in hours, too */
	assert_null(strchr(r.out, '\033'));
	assert_int_equal(fake_daemon_asked(&f->daemon, "status"), 2);
	assert_non_null(strstr(f->daemon.requests[0], "\"brief\":true"));
	run_free(&r);
}

static void json_is_once(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	fixture_ask(f, &r, "top -i 0.1 --json");
	json_t *j = json_loads(r.out, 0, NULL);
	json_t *peer = json_array_get(json_object_get(j, "peers"), 0);
	assert_true(json_number_value(json_object_get(peer, "received_bytes_per_s")) > 0);
	assert_true(json_number_value(json_object_get(j, "interval_s")) >= 0.1);
	assert_true(json_is_null(json_object_get(peer, "relay")));
	json_decref(j);
	run_free(&r);
}

static void without_a_terminal_it_is_one_sentence(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "top --state-dir DIR");
	assert_int_equal(r.status, 2);
	assert_string_equal(r.err, "tunnelmesh: top wants a terminal (--once prints one table)\n");
	assert_string_equal(r.out, "");
	run_free(&r);
}

static void what_it_is_told_wrongly_is_said(void **state)
{
	static const struct {
		const char *args, *err;
	} rows[] = {
		{"top --sort loudness",
			"tunnelmesh: --sort wants traffic, received, sent, rtt, path or name, not "
			"\"loudness\"\n"},
		{"top -i 0.01", "tunnelmesh: --interval wants seconds from 0.1 to 3600, not \"0.01\"\n"},
		{"top --once --filter "
		 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
			"tunnelmesh: --filter wants up to 63 characters\n"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		run_cli(&r, f->dir, rows[i].args);
		assert_int_equal(r.status, 2);
		assert_string_equal(r.err, rows[i].err);
		run_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(once_is_one_table_with_what_went_meanwhile),
		T(json_is_once),
		T(without_a_terminal_it_is_one_sentence),
		T(what_it_is_told_wrongly_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
