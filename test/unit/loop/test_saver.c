/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "loop/saver.h"

#include <event2/event.h>
#include <pthread.h>

#define NEVER (3600 * SEC) /* no test lives that long: what happens has another reason */

struct rig {
	struct event_base *base;
	struct saver *saver;
	pthread_t control;
	pthread_mutex_t gate; /* a write takes it: held by the test, the disk is slow */
	int value; /* what is to be kept */
	int disk; /* what is */
	int write_error, take_error; /* of all attempts, until cleared */
	bool note_at_done;
	unsigned taken, done, wanted;
	int result; /* of the last attempt */
};

struct copy {
	struct rig *rig;
	int value;
};

static int take(void *ctx, void **ret_job)
{
	struct rig *r = ctx;
	struct copy *c;

	if (r->take_error)
		return r->take_error;
	r->taken++;
	c = malloc(sizeof(*c));
	assert_non_null(c);
	*c = (struct copy){r, r->value};
	*ret_job = c;
	return TM_OK;
}

static int write_copy(void *job)
{
	struct copy *c = job;

	pthread_mutex_lock(&c->rig->gate);
	int err = c->rig->write_error;
	if (!err)
		c->rig->disk = c->value;
	pthread_mutex_unlock(&c->rig->gate);
	return err;
}

static void done(void *ctx, void *job, int result)
{
	struct rig *r = ctx;

	assert_true(pthread_equal(pthread_self(), r->control));
	assert_true(job || result);
	free(job);
	r->result = result;
	if (r->note_at_done) {
		r->note_at_done = false;
		saver_note(r->saver);
	}
	if (++r->done == r->wanted)
		event_base_loopbreak(r->base);
}

static void start(struct rig *r, ns_t delay, ns_t again)
{
	const struct saver_config cfg = {.thread = "test",
		.delay = delay,
		.again = again,
		.ctx = r,
		.take = take,
		.write = write_copy,
		.done = done};

	assert_int_equal(saver_new(r->base, &cfg, &r->saver), TM_OK);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->base = event_base_new();
	r->control = pthread_self();
	pthread_mutex_init(&r->gate, NULL);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	saver_free(r->saver);
	event_base_free(r->base);
	pthread_mutex_destroy(&r->gate);
	free(r);
	return 0;
}

static void change(struct rig *r, int value)
{
	r->value = value;
	saver_note(r->saver);
}

static void run_until_done(struct rig *r, unsigned attempts)
{
	r->wanted = attempts;
	if (r->done < attempts)
		event_base_dispatch(r->base);
	assert_int_equal(r->done, attempts);
}

static void end(struct rig *r)
{
	saver_free(r->saver);
	r->saver = NULL;
}

static void changes_of_a_moment_are_one_write(void **state)
{
	struct rig *r = *state;

	start(r, 5 * MS, NEVER);
	for (int i = 1; i <= 10; i++)
		change(r, i);
	run_until_done(r, 1);
	assert_int_equal(r->disk, 10);
	end(r);
	assert_int_equal(r->done, 1); /* nothing was due any more */
}

static void changes_that_never_cease_do_not_put_off_the_write(void **state)
{
	struct rig *r = *state;

	start(r, 50 * MS, NEVER);
	for (int i = 1; r->done == 0; i++) {
		change(r, i);
		event_base_loop(r->base, EVLOOP_NONBLOCK);
	}
	assert_int_not_equal(r->disk, 0);
}

static void what_changes_while_it_is_written_is_written_next(void **state)
{
	struct rig *r = *state;

	start(r, 0, NEVER);
	pthread_mutex_lock(&r->gate);
	change(r, 1);
	while (r->taken == 0)
		event_base_loop(r->base, EVLOOP_ONCE);
	change(r, 2);
	event_base_loop(r->base, EVLOOP_NONBLOCK);
	assert_int_equal(r->taken, 1); /* one write at a time */
	pthread_mutex_unlock(&r->gate);
	run_until_done(r, 2);
	assert_int_equal(r->disk, 2);
}

static void a_write_that_failed_is_tried_again_without_a_change(void **state)
{
	struct rig *r = *state;

	start(r, 0, 5 * MS);
	r->write_error = TM_ENOSPACE;
	change(r, 1);
	run_until_done(r, 3);
	assert_int_equal(r->result, TM_ENOSPACE);
	r->write_error = TM_OK; /* between two attempts: nobody writes while this thread is not in the loop */
	while (r->result != TM_OK)
		run_until_done(r, r->done + 1);
	assert_int_equal(r->disk, 1);
}

static void a_change_does_not_wait_for_the_next_attempt(void **state)
{
	struct rig *r = *state;

	start(r, 0, NEVER);
	r->write_error = TM_ENOSPACE;
	change(r, 1);
	run_until_done(r, 1);
	r->write_error = TM_OK;
	change(r, 2);
	run_until_done(r, 2);
	assert_int_equal(r->disk, 2);
}

static void without_a_copy_it_stays_due(void **state)
{
	struct rig *r = *state;

	start(r, 0, 5 * MS);
	r->take_error = TM_ENOMEM;
	change(r, 1);
	run_until_done(r, 1);
	assert_int_equal(r->result, TM_ENOMEM);
	r->take_error = TM_OK;
	run_until_done(r, 2);
	assert_int_equal(r->disk, 1);
}

static void what_is_due_is_written_at_the_end(void **state)
{
	struct rig *r = *state;

	start(r, NEVER, NEVER);
	change(r, 7);
	end(r);
	assert_int_equal(r->disk, 7);
}

static void what_the_last_write_made_due_is_written_too(void **state)
{
	struct rig *r = *state;

	start(r, NEVER, NEVER);
	r->note_at_done = true;
	change(r, 7);
	end(r);
	assert_int_equal(r->done, 2);
}

static void the_end_does_not_try_for_ever(void **state)
{
	struct rig *r = *state;

	start(r, NEVER, NEVER);
	r->write_error = TM_ENOSPACE;
	change(r, 7);
	end(r);
	assert_int_equal(r->done, 2);
	assert_int_equal(r->disk, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(changes_of_a_moment_are_one_write),
		T(changes_that_never_cease_do_not_put_off_the_write),
		T(what_changes_while_it_is_written_is_written_next),
		T(a_write_that_failed_is_tried_again_without_a_change),
		T(a_change_does_not_wait_for_the_next_attempt),
		T(without_a_copy_it_stays_due),
		T(what_is_due_is_written_at_the_end),
		T(what_the_last_write_made_due_is_written_too),
		T(the_end_does_not_try_for_ever),
	};

	return cmocka_run_group_tests_name("saver", tests, NULL, NULL);
}
