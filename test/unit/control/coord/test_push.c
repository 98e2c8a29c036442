/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who is told what of the map, and when: texts made once, rounds in slices, snapshots by credit. */
#include "unit/unit.h"

#include "unit/control/coord/rig.h"

#include "control/link/clink.h"

#include <event2/event.h>

static void enrol_many(struct rig *r, size_t n)
{
	struct token t = rig_token(r, json_pack("{s:i}", "uses", (int)n));

	for (size_t i = 0; i < n; i++)
		machine_enrol(rig_machine(r, i), &t, "node");
	rig_settle(r);
	for (size_t i = 0; i < n; i++)
		machine_forget(rig_machine(r, i));
}

static void expect_all_alike(struct rig *r, size_t n)
{
	struct netmap now = rig_snapshot(r);

	for (size_t i = 0; i < n; i++) {
		const struct machine *m = rig_machine(r, i);

		if (machine_version(m) != now.version || machine_size(m) != now.n_nodes || m->n_map_errors)
			fail_msg("machine %zu: %zu of %zu nodes, %u errors", i, machine_size(m), now.n_nodes,
				m->n_map_errors);
	}
	netmap_deinit(&now);
}

static void those_who_come_together_share_one_snapshot_though_the_map_changes_meanwhile(void **state)
{
	enum { N = 60 };
	struct rig *r = *state;

	enrol_many(r, N);
	machine_hello(rig_machine(r, 0), NULL);
	const struct clink_text *shared = r->c->views.snapshot.text;
	assert_non_null(shared);
	for (size_t i = 1; i < N; i++) {
		if (i % 20 == 0)
			rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", "hub", "name",
					     i == 20 ? "desk" : "hub"));
		machine_hello(rig_machine(r, i), NULL);
		assert_ptr_equal(r->c->views.snapshot.text, shared);
	}
	rig_settle(r);
	expect_all_alike(r, N);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(rig_machine(r, i)->n_snapshots, 1);
}

static void a_snapshot_too_far_behind_is_made_anew(void **state)
{
	enum { N = 60 };
	struct rig *r = *state;

	enrol_many(r, 1);
	machine_hello(rig_machine(r, 0), NULL);
	uint64_t first = r->c->views.snapshot.version;
	enrol_many(r, N);
	machine_hello(rig_machine(r, N - 1), NULL);
	assert_true(r->c->views.snapshot.version > first);
	rig_settle(r);
	assert_int_equal(rig_machine(r, N - 1)->n_maps, 1);
}

static void a_round_is_told_in_slices_and_all_get_it(void **state)
{
	enum { N = 50 };
	struct rig *r = *state;
	unsigned told = 0;

	r->c->tuning.push_slice = 7;
	enrol_many(r, N);
	for (size_t i = 0; i < N; i++)
		machine_hello(rig_machine(r, i), NULL);
	rig_settle(r);
	for (size_t i = 0; i < N; i++)
		machine_forget(rig_machine(r, i));
	rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", "hub", "name", "desk"));
	/* One turn of the loop at a time: never more than a slice each. */
	while (!push_idle(r->c)) {
		unsigned now = 0;

		event_base_loop(r->base, EVLOOP_ONCE);
		for (size_t i = 0; i < N; i++)
			now += rig_machine(r, i)->n_maps;
		assert_in_range(now - told, 0, 7);
		told = now;
	}
	assert_int_equal(told, N);
	expect_all_alike(r, N);
}

static void links_that_go_in_the_middle_of_a_round_disturb_nobody(void **state)
{
	enum { N = 40 };
	struct rig *r = *state;

	r->c->tuning.push_slice = 5;
	enrol_many(r, N);
	for (size_t i = 0; i < N; i++)
		machine_hello(rig_machine(r, i), NULL);
	rig_settle(r);
	for (int step = 0; step < 30; step++) {
		rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", "hub", "name",
				     step % 2 ? "hub" : "desk"));
		event_base_loop(r->base, EVLOOP_ONCE);
		struct machine *m = rig_machine(r, (size_t)step % N);
		machine_unlink(m);
		machine_hello(m, NULL);
		rig_machine(r, (size_t)(step + 11) % N)->refuse = step % 3 == 0;
		rig_machine(r, (size_t)(step + 10) % N)->refuse = false;
	}
	for (size_t i = 0; i < N; i++) {
		struct machine *m = rig_machine(r, i);

		m->refuse = false;
		if (!m->conn)
			machine_hello(m, NULL);
	}
	rig_settle(r);
	expect_all_alike(r, N);
}

