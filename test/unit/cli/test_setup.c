/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* init, join, up and leave on a fake host: what they print, what they keep, and that a failure leaves nothing
 * behind. */
#include "unit/unit.h"

#include <dirent.h>
#include <jansson.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/init.h"
#include "os/os.h"
#include "unit/cli/fake_host.h"
#include "unit/cli/run.h"
#include "wire/token.h"

#define TOKEN_REPLY "{\"ok\":true,\"token\":\"tm1_first\",\"id\":\"00\",\"expires\":2000000000}"

static const char joined_status[] = "{\"ok\":true,\"link\":{\"up\":true,\"error\":\"\"},\"peers\":["
				    "{\"name\":\"hub\",\"id\":\"bbbbbbbbbbbbbbbb\",\"coordinator\":true,"
				    "\"session\":true,\"path\":\"direct\","
				    "\"endpoint\":\"203.0.113.7:51820\",\"rtt_ms\":11.2},{\"name\":\"nas\","
				    "\"id\":\"cccccccccccccccc\"}]}";

struct fixture {
	char dir[64]; /* exists; the state directory is dir/a/state */
	char token[TOKEN_TEXT_MAX];
};

static int setup(void **state)
{
	static const struct fake_reply replies[] = {
		{"token.create", TOKEN_REPLY}, {"status", joined_status}, {0}};
	struct fixture *f = calloc(1, sizeof(*f));
	struct token t = {.expiry = 4000000000, .n_addrs = 1, .addrs = {"203.0.113.7:8443"}};

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/tm-setup-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	random_bytes(t.coordinator_key, sizeof(t.coordinator_key));
	random_bytes(t.secret, sizeof(t.secret));
	assert_int_equal(token_encode(&t, f->token, sizeof(f->token)), TM_OK);

	memset(&host, 0, sizeof(host));
	host.replies = replies;
	snprintf(host.enrolment.mesh.name, sizeof(host.enrolment.mesh.name), "home");
	assert_int_equal(prefix_parse("100.101.0.0/16", &host.enrolment.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &host.enrolment.mesh.net6), TM_OK);
	memset(host.enrolment.mesh.secret, 7, 32);
	struct node_rec *self = &host.enrolment.self;
	self->host = 2;
	mesh_addresses(&host.enrolment.mesh, self->host, &self->ip4, &self->ip6);
	snprintf(host.enrolment.addresses[host.enrolment.n_addresses++], TOKEN_ADDR_LEN, "203.0.113.7:8443");
	memset(host.enrolment.coordinator_key, 9, 32);
	*state = f;
	return 0;
}

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);

	for (struct dirent *e; d && (e = readdir(d));) {
		char sub[600];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		if (unlink(sub) < 0)
			remove_tree(sub);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fake_daemon_stop(&host.daemon);
	remove_tree(f->dir);
	free(f);
	return 0;
}

static bool there(const struct fixture *f, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	return access(path, F_OK) == 0;
}

static void load(const struct fixture *f, struct enrolment *e)
{
	char path[128];
	struct diag d = {0};

	snprintf(path, sizeof(path), "%s/a/state/node.json", f->dir);
	if (enrolment_load(path, e, &d) != TM_OK)
		fail_msg("%s", d.what);
}

static void run_ok(struct run *r, const struct fixture *f, const char *args)
{
	run_cli(r, f->dir, args);
	if (r->status != 0)
		fail_msg("%s: %d\n%s%s", args, r->status, r->out, r->err);
}

/* --- init --- */

static void init_starts_the_daemon_and_prints_the_command_for_the_next_machine(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	run_ok(&r, f,
		"init --name hub --net4 100.101.0.0/16 --net6 fd5c::/64 --state-dir DIR/a/state --log-level "
		"debug");
	assert_contains(r.out,
		"  mesh \"home\" 100.101.0.0/16, fd5c::/64 \u00b7 this machine is hub, 100.101.0.1\n"
		"  To add a machine run there:  sudo tunnelmesh join tm1_first   (single use, valid ");
	assert_string_equal(r.err, "");
	assert_contains(host.spawned, "up --foreground --state-dir /");
	assert_contains(host.spawned, "/a/state --socket /");
	assert_contains(host.spawned, "--log-level debug");
	assert_int_equal(fake_daemon_asked(&host.daemon, "token.create"), 1);
	run_free(&r);
}

