/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/log.h"
#include "control/peers/peers_private.h"
#include "crypto/init.h"
#include "loop/saver.h"
#include "loop/timer.h"
#include "os/os.h"
#include "unit/unit.h"

#include <event2/event.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#define SELF "0123456789abcdef"

static const struct mesh_info info = {
	.net4 = {{IP_V4, {100, 101}}, 16},
	.net6 = {{IP_V6, {0xfd, 0x5c, [7] = 1}}, 64},
};

static bool disk_is_read_only, disk_is_full;

int __real_sql_connect(const char *path, sqlite3 **ret_db);
int __wrap_sql_connect(const char *path, sqlite3 **ret_db);

int __wrap_sql_connect(const char *path, sqlite3 **ret_db)
{
	return disk_is_read_only ? TM_EPERM : __real_sql_connect(path, ret_db);
}

int __real_sql_exec(sqlite3 *db, const char *sql);
int __wrap_sql_exec(sqlite3 *db, const char *sql);

int __wrap_sql_exec(sqlite3 *db, const char *sql)
{
	return disk_is_full && strstr(sql, "ALTER") ? TM_ENOSPACE : __real_sql_exec(db, sql);
}

struct rig {
	struct event_base *base;
	char dir[64], path[96];
	uint8_t coordinator_key[32];
	char self[NODE_ID_LEN + 1];
	struct peers *peers;
	unsigned warnings;
};

static void on_log(void *ctx, const char *line, size_t n)
{
	struct rig *r = ctx;

	(void)line, (void)n;
	r->warnings++;
}

static void start(struct rig *r)
{
	const struct peers_config cfg = {.path = r->path,
		.mesh = &info,
		.self_id = r->self,
		.coordinator_key = r->coordinator_key,
		.save_delay = 5 * MS};

	assert_int_equal(peers_new(r->base, &cfg, &r->peers), TM_OK);
}

static void restart(struct rig *r)
{
	peers_free(r->peers);
	start(r);
}

static void rig_open(struct rig *r)
{
	*r = (struct rig){.base = event_base_new(), .self = SELF, .coordinator_key = {7}};
	log_set_sink(on_log, r);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-peers-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/netmap.db", r->dir);
}

static void rig_close(struct rig *r)
{
	peers_free(r->peers);
	event_base_free(r->base);
	(void)unlink(r->path);
	if (rmdir(r->dir) != 0)
		fail_msg("%s is not empty", r->dir);
	log_set_sink(NULL, NULL);
}

static void on_time(void *ctx)
{
	*(bool *)ctx = true;
}

static void run_ms(struct rig *r, unsigned ms)
{
	struct loop_timer *t;
	bool over = false;

	assert_int_equal(loop_timer_new(r->base, on_time, &over, &t), TM_OK);
	loop_timer_in(t, ms * MS);
	while (!over)
		event_base_loop(r->base, EVLOOP_ONCE);
	loop_timer_free(t);
}

static struct node_rec record(unsigned i)
{
	struct node_rec r = {.host = i + 1, .key = {1, (uint8_t)i, (uint8_t)(i >> 8)}};

	snprintf(r.id, sizeof(r.id), "%016x", i);
	snprintf(r.name, sizeof(r.name), "n%u", i);
	return r;
}

