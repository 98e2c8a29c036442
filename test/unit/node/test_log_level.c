/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How much is logged while the daemon runs: set, for a while, and as configured again. */
#include "commands_rig.h"

#include <event2/event.h>

static int setup(void **state)
{
	int err = rig_setup(state);
	struct rig *r = *state;

	r->n.config.log_level = LOG_WARN;
	node_log_configured(&r->n);
	return err;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	r->n.config.log_level = LOG_INFO;
	node_log_configured(&r->n);
	return rig_teardown(state);
}

static json_t *want(const char *level, json_int_t seconds)
{
	json_t *j = json_pack("{s:s, s:s}", "cmd", "log.level", "level", level);

	if (seconds)
		json_object_set_new(j, "seconds", json_integer(seconds));
	return j;
}

static void it_is_told_and_changed_and_a_reload_ends_that(void **state)
{
	struct rig *r = *state;

	say(r, node_command, cmd("log.level"));
	assert_string_equal(text(r->answer, "level"), "warn");
	assert_string_equal(text(r->answer, "configured"), "warn");
	assert_true(json_is_null(json_object_get(r->answer, "left_s")));
	say(r, node_command, want("debug", 0));
	assert_string_equal(text(r->answer, "level"), "debug");
	assert_string_equal(text(r->answer, "configured"), "warn");
	assert_true(json_is_null(json_object_get(r->answer, "left_s")));
	assert_true(log_enabled(LOG_DEBUG));
	node_log_configured(&r->n);
	assert_false(log_enabled(LOG_INFO));
}

static void for_a_while_is_over_by_itself(void **state)
{
	struct rig *r = *state;

	say(r, node_command, want("debug", 600));
	assert_in_range(json_integer_value(json_object_get(r->answer, "left_s")), 590, 600);
	say(r, node_command, want("info", 1));
	assert_true(log_enabled(LOG_INFO));
	const ns_t begin = time_monotonic();
	while (log_enabled(LOG_INFO) && time_monotonic() - begin < 10 * SEC)
		event_base_loop(r->n.base, EVLOOP_ONCE);
	assert_false(log_enabled(LOG_INFO));
	assert_true(log_enabled(LOG_WARN));
	say(r, node_command, cmd("log.level"));
	assert_true(json_is_null(json_object_get(r->answer, "left_s")));
}

static void count_the_end(void *ctx, const char *line, size_t n)
{
	static const char end[] = "the log is as much as configured again level=info";

	*(unsigned *)ctx += memmem(line, n, end, strlen(end)) != NULL;
}

static void that_a_quiet_while_is_over_is_said_when_one_hears_it(void **state)
{
	struct rig *r = *state;
	unsigned said = 0;

	r->n.config.log_level = LOG_INFO;
	say(r, node_command, want("error", 1));
	assert_false(log_enabled(LOG_INFO));
	log_set_sink(count_the_end, &said);
	const ns_t begin = time_monotonic();
	while (!log_enabled(LOG_INFO) && time_monotonic() - begin < 10 * SEC)
		event_base_loop(r->n.base, EVLOOP_ONCE);
	log_set_sink(NULL, NULL);
	assert_int_equal(said, 1);
}

static void what_is_no_level_changes_nothing(void **state)
{
	struct rig *r = *state;
	json_t *const wrong[] = {
		want("loud", 0),
		want("debug", -1),
		want("debug", 30 * 86400 + 1),
		json_pack("{s:s, s:i}", "cmd", "log.level", "level", 3),
		json_pack("{s:s, s:s, s:s}", "cmd", "log.level", "level", "debug", "seconds", "9"),
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		say(r, node_command, wrong[i]);
		if (ok(r->answer) || !text(r->answer, "error")[0] || log_enabled(LOG_INFO))
			fail_msg("row %zu", i);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_is_told_and_changed_and_a_reload_ends_that),
		T(for_a_while_is_over_by_itself),
		T(that_a_quiet_while_is_over_is_said_when_one_hears_it),
		T(what_is_no_level_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