static void init_writes_a_whole_enrolment(void **state)
{
	struct fixture *f = *state;
	struct enrolment e;
	struct identity id;
	struct run r = {0};
	struct stat st;
	char path[128], ip6[IP_STR_LEN];

	run_ok(&r, f,
		"init --no-up --name hub --mesh lab --net4 10.9.0.0/24 --net6 fd12:3456:789a::/64 "
		"--listen-port 4500 --api-port 9443 "
		"--tun tm7 --address vpn.example.org --address 203.0.113.7:99 --address 2001:db8::1 "
		"--state-dir DIR/a/state");
	assert_contains(r.out, "  Start it with:  sudo tunnelmesh --state-dir ");
	assert_string_equal(host.spawned, "");
	run_free(&r);

	load(f, &e);
	assert_string_equal(e.mesh.name, "lab");
	assert_string_equal(e.self.name, "hub");
	assert_string_equal(ip_format(&e.self.ip6, ip6), "fd12:3456:789a::1");
	assert_true(e.coordinator && e.self.coordinator);
	assert_int_equal(e.listen_port, 4500);
	assert_int_equal(e.api_port, 9443);
	assert_string_equal(e.tun, "tm7");
	assert_int_equal(e.n_addresses, 3);
	assert_string_equal(e.addresses[0], "vpn.example.org:9443");
	assert_string_equal(e.addresses[1], "203.0.113.7:99");
	assert_string_equal(e.addresses[2], "[2001:db8::1]:9443");

	snprintf(path, sizeof(path), "%s/a/state/identity", f->dir);
	assert_int_equal(identity_load(path, &id, NULL), TM_OK);
	assert_memory_equal(id.x_pub, e.self.key, 32);
	assert_memory_equal(id.x_pub, e.coordinator_key, 32);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(path, sizeof(path), "%s/a/state", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void write_config(const struct fixture *f, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/own.yaml", f->dir);
	assert_int_equal(os_write_file(path, text, strlen(text), 0600, NULL), TM_OK);
}

/* The file counts: an option that does nothing would be a riddle later. */
static void what_contradicts_the_file_or_cannot_start_is_refused_before_anything(void **state)
{
	static const struct {
		const char *config, *args, *err; /* err NULL: fine */
	} rows[] = {
		{"listen_port: 4500\n", "--listen-port 4501",
			"own.yaml sets listen_port to another value than --listen-port"},
		{"listen_port: 4500\n", "--listen-port 4500", NULL},
		{"api_port: 9000\n", "--api-port 9001", "sets api_port to another value than --api-port"},
		{"tun: tm5\n", "--tun tm6", "sets tun to another value than --tun"},
		{"socket_group: no-such-group-here\n", "", "no group \"no-such-group-here\""},
		{"mtu: 1400\n", "--listen-port 4501 --tun tm6", NULL},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};
		char args[256];

		write_config(f, rows[i].config);
		snprintf(args, sizeof(args),
			"init --no-up --name hub --config DIR/own.yaml --state-dir DIR/a%zu %s", i,
			rows[i].args);
		run_cli(&r, f->dir, args);
		if (rows[i].err ? !r.status || !strstr(r.err, rows[i].err) : r.status)
			fail_msg("row %zu: %d \"%s\"", i, r.status, r.err);
		run_free(&r);
	}
}

static void init_chooses_free_ranges_by_itself(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	assert_int_equal(prefix_parse("100.64.0.0/11", &host.in_use), TM_OK); /* half of the choices */
	run_ok(&r, f, "init --no-up --name hub --json --state-dir DIR/a/state");
	json_t *j = json_loads(r.out, 0, NULL);
	struct prefix net4, net6;
	assert_int_equal(
		prefix_parse(json_string_value(json_object_get(json_object_get(j, "mesh"), "net4")), &net4),
		TM_OK);
	assert_int_equal(
		prefix_parse(json_string_value(json_object_get(json_object_get(j, "mesh"), "net6")), &net6),
		TM_OK);
	assert_false(prefix_overlaps(&net4, &host.in_use));
	assert_int_equal(net6.ip.bytes[0], 0xfd);
	json_decref(j);
	run_free(&r);
}

static void every_failure_of_init_leaves_nothing_behind(void **state)
{
	static const struct fake_reply refuses_token[] = {
		{"token.create", "{\"ok\":false,\"error\":\"disk is full\",\"hint\":\"\"}"}, {0}};
	static const struct {
		const char *args;
		int *broken;
		const char *err;
		int status; /* 0: 1 */
	} rows[] = {
		{"", &host.privileges, "needs root"},
		{"", &host.tun, "no tun"},
		{"", &host.port, "UDP port 51820 is taken"},
		{"--listen-port 7", &host.port, "UDP port 7 is taken"},
		{"--tun x1", &host.interface, "interface x1 is there already"},
		{"", &host.create, "no room for the database"},
		{"", &host.spawn, "port 51820 is taken"},
		{"", NULL, "disk is full"}, /* the daemon runs by then and is stopped again */
		{"--net4 10.1.0.0/16", NULL, "range is in use on eth7"},
		{"--net4 10.1.0.1/16", NULL, "did you mean 10.1.0.0/16?", 2},
		{"--net4 8.8.8.0/24", NULL, "--net4 8.8.8.0/24 is not for private use", 2},
		{"--identity DIR/nowhere", NULL, "nowhere"},
		{"--name Not_A_Name", NULL, "\"Not_A_Name\" is not a node name", 2},
		{"--tun far-too-long-for-a-name", NULL, "--tun wants an interface name", 2},
		{"--address host:0", NULL, "--address wants HOST or HOST:PORT, not \"host:0\"", 2},
		{"--address a:b:c", NULL, "--address wants HOST or HOST:PORT", 2},
		{"--address host:1h", NULL, "--address wants HOST or HOST:PORT", 2},
		{"--address [::1", NULL, "--address wants HOST or HOST:PORT", 2},
		{"--config DIR/none.yaml", NULL, "none.yaml"},
	};
	struct fixture *f = *state;
	char args[256];

	host.replies = refuses_token;
	assert_int_equal(prefix_parse("10.1.2.0/24", &host.in_use), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		if (rows[i].broken)
			*rows[i].broken = TM_EIO;
		snprintf(args, sizeof(args), "init --name hub --state-dir DIR/a/state %s", rows[i].args);
		run_cli(&r, f->dir, args);
		if (r.status != (rows[i].status ? rows[i].status : 1) || !strstr(r.err, rows[i].err) ||
			*r.out)
			fail_msg("row %zu: %d\n%s%s", i, r.status, r.err, r.out);
		if (there(f, "a"))
			fail_msg("row %zu: left files behind", i);
		if (rows[i].broken)
			*rows[i].broken = 0;
		fake_daemon_stop(&host.daemon);
		run_free(&r);
	}
}

static void a_daemon_that_crashes_is_quoted_because_its_log_goes(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	host.spawn = TM_ECLOSED;
	run_cli(&r, f->dir, "init --name hub --state-dir DIR/a/state");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "tunnelmesh: the daemon crashed (its last words: Abort: 7)\n");
	assert_false(there(f, "a"));
	run_free(&r);
}

