/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What status, peers, ping and the lists show of the answers of a daemon that follows a script, and that no
 * line is wider than the terminal. */
#include "unit/unit.h"

#include <jansson.h>

#include "base/time.h"
#include "cli/core/commands.h"
#include "unit/cli/fixture.h"
#include "unit/cli/run.h"

static const char status_reply[] =
	"{\"ok\":true,\"mesh\":{\"name\":\"home\",\"net4\":\"100.101.0.0/16\",\"net6\":\"fd5c::/64\"},"
	"\"self\":{\"name\":\"laptop\",\"id\":\"aaaaaaaaaaaaaaaa\",\"ip4\":\"100.101.0.2\",\"ip6\":\"fd5c::"
	"2\",\"coordinator\":false},"
	"\"link\":{\"up\":false,\"error\":\"connection refused\"},\"uptime_s\":10800,\"peers\":["
	"{\"name\":\"hub\",\"id\":\"bbbbbbbbbbbbbbbb\",\"ip4\":\"100.101.0.1\",\"ip6\":\"fd5c::1\",\"kind\":"
	"\"node\",\"online\":true,"
	"\"coordinator\":true,\"tags\":[],\"via\":null,\"via_name\":null,\"endpoint\":\"203.0.113.7:51820\","
	"\"path\":"
	"\"direct\",\"rtt_ms\":11.2,"
	"\"rx_bytes\":1200000,\"tx_bytes\":340000,\"last_handshake_at\":1,\"session\":true,\"key\":\"K1\"},"
	"{\"name\":\"nas\",\"id\":\"cccccccccccccccc\",\"ip4\":\"100.101.0.3\",\"ip6\":\"fd5c::3\",\"kind\":"
	"\"node\",\"online\":false,"
	"\"coordinator\":false,\"tags\":[\"a\",\"b\"],\"via\":null,\"via_name\":null,\"endpoint\":null,"
	"\"path\":\"offline\","
	"\"rtt_ms\":null,"
	"\"rx_bytes\":0,\"tx_bytes\":0,\"last_handshake_at\":null,\"session\":false,\"key\":\"K2\"},"
	"{\"name\":\"phone\",\"id\":\"dddddddddddddddd\",\"ip4\":\"100.101.0.4\",\"ip6\":\"fd5c::4\","
	"\"kind\":\"client\",\"online\":false,"
	"\"coordinator\":false,\"tags\":[],\"via\":\"bbbbbbbbbbbbbbbb\",\"via_name\":\"hub\",\"endpoint\":"
	"null,\"path\":\"none\","
	"\"rtt_ms\":null,"
	"\"rx_bytes\":0,\"tx_bytes\":0,\"last_handshake_at\":null,\"session\":false,\"key\":\"K3\"}]}";

static void status_shows_this_node_and_a_table_of_paths(void **state)
{
	static const struct fake_reply replies[] = {{"status", status_reply}, {0}};
	struct fixture *f = *state;
	struct run r = {0};
	char age[64], expect[1024];

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "status --state-dir DIR");
	snprintf(age, sizeof(age), "%" PRId64 " d ago", (int64_t)(time_real() / SEC - 1) / 86400);
	snprintf(expect, sizeof(expect),
		"  laptop \u00b7 100.101.0.2, fd5c::2 \u00b7 mesh \"home\" \u00b7 up 3 h\n"
		"  no link to the coordinator: connection refused\n"
		"\n"
		"  NAME   ADDRESS      PATH     RTT    ENDPOINT           RX/TX      HANDSHAKE\n"
		"  hub    100.101.0.1  direct   11 ms  203.0.113.7:51820  1.2M/340K  %s\n"
		"  nas    100.101.0.3  offline  -      -                  0/0        -\n"
		"  phone  100.101.0.4  via hub  -      -                  0/0        -\n",
		age);
	assert_string_equal(r.err, "");
	assert_string_equal(r.out, expect);
	assert_int_equal(r.status, 0);
	run_free(&r);
}

