/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens, nodes and clients by whole command lines: what a daemon that follows a script was asked, and what
 * was printed, with secrets where they belong only. */
#include "unit/unit.h"

#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/cli/fixture.h"
#include "unit/cli/run.h"

static void log_level_says_what_holds_and_for_how_long(void **state)
{
	static const struct {
		const char *argv, *asked, *answer, *out;
	} rows[] = {
		{"log level --state-dir DIR", "{\"cmd\":\"log.level\"}",
			"{\"ok\":true,\"level\":\"info\",\"configured\":\"info\",\"left_s\":null}",
			"  info, as configured\n"},
		{"log level debug --for 10m --state-dir DIR",
			"{\"level\":\"debug\",\"seconds\":600,\"cmd\":\"log.level\"}",
			"{\"ok\":true,\"level\":\"debug\",\"configured\":\"info\",\"left_s\":600}",
			"  debug for 10 min, then info as configured\n"},
		{"log level warn --state-dir DIR", "{\"level\":\"warn\",\"cmd\":\"log.level\"}",
			"{\"ok\":true,\"level\":\"warn\",\"configured\":\"info\",\"left_s\":null}",
			"  warn until the next reload or restart, then info as configured\n"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct fake_reply replies[] = {{"log.level", rows[i].answer}, {0}};
		struct run r = {0};

		fake_daemon_start(&f->daemon, f->socket, NULL, replies);
		run_cli(&r, f->dir, rows[i].argv);
		assert_int_equal(r.status, 0);
		assert_string_equal(r.out, rows[i].out);
		assert_string_equal(f->daemon.requests[0], rows[i].asked);
		run_free(&r);
		fake_daemon_stop(&f->daemon);
	}
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
		{"node rename old new --keep",
			"{\"node\":\"old\",\"name\":\"new\",\"keep\":true,\"cmd\":\"node.rename\"}",
			"  old is now new\n"},
		{"node alias nas --add files --add db --remove old",
			"{\"node\":\"nas\",\"add\":[\"files\",\"db\"],\"remove\":[\"old\"],\"cmd\":\"node."
			"alias\"}",
			"  nas has the aliases db,files\n"},
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
		{"route approve nas 10.9.0.0/16",
			"{\"node\":\"nas\",\"net\":\"10.9.0.0/16\",\"cmd\":\"route.approve\"}",
			"  10.9.0.0/16 of nas is approved: members reach it through that node\n"
			"  the node does not offer it now; it counts as soon as it does\n"},
		{"route reject nas exit", "{\"node\":\"nas\",\"net\":\"exit\",\"cmd\":\"route.reject\"}",
			"  exit of nas is not approved any more\n"},
		{"route advertise 10.9.0.0/16 fd09::/64 --ha --no-snat",
			"{\"nets\":[\"10.9.0.0/16\",\"fd09::/64\"],\"ha\":true,\"snat\":false,"
			"\"cmd\":\"route.advertise\"}",
			"  this machine offers 10.9.0.0/16\n"
			"  this machine offers fd09::/64, as others may, without its own address, which is "
			"not "
			"approved yet\n"
			"  on the coordinator, `tunnelmesh route approve NODE NETWORK` approves it\n"
			"  there is no link to the coordinator, which is told when there is one\n"},
		{"route withdraw 10.9.0.0/16", "{\"nets\":[\"10.9.0.0/16\"],\"cmd\":\"route.withdraw\"}",
			"  this machine offers no network\n"},
		{"exit-node offer", "{\"on\":true,\"cmd\":\"exit.offer\"}",
			"  this machine offers its way to the internet\n"
			"  on the coordinator, `tunnelmesh route approve NODE exit` approves it\n"},
		{"exit-node withdraw", "{\"on\":false,\"cmd\":\"exit.offer\"}",
			"  this machine offers its way to the internet no longer\n"},
		{"exit-node use nas --kill-switch",
			"{\"node\":\"nas\",\"lan\":false,\"kill\":true,\"cmd\":\"exit.use\"}",
			"  all that is for the internet goes through nas now; it has no IPv6, so that there "
			"is "
			"none\n"},
		{"exit-node pause 5m", "{\"seconds\":300,\"cmd\":\"exit.pause\"}",
			"  the exit node is not used for 5 min\n"},
		{"exit-node off", "{\"cmd\":\"exit.off\"}", "  no exit node is used\n"},
	};
	static const struct fake_reply replies[] = {
		{"node.tag", "{\"ok\":true,\"node\":{\"name\":\"nas\",\"tags\":[\"gateway\",\"b\"]}}"},
		{"node.alias", "{\"ok\":true,\"node\":{\"name\":\"nas\",\"aliases\":[\"db\",\"files\"]}}"},
		{"node.remove", "{\"ok\":true,\"name\":\"nas\",\"clients\":[\"pad\",\"phone\"]}"},
		{"route.approve", "{\"ok\":true,\"routes\":[{\"net\":\"10.8.0.0/16\",\"offered\":false},"
				  "{\"net\":\"10.9.0.0/16\",\"offered\":false}]}"},
		{"route.advertise", "{\"ok\":true,\"told\":false,\"routes\":[{\"net\":\"10.9.0.0/"
				    "16\",\"ha\":false,\"snat\":"
				    "true,\"approved\":true},{\"net\":\"fd09::/"
				    "64\",\"ha\":true,\"snat\":false,\"approved\":"
				    "false}]}"},
		{"exit.use", "{\"ok\":true,\"exit\":\"nas\",\"ip4\":true,\"ip6\":false}"}, {0}};
	struct fixture *f = *state;

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		fixture_ask(f, &r, rows[i].args);
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
	run_free(&r);

	/* Whose key it holds stays reachable, and nobody is added. */
	run_cli(&r, f->dir, "client add phone -o DIR/phone.conf --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "phone.conf is there already");
	assert_int_equal(fake_daemon_asked(&f->daemon, "client.add"), 1);
	unlink(path);
	run_free(&r);

	/* One that nobody has the key of is none. */
	run_cli(&r, f->dir, "client add phone -o DIR/nowhere/phone.conf --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_int_equal(fake_daemon_asked(&f->daemon, "client.remove"), 1);
	run_free(&r);
}

static void a_terminal_shows_the_configuration_as_a_code_too(void **state)
{
	static const struct fake_reply replies[] = {{"client.add", CLIENT_REPLY("198.51.100.4:51820")}, {0}};
	struct fixture *f = *state;
	struct run r = {.tty = true, .width = 80};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "client add phone --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "\nPersistentKeepalive = 25\n\n\033[38;5;231;48;5;16m\u2588");
	run_free(&r);

	r = (struct run){.tty = true, .width = 40};
	run_cli(&r, f->dir, "client add phone --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_null(strstr(r.out, "\u2588"));
	assert_contains(r.err, "columns, and there are 40");
	run_free(&r);

	r = (struct run){0};
	run_cli(&r, f->dir, "client add phone --qr --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "\u2588");
	assert_null(strstr(r.out, "PrivateKey"));
	run_free(&r);

	/* What nobody has seen is no configuration. */
	r = (struct run){.tty = true, .width = 40};
	run_cli(&r, f->dir, "client add phone --qr -o DIR/phone.conf --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_int_equal(fake_daemon_asked(&f->daemon, "client.remove"), 1);
	run_free(&r);
	r = (struct run){0};
	run_cli(&r, f->dir, "client add phone --qr --json --state-dir DIR");
	assert_int_equal(r.status, 2);
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

/* Sixty-four networks and more are possible: a configuration that ends in the middle of one is worse than
 * none. */
static void a_clients_configuration_has_every_network_whole(void **state)
{
	char reply[FAKE_REPLY_LEN];
	size_t at = (size_t)snprintf(reply, sizeof(reply),
		"{\"ok\":true,\"client\":{\"name\":\"phone\",\"ip4\":\"100.101.0.9\",\"ip6\":\"fd5c::9\"},"
		"\"server_key\":\"k\",\"psk\":\"p\",\"allowed\":[\"100.101.0.0/16\"");
	struct fixture *f = *state;
	struct run r = {0};

	for (int i = 0; i < 64; i++)
		at += (size_t)snprintf(reply + at, sizeof(reply) - at, ",\"10.140.%d.0/24\"", 100 + i);
	snprintf(reply + at, sizeof(reply) - at, "]}");
	fake_daemon_start(
		&f->daemon, f->socket, NULL, (const struct fake_reply[]){{"client.add", reply}, {0}});
	run_cli(&r, f->dir, "client add phone --endpoint 192.0.2.1:51820 --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "\nAllowedIPs = 100.101.0.0/16, 10.140.100.0/24, ");
	assert_contains(r.out, ", 10.140.162.0/24, 10.140.163.0/24\n");
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(log_level_says_what_holds_and_for_how_long),
		T(token_create_prints_the_token_and_nothing_else),
		T(token_list_says_what_became_of_each),
		T(changes_send_their_words_and_confirm),
		T(client_add_prints_a_configuration_and_nothing_else),
		T(a_clients_configuration_has_every_network_whole),
		T(an_endpoint_that_holds_at_home_only_is_pointed_out),
		T(a_client_in_a_file_is_for_its_owner_alone),
		T(a_terminal_shows_the_configuration_as_a_code_too),
		T(a_client_without_an_endpoint_is_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