static volatile sig_atomic_t signalled;

static void on_signal(int sig UNUSED)
{
	signalled++;
}

static void a_signal_waits_until_init_is_done_or_undone(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	signal(SIGTERM, on_signal);
	host.interrupt = true;
	for (int fails = 1; fails >= 0; fails--) {
		signalled = 0;
		host.spawn = fails ? TM_EIO : 0;
		run_cli(&r, f->dir, "init --name hub --state-dir DIR/a/state");
		assert_int_equal(signalled, 1);
		assert_int_equal(r.status, fails);
		assert_int_equal(there(f, "a/state/node.json"), !fails);
		assert_int_equal(there(f, "a"), !fails);
		run_free(&r);
	}
	signal(SIGTERM, SIG_DFL);
}

static void a_failed_init_keeps_what_was_there_before(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	struct identity id;
	char path[128];

	snprintf(path, sizeof(path), "%s/a/state", f->dir);
	assert_int_equal(os_make_dir(path, 0700, NULL), TM_OK);
	snprintf(path, sizeof(path), "%s/a/state/identity", f->dir);
	assert_int_equal(identity_generate(&id), TM_OK);
	assert_int_equal(identity_save(&id, path, NULL), TM_OK);
	snprintf(path, sizeof(path), "%s/a/state/notes.txt", f->dir);
	assert_int_equal(os_write_file(path, "x", 1, 0600, NULL), TM_OK);
	host.spawn = TM_EIO;
	run_cli(&r, f->dir, "init --name hub --state-dir DIR/a/state");
	assert_int_equal(r.status, 1);
	assert_true(there(f, "a/state/identity") && there(f, "a/state/notes.txt"));
	assert_false(there(f, "a/state/node.json") || there(f, "a/state/mesh.db") ||
		     there(f, "a/state/lock") || there(f, "a/state/daemon.log"));
	run_free(&r);
}

