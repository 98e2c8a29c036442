/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whole command lines that end without a daemon's answer, or with its refusal: exit status, the one sentence
 * on stderr, the same as JSON, and what help says. */
#include "unit/unit.h"

#include <jansson.h>
#include <unistd.h>

#include "os/os.h"
#include "unit/cli/fixture.h"
#include "unit/cli/run.h"

static void mistakes_on_the_command_line_exit_with_2_and_one_line(void **state)
{
	static const struct {
		const char *args, *err;
	} rows[] = {
		{"stauts",
			"tunnelmesh: there is no command \"stauts\" (did you mean `tunnelmesh status`?)\n"},
		{"tokne list",
			"tunnelmesh: there is no command \"tokne\" (did you mean `tunnelmesh token`?)\n"},
		{"frobnicate", "tunnelmesh: there is no command \"frobnicate\" (see `tunnelmesh help`)\n"},
		{"token", "tunnelmesh: token wants one of: create, list, revoke\n"},
		{"token lsit", "tunnelmesh: token has no command \"lsit\" (did you mean `tunnelmesh token "
			       "list`?)\n"},
		{"node frobnicate",
			"tunnelmesh: node has no command \"frobnicate\" (see `tunnelmesh help node`)\n"},
		{"status --jsno", "tunnelmesh: status has no option --jsno (did you mean --json?)\n"},
		{"--stat-dir x status",
			"tunnelmesh: there is no option --stat-dir (did you mean --state-dir?)\n"},
		{"peers extra", "tunnelmesh: peers: \"extra\" is one argument too many (usage: tunnelmesh "
				"peers)\n"},
		{"join", "tunnelmesh: join wants TOKEN (usage: tunnelmesh join TOKEN)\n"},
		{"node rename a", "tunnelmesh: node rename wants NODE NAME (usage: tunnelmesh node rename "
				  "NODE NAME)\n"},
		{"--log-level loud status",
			"tunnelmesh: --log-level wants error, warn, info or debug, not \"loud\"\n"},
		{"ping -4 -6 hub", "tunnelmesh: -4 and -6 exclude each other\n"},
		{"bench", "tunnelmesh: bench wants NAME|ADDRESS (usage: tunnelmesh bench NAME|ADDRESS)\n"},
		{"bench --time 61 hub", "tunnelmesh: --time wants seconds from 0.1 to 60, not \"61\"\n"},
		{"bench --parallel 17 hub",
			"tunnelmesh: --parallel wants a number from 1 to 16, not \"17\"\n"},
		{"init --foreground --no-up", "tunnelmesh: --foreground and --no-up exclude each other\n"},
		{"init --mesh My_Mesh",
			"tunnelmesh: \"My_Mesh\" is not a mesh name (up to 63 of a-z, 0-9 and -)\n"},
		{"client add Phone", "tunnelmesh: \"Phone\" is not a name for a client (up to 63 of a-z, 0-9 "
				     "and -, and not this)\n"},
		{"client add phone --endpoint nowhere",
			"tunnelmesh: --endpoint wants HOST:PORT, not \"nowhere\"\n"},
		{"token create --uses 0", "tunnelmesh: --uses wants a number from 1 to 100000, not \"0\"\n"},
		{"help frobnicate",
			"tunnelmesh: there is no command \"frobnicate\" (see `tunnelmesh help`)\n"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		run_cli(&r, f->dir, rows[i].args);
		if (r.status != 2 || strcmp(r.err, rows[i].err) != 0 || *r.out)
			fail_msg("%s: %d\n%s%s", rows[i].args, r.status, r.err, r.out);
		run_free(&r);
	}
}

static void a_mistake_is_also_json_when_json_is_wanted(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	json_t *j;

	run_cli(&r, f->dir, "stauts --json");
	assert_int_equal(r.status, 2);
	j = json_loads(r.out, 0, NULL);
	assert_true(json_is_false(json_object_get(j, "ok")));
	assert_string_equal(json_string_value(json_object_get(j, "error")), "there is no command \"stauts\"");
	assert_contains(json_string_value(json_object_get(j, "hint")), "status");
	json_decref(j);
	assert_contains(r.err, "tunnelmesh: there is no command");
	run_free(&r);
}

/* What is typed may be cut inside of a character, or be no UTF-8 at all. */
static void a_program_gets_its_answer_whatever_was_typed(void **state)
{
	struct fixture *f = *state;

	for (unsigned n = 50; n < 70; n++) {
		struct run r = {0};
		char args[128];

		snprintf(args, sizeof(args), "%.*s\u00e4\u20ac\xff --json", (int)n,
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
		run_cli(&r, f->dir, args);
		json_t *j = json_loads(r.out, 0, NULL);
		assert_non_null(j);
		assert_string_equal(json_string_value(json_object_get(j, "code")), "usage");
		json_decref(j);
		run_free(&r);
	}
}

static void without_a_daemon_every_command_says_so(void **state)
{
	static const char *const asked[] = {
		"status",
		"peers",
		"top",
		"capture hub",
		"top --once",
		"ping hub",
		"bench hub",
		"netcheck",
		"metrics",
		"token create",
		"token list",
		"token revoke x",
		"node list",
		"node rename a b",
		"node alias a --add b",
		"node remove a",
		"client add phone",
		"client list",
		"client remove phone",
		"route advertise 10.9.0.0/16",
		"route withdraw 10.9.0.0/16",
		"route list",
		"route approve nas 10.9.0.0/16",
		"route reject nas 10.9.0.0/16",
		"exit-node offer",
		"exit-node use nas",
		"exit-node pause 5m",
		"filter list",
		"filter show",
		"filter add allow tcp --from a --to b",
		"filter remove x",
		"filter explain a b tcp/22",
		"filter prove a can reach b",
		"filter history",
		"filter rollback 1",
		"reload",
	};
	struct fixture *f = *state;
	char args[160], expect[320];

	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		struct run r = {0};

		snprintf(args, sizeof(args), "%s --state-dir DIR", asked[i]);
		run_cli(&r, f->dir, args);
		snprintf(expect, sizeof(expect),
			"tunnelmesh: tunnelmesh is not running, and this machine is in no mesh yet (sudo "
			"tunnelmesh --state-dir %s "
			"init, or join TOKEN)\n",
			f->dir);
		if (r.status != 1 || strcmp(r.err, expect) != 0)
			fail_msg("%s: %d %s", asked[i], r.status, r.err);
		run_free(&r);
	}
}

static void an_enrolled_machine_is_told_to_start_it(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	char path[128];

	snprintf(path, sizeof(path), "%s/node.json", f->dir);
	assert_int_equal(os_write_file(path, "{}", 2, 0600, NULL), TM_OK);
	run_cli(&r, f->dir, "--state-dir DIR status");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "tunnelmesh: tunnelmesh is not running (sudo tunnelmesh --state-dir ");
	assert_contains(r.err, " up)\n");
	run_free(&r);
	unlink(path);
}

