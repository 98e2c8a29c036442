/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which stamps are kept. The file of the clock is test_clock's, that of the peers test_peers'. */
#include "unit/unit.h"

#include "base/log.h"
#include "control/peers/peers.h"
#include "crypto/init.h"
#include "node/keeper.h"

#include <event2/event.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N = 20 };

static const struct mesh_info info = {
	.net4 = {{IP_V4, {100, 101}}, 16},
	.net6 = {{IP_V6, {0xfd, 0x5c, [7] = 1}}, 64},
};

struct rig {
	char dir[64], clock_path[96], peers_path[96];
	struct event_base *base;
	struct node_clock clock;
	struct peers *peers;
	struct keeper *keeper;
	struct node_rec nodes[N];
	unsigned asked; /* about stamps */
	uint64_t stamp; /* of everybody, when asked */
	unsigned warnings; /* about the clock */
};

static bool stamps_of(void *ctx, const uint8_t key[static 32], struct stamps *ret_s)
{
	struct rig *r = ctx;

	assert_non_null(mesh_by_key(peers_mesh(r->peers), key));
	r->asked++;
	*ret_s = (struct stamps){.check = r->stamp};
	return r->stamp != 0;
}

static void on_log(void *ctx, const char *line, size_t n)
{
	struct rig *r = ctx;

	(void)n;
	r->warnings += strstr(line, "the clock is not saved") != NULL;
}

static void fill(struct rig *r)
{
	struct netmap update = {.version = 1, .nodes = r->nodes, .n_nodes = N};
	struct mesh_diff d;

	for (unsigned i = 0; i < N; i++) {
		r->nodes[i] = (struct node_rec){.host = i + 1, .key = {1, (uint8_t)i}};
		snprintf(r->nodes[i].id, sizeof(r->nodes[i].id), "%016x", i);
		snprintf(r->nodes[i].name, sizeof(r->nodes[i].name), "n%u", i);
	}
	assert_int_equal(peers_update(r->peers, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
}

static void begin(struct rig *r)
{
	const struct keeper_config keeper = {
		.clock = &r->clock, .peers = r->peers, .ctx = r, .stamps = stamps_of};

	assert_int_equal(keeper_new(r->base, &keeper, &r->keeper), TM_OK);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	static const uint8_t coordinator_key[32] = {7};

	assert_non_null(r);
	log_set_sink(on_log, r);
	r->base = event_base_new();
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-keeper-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->clock_path, sizeof(r->clock_path), "%s/clock", r->dir);
	snprintf(r->peers_path, sizeof(r->peers_path), "%s/netmap.db", r->dir);
	node_clock_init(&r->clock, r->clock_path, time_real(), time_monotonic());
	const struct peers_config peers = {.path = r->peers_path,
		.mesh = &info,
		.self_id = "0123456789abcdef",
		.coordinator_key = coordinator_key,
		.save_delay = 5 * MS};
	assert_int_equal(peers_new(r->base, &peers, &r->peers), TM_OK);
	fill(r);
	begin(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	keeper_free(r->keeper);
	peers_free(r->peers);
	event_base_free(r->base);
	unlink(r->clock_path);
	unlink(r->peers_path);
	rmdir(r->dir);
	log_set_sink(NULL, NULL);
	free(r);
	return 0;
}

static void end(struct rig *r)
{
	keeper_free(r->keeper);
	r->keeper = NULL;
}

static uint64_t kept(const struct rig *r, unsigned i)
{
	const struct contact *c = peers_contact(r->peers, r->nodes[i].id);

	return c ? c->stamps.check : 0;
}

static void stamps_are_kept_of_those_who_were_heard_and_nobody_else_is_asked_about(void **state)
{
	struct rig *r = *state;

	r->stamp = 5;
	for (unsigned i = 0; i < 3; i++) {
		keeper_heard(r->keeper, r->nodes[3].key);
		keeper_heard(r->keeper, r->nodes[8].key);
	}
	end(r);
	assert_int_equal(r->asked, 2);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(kept(r, i), i == 3 || i == 8 ? 5 : 0);
}

static void strangers_and_who_has_no_stamp_leave_nothing(void **state)
{
	static const uint8_t stranger[32] = {9};
	struct rig *r = *state;

	keeper_heard(r->keeper, stranger);
	keeper_heard(r->keeper, r->nodes[3].key);
	end(r);
	assert_int_equal(r->asked, 1);
	assert_null(peers_contact(r->peers, r->nodes[3].id));
	keeper_heard(r->keeper, r->nodes[3].key); /* the end of a node: packets still come */
}

/* A full or read-only disk when the node starts: it goes on, says so once, and saves the clock as soon as
 * that can be. */
static void a_clock_that_cannot_be_saved_is_said_once_and_saved_later(void **state)
{
	struct rig *r = *state;
	char dir[80];

	assert_string_equal(keeper_failure(r->keeper), "");
	end(r);
	unlink(r->clock_path);
	snprintf(dir, sizeof(dir), "%s/later", r->dir);
	snprintf(r->clock_path, sizeof(r->clock_path), "%s/clock", dir);
	begin(r);
	assert_non_null(strstr(keeper_failure(r->keeper), "later/clock: No such file or directory"));
	assert_int_equal(mkdir(dir, 0700), 0);
	end(r);
	assert_int_equal(access(r->clock_path, F_OK), 0);
	assert_int_equal(r->warnings, 1);
	unlink(r->clock_path);
	assert_int_equal(rmdir(dir), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(stamps_are_kept_of_those_who_were_heard_and_nobody_else_is_asked_about),
		T(strangers_and_who_has_no_stamp_leave_nothing),
		T(a_clock_that_cannot_be_saved_is_said_once_and_saved_later),
	};

	return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
