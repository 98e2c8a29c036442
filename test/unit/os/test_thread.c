/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/thread.h"
#include "unit/unit.h"

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

	assert_int_equal(thread_start(&t, "some-thread-of-a-long-name", look, &s), TM_OK);
	thread_join(&t);
	assert_string_equal(s.name, "some-thread-of-");
	assert_true(s.blocked);
	assert_false(thread_is_self(&s.who));
	assert_true(thread_is_self(&us));
	/* The starting thread hears signals as before. */
	assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
	assert_false(sigismember(&set, SIGTERM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_runs_under_its_name_and_without_signals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
