/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/lock.h"
#include "os/low/thread.h"
#include "unit/unit.h"

#include <stdbool.h>

enum { THREADS = 8, TURNS = 2000 };

struct shared {
	struct mutex lock;
	struct condition changed;
	unsigned counted; /* by all threads, not atomic */
	unsigned waiting;
	bool go;
};

static void begin(struct shared *s)
{
	*s = (struct shared){.go = false};
	mutex_init(&s->lock);
	condition_init(&s->changed);
}

static void end(struct shared *s)
{
	condition_deinit(&s->changed);
	mutex_deinit(&s->lock);
}

static void start_all(struct thread t[static THREADS], void (*fn)(void *), void *arg)
{
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(thread_start(&t[i], "tm-test", fn, arg), 0);
}

static void join_all(struct thread t[static THREADS])
{
	for (size_t i = 0; i < THREADS; i++)
		thread_join(&t[i]);
}

static void count(void *arg)
{
	struct shared *s = arg;

	for (unsigned i = 0; i < TURNS; i++) {
		mutex_lock(&s->lock);
		s->counted++;
		mutex_unlock(&s->lock);
	}
}

static void one_thread_at_a_time_holds_a_mutex(void **state)
{
	struct thread t[THREADS];
	struct shared s;
	(void)state;

	begin(&s);
	start_all(t, count, &s);
	join_all(t);
	assert_int_equal(s.counted, THREADS * TURNS);
	end(&s);
}

static void wait_to_go(void *arg)
{
	struct shared *s = arg;

	mutex_lock(&s->lock);
	s->waiting++;
	condition_broadcast(&s->changed);
	while (!s->go)
		condition_wait(&s->changed, &s->lock);
	s->counted++;
	mutex_unlock(&s->lock);
}

static void all_who_wait_for_a_condition_hear_of_it(void **state)
{
	struct thread t[THREADS];
	struct shared s;
	(void)state;

	begin(&s);
	start_all(t, wait_to_go, &s);
	mutex_lock(&s.lock);
	while (s.waiting < THREADS)
		condition_wait(&s.changed, &s.lock);
	assert_int_equal(s.counted, 0);
	s.go = true;
	condition_broadcast(&s.changed);
	mutex_unlock(&s.lock);
	join_all(t);
	assert_int_equal(s.counted, THREADS);
	end(&s);
}

/* Whoever is woken wakes the next. */
static void wait_and_wake_the_next(void *arg)
{
	struct shared *s = arg;

	mutex_lock(&s->lock);
	while (!s->go)
		condition_wait(&s->changed, &s->lock);
	s->counted++;
	condition_signal(&s->changed);
	mutex_unlock(&s->lock);
}

static void a_signal_wakes_one_who_waits(void **state)
{
	struct thread t[THREADS];
	struct shared s;
	(void)state;

	begin(&s);
	start_all(t, wait_and_wake_the_next, &s);
	mutex_lock(&s.lock);
	s.go = true;
	condition_signal(&s.changed);
	mutex_unlock(&s.lock);
	join_all(t);
	assert_int_equal(s.counted, THREADS);
	end(&s);
}

static struct once only;
static unsigned times; /* not atomic: whoever returns from once_run sees what was done */

static void do_once(void)
{
	times++;
}

static void see_it_done(void *arg)
{
	_Atomic(unsigned) *seen = arg;

	once_run(&only, do_once);
	if (times == 1)
		atomic_fetch_add(seen, 1);
}

static void what_is_done_once_is_done_for_every_thread(void **state)
{
	struct thread t[THREADS];
	_Atomic(unsigned) seen = 0;
	(void)state;

	start_all(t, see_it_done, &seen);
	join_all(t);
	assert_int_equal(atomic_load(&seen), THREADS);
	once_run(&only, do_once);
	assert_int_equal(times, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread_at_a_time_holds_a_mutex),
		cmocka_unit_test(all_who_wait_for_a_condition_hear_of_it),
		cmocka_unit_test(a_signal_wakes_one_who_waits),
		cmocka_unit_test(what_is_done_once_is_done_for_every_thread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
