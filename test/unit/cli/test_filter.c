/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `filter` asks of the daemon, and how it shows the answers. */
#include "unit/unit.h"

#include "os/os.h"
#include "unit/cli/fixture.h"

#define POLICY "rules:\n  - {id: web, allow: tcp/80, from: any, to: hub}\n"
#define POLICY_JSON "rules:\\n  - {id: web, allow: tcp/80, from: any, to: hub}\\n"

static const struct fake_reply replies[] = {
	{"policy.get", "{\"ok\":true,\"version\":3,\"accepted_at\":0,\"by\":\"jo\",\"text\":\"" POLICY_JSON
		       "\",\"rules\":["
		       "{\"id\":\"web\",\"action\":\"allow\",\"services\":\"tcp/"
		       "80\",\"from\":\"any\",\"to\":\"hub\",\"hits\":1234},"
		       "{\"id\":\"builtin:ping\",\"action\":\"allow\",\"services\":\"icmp/"
		       "echo\",\"from\":\"any\",\"to\":\"any\",\"hits\":0}],"
		       "\"counted\":{\"since_at\":0,\"no_rule\":56},"
		       "\"holders\":{\"linked\":20,\"in_force\":17,\"others\":[{\"name\":\"a\",\"version\":2}"
		       ",{\"name\":\"b\",\"version\":null}]},"
		       "\"local_allow\":\"tag:lab\",\"warnings\":[\"no node has the tag x\"]}"},
	{"policy.get", "{\"ok\":true,\"version\":3,\"accepted_at\":0,\"by\":\"jo\",\"text\":\"" POLICY_JSON
		       "\",\"rules\":["
		       "{\"id\":\"all\",\"action\":\"allow\",\"services\":\"any\",\"from\":\"any\","
		       "\"to\":\"any\",\"hits\":null}],\"counted\":null}"},
	{"policy.set", "{\"ok\":true,\"version\":4,\"tests\":2,\"tests_of_nobody\":1,\"warnings\":[]}"},
	{"policy.add", "{\"ok\":true,\"version\":4,\"tests\":2,\"tests_of_nobody\":1,\"warnings\":[]}"},
	{"policy.remove", "{\"ok\":true,\"version\":4,\"tests\":2,\"tests_of_nobody\":1,\"warnings\":[]}"},
	{"policy.rollback", "{\"ok\":true,\"version\":5,\"tests\":0,\"tests_of_nobody\":0,\"warnings\":[]}"},
	{"policy.test", "{\"ok\":false,\"error\":\"p.yaml:1:1: unknown key\",\"hint\":\"did you mean x?\"}"},
	{"filter.add", "{\"ok\":true,\"rules\":[{\"id\":\"local-7\"}]}"},
	{"filter.list", "{\"ok\":true,\"rules\":[{\"id\":\"local-config-1\",\"action\":\"deny\",\"services\":"
			"\"any\",\"who\":\"lapdog\",\"outbound\":false,\"line\":9,\"absent\":\"lapdog\","
			"\"left_s\":null},{\"id\":\"local-7\",\"action\":\"deny\",\"services\":\"tcp/"
			"22\",\"who\":\"a, tag:b\","
			"\"outbound\":false,\"left_s\":600},{\"id\":\"local-9\",\"action\":\"allow\","
			"\"services\":\"ping\","
			"\"who\":\"any\",\"outbound\":false,\"line\":null,\"granted\":false,\"in_force\":"
			"false,\"left_s\":60},{"
			"\"id\":\"local-8\",\"action\":\"reject\","
			"\"services\":\"any\",\"who\":\"c\","
			"\"outbound\":true,\"left_s\":7200}]}"},
	{"policy.history", "{\"ok\":true,\"versions\":[{\"version\":3,\"accepted_at\":0,\"by\":\"jo\","
			   "\"bytes\":1234}]}"},
	{"policy.explain", "{\"ok\":true,\"from\":\"phone\",\"to\":\"hub\",\"service\":\"tcp/"
			   "80\",\"action\":\"allow\",\"rule\":\"web\","
			   "\"local\":false,\"rules\":[\"web\",\"more\"],\"filter_from\":\"gate\",\"filter_"
			   "to\":\"hub\"}"},
	{"policy.diff",
		"{\"ok\":true,\"changes\":[{\"gained\":true,\"from\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"n_"
		"from\":9,\"to\":[\"hub\"],"
		"\"n_to\":1,\"service\":\"tcp/"
		"81\",\"rule_before\":null,\"rule_after\":\"web\"},{\"gained\":false,\"from\":[\"a\"],"
		"\"n_from\":1,\"to\":[\"hub\"],\"n_to\":1,\"service\":\"tcp/"
		"80\",\"rule_before\":\"web\",\"rule_after\":null}],"
		"\"changes_in_all\":5,\"warnings\":[]}"},
	{"policy.prove",
		"{\"ok\":true,\"holds\":false,\"nobody_from\":false,\"nobody_to\":false,\"if_joined\":null,"
		"\"counter\":"
		"\"a reaches b by tcp/1: rule x allows "
		"it\",\"path\":[\"a\",\"c\"],\"violations_in_all\":3,\"assumes\":[\"one\",\"two\"]}"},
	{"policy.prove", "{\"ok\":true,\"holds\":true,\"nobody_from\":true,\"nobody_to\":false,\"if_joined\":"
			 "false,\"counter\":null,"
			 "\"path\":[],\"violations_in_all\":0,\"assumes\":[\"one\"]}"},
	{0},
};