static void snapshots_wait_while_too_many_of_them_lie_in_queues(void **state)
{
	enum { N = 200, BIG = 64 << 10 };
	struct rig *r = *state;
	unsigned served = 0;

	enrol_many(r, N);
	r->c->tuning.snapshot_bytes = 1;
	for (size_t i = 0; i < 5; i++) {
		struct machine *m = rig_machine(r, i);

		m->slow = true;
		m->queued = BIG; /* others' words are in it, too */
		machine_hello(m, NULL);
		assert_non_null(machine_last(m, "welcome"));
	}
	/* The first one has its snapshot, which nobody takes off the queue; the others are welcome, and wait.
	 */
	for (size_t i = 0; i < 5; i++)
		served += rig_machine(r, i)->n_snapshots;
	assert_int_equal(served, 1);
	/* Who holds the map needs none and waits for nobody. */
	struct machine *current = rig_machine(r, 9);
	struct netmap snapshot = rig_snapshot(r);
	machine_take(current, &snapshot);
	netmap_deinit(&snapshot);
	machine_hello(current, NULL);
	rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", "hub", "name", "desk"));
	struct machine *turn = rig_machine(r, 0);
	while (!machine_knows(current, "desk"))
		event_base_loop(r->base, EVLOOP_ONCE);
	/* One drains, another's link goes: each makes room for one more. */
	turn->queued = 0;
	conn_drained(turn->conn);
	assert_int_equal(rig_machine(r, 1)->n_snapshots, 1);
	assert_int_equal(rig_machine(r, 2)->n_snapshots, 0);
	machine_unlink(rig_machine(r, 1));
	while (rig_machine(r, 2)->n_snapshots == 0)
		event_base_loop(r->base, EVLOOP_ONCE);
	assert_int_equal(rig_machine(r, 3)->n_snapshots, 0);
	machine_unlink(rig_machine(r, 3)); /* it never gets its turn */
	machine_unlink(rig_machine(r, 2));
	rig_settle(r);
	assert_int_equal(rig_machine(r, 4)->n_snapshots, 1);
	assert_int_equal(rig_machine(r, 3)->n_snapshots, 0);
}

/* A machine in whose queue its first map lies. */
static struct machine *slow_machine(struct rig *r, size_t number)
{
	struct machine *m = rig_machine(r, number);

	m->slow = true;
	m->queued = 2 * CLINK_QUEUE_LOW;
	machine_hello(m, NULL);
	return m;
}

static void two_snapshots_in_one_queue_are_given_back_together(void **state)
{
	struct rig *r = *state;

	enrol_many(r, 1);
	struct machine *m = slow_machine(r, 0);
	assert_int_equal(m->n_snapshots, 1);
	assert_int_equal(r->c->push.charged, m->queued);
	/* So far behind meanwhile that it needs another one. */
	m->conn->known = 1;
	rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", "hub", "name", "desk"));
	rig_settle(r);
	assert_int_equal(m->n_snapshots, 2);
	assert_true(r->c->push.charged <= m->queued);
	m->queued = 0;
	conn_drained(m->conn);
	assert_int_equal(r->c->push.charged, 0);
}

static bool has_snapshot(void *ctx)
{
	return ((const struct machine *)ctx)->n_snapshots != 0;
}

static void who_does_not_take_its_snapshot_makes_room_for_others(void **state)
{
	enum { SLOW = 3 };
	struct rig *r = *state;

	r->c->tuning.snapshot_bytes = 1;
	r->c->tuning.snapshot_grace = 30 * MS;
	r->c->tuning.snapshot_rate = 1 << 30;
	enrol_many(r, SLOW + 1);
	for (size_t i = 0; i < SLOW; i++)
		slow_machine(r, i);
	struct machine *waits = rig_machine(r, SLOW);
	machine_hello(waits, NULL);
	assert_int_equal(waits->n_snapshots, 0);
	rig_until(r, has_snapshot, waits);
	for (size_t i = 0; i < SLOW; i++) {
		const struct machine *m = rig_machine(r, i);

		assert_int_equal(m->n_snapshots, 1);
		assert_null(m->conn);
		assert_non_null(strstr(m->closed_why, "too slow"));
	}
	assert_int_equal(r->c->push.charged, 0);
}

static void who_takes_a_large_snapshot_in_its_time_keeps_its_link(void **state)
{
	struct rig *r = *state;

	r->c->tuning.snapshot_grace = 0;
	r->c->tuning.snapshot_rate = CLINK_QUEUE_LOW; /* two queues of this: 2 s and more */
	enrol_many(r, 1);
	struct machine *m = slow_machine(r, 0);
	push_expire(r->c, time_monotonic() + 1900 * MS);
	assert_non_null(m->conn);
	m->queued = 0;
	conn_drained(m->conn);
	push_expire(r->c, time_monotonic() + 100 * SEC);
	assert_non_null(m->conn);
}

static void rename_hub(struct rig *r, const char *name)
{
	rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", r->hub.id.id, "name", name));
	assert_false(push_idle(r->c));
	while (!push_idle(r->c))
		event_base_loop(r->base, EVLOOP_ONCE);
}