static void a_daemons_refusal_becomes_the_sentence(void **state)
{
	static const struct fake_reply replies[] = {
		{"node.remove", "{\"ok\":false,\"code\":\"not_found\",\"error\":\"there is no node "
				"\\\"x\\u001b[2J\\\"\",\"hint\":\"see peers\"}"},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "node remove x --state-dir DIR --json");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "tunnelmesh: there is no node \"x?[2J\" (see peers)\n");
	json_t *j = json_loads(r.out, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(j, "hint")), "see peers");
	assert_string_equal(json_string_value(json_object_get(j, "code")), "not_found");
	assert_int_equal(json_integer_value(json_object_get(j, "schema")), 1);
	json_decref(j);
	run_free(&r);
}

static void what_the_daemon_calls_wrong_usage_exits_with_2(void **state)
{
	static const struct fake_reply replies[] = {
		{"node.rename", "{\"ok\":false,\"code\":\"usage\",\"error\":\"a name is lower case\"}"},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "node rename a B --state-dir DIR");
	assert_int_equal(r.status, 2);
	assert_string_equal(r.err, "tunnelmesh: a name is lower case\n");
	run_free(&r);
}

static void help_comes_from_the_tables(void **state)
{
	static const struct {
		const char *args, *part;
	} rows[] = {
		{"help", "usage: tunnelmesh COMMAND"},
		{"--help", "  token create "},
		{"help init", "--listen-port PORT"},
		{"init --help", "usage: tunnelmesh init [OPTIONS]"},
		{"help token", "  token revoke ID "},
		{"token --help", "  token revoke ID "},
		{"help token create", "--ttl TIME"},
		{"ping -h", "-c, --count COUNT"},
		{"help config", "listen_port"},
		{"version", "tunnelmesh 0."},
		{"--version", "tunnelmesh 0."},
		{"version", "\nencryption: ChaCha20-Poly1305 by "},
		{"--json version", "\"aead\": \""},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		run_cli(&r, f->dir, rows[i].args);
		if (r.status != 0 || !strstr(r.out, rows[i].part) || *r.err)
			fail_msg("%s: %d\n%s%s", rows[i].args, r.status, r.out, r.err);
		run_free(&r);
	}

	struct run r = {0};
	run_cli(&r, f->dir, "");
	assert_int_equal(r.status, 2);
	assert_contains(r.err, "usage: tunnelmesh COMMAND");
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(mistakes_on_the_command_line_exit_with_2_and_one_line),
		T(a_mistake_is_also_json_when_json_is_wanted),
		T(a_program_gets_its_answer_whatever_was_typed),
		T(without_a_daemon_every_command_says_so),
		T(an_enrolled_machine_is_told_to_start_it),
		T(a_daemons_refusal_becomes_the_sentence),
		T(what_the_daemon_calls_wrong_usage_exits_with_2),
		T(help_comes_from_the_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