static void a_second_init_or_join_is_refused_and_touches_nothing(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	struct enrolment before, after;
	char args[TOKEN_TEXT_MAX + 64];

	run_ok(&r, f, "init --no-up --name hub --state-dir DIR/a/state");
	run_free(&r);
	load(f, &before);
	for (int i = 0; i < 2; i++) {
		snprintf(args, sizeof(args), "%s%s --state-dir DIR/a/state", i ? "join " : "init",
			i ? f->token : "");
		run_cli(&r, f->dir, args);
		assert_int_equal(r.status, 1);
		assert_contains(r.err, "tunnelmesh: this machine is already in the mesh \"home\" as hub "
				       "(`tunnelmesh --state-dir ");
		run_free(&r);
	}
	load(f, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(host.created, 1);
	assert_int_equal(host.enrolled, 0);
	assert_true(there(f, "a/state/mesh.db") && there(f, "a/state/identity"));
}

static void a_given_identity_is_copied(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	struct identity id, kept;
	char path[128];

	snprintf(path, sizeof(path), "%s/mine", f->dir);
	assert_int_equal(identity_generate(&id), TM_OK);
	assert_int_equal(identity_save(&id, path, NULL), TM_OK);
	run_ok(&r, f, "init --no-up --name hub --identity DIR/mine --state-dir DIR/a/state");
	run_free(&r);
	snprintf(path, sizeof(path), "%s/a/state/identity", f->dir);
	assert_int_equal(identity_load(path, &kept, NULL), TM_OK);
	assert_memory_equal(kept.ed_pub, id.ed_pub, sizeof(id.ed_pub));
}

/* --- join --- */

static void join(struct run *r, const struct fixture *f, const char *more)
{
	char args[TOKEN_TEXT_MAX + 128];

	snprintf(args, sizeof(args), "join %s --name laptop --state-dir DIR/a/state %s", f->token, more);
	run_cli(r, f->dir, args);
}

static void join_prints_name_address_peers_and_path(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	struct enrolment e;

	join(&r, f, "--listen-port 4501 --tun tm3");
	assert_string_equal(r.err, "");
	assert_string_equal(r.out, "  enrolled as laptop \u00b7 100.101.0.2 \u00b7 2 peers \u00b7 direct to "
				   "hub (203.0.113.7:51820, 11 ms)\n");
	assert_int_equal(r.status, 0);
	assert_string_equal(host.enrol_name, "laptop");
	load(f, &e);
	assert_int_equal(e.listen_port, 4501);
	assert_string_equal(e.tun, "tm3");
	assert_false(e.coordinator);
	run_free(&r);
}

static void join_without_a_path_says_what_is_known(void **state)
{
	static const struct fake_reply offline[] = {
		{"status", "{\"ok\":true,\"link\":{\"up\":false,\"error\":\"connection "
			   "refused\"},\"peers\":[{\"name\":\"hub\",\"id\":\"b\","
			   "\"coordinator\":true,\"session\":false,\"path\":\"checking\"}]}"},
		{0},
	};
	struct fixture *f = *state;
	struct run r = {0};

	host.replies = offline;
	join(&r, f, "");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "  enrolled as laptop \u00b7 100.101.0.2 \u00b7 1 peer \u00b7 no link to "
				   "the coordinator yet: "
				   "connection refused\n");
	assert_true(fake_daemon_asked(&host.daemon, "nudge") == 1);
	run_free(&r);
}

static void a_name_that_is_taken_is_told_with_the_way_to_get_it_back(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	host.enrol_as = "laptop-2";
	join(&r, f, "--no-up");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "enrolled as laptop-2");
	assert_contains(r.err, "another node is named laptop, so this one is laptop-2");
	assert_contains(r.err, "tunnelmesh node remove laptop, then tunnelmesh node rename laptop-2 laptop");
	run_free(&r);
}

static void the_token_may_come_from_standard_input(void **state)
{
	struct fixture *f = *state;
	char input[TOKEN_TEXT_MAX + 8];
	struct run r = {.input = input};

	snprintf(input, sizeof(input), "%s\r\n", f->token);
	run_ok(&r, f, "join - --no-up --name laptop --state-dir DIR/a/state");
	assert_contains(r.out, "  enrolled as laptop \u00b7 100.101.0.2 \u00b7 mesh \"home\"\n  Start it "
			       "with:  sudo tunnelmesh ");
	run_free(&r);
}

