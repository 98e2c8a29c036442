/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whole command lines against a daemon that follows a script: exit status, stdout, stderr, and what the
 * daemon was asked. */
#include "unit/unit.h"

#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/core/commands.h"
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
		{"client add Phone",
			"tunnelmesh: \"Phone\" is not a name for a client (up to 63 of a-z, 0-9 and -)\n"},
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
		"ping hub",
		"bench hub",
		"token create",
		"token list",
		"token revoke x",
		"node list",
		"node rename a b",
		"node remove a",
		"client add phone",
		"client list",
		"client remove phone",
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
		"\n  another tunnelmesh is installed since: `sudo tunnelmesh down` and `up` change to it\n");
	run_free(&r);
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
	assert_contains(
		r.out, "  hub    100.101.0.1  online   coordinator  -     bbbbbbbbbbbbbbbb  fd5c::1  K1\n");
	assert_contains(
		r.out, "  nas    100.101.0.3  offline  node         a,b   cccccccccccccccc  fd5c::3  K2\n");
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

static void token_create_prints_the_token_and_nothing_else(void **state)
{
	static const struct fake_reply replies[] = {
		{"token.create", "{\"ok\":true,\"token\":\"tm1_AAbb\",\"id\":\"0011223344556677\","
				 "\"expires_at\":2000000000}"},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir,
		"token create --state-dir DIR --uses 3 --ttl 7d --tag ci --tag linux --ephemeral");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "tm1_AAbb\n");
	assert_string_equal(r.err, "");
	assert_string_equal(f->daemon.requests[0],
		"{\"uses\":3,\"ttl_s\":604800,\"ephemeral\":true,\"tags\":[\"ci\",\"linux\"],"
		"\"cmd\":\"token.create\"}");
	run_free(&r);

	r.tty = true;
	run_cli(&r, f->dir, "token create --state-dir DIR");
	assert_string_equal(r.out, "tm1_AAbb\n");
	assert_contains(r.err, "single use, valid 24 h");
	run_free(&r);
}

static void token_list_says_what_became_of_each(void **state)
{
	static const struct fake_reply replies[] = {
		{"token.list",
			"{\"ok\":true,\"tokens\":[{\"id\":\"01\",\"uses\":1,\"used\":0,\"expires_at\":1,"
			"\"tags\":[],\"created_at\":0,"
			"\"revoked\":false,\"expired\":true},"
			"{\"id\":\"02\",\"uses\":1,\"used\":1,\"expires_at\":1,\"tags\":[\"ci\"],"
			"\"created_at\":0,\"revoked\":false,\"expired\":false,\"ephemeral\":true,\"used_by\":"
			"[\"nas\"]},"
			"{\"id\":\"03\",\"uses\":2,\"used\":1,\"expires_at\":1,\"tags\":[],\"created_at\":0,"
			"\"revoked\":true,\"expired\":false,\"used_by\":[\"a\",\"b\"]}]}"},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "token list --state-dir DIR");
	assert_string_equal(r.out, "  ID  STATE    USED  EXPIRES  USED BY  TAGS  EPHEMERAL  CREATED\n"
				   "  01  expired  0/1   expired  -        -     -          -\n"
				   "  02  used up  1/1   expired  nas      ci    yes        -\n"
				   "  03  revoked  1/2   expired  a,b      -     -          -\n");
	run_free(&r);
}

static void changes_send_their_words_and_confirm(void **state)
{
	static const struct {
		const char *args, *request, *out;
	} rows[] = {
		{"node rename old new", "{\"node\":\"old\",\"name\":\"new\",\"cmd\":\"node.rename\"}",
			"  old is now new\n"},
		{"node remove nas", "{\"node\":\"nas\",\"cmd\":\"node.remove\"}",
			"  nas is removed; its tunnels are cut at every node\n"
			"  removed with it, since they came through it: pad, phone\n"},
		{"node tag nas --add gateway --add b --remove a",
			"{\"node\":\"nas\",\"add\":[\"gateway\",\"b\"],\"remove\":[\"a\"],\"cmd\":\"node."
			"tag\"}",
			"  nas has the tags gateway,b\n"},
		{"token revoke 0011", "{\"id\":\"0011\",\"cmd\":\"token.revoke\"}",
			"  token 0011 is revoked; machines that joined with it stay\n"},
		{"client remove phone", "{\"name\":\"phone\",\"cmd\":\"client.remove\"}",
			"  phone is removed\n"},
		{"reload", "{\"cmd\":\"reload\"}", "  configuration reloaded\n"},
	};
	static const struct fake_reply replies[] = {
		{"node.tag", "{\"ok\":true,\"node\":{\"name\":\"nas\",\"tags\":[\"gateway\",\"b\"]}}"},
		{"node.remove", "{\"ok\":true,\"name\":\"nas\",\"clients\":[\"pad\",\"phone\"]}"}, {0}};
	struct fixture *f = *state;
	char args[160];

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		snprintf(args, sizeof(args), "%s --state-dir DIR", rows[i].args);
		run_cli(&r, f->dir, args);
		assert_int_equal(r.status, 0);
		assert_string_equal(r.out, rows[i].out);
		assert_string_equal(f->daemon.requests[i], rows[i].request);
		run_free(&r);
	}
}