static int setup(void **state)
{
	assert_int_equal(fixture_setup(state), 0);
	struct fixture *f = *state;
	char path[128];

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	snprintf(path, sizeof(path), "%s/p.yaml", f->dir);
	assert_int_equal(os_write_file(path, POLICY, strlen(POLICY), 0600, NULL), TM_OK);
	setenv("SUDO_USER", "jo", 1);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/p.yaml", f->dir);
	remove(path);
	unsetenv("SUDO_USER");
	return fixture_teardown(state);
}

static void answers_are_shown_in_words(void **state)
{
	static const struct {
		const char *args;
		int status;
		const char *out, *err;
	} rows[] = {
		{"filter list", 0,
			"  version 3 of the policy, accepted - by jo; what no rule allows is denied\n"
			"  RULE          ACTION  HITS  WHAT       FROM  TO\n"
			"  web           allow   1234  tcp/80     any   hub\n"
			"  builtin:ping  allow   0     icmp/echo  any   any\n"
			"  hits counted since -; denied because no rule speaks of it: 56\n"
			"  may allow more by rules of their own: tag:lab\n"
			"  in force at 17 of 20 linked nodes; not at a (version 2), b (which does not say), "
			"...\n",
			"tunnelmesh: warning: no node has the tag x\n"},
		{"filter list", 0,
			"  version 3 of the policy, accepted - by jo; what no rule allows is denied\n"
			"  RULE  ACTION  WHAT  FROM  TO\n"
			"  all   allow   any   any   any\n",
			""},
		{"filter show", 0, POLICY, ""},
		{"filter set DIR/p.yaml", 0,
			"  version 4 is in force; nodes that are linked are told now, others when they "
			"link\n",
			"tunnelmesh: warning: 1 of its tests hold because one side has no members\n"},
		{"filter rollback 2", 0,
			"  version 5 is in force; nodes that are linked are told now, others when they "
			"link\n",
			""},
		{"filter test DIR/p.yaml", 1, "", "tunnelmesh: p.yaml:1:1: unknown key (did you mean x?)\n"},
		{"filter history", 0, "  VERSION  ACCEPTED  BY  BYTES\n  3        -         jo  1.2K\n", ""},
		{"filter add deny tcp/22 --from a,tag:b --ttl 10m", 0, "  local-7 is in force on this node\n",
			""},
		{"filter local", 0,
			"  RULE            ACTION  WHAT    FROM       TO         FOR\n"
			"  local-config-1  deny    any     lapdog     this node  line 9 of the "
			"configuration; "
			"there is no node \"lapdog\"\n"
			"  local-7         deny    tcp/22  a, tag:b   this node  10 min\n"
			"  local-9         allow   ping    any        this node  1 min; no effect: the "
			"policy of "
			"the mesh does not grant it\n"
			"  local-8         reject  any     this node  c          2 h\n",
			""},
		{"filter remove local-7", 0, "  local-7 is removed from this node\n", ""},
		{"filter explain phone hub tcp/80", 0,
			"  phone to hub, tcp/80: rule web allows it\n"
			"  also about it: more\n"
			"  gate asks it for phone before it sends\n"
			"  hub asks it when it receives\n",
			""},
		{"filter diff DIR/p.yaml", 0,
			"  + a, b, c, d and 5 more to hub, tcp/81 (rule web)\n"
			"  - a to hub, tcp/80 (rule web)\n"
			"  and 3 changes more\n",
			""},
		{"filter prove a cannot reach b tcp", 1,
			"  FALSE\n"
			"  a reaches b by tcp/1: rule x allows it\n"
			"  by way of: a, c\n"
			"  and 2 more of the kind: --json shows them\n"
			"  not looked at: one; two\n",
			""},
		{"filter prove a cannot reach b --transitive", 0,
			"  true\n"
			"  but of nobody: the first side has no members\n"
			"  for a new member with such a tag it would NOT hold\n"
			"  not looked at: one\n",
			""},
	};
	struct fixture *f = *state;
	char args[160];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		snprintf(args, sizeof(args), "%s --state-dir DIR", rows[i].args);
		run_cli(&r, f->dir, args);
		if (r.status != rows[i].status || strcmp(r.out, rows[i].out) != 0 ||
			strcmp(r.err, rows[i].err) != 0)
			fail_msg("%s: %d\n%s%s", rows[i].args, r.status, r.out, r.err);
		run_free(&r);
	}
}