static void status_says_what_a_person_has_to_do_about_the_machine(void **state)
{
	static const struct fake_reply replies[] = {
		{"status", "{\"ok\":true,\"mesh\":{\"name\":\"home\"},\"self\":{\"name\":\"laptop\"},"
			   "\"link\":{\"up\":"
			   "true},\"uptime_s\":60,\"peers\":[],\"program_replaced\":true,"
			   "\"unsaved\":[\"the clock: no room\",\"the network map: no room\"]}"},
		{0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "status --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "\n  not saved: the clock: no room\n  not saved: the network map: no room\n");
	assert_contains(r.out,
		"\n  another tunnelmesh is installed since: `sudo tunnelmesh restart` changes to it\n");
	run_free(&r);
}

/* Of a daemon with nothing remarkable but that member of its answer. */
static void status_with(struct fixture *f, struct run *r, const char *member, const char *json)
{
	char reply[1024];

	snprintf(reply, sizeof(reply),
		"{\"ok\":true,\"mesh\":{\"name\":\"home\"},\"self\":{\"name\":\"hub\"},\"link\":{\"up\":true}"
		","
		"\"uptime_s\":60,\"peers\":[],\"%s\":%s}",
		member, json);
	const struct fake_reply replies[] = {{"status", reply}, {0}};
	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(r, f->dir, "status --state-dir DIR");
	fake_daemon_stop(&f->daemon);
}

static void status_says_where_metrics_should_be_and_are_not(void **state)
{
	static const struct {
		const char *metrics;
		bool said;
	} rows[] = {
		{"null", false},
		{"[{\"address\":\"100.101.0.1:5210\",\"open\":true}]", false},
		{"[{\"address\":\"100.101.0.1:5210\",\"open\":false}]", true},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		status_with(f, &r, "metrics", rows[i].metrics);
		const bool said = strstr(r.out,
			"\n  metrics are not served at 100.101.0.1:5210: another program has that port");
		if (said != rows[i].said || !strstr(r.out, "mesh \"home\""))
			fail_msg("row %zu: %s", i, r.out);
		run_free(&r);
	}
}

static void status_says_where_the_dashboard_is_or_why_it_is_not(void **state)
{
	static const struct {
		const char *dashboard, *says, *not ;
	} rows[] = {
		{"null", "mesh \"home\"", "dashboard"},
		{"{\"url\":\"http://this.mesh/\",\"listen\":[{\"address\":\"100.101.0.1:80\",\"open\":true},"
		 "{\"address\":\"[fd5c::1]:80\",\"open\":true}]}",
			"\n  dashboard: http://this.mesh/\n", "not served"},
		{"{\"url\":\"http://this.mesh/\",\"listen\":[{\"address\":\"100.101.0.1:80\",\"open\":false},"
		 "{\"address\":\"[fd5c::1]:80\",\"open\":false}]}",
			"\n  the dashboard is not served at 100.101.0.1:80: another program has that port",
			"http://this.mesh/"},
		{"{\"url\":\"http://this.mesh/\",\"listen\":[],\"outside\":[{\"address\":"
		 "\"127.0.0.1:8080\",\"open\":false}],\"lacks_password\":true}",
			"`sudo tunnelmesh dashboard password` makes the password", "not served at"},
		{"{\"url\":\"http://this.mesh/\",\"listen\":[],\"outside\":[{\"address\":"
		 "\"127.0.0.1:8080\",\"open\":false}],\"lacks_password\":false}",
			"the dashboard is not served at 127.0.0.1:8080: another program has that port",
			"dashboard password"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		status_with(f, &r, "dashboard", rows[i].dashboard);
		if (!strstr(r.out, rows[i].says) || strstr(r.out, rows[i].not ))
			fail_msg("row %zu: %s", i, r.out);
		run_free(&r);
	}
}

static void status_says_by_which_port_of_the_router_the_machine_is_reached(void **state)
{
	static const struct {
		const char *mapping, *says; /* NULL: nothing */
	} rows[] = {
		{"null", NULL},
		{"[]", NULL},
		{"[{\"gateway\":\"192.168.1.1\",\"protocol\":\"pcp\",\"endpoint\":\"203.0.113.9:4711\","
		 "\"nested\":false,"
		 "\"seen\":[\"pcp\"],\"problem\":null}]",
			"\n  reached at 203.0.113.9:4711, which the router 192.168.1.1 maps to it (pcp)\n"},
		{"[{\"gateway\":\"192.168.1.1\",\"protocol\":\"upnp\",\"endpoint\":\"10.0.0.9:4711\","
		 "\"nested\":true,"
		 "\"seen\":[],\"problem\":null}]",
			"maps to it (upnp); behind one more router, so by few\n"},
		{"[{\"gateway\":\"192.168.1.1\",\"endpoint\":null,\"seen\":[\"upnp\"],\"problem\":\"it "
		 "refuses\"}]",
			"\n  no port is mapped to it: it refuses\n"},
		{"[{\"gateway\":\"192.168.1.1\",\"endpoint\":null,\"seen\":[],\"problem\":\"it has none\"}]",
			NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		status_with(*state, &r, "port_mapping", rows[i].mapping);
		assert_int_equal(r.status, 0);
		if (rows[i].says)
			assert_contains(r.out, rows[i].says);
		else if (strstr(r.out, "router") || strstr(r.out, "mapped"))
			fail_msg("row %zu: %s", i, r.out);
		run_free(&r);
	}
}

static void a_relay_says_for_whom_or_what_it_lacks(void **state)
{
	static const struct {
		const char *relay, *says;
	} rows[] = {
		{"{\"allowed\":true,\"members\":2,\"packets\":9,\"bytes\":2048}",
			"  relays for 2 members, 2.0K so far\n"},
		{"{\"allowed\":true,\"members\":1,\"packets\":0,\"bytes\":0}",
			"  relays for 1 member, 0 so far\n"},
		{"{\"allowed\":false,\"members\":0,\"packets\":0,\"bytes\":0}", "--add relay"},
		{"null", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		status_with(*state, &r, "relay", rows[i].relay);
		assert_int_equal(r.status, 0);
		if (rows[i].says)
			assert_contains(r.out, rows[i].says);
		else if (strstr(r.out, "relay"))
			fail_msg("row %zu: %s", i, r.out);
		run_free(&r);
	}
}

static void what_a_brief_status_leaves_out_is_counted(void **state)
{
	static const char brief_reply[] =
		"{\"ok\":true,\"mesh\":{\"name\":\"home\"},\"self\":{\"name\":\"laptop\"},\"link\":{\"up\":"
		"true},"
		"\"uptime_s\":60,\"left_out\":9812,\"peers\":[{\"name\":\"hub\",\"ip4\":\"100.101.0.1\","
		"\"kind\":\"node\",\"path\":\"idle\",\"online\":true}]}";
	static const struct fake_reply replies[] = {{"status", brief_reply}, {0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "status --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "and 9812 more that nothing was sent to");
	run_free(&r);
}

static void json_is_the_daemons_reply_with_the_schemas_number(void **state)
{
	static const struct fake_reply replies[] = {{"status", status_reply}, {"peers", status_reply}, {0}};
	static const char *const asked[] = {"--json --state-dir DIR status", "peers --state-dir DIR --json"};
	struct fixture *f = *state;
	json_t *sent = json_loads(status_reply, 0, NULL);

	json_object_set_new(sent, "schema", json_integer(1));

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		struct run r = {0};

		run_cli(&r, f->dir, asked[i]);
		json_t *got = json_loads(r.out, 0, NULL);
		assert_int_equal(r.status, 0);
		assert_true(json_equal(sent, got));
		json_decref(got);
		run_free(&r);
	}
	json_decref(sent);
}

static void peers_lists_names_ids_addresses_and_tags(void **state)
{
	static const struct fake_reply replies[] = {{"peers", status_reply}, {0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "peers --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.out,
		"  hub    100.101.0.1  online   coordinator  -     -        bbbbbbbbbbbbbbbb  fd5c::1  K1\n");
	assert_contains(r.out,
		"  nas    100.101.0.3  offline  node         a,b   -        cccccccccccccccc  fd5c::3  K2\n");
	run_free(&r);
}

static void an_empty_mesh_says_what_comes_next(void **state)
{
	static const struct fake_reply replies[] = {
		{"status", "{\"ok\":true,\"mesh\":{\"name\":\"home\"},\"self\":{\"name\":\"hub\","
			   "\"coordinator\":true},\"link\":{\"up\":true},"
			   "\"uptime_s\":3,\"peers\":[]}"},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "status --state-dir DIR");
	assert_contains(r.out, "no other machines yet: `sudo tunnelmesh token create`");
	run_free(&r);
}

static void a_removed_machine_is_not_told_that_there_are_no_others(void **state)
{
	static const struct fake_reply replies[] = {
		{"status", "{\"ok\":true,\"mesh\":{\"name\":\"home\"},\"self\":{\"name\":\"laptop\"},"
			   "\"link\":{\"up\":false,\"removed\":true,\"error\":\"this node was removed from "
			   "the mesh\"},\"uptime_s\":3,\"peers\":[]}"},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "status --state-dir DIR");
	assert_contains(r.out, "this node was removed from the mesh: `join` with a new token");
	assert_null(strstr(r.out, "no other machines"));
	run_free(&r);
}

/* The daemon's mesh address is this host's loopback. */
static void ping_reports_each_reply_with_its_path_and_a_summary(void **state)
{
	static const struct fake_reply replies[] = {
		{"ping.resolve", "{\"ok\":true,\"name\":\"hub\",\"id\":\"bbbbbbbbbbbbbbbb\",\"ip4\":\"127.0."
				 "0.1\",\"ip6\":\"::1\"}"},
		{"peers", status_reply},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "ping hub -c 2 -i 0 --state-dir DIR");
	if (r.status == 1) {
		assert_contains(
			r.err, "this user may not send pings"); /* neither root nor allowed by the sysctl */
		run_free(&r);
		return;
	}
	assert_contains(r.out, "  ping hub (127.0.0.1)\n  reply 1: ");
	assert_contains(r.out, ", direct 203.0.113.7:51820\n  reply 2: ");
	assert_contains(r.out, "  2 sent, 2 received, 0 % lost; min/avg/max ");
	run_free(&r);

	run_cli(&r, f->dir, "ping hub -c1 --json --state-dir DIR");
	json_t *j = json_loads(r.out, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(j, "received")), 1);
	assert_int_equal(json_array_size(json_object_get(j, "replies")), 1);
	json_decref(j);
	run_free(&r);
}

static void ping_of_an_unknown_name_fails_with_the_daemons_sentence(void **state)
{
	static const struct fake_reply replies[] = {
		{"ping.resolve",
			"{\"ok\":false,\"error\":\"there is no node \\\"x\\\" in this mesh\",\"hint\":\"\"}"},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "ping x --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "tunnelmesh: there is no node \"x\" in this mesh\n");
	run_free(&r);
}

static void a_terminal_of_80_columns_holds_every_line(void **state)
{
	static const struct fake_reply replies[] = {{"status", status_reply}, {"peers", status_reply}, {0}};
	static const char *const shown[] = {"status --state-dir DIR", "peers --state-dir DIR", "help",
		"help config", "help token", "help node", "help client"};
	struct fixture *f = *state;
	char args[64];

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	for (size_t i = 0; i < ARRAY_LEN(shown) || commands[i - ARRAY_LEN(shown)]; i++) {
		struct run r = {.width = 80};

		if (i < ARRAY_LEN(shown))
			snprintf(args, sizeof(args), "%s", shown[i]);
		else
			snprintf(args, sizeof(args), "help %s", commands[i - ARRAY_LEN(shown)]->name);
		run_cli(&r, f->dir, args);
		assert_int_equal(r.status, 0);
		for (char *rest = r.out, *line; (line = strsep(&rest, "\n"));)
			if (text_width(line) > 80)
				fail_msg("%s: %s", args, line);
		run_free(&r);
	}
}

static void metrics_are_printed_as_they_came(void **state)
{
	static const struct fake_reply replies[] = {
		{"metrics", "{\"ok\":true,\"text\":\"# HELP a b.\\na 1\\nb 2\\n\"}"}, {0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	fixture_ask(f, &r, "metrics");
	assert_string_equal(r.out, "# HELP a b.\na 1\nb 2\n");
	run_free(&r);
}

static void lists_without_rows_are_a_sentence(void **state)
{
	static const struct fake_reply replies[] = {{"peers", "{\"ok\":true,\"peers\":[]}"},
		{"token.list", "{\"ok\":true,\"tokens\":[]}"},
		{"client.list", "{\"ok\":true,\"clients\":[]}"}, {0}};
	static const struct {
		const char *args, *out;
	} rows[] = {{"peers", "  no other machines yet\n"}, {"token list", "  no tokens: "},
		{"client list", "  no WireGuard devices yet: "}};
	struct fixture *f = *state;

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		fixture_ask(f, &r, rows[i].args);
		assert_int_equal(strncmp(r.out, rows[i].out, strlen(rows[i].out)), 0);
		assert_null(strstr(r.out, "NAME  "));
		run_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(status_shows_this_node_and_a_table_of_paths),
		T(status_says_what_a_person_has_to_do_about_the_machine),
		T(status_says_where_metrics_should_be_and_are_not),
		T(status_says_where_the_dashboard_is_or_why_it_is_not),
		T(status_says_by_which_port_of_the_router_the_machine_is_reached),
		T(a_relay_says_for_whom_or_what_it_lacks),
		T(what_a_brief_status_leaves_out_is_counted),
		T(json_is_the_daemons_reply_with_the_schemas_number),
		T(peers_lists_names_ids_addresses_and_tags),
		T(an_empty_mesh_says_what_comes_next),
		T(a_removed_machine_is_not_told_that_there_are_no_others),
		T(ping_reports_each_reply_with_its_path_and_a_summary),
		T(ping_of_an_unknown_name_fails_with_the_daemons_sentence),
		T(a_terminal_of_80_columns_holds_every_line),
		T(metrics_are_printed_as_they_came),
		T(lists_without_rows_are_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