#define CLIENT_REPLY(endpoint)                                                                               \
	"{\"ok\":true,\"client\":{\"name\":\"phone\",\"ip4\":\"100.101.0.9\",\"ip6\":\"fd5c::9\"},\"psk\":"  \
	"\"PSK=\",\"server_key\":\"SRV=\","                                                                  \
	"\"endpoint\":\"" endpoint "\",\"allowed\":[\"100.101.0.0/16\",\"fd5c::/64\"]}"

static void client_add_prints_a_configuration_and_nothing_else(void **state)
{
	static const struct fake_reply replies[] = {{"client.add", CLIENT_REPLY("198.51.100.4:51820")}, {0}};
	struct fixture *f = *state;
	struct run r = {0};
	char priv[64] = "";

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "client add phone --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_int_equal(sscanf(r.out, "[Interface]\nPrivateKey = %44s\n", priv), 1);
	assert_int_equal(strlen(priv), 44);
	assert_contains(r.out,
		"\nAddress = 100.101.0.9/32, fd5c::9/128\n\n[Peer]\nPublicKey = SRV=\nPresharedKey = PSK=\n"
		"Endpoint = 198.51.100.4:51820\nAllowedIPs = 100.101.0.0/16, fd5c::/64\n"
		"PersistentKeepalive = 25\n");
	assert_null(strstr(f->daemon.requests[0], priv)); /* it never leaves this process but on stdout */
	assert_null(strstr(r.err, priv));
	assert_null(strstr(r.err, "private address"));
	run_free(&r);

	run_cli(&r, f->dir, "client add phone --state-dir DIR --endpoint vpn.example.org:4500 --json");
	json_t *j = json_loads(r.out, 0, NULL);
	assert_contains(json_string_value(json_object_get(j, "wireguard_config")),
		"Endpoint = vpn.example.org:4500\n");
	json_decref(j);
	assert_contains(f->daemon.requests[1], "\"endpoint\":\"vpn.example.org:4500\"");
	run_free(&r);
}