static void tell(struct rig *r, struct node_rec *nodes, size_t n)
{
	uint64_t base = mesh_version(peers_mesh(r->peers));
	struct netmap update = {.version = base + 1, .base = base, .nodes = nodes, .n_nodes = n};
	struct mesh_diff d;

	assert_int_equal(peers_update(r->peers, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
}

static void tell_three(struct rig *r)
{
	struct node_rec nodes[3] = {record(0), record(1), record(2)};

	nodes[1].n_tags = 2;
	memcpy(nodes[1].tags, (char[2][NODE_TAG_MAX + 1]){"gateway", "b"}, sizeof(nodes[1].tags[0]) * 2);
	nodes[0].coordinator = true;
	nodes[2].kind = NODE_CLIENT;
	memcpy(nodes[2].via, nodes[1].id, sizeof(nodes[2].via));
	tell(r, nodes, 3);
}

static struct candidates candidates_of(unsigned n)
{
	struct candidates c = {.n = n};

	for (unsigned i = 0; i < n; i++) {
		c.v[i].type = i % 2 ? CAND_SRFLX : CAND_HOST;
		assert_int_equal(
			endpoint_parse(i % 3 ? "192.0.2.7:51820" : "[2001:db8::1]:7", &c.v[i].ep), TM_OK);
		c.v[i].ep.port = (uint16_t)(100 + i);
	}
	if (n > 2) {
		c.v[2].type = CAND_RELAY;
		memcpy(c.v[2].relay, "0123456789abcdef", NODE_ID_LEN + 1);
	}
	return c;
}

static void by_hand(const struct rig *r, const char *sql)
{
	sqlite3 *file;

	assert_int_equal(sqlite3_open(r->path, &file), SQLITE_OK);
	if (sqlite3_exec(file, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(file));
	sqlite3_close(file);
}

static void what_is_known_survives_a_restart(void **state)
{
	struct coordinator_known known = {.data_port = 51820,
		.pace_ms = 12000,
		.n_addresses = 2,
		.addresses = {"hub.example:8443", "[2001:db8::9]:8443"}};
	struct candidates told = candidates_of(CANDIDATES_MAX);
	struct rig r;
	struct stat st;

	(void)state;
	rig_open(&r);
	start(&r);
	restart(&r);
	assert_int_equal(mesh_version(peers_mesh(r.peers)), 0);
	assert_int_equal(access(r.path, F_OK), -1); /* not before there is something to write */
	tell_three(&r);
	assert_int_equal(endpoint_parse("192.0.2.1:8443", &known.at), TM_OK);
	known.at_tls = true;
	peers_set_coordinator(r.peers, &known);
	struct contact *c = peers_meet(r.peers, record(1).id);
	peers_set_candidates(r.peers, c, &told);
	assert_int_equal(endpoint_parse("198.51.100.7:4242", &c->worked), TM_OK);
	c->stamps = (struct stamps){.handshake = {1, 2, 3}, .check = UINT64_MAX - 5};
	peers_keep(r.peers, c);
	assert_null(peers_meet(r.peers, "00000000000000ff")); /* no member */
	assert_null(peers_meet(r.peers, "rubbish"));
	restart(&r);

	const struct mesh *m = peers_mesh(r.peers);
	const struct mesh_node *n = mesh_by_name(m, "n1"), *client = mesh_by_name(m, "n2");
	assert_int_equal(mesh_version(m), 1);
	assert_int_equal(mesh_size(m), 3);
	assert_string_equal(n->tags, "gateway");
	assert_string_equal(n->tags + 8, "b");
	assert_true(mesh_by_name(m, "n0")->coordinator && !n->coordinator);
	assert_true(client->kind == NODE_CLIENT && strcmp(client->via, n->id) == 0);
	assert_memory_equal(n->key, record(1).key, 32);
	assert_int_equal(peers_known_coordinator(r.peers)->pace_ms, 12000);
	assert_int_equal(peers_known_coordinator(r.peers)->data_port, 51820);
	assert_true(endpoint_eq(&peers_known_coordinator(r.peers)->at, &known.at));
	assert_true(peers_known_coordinator(r.peers)->at_tls);
	assert_string_equal(peers_known_coordinator(r.peers)->addresses[1], known.addresses[1]);

	c = peers_contact(r.peers, record(1).id);
	assert_non_null(c);
	assert_int_equal(c->worked.port, 4242);
	assert_int_equal(c->n_candidates, CANDIDATES_MAX);
	for (size_t i = 0; i < CANDIDATES_MAX; i++)
		assert_true(c->candidates[i].type == told.v[i].type &&
			    endpoint_eq(&c->candidates[i].ep, &told.v[i].ep) &&
			    strcmp(c->candidates[i].relay, told.v[i].relay) == 0);
	assert_true(c->stamps.handshake[2] == 3 && c->stamps.check == UINT64_MAX - 5);
	assert_null(peers_contact(r.peers, record(0).id));
	assert_int_equal(stat(r.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(r.warnings, 0);
	rig_close(&r);
}

static struct relays two_relays(void)
{
	struct relays r = {.n = 2,
		.v = {{.node = "0123456789abcdef",
			      .n_addrs = 2,
			      .tcp = {"hub.example:8443", "[2001:db8::9]:443"},
			      .n_tcp = 2},
			{.node = "00000000000000aa", .n_addrs = 1}}};

	assert_int_equal(endpoint_parse("192.0.2.9:51820", &r.v[0].addrs[0]), TM_OK);
	assert_int_equal(endpoint_parse("[2001:db8::9]:51820", &r.v[0].addrs[1]), TM_OK);
	assert_int_equal(endpoint_parse("192.0.2.10:4500", &r.v[1].addrs[0]), TM_OK);
	return r;
}

static void relays_survive_a_restart_and_the_end_of_all(void **state)
{
	const struct relays told = two_relays();
	struct rig r;

	(void)state;
	rig_open(&r);
	start(&r);
	peers_set_relays(r.peers, &told);
	restart(&r);
	assert_true(relays_eq(peers_relays(r.peers), &told));
	peers_set_relays(r.peers, &(struct relays){.n = 0});
	restart(&r);
	assert_int_equal(peers_relays(r.peers)->n, 0);
	rig_close(&r);
}

/* Whatever stands in the file, what is read is well-formed. */
static void of_relays_and_candidates_only_good_lines_are_read(void **state)
{
	const struct relays told = two_relays();
	const struct contact *c;
	struct rig r;

	(void)state;
	rig_open(&r);
	start(&r);
	tell_three(&r);
	peers_set_relays(r.peers, &told);
	peers_keep(r.peers, peers_meet(r.peers, record(1).id));
	peers_free(r.peers);
	by_hand(&r, "UPDATE state SET relays = '\nshort 192.0.2.1:1 |\n\n"
		    "00000000000000aa nonsense 192.0.2.10:4500 | hub:1  hub:2\n"
		    "00000000000000aa 192.0.2.11:1 |\n00000000000000bb'");
	by_hand(&r, "UPDATE contact SET candidates = 'relay 192.0.2.1:1\nhost 192.0.2.1:2 0123456789abcdef\n"
		    "relay 192.0.2.1:3 0123\nrelay 192.0.2.1:4 0123456789abcdef\nhost 192.0.2.1:5\n'");
	start(&r);
	assert_int_equal(peers_relays(r.peers)->n, 2);
	const struct relay_rec *v = peers_relays(r.peers)->v;
	assert_string_equal(v[0].node, "00000000000000aa");
	assert_int_equal(v[0].n_addrs, 1);
	assert_true(endpoint_eq(&v[0].addrs[0], &told.v[1].addrs[0]));
	assert_int_equal(v[0].n_tcp, 2);
	assert_string_equal(v[0].tcp[1], "hub:2");
	assert_string_equal(v[1].node, "00000000000000bb");
	assert_int_equal(v[1].n_addrs + v[1].n_tcp, 0);
	c = peers_contact(r.peers, record(1).id);
	assert_int_equal(c->n_candidates, 2);
	assert_int_equal(c->candidates[0].ep.port, 4);
	assert_string_equal(c->candidates[0].relay, "0123456789abcdef");
	assert_int_equal(c->candidates[1].ep.port, 5);
	rig_close(&r);
}

static void a_change_is_written_soon_and_without_the_rest(void **state)
{
	struct rig r;
	struct node_rec renamed = record(0);

	(void)state;
	rig_open(&r);
	start(&r);
	tell_three(&r);
	restart(&r);
	peers_free(TAKE(r.peers));

	/* Somebody else's hand, to tell a row that is written again from one that is left alone. */
	by_hand(&r, "UPDATE member SET name = 'touched' WHERE name = 'n1'");
	start(&r);
	snprintf(renamed.name, sizeof(renamed.name), "other");
	tell(&r, &renamed, 1);
	assert_int_equal(r.peers->dirty.size, 1);
	for (unsigned i = 0; i < 500 && !saver_is_idle(r.peers->saver); i++)
		run_ms(&r, 20);
	assert_true(saver_is_idle(r.peers->saver));
	assert_int_equal(r.peers->dirty.size, 0);
	restart(&r);
	assert_non_null(mesh_by_name(peers_mesh(r.peers), "other"));
	assert_non_null(mesh_by_name(peers_mesh(r.peers), "touched"));
	rig_close(&r);
}

static void what_belongs_to_a_member_goes_with_it(void **state)
{
	struct node_rec nodes[2] = {record(0), record(1)};
	struct rig r;

	(void)state;
	rig_open(&r);
	start(&r);
	tell(&r, nodes, 2);
	for (size_t i = 0; i < 2; i++) {
		struct contact *c = peers_meet(r.peers, nodes[i].id);

		c->stamps.check = 5;
		c->worked.port = 9;
		c->worked.ip = ip_v4_host(1);
		peers_keep(r.peers, c);
	}
	restart(&r);
	nodes[1].key[9] = 9; /* another key: its stamps are nobody's */
	struct netmap update = {.version = 3, .nodes = nodes + 1, .n_nodes = 1};
	struct mesh_diff d;
	assert_int_equal(peers_update(r.peers, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
	assert_null(peers_contact(r.peers, nodes[0].id));
	restart(&r);
	assert_null(peers_contact(r.peers, nodes[0].id));
	struct contact *c = peers_contact(r.peers, nodes[1].id);
	assert_true(c && c->stamps.check == 0 && c->worked.port == 9);
	assert_int_equal(peers_clear(r.peers, &d), TM_OK);
	mesh_diff_deinit(&d);
	restart(&r);
	assert_int_equal(mesh_size(peers_mesh(r.peers)), 0);
	assert_int_equal(mesh_version(peers_mesh(r.peers)), 0);
	rig_close(&r);
}

static void leave_version_1(struct rig *r)
{
	rig_open(r);
	start(r);
	tell_three(r);
	struct contact *c = peers_meet(r->peers, record(2).id);
	c->worked = (struct endpoint){.ip = ip_v4_host(1), .port = 9};
	c->stamps.check = 7;
	peers_keep(r->peers, c);
	peers_free(TAKE(r->peers));
	by_hand(r, "ALTER TABLE state DROP COLUMN relays; DROP TABLE policy;"
		   "ALTER TABLE member DROP COLUMN aliases; ALTER TABLE member DROP COLUMN routes; PRAGMA "
		   "user_version = 1");
}

static void a_file_of_the_version_before_keeps_what_it_has(void **state)
{
	const struct relays told = two_relays();
	const struct contact *c;
	struct rig r;

	(void)state;
	leave_version_1(&r);
	start(&r);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(mesh_size(peers_mesh(r.peers)), 3);
		/* The routes of members are told with the next map, which is asked for whole. */
		assert_int_equal(mesh_version(peers_mesh(r.peers)), 0);
		c = peers_contact(r.peers, record(2).id);
		assert_true(c && c->stamps.check == 7 && c->worked.port == 9);
		assert_int_equal(peers_relays(r.peers)->n, i ? told.n : 0);
		peers_set_relays(r.peers, &told);
		restart(&r);
	}
	assert_int_equal(r.warnings, 0);
	rig_close(&r);
}

static void one_that_cannot_be_changed_is_read_as_it_is(void **state)
{
	static const struct {
		unsigned version;
		bool full; /* else it is read-only */
	} rows[] = {{1, false}, {2, false}, {1, true}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct contact *c;
		struct rig r;

		(void)state;
		leave_version_1(&r);
		if (rows[i].version == 2)
			restart(&r);
		disk_is_full = rows[i].full;
		disk_is_read_only = !rows[i].full;
		restart(&r);
		assert_int_equal(mesh_size(peers_mesh(r.peers)), 3);
		c = peers_contact(r.peers, record(2).id);
		assert_true(c && c->stamps.check == 7 && c->worked.port == 9);
		assert_int_equal(peers_relays(r.peers)->n, 0);
		assert_int_equal(r.warnings, 0);
		disk_is_full = disk_is_read_only = false;
		rig_close(&r);
	}
}

static void the_policy_is_kept_until_it_is_taken_back(void **state)
{
	const struct policy_kept none = {.version = 0};
	struct policy_kept two = {.version = 2,
		.text = strdup("rules: [] # \xc3\xa4\n"),
		.nodes = strdup("a 0123456789abcdef\n")};
	struct rig r;

	(void)state;
	policy_digest(two.text, two.nodes, two.digest);
	rig_open(&r);
	start(&r);
	assert_int_equal(peers_policy(r.peers)->version, 0);
	assert_int_equal(peers_set_policy(r.peers, &two), TM_OK);
	for (unsigned i = 0; i < 2; i++) {
		restart(&r);
		assert_int_equal(peers_policy(r.peers)->version, 2);
		assert_string_equal(peers_policy(r.peers)->digest, two.digest);
		assert_string_equal(peers_policy(r.peers)->text, two.text);
		assert_string_equal(peers_policy(r.peers)->nodes, two.nodes);
		tell_three(&r); /* other changes leave it as it is */
	}
	assert_int_equal(peers_set_policy(r.peers, &none), TM_OK);
	restart(&r);
	assert_int_equal(peers_policy(r.peers)->version, 0);
	assert_null(peers_policy(r.peers)->text);
	assert_false(peers_policy(r.peers)->lost);
	policy_kept_deinit(&two);
	rig_close(&r);
}

/* Whatever happens to its row: it is not taken for another one, nor for none. */
static void a_damaged_policy_is_lost_and_asked_for_again(void **state)
{
	static const char *const damage[] = {"UPDATE policy SET text = replace(text, 'deny', 'allow')",
		"UPDATE policy SET version = 0", "UPDATE policy SET version = 'x'",
		"UPDATE policy SET digest = ''", "UPDATE policy SET digest = NULL",
		"UPDATE policy SET text = NULL", "UPDATE policy SET nodes = NULL",
		"UPDATE policy SET nodes = x'00'", "UPDATE policy SET version = 0, digest = ''",
		"DELETE FROM policy"};
	struct policy_kept two = {.version = 2,
		.text = strdup("rules: [{deny: any, from: a, to: any}]\n"),
		.nodes = strdup("a 0123456789abcdef\n")};

	(void)state;
	policy_digest(two.text, two.nodes, two.digest);
	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		struct rig r;

		rig_open(&r);
		start(&r);
		assert_int_equal(peers_set_policy(r.peers, &two), TM_OK);
		peers_free(TAKE(r.peers));
		by_hand(&r, damage[i]);
		start(&r);
		for (unsigned k = 0; k < 2; k++) {
			if (!peers_policy(r.peers)->lost || peers_policy(r.peers)->version ||
				strcmp(peers_policy(r.peers)->digest, POLICY_DIGEST_LOST) != 0)
				fail_msg("%s", damage[i]);
			tell_three(&r); /* what is written meanwhile heals nothing */
			restart(&r);
		}
		assert_int_equal(peers_set_policy(r.peers, &two), TM_OK);
		restart(&r);
		assert_int_equal(peers_policy(r.peers)->version, 2);
		assert_false(peers_policy(r.peers)->lost);
		rig_close(&r);
	}
	policy_kept_deinit(&two);
}

/* Damage of every kind, in a file that was good. */
static void an_unusable_file_is_made_anew(void **state)
{
	static const struct {
		const char *what, *text, *sql;
	} rows[] = {
		{"empty", "", NULL},
		{"no database", "{\"v\":1}", NULL},
		{"a table is gone", NULL, "DROP TABLE contact"},
		{"a column is gone", NULL, "DROP TABLE member; CREATE TABLE member (id TEXT)"},
		{"no state", NULL, "DELETE FROM state"},
		{"another program's", NULL, "PRAGMA application_id = 1"},
		{"a newer version's", NULL, "PRAGMA user_version = 99"},
		{"another node's", NULL, "UPDATE state SET self = '00000000000000ee'"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;

		rig_open(&r);
		start(&r);
		tell_three(&r);
		peers_free(TAKE(r.peers));
		if (rows[i].text) {
			assert_int_equal(
				os_write_file(r.path, rows[i].text, strlen(rows[i].text), 0600, NULL), TM_OK);
		} else {
			by_hand(&r, rows[i].sql);
		}
		start(&r);
		if (mesh_size(peers_mesh(r.peers)) || mesh_version(peers_mesh(r.peers)))
			fail_msg("%s: believed", rows[i].what);
		tell_three(&r);
		restart(&r);
		if (mesh_size(peers_mesh(r.peers)) != 3)
			fail_msg("%s: not written anew", rows[i].what);
		rig_close(&r);
	}
}

/* It looks like ours until it is written to: also damage, and no reason to lose what was told. */
static void a_file_that_refuses_a_row_is_made_anew(void **state)
{
	static const char *const schemas[] = {
		/* a rule that ours does not have */
		"CREATE TABLE m (id TEXT PRIMARY KEY, name TEXT CHECK (name <> 'n9'), host, key, kind, "
		"coordinator, via, tags, routes, aliases) WITHOUT ROWID; INSERT INTO m SELECT * FROM member;"
		"DROP TABLE member; ALTER TABLE m RENAME TO member",
		/* another type than ours */
		"DROP TABLE contact; CREATE TABLE contact (id INTEGER PRIMARY KEY, worked, candidates, "
		"handshake, checked)",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
		struct rig r;
		struct node_rec late = record(9);
		struct candidates told = candidates_of(2);

		snprintf(late.id, sizeof(late.id), "00000000000000ab");
		rig_open(&r);
		start(&r);
		tell_three(&r);
		peers_free(TAKE(r.peers));
		by_hand(&r, schemas[i]);
		start(&r);
		assert_int_equal(mesh_size(peers_mesh(r.peers)), 3);
		tell(&r, &late, 1);
		peers_set_candidates(r.peers, peers_meet(r.peers, late.id), &told);
		restart(&r);
		if (mesh_size(peers_mesh(r.peers)) != 4 || !peers_contact(r.peers, late.id))
			fail_msg("not written anew: %s", schemas[i]);
		assert_int_equal(r.warnings, 1); /* that it is made anew */
		rig_close(&r);
	}
}

static void a_page_of_garbage_is_no_reason_to_fail(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 6 * 4096; at += 1021) {
		struct rig r;

		rig_open(&r);
		start(&r);
		tell_three(&r);
		peers_free(TAKE(r.peers));
		FILE *f = fopen(r.path, "r+");
		assert_non_null(f);
		assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
		assert_int_equal(fwrite("garbage, garbage, garbage", 1, 25, f), 25);
		fclose(f);
		start(&r); /* all, part, or nothing is believed, but nothing impossible */
		uint64_t version = mesh_version(peers_mesh(r.peers));
		assert_true(version <= 1 && (version == 0 || mesh_size(peers_mesh(r.peers)) == 3));
		restart(&r);
		rig_close(&r);
	}
}

static void a_row_that_is_lost_makes_it_ask_for_the_whole_map(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	start(&r);
	tell_three(&r);
	peers_free(TAKE(r.peers));
	by_hand(&r, "UPDATE member SET key = x'00' WHERE name = 'n1'");
	start(&r);
	assert_int_equal(mesh_size(peers_mesh(r.peers)), 2); /* what is left serves until then */
	assert_int_equal(mesh_version(peers_mesh(r.peers)), 0);
	tell_three(&r);
	restart(&r);
	assert_int_equal(mesh_size(peers_mesh(r.peers)), 3);
	assert_int_equal(mesh_version(peers_mesh(r.peers)), 1);
	rig_close(&r);
}

static void a_file_that_cannot_be_is_said_once_and_done_without(void **state)
{
	struct rig r;
	char dir[80];

	(void)state;
	rig_open(&r);
	snprintf(dir, sizeof(dir), "%s/later", r.dir);
	snprintf(r.path, sizeof(r.path), "%s/netmap.db", dir);
	start(&r);
	assert_int_equal(r.warnings, 0); /* none is no reason to complain */
	tell_three(&r);
	for (unsigned i = 0; i < 500 && r.warnings == 0; i++) /* a busy machine needs a while to try */
		run_ms(&r, 20);
	run_ms(&r, 50);
	assert_int_equal(mesh_size(peers_mesh(r.peers)), 3);
	assert_int_equal(r.warnings, 1);
	assert_int_equal(
		mkdir(dir, 0700), 0); /* the disk is there again: at the next change, or at the end */
	restart(&r);
	assert_int_equal(mesh_size(peers_mesh(r.peers)), 3);
	peers_free(TAKE(r.peers));
	(void)unlink(r.path);
	(void)rmdir(dir);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_known_survives_a_restart),
		cmocka_unit_test(relays_survive_a_restart_and_the_end_of_all),
		cmocka_unit_test(of_relays_and_candidates_only_good_lines_are_read),
		cmocka_unit_test(a_change_is_written_soon_and_without_the_rest),
		cmocka_unit_test(what_belongs_to_a_member_goes_with_it),
		cmocka_unit_test(a_file_of_the_version_before_keeps_what_it_has),
		cmocka_unit_test(one_that_cannot_be_changed_is_read_as_it_is),
		cmocka_unit_test(the_policy_is_kept_until_it_is_taken_back),
		cmocka_unit_test(a_damaged_policy_is_lost_and_asked_for_again),
		cmocka_unit_test(an_unusable_file_is_made_anew),
		cmocka_unit_test(a_file_that_refuses_a_row_is_made_anew),
		cmocka_unit_test(a_page_of_garbage_is_no_reason_to_fail),
		cmocka_unit_test(a_row_that_is_lost_makes_it_ask_for_the_whole_map),
		cmocka_unit_test(a_file_that_cannot_be_is_said_once_and_done_without),
	};

	assert_int_equal(crypto_init(NULL), TM_OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