static void a_few_changes_are_told_at_once_and_a_storm_takes_half_of_the_time(void **state)
{
	enum { N = 60 };
	struct rig *r = *state;
	struct push *p = &r->c->push;

	enrol_many(r, N);
	for (size_t i = 0; i < N; i++)
		machine_hello(rig_machine(r, i), NULL);
	rig_settle(r);
	r->c->tuning.push_gap = 0;
	for (int i = 0; i < 5; i++) {
		rename_hub(r, i % 2 ? "hub" : "desk");
		assert_true(p->not_before <= time_monotonic());
	}
	/* In debt: what a round takes comes on top of it twice, and the next one waits. */
	ns_t paid_at = time_monotonic() + r->c->tuning.push_debt + 100 * MS;
	p->paid_at = paid_at;
	rename_hub(r, "first");
	assert_true(p->paid_at > paid_at);
	rename_hub(r, "second");
	assert_true(time_monotonic() >= paid_at - r->c->tuning.push_debt);
	assert_true(machine_knows(rig_machine(r, 0), "second"));
}

static void what_slices_take_is_paid_with_as_much_time_for_others(void **state)
{
	static const struct {
		const char *what;
		ns_t start, end, not_before;
	} rows[] = {
		{"a short one: the gap", 100 * SEC, 100 * SEC + 10 * MS, 100 * SEC + 30 * MS},
		{"a long one, in advance", 100 * SEC + 30 * MS, 100 * SEC + 530 * MS, 100 * SEC + 550 * MS},
		{"the last in advance", 100 * SEC + 550 * MS, 101 * SEC + 50 * MS, 101 * SEC + 70 * MS},
		{"half of the time", 101 * SEC + 70 * MS, 101 * SEC + 570 * MS, 102 * SEC + 30 * MS},
		{"half of the time again", 102 * SEC + 30 * MS, 102 * SEC + 230 * MS, 102 * SEC + 430 * MS},
		{"idle since: no more credit than at first", 500 * SEC, 502 * SEC, 503 * SEC},
	};
	struct rig *r = *state;

	r->c->tuning.push_gap = 20 * MS;
	r->c->tuning.push_debt = 1 * SEC;
	r->c->push.paid_at = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		push_account(r->c, rows[i].start, rows[i].end);
		if (r->c->push.not_before != rows[i].not_before)
			fail_msg("%s: %+" PRId64 " ms", rows[i].what,
				(r->c->push.not_before - rows[i].not_before) / MS);
	}
}

static void large_meshes_are_paced_and_small_ones_are_not(void **state)
{
	enum { N = 1100 };
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "m");
	assert_int_equal(json_integer_value(json_object_get(machine_last(m, "welcome"), "pace_ms")), 0);
	for (uint32_t i = 0; i < N; i++) {
		struct store_node n = {.rec = {.host = 1000 + i, .key = {1}}};

		memcpy(n.rec.key + 1, &i, sizeof(i));
		snprintf(n.rec.id, sizeof(n.rec.id), "%016x", i);
		snprintf(n.rec.name, sizeof(n.rec.name), "many-%u", i);
		assert_int_equal(
			registry_put(r->c->reg, registry_version(r->c->reg) + ((uint64_t)1 << 31), &n, NULL),
			TM_OK);
	}
	machine_unlink(m);
	machine_forget(m);
	machine_hello(m, NULL);
	assert_in_range(json_integer_value(json_object_get(machine_last(m, "welcome"), "pace_ms")), 840, 850);
	/* And their list comes in pages, each beginning where the last one ended. */
	unsigned n = 0, pages = 0;
	for (json_int_t after = 0; pages == 0 || after; pages++) {
		const json_t *a = rig_admin(r, json_pack("{s:s, s:I}", "cmd", "node.list", "after", after));

		n += (unsigned)json_array_size(json_object_get(a, "nodes"));
		after = json_integer_value(json_object_get(a, "next"));
	}
	assert_int_equal(n, N + 2);
	assert_int_equal(pages, 3);
}

#define T(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(those_who_come_together_share_one_snapshot_though_the_map_changes_meanwhile),
		T(a_snapshot_too_far_behind_is_made_anew),
		T(a_round_is_told_in_slices_and_all_get_it),
		T(links_that_go_in_the_middle_of_a_round_disturb_nobody),
		T(snapshots_wait_while_too_many_of_them_lie_in_queues),
		T(two_snapshots_in_one_queue_are_given_back_together),
		T(who_does_not_take_its_snapshot_makes_room_for_others),
		T(who_takes_a_large_snapshot_in_its_time_keeps_its_link),
		T(a_few_changes_are_told_at_once_and_a_storm_takes_half_of_the_time),
		T(what_slices_take_is_paid_with_as_much_time_for_others),
		T(large_meshes_are_paced_and_small_ones_are_not),
	};

	return cmocka_run_group_tests_name("push", tests, NULL, NULL);
}