static void an_endpoint_that_holds_at_home_only_is_pointed_out(void **state)
{
	static const struct fake_reply replies[] = {{"client.add", CLIENT_REPLY("192.168.1.50:51821")}, {0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "client add phone --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.err, "192.168.1.50:51821 is a private address");
	assert_contains(r.err, "--endpoint");
	run_free(&r);

	run_cli(&r, f->dir, "client add phone -o DIR/nowhere/phone.conf --state-dir DIR");
	assert_int_equal(r.status, 1); /* then there is no endpoint to speak of */
	assert_null(strstr(r.err, "private address"));
	run_free(&r);
}

static void a_client_in_a_file_is_for_its_owner_alone(void **state)
{
	static const struct fake_reply replies[] = {{"client.add", CLIENT_REPLY("198.51.100.4:51820")}, {0}};
	struct fixture *f = *state;
	struct run r = {0};
	char path[96];
	struct stat st;

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	snprintf(path, sizeof(path), "%s/phone.conf", f->dir);
	run_cli(&r, f->dir, "client add phone -o DIR/phone.conf --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "");
	assert_contains(r.err, "phone.conf holds its private key");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(st.st_size > 200);
	unlink(path);
	run_free(&r);

	/* One that nobody has the key of is none. */
	run_cli(&r, f->dir, "client add phone -o DIR/nowhere/phone.conf --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_int_equal(fake_daemon_asked(&f->daemon, "client.remove"), 1);
	run_free(&r);
}

static void a_client_without_an_endpoint_is_taken_back(void **state)
{
	static const struct fake_reply replies[] = {{"client.add", CLIENT_REPLY("")}, {0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "client add phone --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.out, "");
	assert_contains(r.err, "--endpoint HOST:PORT");
	assert_int_equal(fake_daemon_asked(&f->daemon, "client.remove"), 1);
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

static void down_waits_for_the_daemons_lock(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	int fd = -1;

	fake_daemon_start(&f->daemon, f->socket, f->lock, NULL);
	run_cli(&r, f->dir, "down --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "  tunnelmesh stopped\n");
	assert_int_equal(os_lock_file(f->lock, &fd, NULL), TM_OK);
	close(fd);
	run_free(&r);

	run_cli(&r, f->dir, "down --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "  tunnelmesh is not running\n");
	run_free(&r);
}

static void cleanup_removes_a_dead_socket_but_not_a_live_one(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, f->lock, NULL);
	run_cli(&r, f->dir, "down --cleanup --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "nothing to remove: tunnelmesh is running");
	run_free(&r);
	assert_int_equal(access(f->socket, F_OK), 0);

	/* Another name keeps the socket file when the fake unlinks its own, as kill -9 would. */
	char kept[112];
	snprintf(kept, sizeof(kept), "%s.kept", f->socket);
	assert_int_equal(link(f->socket, kept), 0);
	fake_daemon_stop(&f->daemon);
	assert_int_equal(rename(kept, f->socket), 0);

	run_cli(&r, f->dir, "down --cleanup --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "  removed the control socket that a killed tunnelmesh left\n");
	assert_string_equal(r.err, "");
	assert_int_equal(access(f->socket, F_OK), -1);
	run_free(&r);

	run_cli(&r, f->dir, "down --cleanup --state-dir DIR");
	assert_string_equal(r.out, "  nothing to remove\n");
	run_free(&r);
}

/* As kill -9 leaves it: bound, and nobody listens any more. */
static void make_dead_socket(const char *path)
{
	struct fake_daemon dead = {0};
	char kept[112];

	fake_daemon_start(&dead, path, NULL, NULL);
	snprintf(kept, sizeof(kept), "%s.kept", path);
	assert_int_equal(link(path, kept), 0);
	fake_daemon_stop(&dead);
	assert_int_equal(rename(kept, path), 0);
}

static void the_open_socket_is_cleaned_up_with_and_without_the_other(void **state)
{
	struct fixture *f = *state;
	char open_path[112];

	snprintf(open_path, sizeof(open_path), "%s.read", f->socket);
	for (int with = 0; with < 2; with++) {
		struct run r = {0};

		make_dead_socket(open_path);
		if (with)
			make_dead_socket(f->socket);
		run_cli(&r, f->dir, with ? "down --state-dir DIR" : "down --cleanup --state-dir DIR");
		assert_int_equal(r.status, 0);
		assert_int_equal(access(open_path, F_OK), -1);
		assert_int_equal(access(f->socket, F_OK), -1);
		run_free(&r);
	}
}

static void up_of_a_running_daemon_is_done_already(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, NULL);
	run_cli(&r, f->dir, "up --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "  tunnelmesh is already running (process ");
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
	char args[64];

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		snprintf(args, sizeof(args), "%s --state-dir DIR", rows[i].args);
		run_cli(&r, f->dir, args);
		assert_int_equal(r.status, 0);
		assert_int_equal(strncmp(r.out, rows[i].out, strlen(rows[i].out)), 0);
		assert_null(strstr(r.out, "NAME  "));
		run_free(&r);
	}
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
		T(status_shows_this_node_and_a_table_of_paths),
		T(status_says_what_a_person_has_to_do_about_the_machine),
		T(what_a_brief_status_leaves_out_is_counted),
		T(json_is_the_daemons_reply_with_the_schemas_number),
		T(peers_lists_names_ids_addresses_and_tags),
		T(an_empty_mesh_says_what_comes_next),
		T(a_removed_machine_is_not_told_that_there_are_no_others),
		T(a_daemons_refusal_becomes_the_sentence),
		T(what_the_daemon_calls_wrong_usage_exits_with_2),
		T(token_create_prints_the_token_and_nothing_else),
		T(token_list_says_what_became_of_each),
		T(changes_send_their_words_and_confirm),
		T(client_add_prints_a_configuration_and_nothing_else),
		T(an_endpoint_that_holds_at_home_only_is_pointed_out),
		T(a_client_in_a_file_is_for_its_owner_alone),
		T(a_client_without_an_endpoint_is_taken_back),
		T(ping_reports_each_reply_with_its_path_and_a_summary),
		T(ping_of_an_unknown_name_fails_with_the_daemons_sentence),
		T(down_waits_for_the_daemons_lock),
		T(cleanup_removes_a_dead_socket_but_not_a_live_one),
		T(the_open_socket_is_cleaned_up_with_and_without_the_other),
		T(up_of_a_running_daemon_is_done_already),
		T(a_terminal_of_80_columns_holds_every_line),
		T(lists_without_rows_are_a_sentence),
		T(help_comes_from_the_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
