/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/spin.h"
#include "unit/unit.h"

#include <pthread.h>

enum { THREADS = 4, TIMES = 20000 };

static struct spin lock;
static unsigned counter; /* guarded by lock */

static void *count(void *arg)
{
	for (unsigned i = 0; i < TIMES; i++) {
		spin_lock(&lock);
		counter++;
		spin_unlock(&lock);
	}
	return arg;
}

static void only_one_thread_is_inside_at_a_time(void **state)
{
	pthread_t thread[THREADS];
	(void)state;

	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, count, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(counter, THREADS * TIMES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_one_thread_is_inside_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
