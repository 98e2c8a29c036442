/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/peer/index.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#include "data/peer/peer.h"

static void dice(void *ctx, void *out, size_t n)
{
	uint64_t *rng = ctx;
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++) {
		*rng = *rng * UINT64_C(6364136223846793005) + 1442695040888963407;
		p[i] = (uint8_t)(*rng >> 56);
	}
}

/* A source that says each number three times: whoever does not check gets duplicates. */
static void stutter(void *ctx, void *out, size_t n)
{
	uint32_t *calls = ctx, v = (*calls)++ / 3;

	assert_int_equal(n, sizeof(v));
	memcpy(out, &v, sizeof(v));
}

static void indices_are_unique_among_live_ones(void **state)
{
	struct peer *owner = calloc(1, sizeof(*owner));
	struct index_table *t = NULL;
	uint32_t calls = 0;

	(void)state;
	assert_int_equal(index_table_new(&t), TM_OK);
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t index;

		assert_int_equal(index_reserve(t, owner, 0, stutter, &calls, &index), TM_OK);
		assert_int_equal(index, i);
	}
	index_table_free(t);
	free(owner);
}

static void an_index_names_its_lane(void **state)
{
	static const unsigned lanes[] = {1, 2, 3, 7, 8, 64, 100, INDEX_LANES_MAX};
	struct peer *owner = calloc(1, sizeof(*owner));
	uint64_t rng = 3;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lanes); i++) {
		struct index_table *t = NULL;
		uint32_t ones = 0, zeros = 0;

		assert_int_equal(index_table_new(&t), TM_OK);
		index_set_lanes(t, lanes[i]);
		for (unsigned k = 0; k < 1000; k++) {
			uint32_t index;

			assert_int_equal(index_reserve(t, owner, k % lanes[i], dice, &rng, &index), TM_OK);
			assert_int_equal((index >> 24) % lanes[i], k % lanes[i]);
			ones |= index;
			zeros |= ~index;
		}
		assert_true(ones == UINT32_MAX && zeros == UINT32_MAX);
		index_table_free(t);
	}
	free(owner);
}

static void indices_use_all_32_bits_of_the_entropy(void **state)
{
	struct peer *owner = calloc(1, sizeof(*owner));
	struct index_table *t = NULL;
	uint32_t ones = 0, zeros = 0;
	uint64_t rng = 1;

	(void)state;
	assert_int_equal(index_table_new(&t), TM_OK);
	for (unsigned i = 0; i < 100; i++) {
		uint32_t index;

		assert_int_equal(index_reserve(t, owner, 0, dice, &rng, &index), TM_OK);
		ones |= index;
		zeros |= ~index;
	}
	assert_true(ones == UINT32_MAX && zeros == UINT32_MAX);
	index_table_free(t);
	free(owner);
}

static void a_reserved_index_has_an_owner_and_no_keypair_until_bound(void **state)
{
	struct peer *owner = calloc(1, sizeof(*owner));
	_cleanup_(keypair_freep) struct keypair *kp = NULL;
	struct index_table *t = NULL;
	uint64_t rng = 1;
	uint32_t index;

	(void)state;
	assert_int_equal(keypair_new(&kp), TM_OK);
	assert_int_equal(index_table_new(&t), TM_OK);
	assert_int_equal(index_reserve(t, owner, 0, dice, &rng, &index), TM_OK);
	assert_ptr_equal(index_owner(t, index), owner);
	assert_null(index_find(t, index));
	kp->local_index = index;
	index_bind(t, index, kp);
	assert_ptr_equal(index_find(t, index), kp);
	assert_null(index_find(t, index + 1));
	assert_null(index_owner(t, index + 1));
	index_release(t, index);
	index_release(t, index);
	assert_null(index_find(t, index));
	assert_null(index_owner(t, index));
	index_table_free(t);
	free(owner);
}

static uint64_t epoch_of(void *ctx)
{
	return *(uint64_t *)ctx;
}

