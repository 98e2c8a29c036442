/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How `doctor` asks, what it prints, and how it ends. */
#include "unit/unit.h"

#include <jansson.h>

#include "unit/cli/fixture.h"

#define STATUS(link)                                                                                         \
	"{\"ok\":true,\"version\":\"" TM_VERSION "\",\"tun\":\"mesh0\",\"mtu\":1420,\"listen_port\":51820,"  \
	"\"mesh\":{\"net4\":\"198.18.99.0/24\",\"net6\":\"fd5c:9::/64\"},\"link\":" link "}"
#define REST                                                                                                 \
	{"netcheck", "{\"ok\":true,\"done\":true,\"ipv4\":{\"udp\":\"works\"},\"advice\":[]}"},              \
		{"dns.status", "{\"ok\":true,\"enabled\":false}"},                                           \
		{"node.list", "{\"ok\":true,\"nodes\":[]}"},                                                 \
	{                                                                                                    \
		0                                                                                            \
	}

static void a_problem_is_shown_with_its_fix_and_makes_the_status_1(void **state)
{
	static const struct fake_reply replies[] = {
		{"status", STATUS("{\"up\":false,\"error\":\"it does not answer\"}")}, REST};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "doctor --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "");
	assert_contains(r.out, "  daemon       ok\n"
			       "  coordinator  problem: no link to the coordinator: it does not answer\n"
			       "               -> tunnelmesh netcheck\n"
			       "  clock        ok\n");
	run_free(&r);

	run_cli(&r, f->dir, "doctor --json --state-dir DIR");
	assert_int_equal(r.status, 1);
	json_t *j = json_loads(r.out, 0, NULL);
	assert_true(json_is_true(json_object_get(j, "ok")));
	assert_true(json_is_false(json_object_get(j, "healthy")));
	assert_int_equal(json_array_size(json_object_get(j, "findings")), 1);
	const json_t *check = json_array_get(json_object_get(j, "checks"), 1);
	assert_string_equal(json_string_value(json_object_get(check, "check")), "coordinator");
	assert_string_equal(json_string_value(json_object_get(check, "level")), "problem");
	json_decref(j);
	run_free(&r);
}

static void a_healthy_node_makes_it_0(void **state)
{
	static const struct fake_reply replies[] = {{"status", STATUS("{\"up\":true}")}, REST};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	fixture_ask(f, &r, "doctor");
	assert_null(strstr(r.out, "problem"));
	assert_contains(r.out, "  daemon       ok\n");
	assert_contains(r.out, "  files        ok\n");
	run_free(&r);
}

static void without_a_daemon_it_says_what_to_do(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	run_cli(&r, f->dir, "doctor --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_contains(
		r.out, "  daemon       problem: tunnelmesh is not running, and this machine is in no\n");
	assert_contains(r.out, "               -> sudo tunnelmesh --state-dir ");
	assert_contains(r.out, "  clock        unknown\n");
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(a_problem_is_shown_with_its_fix_and_makes_the_status_1),
		T(a_healthy_node_makes_it_0),
		T(without_a_daemon_it_says_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
