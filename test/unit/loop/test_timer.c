/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "loop/timer.h"

#include <event2/event.h>

struct world {
	struct event_base *base;
	struct loop_timer *timer;
	unsigned fired;
	ns_t again_in; /* set from its own callback; 0 = not */
	bool free_itself;
	ns_t fired_at;
	struct loop_timer *other;
};

static void on_timer(void *ctx)
{
	struct world *w = ctx;

	w->fired++;
	w->fired_at = time_monotonic();
	if (w->again_in)
		loop_timer_in(w->timer, w->again_in);
	w->again_in = 0;
	if (w->free_itself)
		loop_timer_free(TAKE(w->timer));
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->base = event_base_new();
	assert_non_null(w->base);
	assert_int_equal(loop_timer_new(w->base, on_timer, w, &w->timer), TM_OK);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	loop_timer_free(w->timer);
	event_base_free(w->base);
	free(w);
	return 0;
}

/* The loop ends when nothing is left to wait for. */
static void fires_once_and_not_early(void **state)
{
	struct world *w = *state;
	ns_t begin = time_monotonic();

	loop_timer_in(w->timer, 5 * MS);
	assert_true(loop_timer_is_set(w->timer));
	event_base_dispatch(w->base);
	assert_int_equal(w->fired, 1);
	assert_true(time_monotonic() - begin >= 5 * MS);
	assert_false(loop_timer_is_set(w->timer));
}

static void restless(void *ctx)
{
	struct world *w = ctx;

	if (!w->fired)
		loop_timer_in(w->other, 300 * US);
}

/* What wakes the loop meanwhile makes it look at a clock of some milliseconds' grain. */
static void is_not_early_in_a_busy_loop(void **state)
{
	struct world *w = *state;

	assert_int_equal(loop_timer_new(w->base, restless, w, &w->other), TM_OK);
	for (int i = 0; i < 120; i++) {
		ns_t begin = time_monotonic();

		w->fired = 0;
		loop_timer_in(w->timer, 9 * MS);
		loop_timer_in(w->other, 0);
		event_base_dispatch(w->base);
		assert_int_equal(w->fired, 1);
		assert_true(w->fired_at - begin >= 9 * MS);
	}
	loop_timer_free(w->other);
}

static void a_moment_that_has_passed_means_the_next_turn(void **state)
{
	struct world *w = *state;

	loop_timer_at(w->timer, time_monotonic() - SEC);
	assert_int_equal(w->fired, 0);
	event_base_dispatch(w->base);
	assert_int_equal(w->fired, 1);
}

static void the_last_setting_counts(void **state)
{
	struct world *w = *state;
	ns_t begin = time_monotonic();

	loop_timer_in(w->timer, 3600 * SEC);
	loop_timer_at(w->timer, begin + 2 * MS);
	event_base_dispatch(w->base);
	assert_int_equal(w->fired, 1);
	assert_true(time_monotonic() - begin < 3600 * SEC);
}

static void never_stops_it(void **state)
{
	struct world *w = *state;

	loop_timer_in(w->timer, MS);
	loop_timer_at(w->timer, NS_NEVER);
	assert_false(loop_timer_is_set(w->timer));
	event_base_dispatch(w->base);
	assert_int_equal(w->fired, 0);
}

static void may_be_set_from_its_own_callback(void **state)
{
	struct world *w = *state;

	w->again_in = MS;
	loop_timer_in(w->timer, 0);
	event_base_dispatch(w->base);
	assert_int_equal(w->fired, 2);
}

static void may_be_freed_from_its_own_callback(void **state)
{
	struct world *w = *state;

	w->free_itself = true;
	loop_timer_in(w->timer, 0);
	event_base_dispatch(w->base);
	assert_int_equal(w->fired, 1);
	assert_null(w->timer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(is_not_early_in_a_busy_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(fires_once_and_not_early, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_moment_that_has_passed_means_the_next_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_setting_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(never_stops_it, setup, teardown),
		cmocka_unit_test_setup_teardown(may_be_set_from_its_own_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(may_be_freed_from_its_own_callback, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
