/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Of peers the coordinator is told what has changed, and of nobody who rests. */
#include "unit/unit.h"

#include "node/reporting_told.h"

static const struct report_peer usual = {.node = "0123456789abcdef",
	.path = REPORT_DIRECT,
	.family = 4,
	.rtt_us = 20000,
	.mtu = 1420,
	.age_s = 100,
	.rx = 1 << 20,
	.tx = 1 << 20};

static void what_has_changed_is_told_and_nothing_else(void **state UNUSED)
{
	const struct {
		struct report_peer now; /* what is 0 is as usual */
		bool told;
	} rows[] = {
		{{.age_s = 160}, false}, {{.path = REPORT_RELAY}, true}, {{.family = 6}, true},
		{{.not_direct = PATH_NOT_SILENT}, true}, {{.mtu = 1280}, true},
		{{.relay = "00000000000000aa"}, true}, {{.rtt_us = 20100}, false}, {{.rtt_us = 24000}, true},
		/* What keeps a tunnel alive is no traffic. */
		{{.rx = (1 << 20) + 148, .tx = (1 << 20) + 92}, false}, {{.rx = (1 << 20) + 1024}, true},
		{{.tx = (1 << 20) + 5000}, true}, {{.rx = 7}, true}, /* it has begun to count again */
		{{.age_s = 3}, true}, /* another way of the same kind */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct report_peer now = rows[i].now;
		struct told_peers t;

		memcpy(now.node, usual.node, sizeof(now.node));
		now.path = now.path ? now.path : usual.path;
		now.family = now.family ? now.family : usual.family;
		now.rtt_us = now.rtt_us ? now.rtt_us : usual.rtt_us;
		now.mtu = now.mtu ? now.mtu : usual.mtu;
		now.age_s = now.age_s ? now.age_s : usual.age_s;
		now.rx = now.rx ? now.rx : usual.rx;
		now.tx = now.tx ? now.tx : usual.tx;
		assert_int_equal(told_init(&t), TM_OK);
		told_begin(&t, true);
		assert_true(told_differs(&t, &usual));
		told_begin(&t, false);
		if (told_differs(&t, &now) != rows[i].told)
			fail_msg("row %zu", i);
		told_begin(&t, false);
		assert_false(told_differs(&t, &now));
		told_deinit(&t);
	}
}

/* A little each time is much in the end. */
static void small_changes_add_up(void **state UNUSED)
{
	struct report_peer now = usual;
	struct told_peers t;
	unsigned told = 0;

	assert_int_equal(told_init(&t), TM_OK);
	told_begin(&t, true);
	assert_true(told_differs(&t, &now));
	for (unsigned i = 0; i < 100; i++) {
		now.rx += 100;
		told_begin(&t, false);
		told += told_differs(&t, &now);
	}
	assert_int_equal(told, 9);
	told_deinit(&t);
}

static void who_is_gone_is_told_once(void **state UNUSED)
{
	struct report_peer other = usual, gone;
	struct told_peers t;

	memcpy(other.node, "00000000000000bb", sizeof(other.node));
	assert_int_equal(told_init(&t), TM_OK);
	told_begin(&t, true);
	assert_true(told_differs(&t, &usual));
	assert_true(told_differs(&t, &other));
	assert_false(told_gone(&t, &gone));
	told_begin(&t, false);
	assert_false(told_differs(&t, &usual));
	assert_true(told_gone(&t, &gone));
	assert_string_equal(gone.node, other.node);
	assert_int_equal(gone.path, REPORT_GONE);
	assert_false(told_gone(&t, &gone));
	told_begin(&t, false);
	assert_false(told_differs(&t, &usual));
	assert_true(told_differs(&t, &other)); /* it is back */
	told_deinit(&t);
}

static void who_begins_anew_tells_everything_and_nobody_is_gone(void **state UNUSED)
{
	struct report_peer gone;
	struct told_peers t;

	assert_int_equal(told_init(&t), TM_OK);
	for (unsigned i = 0; i < 2; i++) {
		told_begin(&t, true);
		assert_true(told_differs(&t, &usual));
	}
	told_begin(&t, true);
	assert_false(told_gone(&t, &gone));
	told_deinit(&t);
}

static void a_node_that_rests_has_nothing_to_say_of_itself(void **state UNUSED)
{
	const struct report_self told = {.cpu_permille = 5, .memory = 20 << 20, .drops = 3, .mtu = 1420};
	struct report_self now = told;

	now.uptime_s += 60;
	now.cpu_permille = 6;
	now.memory += 4096;
	now.drops++;
	assert_false(told_self_differs(&told, &now));
	now = told;
	now.alarms = 1 << REPORT_ALARM_DNS;
	assert_true(told_self_differs(&told, &now));
	now = told;
	now.metrics_port = 5210;
	assert_true(told_self_differs(&told, &now));
	now = told;
	now.cpu_permille = 300;
	assert_true(told_self_differs(&told, &now));
	now = told;
	now.memory *= 2;
	assert_true(told_self_differs(&told, &now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_changed_is_told_and_nothing_else),
		cmocka_unit_test(small_changes_add_up),
		cmocka_unit_test(who_is_gone_is_told_once),
		cmocka_unit_test(who_begins_anew_tells_everything_and_nobody_is_gone),
		cmocka_unit_test(a_node_that_rests_has_nothing_to_say_of_itself),
	};

	return cmocka_run_group_tests_name("what is reported", tests, NULL, NULL);
}