static void growth_keeps_every_entry_and_frees_old_tables_only_when_safe(void **state)
{
	enum { N = 5000 };
	static struct keypair *kp[N];
	struct peer *owner = calloc(1, sizeof(*owner));
	struct index_table *t = NULL;
	uint64_t rng = 7, epoch = 5;

	(void)state;
	assert_int_equal(index_table_new(&t), TM_OK);
	index_set_epoch(t, epoch_of, &epoch);
	for (size_t i = 0; i < N; i++) {
		uint32_t index;

		assert_int_equal(keypair_new(&kp[i]), TM_OK);
		assert_int_equal(index_reserve(t, owner, 0, dice, &rng, &index), TM_OK);
		kp[i]->local_index = index;
		index_bind(t, index, kp[i]);
	}
	assert_true(index_collect(t, 5) > 0);
	assert_int_equal(index_collect(t, 6), 0);
	for (size_t i = 0; i < N; i++) {
		assert_ptr_equal(index_find(t, kp[i]->local_index), kp[i]);
		index_release(t, kp[i]->local_index);
	}
	for (size_t i = 0; i < N; i++) {
		assert_null(index_find(t, kp[i]->local_index));
		keypair_free(kp[i]);
	}
	index_table_free(t);
	free(owner);
}

/* Readers look up while the writer inserts, removes and grows: what they find is what they asked for. */
struct race {
	struct index_table *t;
	_Atomic(bool) stop;
	struct keypair *fixed;
	struct keypair *kp[512];
	_Atomic(unsigned) wrong;
	_Atomic(unsigned) lookups;
};

static void *reader(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->stop)) {
		for (size_t i = 0; i < ARRAY_LEN(r->kp); i++) {
			const struct keypair *kp = index_find(r->t, r->kp[i]->local_index);

			if (kp && kp != r->kp[i])
				atomic_fetch_add(&r->wrong, 1);
		}
		if (index_find(r->t, r->fixed->local_index) != r->fixed)
			atomic_fetch_add(&r->wrong, 1);
		atomic_fetch_add(&r->lookups, 1);
	}
	return NULL;
}

static void fixed_number(void *ctx, void *out, size_t n)
{
	memcpy(out, ctx, n);
}

static void readers_never_see_a_wrong_keypair_while_the_table_changes(void **state)
{
	static struct race r;
	struct peer *owner = calloc(1, sizeof(*owner));
	uint64_t rng = 3, epoch = 1;
	pthread_t thread[2];
	uint32_t index;

	(void)state;
	assert_int_equal(index_table_new(&r.t), TM_OK);
	index_set_epoch(r.t, epoch_of, &epoch);
	assert_int_equal(keypair_new(&r.fixed), TM_OK);
	assert_int_equal(index_reserve(r.t, owner, 0, dice, &rng, &r.fixed->local_index), TM_OK);
	index_bind(r.t, r.fixed->local_index, r.fixed);
	for (size_t i = 0; i < ARRAY_LEN(r.kp); i++) { /* all in a few neighbouring slots, to collide a lot */
		assert_int_equal(keypair_new(&r.kp[i]), TM_OK);
		r.kp[i]->local_index = (uint32_t)(i << 16 | i % 4);
	}
	for (size_t i = 0; i < ARRAY_LEN(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader, &r), 0);
	for (unsigned round = 0; round < 50 || atomic_load(&r.lookups) < 20; round++) {
		for (size_t i = 0; i < ARRAY_LEN(r.kp); i++) {
			uint32_t wanted = r.kp[i]->local_index;

			if (wanted == r.fixed->local_index)
				continue;
			assert_int_equal(index_reserve(r.t, owner, 0, fixed_number, &wanted, &index), TM_OK);
			index_bind(r.t, index, r.kp[i]);
			if (i % 3 == 0)
				index_release(r.t, r.kp[i / 3]->local_index);
		}
		for (size_t i = 0; i < ARRAY_LEN(r.kp); i++)
			index_release(r.t, r.kp[i]->local_index);
	}
	atomic_store(&r.stop, true);
	for (size_t i = 0; i < ARRAY_LEN(thread); i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&r.wrong), 0);
	for (size_t i = 0; i < ARRAY_LEN(r.kp); i++)
		keypair_free(r.kp[i]);
	keypair_free(r.fixed);
	index_table_free(r.t);
	free(owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(indices_are_unique_among_live_ones),
		cmocka_unit_test(an_index_names_its_lane),
		cmocka_unit_test(indices_use_all_32_bits_of_the_entropy),
		cmocka_unit_test(a_reserved_index_has_an_owner_and_no_keypair_until_bound),
		cmocka_unit_test(growth_keeps_every_entry_and_frees_old_tables_only_when_safe),
		cmocka_unit_test(readers_never_see_a_wrong_keypair_while_the_table_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
