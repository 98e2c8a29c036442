/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "loop/helper.h"

#include <event2/event.h>
#include <pthread.h>

enum { JOBS = 500 };

struct bench {
	struct event_base *base;
	struct helper *helper;
	pthread_t control;
	pthread_mutex_t gate; /* held by the test: a job that takes it stands still */
	int ran[8192], n_ran;
	int done[8192], results[8192], n_done, wanted;
};

struct work {
	struct bench *b;
	int number, result;
	bool wait_at_gate;
};

static int run(void *arg)
{
	struct work *w = arg;

	assert_false(pthread_equal(pthread_self(), w->b->control));
	if (w->wait_at_gate) {
		pthread_mutex_lock(&w->b->gate);
		pthread_mutex_unlock(&w->b->gate);
	}
	w->b->ran[w->b->n_ran++] = w->number;
	return w->result;
}

static void done(void *arg, int result)
{
	struct work *w = arg;
	struct bench *b = w->b;

	assert_true(pthread_equal(pthread_self(), b->control));
	b->done[b->n_done] = w->number;
	b->results[b->n_done++] = result;
	free(w);
	if (b->n_done == b->wanted)
		event_base_loopbreak(b->base);
}

static int submit(struct bench *b, int number, int result, bool wait_at_gate)
{
	struct work *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	*w = (struct work){b, number, result, wait_at_gate};
	int err = helper_submit(b->helper, run, done, w);
	if (err)
		free(w);
	return err;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->base = event_base_new();
	b->control = pthread_self();
	pthread_mutex_init(&b->gate, NULL);
	assert_int_equal(helper_new(b->base, "test", &b->helper), TM_OK);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	helper_free(b->helper);
	event_base_free(b->base);
	pthread_mutex_destroy(&b->gate);
	free(b);
	return 0;
}

static void jobs_run_in_order_on_the_helper_and_finish_in_order_on_the_control_thread(void **state)
{
	struct bench *b = *state;

	b->wanted = JOBS;
	for (int i = 0; i < JOBS; i++)
		assert_int_equal(submit(b, i, -i, false), TM_OK);
	event_base_dispatch(b->base);
	assert_int_equal(b->n_done, JOBS);
	for (int i = 0; i < JOBS; i++) {
		assert_int_equal(b->ran[i], i);
		assert_int_equal(b->done[i], i);
		assert_int_equal(b->results[i], -i);
	}
}

static void freeing_waits_for_the_running_job_and_answers_those_that_never_ran(void **state)
{
	struct bench *b = *state;

	/* The queue alone cannot tell how many have run when the helper stops: every one must be answered, in
	   order, and those that did not run must say so. */
	pthread_mutex_lock(&b->gate);
	for (int i = 0; i < 10; i++)
		assert_int_equal(submit(b, i, 7, true), TM_OK);
	pthread_mutex_unlock(&b->gate);
	helper_free(b->helper);
	b->helper = NULL;
	assert_int_equal(b->n_done, 10);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(b->done[i], i);
		assert_int_equal(b->results[i], i < b->n_ran ? 7 : TM_ECLOSED);
	}
}

static void a_full_queue_refuses_and_loses_nothing(void **state)
{
	struct bench *b = *state;
	int accepted = 0, err;

	pthread_mutex_lock(&b->gate);
	while (!(err = submit(b, accepted, 0, accepted == 0)))
		accepted++;
	assert_int_equal(err, TM_EFULL);
	/* 4096 waiting, and perhaps one that the helper has in its hands. */
	assert_in_range(accepted, 4096, 4097);
	b->wanted = accepted;
	pthread_mutex_unlock(&b->gate);
	event_base_dispatch(b->base);
	assert_int_equal(b->n_done, accepted);
}

static void submit_again(void *arg, int result)
{
	struct work *w = arg;
	struct bench *b = w->b;

	b->results[b->n_done++] = result;
	if (!result && b->n_done == 1) {
		assert_int_equal(helper_submit(b->helper, run, submit_again, w), TM_OK);
		return;
	}
	if (result == TM_ECLOSED)
		assert_int_equal(helper_submit(b->helper, run, submit_again, w), TM_ECLOSED);
	free(w);
	event_base_loopbreak(b->base);
}

static void a_finished_job_may_submit_the_next_but_not_while_freeing(void **state)
{
	struct bench *b = *state;
	struct work *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->b = b;
	assert_int_equal(helper_submit(b->helper, run, submit_again, w), TM_OK);
	event_base_dispatch(b->base);
	assert_int_equal(b->n_done, 2);
}

static pthread_mutex_t dropping = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t dropped_one = PTHREAD_COND_INITIALIZER;
static int dropped;

static void drop(void *arg)
{
	free(arg);
	pthread_mutex_lock(&dropping);
	dropped++;
	pthread_cond_signal(&dropped_one);
	pthread_mutex_unlock(&dropping);
}

static void abandoning_does_not_wait_for_the_running_job(void **state)
{
	struct bench *b = *state;

	pthread_mutex_lock(&b->gate);
	for (int i = 0; i < 3; i++)
		assert_int_equal(submit(b, i, 7, true), TM_OK);
	helper_abandon(b->helper, drop); /* returns although nobody opens the gate */
	b->helper = NULL;
	/* The one that stands at the gate is left to its thread; it may not have got there yet. */
	assert_in_range(b->n_done, 2, 3);
	for (int i = 0; i < b->n_done; i++)
		assert_int_equal(b->results[i], TM_ECLOSED);
	pthread_mutex_unlock(&b->gate);
	pthread_mutex_lock(&dropping);
	while (b->n_done + dropped < 3)
		pthread_cond_wait(&dropped_one, &dropping);
	pthread_mutex_unlock(&dropping);
	assert_int_equal(b->n_done + dropped, 3);
}

static void freeing_null_is_fine(void **state)
{
	(void)state;
	helper_free(NULL);
	helper_abandon(NULL, drop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			jobs_run_in_order_on_the_helper_and_finish_in_order_on_the_control_thread, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			freeing_waits_for_the_running_job_and_answers_those_that_never_ran, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_queue_refuses_and_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_finished_job_may_submit_the_next_but_not_while_freeing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			abandoning_does_not_wait_for_the_running_job, setup, teardown),
		cmocka_unit_test(freeing_null_is_fine),
	};

	return cmocka_run_group_tests_name("helper", tests, NULL, NULL);
}
