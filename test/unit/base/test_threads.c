/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The two lock-free pieces, with real threads; ThreadSanitizer runs the same program. */
#include "unit/unit.h"

#include "base/epoch.h"
#include "base/err.h"
#include "base/ring.h"

#include <pthread.h>
#include <sched.h>

enum { PRODUCERS = 3, PER_PRODUCER = 20000 };

struct message {
	uint32_t producer, number;
};

struct producer {
	struct ring_mpsc *ring;
	uint32_t id;
};

static void *produce(void *arg)
{
	const struct producer *p = arg;

	for (uint32_t i = 0; i < PER_PRODUCER; i++) {
		struct message m = {p->id, i};

		while (!ring_mpsc_push(p->ring, &m, sizeof(m)))
			sched_yield();
	}
	return NULL;
}

static void a_ring_loses_nothing_and_keeps_each_producers_order(void **state)
{
	struct producer producers[PRODUCERS];
	pthread_t threads[PRODUCERS];
	uint32_t next[PRODUCERS] = {0};
	struct ring_mpsc *ring;
	struct message m;

	(void)state;
	assert_int_equal(ring_mpsc_new(64, sizeof(m), &ring), TM_OK);
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){ring, i};
		assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
	}
	for (uint32_t got = 0; got < PRODUCERS * PER_PRODUCER;) {
		if (!ring_mpsc_pop(ring, &m)) {
			sched_yield();
			continue;
		}
		assert_true(m.producer < PRODUCERS);
		assert_int_equal(m.number, next[m.producer]++);
		got++;
	}
	for (size_t i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	assert_false(ring_mpsc_pop(ring, &m));
	ring_mpsc_free(ring);
}

static void a_full_ring_refuses_and_recovers(void **state)
{
	struct ring_mpsc *ring;
	uint32_t v = 0;

	(void)state;
	assert_int_equal(ring_mpsc_new(4, sizeof(v), &ring), TM_OK);
	for (v = 0; v < 4; v++)
		assert_true(ring_mpsc_push(ring, &v, sizeof(v)));
	assert_false(ring_mpsc_push(ring, &v, sizeof(v)));
	assert_true(ring_mpsc_pop(ring, &v));
	assert_int_equal(v, 0);
	assert_true(ring_mpsc_push(ring, &v, sizeof(v)));
	ring_mpsc_free(ring);
}

static void a_mark_is_passed_when_what_was_pushed_before_it_is_popped(void **state)
{
	struct ring_mpsc *ring;
	uint32_t v = 0;

	(void)state;
	assert_int_equal(ring_mpsc_new(4, sizeof(v), &ring), TM_OK);
	assert_true(ring_mpsc_passed(ring, ring_mpsc_mark(ring)));
	for (unsigned lap = 0; lap < 3; lap++) {
		assert_true(ring_mpsc_push(ring, &v, sizeof(v)));
		assert_true(ring_mpsc_push(ring, &v, sizeof(v)));
		size_t mark = ring_mpsc_mark(ring);
		assert_true(ring_mpsc_push(ring, &v, sizeof(v)));
		assert_false(ring_mpsc_passed(ring, mark));
		assert_true(ring_mpsc_pop(ring, &v));
		assert_false(ring_mpsc_passed(ring, mark));
		assert_true(ring_mpsc_pop(ring, &v));
		assert_true(ring_mpsc_passed(ring, mark));
		assert_true(ring_mpsc_pop(ring, &v));
	}
	ring_mpsc_free(ring);
}

struct object {
	int value; /* 1 while alive */
	struct epoch_retired retired;
};

static struct epoch epoch;
static _Atomic(struct object *) live;
static _Atomic(bool) stop;
static unsigned freed;

static void free_object(void *p)
{
	struct object *o = p;

	o->value = 0;
	free(o);
	freed++;
}

static void *read_objects(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;

	epoch_unpark(&epoch, id);
	for (unsigned i = 0; !atomic_load(&stop); i++) {
		const struct object *o = atomic_load_explicit(&live, memory_order_acquire);

		if (o->value != 1)
			abort();
		epoch_quiescent(&epoch, id);
		if (i % 7 == 0) {
			epoch_park(&epoch, id);
			sched_yield();
			epoch_unpark(&epoch, id);
		}
	}
	epoch_park(&epoch, id);
	return NULL;
}

static void readers_never_see_a_freed_object(void **state)
{
	enum { ROUNDS = 20000 };
	pthread_t threads[2];

	(void)state;
	epoch_init(&epoch, 2);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct object *o = calloc(1, sizeof(*o));

		assert_non_null(o);
		o->value = 1;
		struct object *old = atomic_exchange_explicit(&live, o, memory_order_acq_rel);
		if (old)
			epoch_retire(&epoch, &old->retired, old, free_object);
		if (i == 0)
			for (uintptr_t t = 0; t < 2; t++)
				assert_int_equal(
					pthread_create(&threads[t], NULL, read_objects, (void *)t), 0);
		epoch_reclaim(&epoch);
	}
	atomic_store(&stop, true);
	for (size_t t = 0; t < 2; t++)
		pthread_join(threads[t], NULL);
	assert_int_equal(epoch_reclaim(&epoch), 0);
	assert_int_equal(freed, ROUNDS - 1);
	free(atomic_load(&live));
	epoch_deinit(&epoch);
}

static void nothing_is_freed_while_a_worker_has_not_passed(void **state)
{
	struct object *o = calloc(1, sizeof(*o));
	struct epoch e;

	(void)state;
	assert_non_null(o);
	freed = 0;
	epoch_init(&e, 2);
	epoch_unpark(&e, 1);
	epoch_retire(&e, &o->retired, o, free_object);
	assert_int_equal(epoch_reclaim(&e), 1);
	epoch_quiescent(&e, 1);
	assert_int_equal(epoch_reclaim(&e), 0);
	assert_int_equal(freed, 1);
	epoch_deinit(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_loses_nothing_and_keeps_each_producers_order),
		cmocka_unit_test(a_full_ring_refuses_and_recovers),
		cmocka_unit_test(a_mark_is_passed_when_what_was_pushed_before_it_is_popped),
		cmocka_unit_test(readers_never_see_a_freed_object),
		cmocka_unit_test(nothing_is_freed_while_a_worker_has_not_passed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