static void every_failure_of_join_leaves_nothing_behind(void **state)
{
	static const struct {
		const char *token; /* NULL = the good one */
		int *broken;
		const char *in_use, *err;
		unsigned undone; /* the coordinator was told */
	} rows[] = {
		{NULL, &host.privileges, NULL, "needs root", 0},
		{NULL, &host.port, NULL, "UDP port 51820 is taken", 0},
		{NULL, &host.interface, NULL, "interface tm0 is there already", 0},
		{"tm1_garbage", NULL, NULL, "token", 0},
		{"hello", NULL, NULL, "token", 0},
		{"-", NULL, NULL, "there is no token on standard input", 0},
		{NULL, &host.enrol, NULL, "this token was used already", 0},
		{NULL, NULL, "100.101.9.0/24", "range is in use on eth7 (the mesh's range 100.101.0.0/16", 1},
		{NULL, NULL, "fd5c::/64", "range is in use on eth7 (the mesh's range fd5c::/64", 1},
		{NULL, &host.spawn, NULL, "port 51820 is taken", 1},
	};
	struct fixture *f = *state;
	char args[TOKEN_TEXT_MAX + 128];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		host.undone = 0;
		host.in_use = (struct prefix){0};
		if (rows[i].broken)
			*rows[i].broken = TM_EIO;
		if (rows[i].in_use)
			assert_int_equal(prefix_parse(rows[i].in_use, &host.in_use), TM_OK);
		snprintf(args, sizeof(args), "join %s --name laptop --state-dir DIR/a/state",
			rows[i].token ? rows[i].token : f->token);
		run_cli(&r, f->dir, args);
		if (r.status != 1 || !strstr(r.err, rows[i].err) || *r.out)
			fail_msg("row %zu: %d\n%s%s", i, r.status, r.err, r.out);
		if (strstr(r.err, f->token))
			fail_msg("row %zu: prints the token", i);
		if (there(f, "a") || host.undone != rows[i].undone)
			fail_msg("row %zu: undone %u times, directory %s", i, host.undone,
				there(f, "a") ? "kept" : "gone");
		if (rows[i].broken)
			*rows[i].broken = 0;
		run_free(&r);
	}
}

/* Its tags and clients would go with it. */
static void a_failed_join_of_a_member_does_not_end_its_membership(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	host.enrolment.existed = true;
	host.spawn = TM_EIO;
	join(&r, f, "");
	assert_int_equal(r.status, 1);
	assert_int_equal(host.enrolled, 1);
	assert_int_equal(host.undone, 0);
	run_free(&r);
}

/* --- join, again --- */

static void joined_before(struct fixture *f, struct run *r)
{
	struct token t;

	assert_int_equal(token_decode(f->token, &t, NULL), TM_OK);
	memcpy(host.enrolment.coordinator_key, t.coordinator_key, sizeof(t.coordinator_key));
	host.enrolment.n_addresses = 0;
	addresses_add(host.enrolment.addresses, &host.enrolment.n_addresses, "192.0.2.1:8443");
	join(r, f, "--listen-port 4501");
	assert_int_equal(r->status, 0);
	run_free(r);
	host.enrolment.n_addresses = 0;
	addresses_add(host.enrolment.addresses, &host.enrolment.n_addresses, "203.0.113.7:8443");
}

static void joining_again_tells_the_running_daemon_all_addresses(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	struct enrolment before, after;

	joined_before(f, &r);
	load(f, &before);
	host.spawned[0] = '\0';
	join(&r, f, "");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "  enrolled as laptop \u00b7 100.101.0.2 \u00b7 2 peers");
	assert_string_equal(host.spawned, "");
	fake_daemon_stop(&host.daemon);
	assert_int_equal(fake_daemon_asked(&host.daemon, "down"), 0);
	assert_int_equal(fake_daemon_asked(&host.daemon, "coordinator.addresses"), 1);
	const char *asked = NULL;
	for (unsigned i = 0; i < host.daemon.n_requests; i++)
		if (strstr(host.daemon.requests[i], "coordinator.addresses"))
			asked = host.daemon.requests[i];
	assert_non_null(asked);
	const char *first = strstr(asked, "203.0.113.7:8443"), *second = strstr(asked, "192.0.2.1:8443");
	assert_true(first && second && first < second);
	load(f, &after);
	assert_memory_equal(&before, &after, sizeof(before)); /* the file is the daemon's */
	run_free(&r);
}

static void joining_again_starts_what_does_not_run_and_keeps_its_settings(void **state)
{
	static const struct {
		int enrol;
		const char *err; /* NULL: an answer came */
	} rows[] = {{TM_OK, NULL}, {TM_ETIMEOUT, "goes on without an answer"}};
	struct fixture *f = *state;
	struct run r = {0};
	struct enrolment e;

	joined_before(f, &r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_daemon_stop(&host.daemon);
		host.enrol = rows[i].enrol;
		host.spawned[0] = '\0';
		join(&r, f, "");
		assert_int_equal(r.status, 0);
		assert_contains(host.spawned, "up --foreground");
		if (rows[i].err)
			assert_contains(r.err, rows[i].err);
		else
			assert_string_equal(r.err, "");
		load(f, &e);
		assert_int_equal(e.listen_port, 4501);
		assert_int_equal(e.n_addresses, 2);
		assert_string_equal(e.addresses[0], "203.0.113.7:8443");
		run_free(&r);
	}
	host.enrol = 0;
}