static void one_rule_more_or_less_is_asked_for(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fixture_ask(f, &r, "filter add deny udp/53 --from tag:a,b --to any --id dns");
	assert_string_equal(r.out,
		"  version 4 is in force; nodes that are linked are told now, others when they link\n");
	assert_contains(f->daemon.requests[0], "{\"action\":\"deny\",\"services\":\"udp/"
					       "53\",\"from\":\"tag:a,b\",\"to\":\"any\",\"id\":\"dns\","
					       "\"by\":\"jo\",\"cmd\":\"policy.add\"}");
	run_free(&r);
	fixture_ask(f, &r, "filter add allow ping --from any --to any");
	assert_null(strstr(f->daemon.requests[1], "\"id\""));
	run_free(&r);
	fixture_ask(f, &r, "filter remove web");
	assert_contains(f->daemon.requests[2], "{\"id\":\"web\",\"by\":\"jo\",\"cmd\":\"policy.remove\"}");
	run_free(&r);
}

static void mistakes_are_said_before_anything_is_asked(void **state)
{
	static const struct {
		const char *args;
		int status;
		const char *err;
	} rows[] = {
		{"filter add permit tcp --from a --to b", 2,
			"a rule can allow, deny or reject, not \"permit\""},
		{"filter add allow tcp --from a", 2, "a rule needs --from and --to"},
		{"filter add deny tcp --from a --to b --ttl 1h", 2, "needs --from or --to"},
		{"filter add deny tcp --from a --id x --ttl 1h", 2, "gets an id"},
		{"filter rollback first", 2, "a version of the policy is a number, not \"first\""},
		{"filter set DIR/nothing", 1, "nothing"},
	};
	struct fixture *f = *state;
	char args[160];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		snprintf(args, sizeof(args), "%s --state-dir DIR", rows[i].args);
		run_cli(&r, f->dir, args);
		if (r.status != rows[i].status || !strstr(r.err, rows[i].err))
			fail_msg("%s: %d %s", rows[i].args, r.status, r.err);
		run_free(&r);
	}
	assert_int_equal(fake_daemon_asked(&f->daemon, "policy.set"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_are_shown_in_words, setup, teardown),
		cmocka_unit_test_setup_teardown(one_rule_more_or_less_is_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(mistakes_are_said_before_anything_is_asked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
