/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "peers_rig.h"

#include "base/log.h"
#include "loop/timer.h"

#include <sqlite3.h>
#include <unistd.h>

#define SELF "0123456789abcdef"

static const struct mesh_info info = {
	.net4 = {{IP_V4, {100, 101}}, 16},
	.net6 = {{IP_V6, {0xfd, 0x5c, [7] = 1}}, 64},
};

bool disk_is_read_only, disk_is_full;

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

static void on_log(void *ctx, const char *line, size_t n)
{
	struct rig *r = ctx;

	(void)line, (void)n;
	r->warnings++;
}

void start(struct rig *r)
{
	const struct peers_config cfg = {.path = r->path,
		.mesh = &info,
		.self_id = r->self,
		.coordinator_key = r->coordinator_key,
		.save_delay = 5 * MS};

	assert_int_equal(peers_new(r->base, &cfg, &r->peers), TM_OK);
}

void restart(struct rig *r)
{
	peers_free(r->peers);
	start(r);
}

void rig_open(struct rig *r)
{
	*r = (struct rig){.base = event_base_new(), .self = SELF, .coordinator_key = {7}};
	log_set_sink(on_log, r);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-peers-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/netmap.db", r->dir);
}

void rig_close(struct rig *r)
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

void run_ms(struct rig *r, unsigned ms)
{
	struct loop_timer *t;
	bool over = false;

	assert_int_equal(loop_timer_new(r->base, on_time, &over, &t), TM_OK);
	loop_timer_in(t, ms * MS);
	while (!over)
		event_base_loop(r->base, EVLOOP_ONCE);
	loop_timer_free(t);
}

struct node_rec record(unsigned i)
{
	struct node_rec r = {.host = i + 1, .key = {1, (uint8_t)i, (uint8_t)(i >> 8)}};

	snprintf(r.id, sizeof(r.id), "%016x", i);
	snprintf(r.name, sizeof(r.name), "n%u", i);
	return r;
}

void tell(struct rig *r, struct node_rec *nodes, size_t n)
{
	uint64_t base = mesh_version(peers_mesh(r->peers));
	struct netmap update = {.version = base + 1, .base = base, .nodes = nodes, .n_nodes = n};
	struct mesh_diff d;

	assert_int_equal(peers_update(r->peers, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
}

void tell_three(struct rig *r)
{
	struct node_rec nodes[3] = {record(0), record(1), record(2)};

	nodes[1].n_tags = 2;
	memcpy(nodes[1].tags, (char[2][NODE_TAG_MAX + 1]){"gateway", "b"}, sizeof(nodes[1].tags[0]) * 2);
	nodes[0].coordinator = true;
	nodes[2].kind = NODE_CLIENT;
	memcpy(nodes[2].via, nodes[1].id, sizeof(nodes[2].via));
	tell(r, nodes, 3);
}

struct candidates candidates_of(unsigned n)
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

void by_hand(const struct rig *r, const char *sql)
{
	sqlite3 *file;

	assert_int_equal(sqlite3_open(r->path, &file), SQLITE_OK);
	if (sqlite3_exec(file, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(file));
	sqlite3_close(file);
}

struct relays two_relays(void)
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