static void a_node_that_has_become_another_one_is_started_anew(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	struct enrolment e;

	joined_before(f, &r);
	host.enrolment.self.host = 9;
	mesh_addresses(&host.enrolment.mesh, 9, &host.enrolment.self.ip4, &host.enrolment.self.ip6);
	join(&r, f, "");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "enrolled as laptop \u00b7 100.101.0.9");
	load(f, &e);
	assert_int_equal(e.self.host, 9);
	run_free(&r);
}

static void a_refusal_to_join_again_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	struct enrolment before, after;

	joined_before(f, &r);
	load(f, &before);
	host.enrol = TM_EPERM;
	join(&r, f, "");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "this token was used already");
	host.enrol = 0;
	assert_int_equal(prefix_parse("100.99.0.0/16", &host.enrolment.mesh.net4), TM_OK);
	run_free(&r);
	join(&r, f, "");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "other address ranges");
	load(f, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(fake_daemon_asked(&host.daemon, "down"), 0);
	run_free(&r);
}

/* Holds the lock of the state directory until it is told to end, or we are gone. */
static pid_t run_deaf(const struct fixture *f)
{
	int ready[2], hold[2], fd;
	char lock[128], byte;

	snprintf(lock, sizeof(lock), "%s/a/state/lock", f->dir);
	assert_true(pipe(ready) == 0 && pipe(hold) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(hold[1]);
		if (os_lock_file(lock, &fd, NULL) != TM_OK || write(ready[1], "", 1) != 1)
			_exit(1);
		_exit(read(hold[0], &byte, 1) != 0);
	}
	close(ready[1]);
	close(hold[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void a_node_that_has_lost_its_socket_is_started_anew(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	int status;

	joined_before(f, &r);
	fake_daemon_stop(&host.daemon);
	pid_t deaf = run_deaf(f);
	host.told = true;
	host.spawned[0] = '\0';
	join(&r, f, "");
	if (r.status)
		fail_msg("%s", r.err);
	assert_contains(host.spawned, "up --foreground");
	assert_int_equal(waitpid(deaf, &status, 0), deaf);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	run_free(&r);
}

static void joining_again_with_settings_that_cannot_be_leaves_the_node_running(void **state)
{
	static const struct {
		const char *args, *err;
		bool stopped; /* for a moment */
	} rows[] = {
		{"--tun far-too-long-for-a-name", "--tun wants an interface name", false},
		{"--tun tm6 --config DIR/own.yaml", "sets tun to another value than --tun", false},
		{"--config DIR/none.yaml", "none.yaml", false},
		{"--tun tm9", "port 51820 is taken", true}, /* as the daemon says that cannot start with it */
	};
	struct fixture *f = *state;
	struct run r = {0};
	struct enrolment before, after;

	joined_before(f, &r);
	write_config(f, "tun: tm5\n");
	load(f, &before);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned downs = fake_daemon_asked(&host.daemon, "down");

		host.spawn = TM_EIO;
		host.spawn_once = true;
		join(&r, f, rows[i].args);
		if (!r.status || !strstr(r.err, rows[i].err) ||
			(!rows[i].stopped && fake_daemon_asked(&host.daemon, "down") != downs))
			fail_msg("row %zu: %d\n%s", i, r.status, r.err);
		run_free(&r);
		load(f, &after);
		assert_memory_equal(&before, &after, sizeof(before));
		run_ok(&r, f, "up --state-dir DIR/a/state");
		assert_contains(r.out, "is already running");
		run_free(&r);
	}
}

/* A coordinator that was taken over must not get at what a new member sends to others. */
static void ranges_that_are_not_for_private_use_are_joined_by_force_only(void **state)
{
	static const struct {
		const char *net4, *net6, *err; /* NULL: with --force it joins */
		bool forceable;
	} rows[] = {
		{"8.8.8.0/24", "fd5c::/64", "the mesh's range 8.8.8.0/24 is not for private use", true},
		{"100.101.0.0/16", "2001:db8::/32", "the mesh's range 2001:db8::/32 is not for", true},
		{"0.0.0.0/0", "fd5c::/64", "the mesh's range 0.0.0.0/0: the prefix length must be", false},
		{"100.101.0.0/16", "::/0", "the mesh's range ::/0: the prefix length must be", false},
		{"127.0.0.0/8", "fd5c::/64", "the mesh's range 127.0.0.0/8 is not a range for", false},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mesh_info *mesh = &host.enrolment.mesh;
		struct run r = {0};

		assert_int_equal(prefix_parse(rows[i].net4, &mesh->net4), TM_OK);
		assert_int_equal(prefix_parse(rows[i].net6, &mesh->net6), TM_OK);
		host.undone = 0;
		join(&r, f, "--no-up");
		if (r.status != 1 || !strstr(r.err, rows[i].err) || there(f, "a/state/node.json") ||
			host.undone != 1)
			fail_msg("row %zu: %d\n%s", i, r.status, r.err);
		run_free(&r);
		join(&r, f, "--no-up --force");
		if ((r.status == 0) != rows[i].forceable ||
			there(f, "a/state/node.json") != rows[i].forceable)
			fail_msg("row %zu, by force: %d\n%s", i, r.status, r.err);
		run_free(&r);
		if (rows[i].forceable)
			run_ok(&r, f, "leave -y --state-dir DIR/a/state");
		run_free(&r);
	}
}

/* --- up, leave --- */

static struct node_options seen;
static char seen_state[128];

static int node_that_fails(const struct node_options *o, struct diag *d)
{
	seen = *o;
	snprintf(seen_state, sizeof(seen_state), "%s", o->state_dir);
	return diag_what(d, TM_EBUSY, "port 8443 is taken");
}

static void up_in_the_foreground_is_the_node_and_reports_its_failure(void **state)
{
	struct fixture *f = *state;
	struct run r = {.run_node = node_that_fails};

	run_cli(&r, f->dir, "up --foreground --state-dir DIR/a/state --log-level warn");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "tunnelmesh: port 8443 is taken\n");
	assert_string_equal(host.failed, "port 8443 is taken");
	assert_false(seen.config_explicit);
	assert_contains(seen_state, "/a/state");
	run_free(&r);
}

static void up_needs_an_enrolment_and_starts_the_daemon(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	run_cli(&r, f->dir, "up --state-dir DIR/a/state");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "tunnelmesh: this machine is in no mesh yet (sudo tunnelmesh --state-dir ");
	run_free(&r);

	run_ok(&r, f, "init --no-up --name hub --state-dir DIR/a/state");
	run_free(&r);
	run_ok(&r, f, "up --state-dir DIR/a/state");
	assert_contains(r.out, "  tunnelmesh started (process ");
	run_free(&r);
	run_ok(&r, f, "up --state-dir DIR/a/state");
	assert_contains(r.out, "  tunnelmesh is already running (process ");
	run_free(&r);
}

