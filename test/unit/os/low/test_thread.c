/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/lock.h"
#include "os/low/thread.h"
#include "unit/unit.h"

#include <pthread.h>
#include <signal.h>

struct seen {
	struct thread who;
	char name[16];
	bool blocked;
};

static void look(void *arg)
{
	struct seen *s = arg;
	sigset_t set;

	s->who = thread_self();
	pthread_getname_np(pthread_self(), s->name, sizeof(s->name));
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	s->blocked = sigismember(&set, SIGTERM) && sigismember(&set, SIGCHLD);
}

static void a_thread_runs_under_its_name_and_without_signals(void **state)
{
	struct seen s = {0};
	struct thread t, us = thread_self();
	sigset_t set;
	(void)state;

	assert_int_equal(thread_start(&t, "some-thread-of-a-long-name", look, &s), 0);
	thread_join(&t);
	assert_string_equal(s.name, "some-thread-of-");
	assert_true(s.blocked);
	assert_false(thread_is_self(&s.who));
	assert_true(thread_is_self(&us));
	/* The starting thread hears signals as before. */
	assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
	assert_false(sigismember(&set, SIGTERM));
}

static struct thread_value value;
static unsigned ended; /* by threads that were joined */

static void end_of_value(void *p)
{
	*(unsigned *)p += 1;
	ended++;
}

static void set_value(void *p)
{
	assert_int_equal(thread_value_set(&value, p), 0);
}

static void set_no_value(void *p)
{
	(void)p;
}

static void the_value_of_a_thread_ends_with_it(void **state)
{
	unsigned one = 0;
	struct thread t;
	(void)state;

	assert_int_equal(thread_value_init(&value, end_of_value), 0);
	assert_int_equal(thread_start(&t, "with", set_value, &one), 0);
	thread_join(&t);
	assert_int_equal(one, 1);
	assert_int_equal(thread_start(&t, "without", set_no_value, NULL), 0);
	thread_join(&t);
	assert_int_equal(ended, 1);
}

static struct mutex told;
static struct condition changed;
static bool through;

static void tell(void *arg)
{
	(void)arg;
	mutex_lock(&told);
	through = true;
	condition_signal(&changed);
	mutex_unlock(&told);
}

static void a_thread_that_is_let_go_runs_all_the_same(void **state)
{
	struct thread t;
	(void)state;

	mutex_init(&told);
	condition_init(&changed);
	assert_int_equal(thread_start(&t, "alone", tell, NULL), 0);
	thread_detach(&t);
	mutex_lock(&told);
	while (!through)
		condition_wait(&changed, &told);
	mutex_unlock(&told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_runs_under_its_name_and_without_signals),
		cmocka_unit_test(the_value_of_a_thread_ends_with_it),
		cmocka_unit_test(a_thread_that_is_let_go_runs_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