static void leave_tells_the_coordinator_stops_and_forgets(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	join(&r, f, "");
	run_free(&r);
	run_ok(&r, f, "leave -y --state-dir DIR/a/state");
	assert_string_equal(r.out, "  left the mesh \"home\"\n");
	assert_string_equal(r.err, "");
	assert_int_equal(fake_daemon_asked(&host.daemon, "leave"), 1);
	assert_int_equal(fake_daemon_asked(&host.daemon, "down"), 1);
	assert_false(there(f, "a/state"));
	run_free(&r);

	run_cli(&r, f->dir, "leave --state-dir DIR/a/state");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "tunnelmesh: this machine is in no mesh\n");
	run_free(&r);
}

static void leave_keeps_what_restore_put_aside_and_says_so(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	char path[128];

	join(&r, f, "--no-up");
	run_free(&r);
	snprintf(path, sizeof(path), "%s/a/state/replaced", f->dir);
	assert_int_equal(os_make_dir(path, 0700, NULL), TM_OK);
	snprintf(path, sizeof(path), "%s/a/state/replaced/mesh.db", f->dir);
	assert_int_equal(os_write_file(path, "x", 1, 0600, NULL), TM_OK);
	run_ok(&r, f, "leave -y --state-dir DIR/a/state");
	assert_contains(r.err, "what `restore --replace` put aside is still in ");
	assert_true(there(f, "a/state/replaced/mesh.db"));
	assert_false(there(f, "a/state/node.json") || there(f, "a/state/identity"));
	run_free(&r);
}

static void leave_says_what_it_could_not_delete(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	char path[128];

	join(&r, f, "--no-up");
	run_free(&r);
	snprintf(path, sizeof(path), "%s/a/state/clock", f->dir);
	assert_int_equal(os_make_dir(path, 0700, NULL), TM_OK); /* which is no file */
	run_cli(&r, f->dir, "leave -y --state-dir DIR/a/state");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.out, "");
	assert_contains(r.err, "this machine has left the mesh, but ");
	assert_contains(r.err, "/a/state/clock cannot be deleted: ");
	assert_false(there(f, "a/state/node.json") || there(f, "a/state/identity"));
	run_free(&r);
}

static void leave_without_daemon_and_coordinator_says_what_remains_to_do(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	host.enrol_leave = TM_ETIMEOUT;
	join(&r, f, "--no-up");
	run_free(&r);
	run_ok(&r, f, "leave -y --keep-identity --state-dir DIR/a/state");
	assert_string_equal(r.err,
		"tunnelmesh: the coordinator could not be told (the coordinator does not answer): "
		"there `tunnelmesh node remove laptop` does it\n");
	assert_int_equal(host.left, 1);
	assert_true(there(f, "a/state/identity"));
	assert_false(there(f, "a/state/node.json"));
	run_free(&r);

	/* and the kept identity is used again */
	uint8_t key[32];
	memcpy(key, host.enrol_key, sizeof(key));
	join(&r, f, "--no-up");
	assert_int_equal(r.status, 0);
	assert_memory_equal(host.enrol_key, key, sizeof(key));
	run_free(&r);
}

static void leave_asks_on_a_terminal(void **state)
{
	struct fixture *f = *state;
	struct run r = {0}, no = {.tty = true, .input = "n\n"}, yes = {.tty = true, .input = "y\n"};

	join(&r, f, "--no-up");
	run_free(&r);
	run_cli(&no, f->dir, "leave --state-dir DIR/a/state");
	assert_int_equal(no.status, 1);
	assert_contains(no.err, "Leave the mesh \"home\"? laptop needs a new token to come back. [y/N] ");
	assert_true(there(f, "a/state/node.json"));
	run_free(&no);
	run_ok(&yes, f, "leave --state-dir DIR/a/state");
	assert_false(there(f, "a/state"));
	run_free(&yes);
}

/* A script must not destroy by default what a person would be asked about. */
static void leave_wants_a_yes_where_nobody_can_be_asked(void **state)
{
	static const char *const lines[] = {
		"leave --state-dir DIR/a/state", "leave --force --state-dir DIR/a/state --json"};
	struct fixture *f = *state;
	struct run r = {0};

	join(&r, f, "--no-up");
	run_free(&r);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		run_cli(&r, f->dir, lines[i]);
		assert_int_equal(r.status, 2);
		assert_contains(r.err, "leave wants --yes where nobody can be asked (nothing was changed)");
		assert_true(there(f, "a/state/node.json"));
		assert_int_equal(host.left, 0);
		run_free(&r);
	}
}

static void the_coordinator_leaves_only_by_force(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	run_ok(&r, f, "init --no-up --name hub --state-dir DIR/a/state");
	run_free(&r);
	run_cli(&r, f->dir, "leave --yes --state-dir DIR/a/state");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "tunnelmesh: this machine is the mesh's coordinator (");
	assert_true(there(f, "a/state/mesh.db"));
	run_free(&r);
	run_ok(&r, f, "leave --yes --force --state-dir DIR/a/state");
	assert_false(there(f, "a/state"));
	assert_int_equal(host.left, 0);
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(init_starts_the_daemon_and_prints_the_command_for_the_next_machine),
		T(init_writes_a_whole_enrolment),
		T(what_contradicts_the_file_or_cannot_start_is_refused_before_anything),
		T(init_chooses_free_ranges_by_itself),
		T(every_failure_of_init_leaves_nothing_behind),
		T(a_daemon_that_crashes_is_quoted_because_its_log_goes),
		T(a_signal_waits_until_init_is_done_or_undone),
		T(a_failed_init_keeps_what_was_there_before),
		T(a_second_init_or_join_is_refused_and_touches_nothing),
		T(a_given_identity_is_copied),
		T(join_prints_name_address_peers_and_path),
		T(join_without_a_path_says_what_is_known),
		T(a_name_that_is_taken_is_told_with_the_way_to_get_it_back),
		T(the_token_may_come_from_standard_input),
		T(every_failure_of_join_leaves_nothing_behind),
		T(a_failed_join_of_a_member_does_not_end_its_membership),
		T(joining_again_tells_the_running_daemon_all_addresses),
		T(joining_again_starts_what_does_not_run_and_keeps_its_settings),
		T(a_node_that_has_become_another_one_is_started_anew),
		T(a_refusal_to_join_again_changes_nothing),
		T(a_node_that_has_lost_its_socket_is_started_anew),
		T(joining_again_with_settings_that_cannot_be_leaves_the_node_running),
		T(ranges_that_are_not_for_private_use_are_joined_by_force_only),
		T(up_in_the_foreground_is_the_node_and_reports_its_failure),
		T(up_needs_an_enrolment_and_starts_the_daemon),
		T(leave_tells_the_coordinator_stops_and_forgets),
		T(leave_keeps_what_restore_put_aside_and_says_so),
		T(leave_says_what_it_could_not_delete),
		T(leave_without_daemon_and_coordinator_says_what_remains_to_do),
		T(leave_asks_on_a_terminal),
		T(leave_wants_a_yes_where_nobody_can_be_asked),
		T(the_coordinator_leaves_only_by_force),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
