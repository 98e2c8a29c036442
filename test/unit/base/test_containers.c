/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"

enum { KEYS = 500, STEPS = 200000 };

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void a_map_behaves_like_an_array_under_random_use(void **state)
{
	static int values[KEYS];
	bool present[KEYS] = {false};
	size_t size = 0;
	uint32_t seed = 1;
	struct map *m;

	(void)state;
	assert_int_equal(map_new(sizeof(uint32_t), &m), TM_OK);
	for (int step = 0; step < STEPS; step++) {
		uint32_t k = next_random(&seed) % KEYS;

		if (next_random(&seed) % 2) {
			assert_int_equal(map_put(m, &k, &values[k]), TM_OK);
			size += !present[k];
			present[k] = true;
		} else {
			assert_ptr_equal(map_remove(m, &k), present[k] ? &values[k] : NULL);
			size -= present[k];
			present[k] = false;
		}
		assert_int_equal(map_size(m), size);
		k = next_random(&seed) % KEYS;
		assert_ptr_equal(map_get(m, &k), present[k] ? &values[k] : NULL);
	}
	size_t seen = 0;
	for (size_t pos = 0; map_next(m, &pos);)
		seen++;
	assert_int_equal(seen, size);
	map_free(m);
	map_free(NULL);
}

static void a_heap_always_shows_the_earliest_deadline(void **state)
{
	static struct heap_node nodes[KEYS];
	struct heap h = {0};
	uint32_t seed = 2;

	(void)state;
	assert_int_equal(heap_reserve(&h, KEYS), TM_OK);
	for (int step = 0; step < 20000; step++) {
		struct heap_node *n = &nodes[next_random(&seed) % KEYS];

		switch (next_random(&seed) % 4) {
		case 0:
			heap_remove(&h, n);
			break;
		case 1:
			heap_set(&h, n, NS_NEVER);
			break;
		default:
			heap_set(&h, n, next_random(&seed) % 1000);
		}
		ns_t earliest = NS_NEVER;
		for (size_t i = 0; i < KEYS; i++)
			if (nodes[i].pos)
				earliest = ns_min(earliest, nodes[i].at);
		assert_int_equal(heap_next(&h), earliest);
	}
	heap_deinit(&h);
}

struct item {
	int v;
	struct list link;
};

static void a_list_keeps_order_and_survives_removal_while_walking(void **state)
{
	struct item items[5];
	struct list l;
	int expected = 0;

	(void)state;
	list_init(&l);
	for (int i = 0; i < 5; i++) {
		items[i].v = i;
		list_push_back(&l, &items[i].link);
	}
	LIST_FOREACH_SAFE (it, &l, struct item, link) {
		assert_int_equal(it->v, expected++);
		if (it->v % 2)
			list_remove(&it->link);
	}
	expected = 0;
	LIST_FOREACH (it, &l, struct item, link) {
		assert_int_equal(it->v, expected);
		expected += 2;
	}
	list_remove(&items[1].link);
	while (list_pop_front(&l))
		;
	assert_true(list_empty(&l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_behaves_like_an_array_under_random_use),
		cmocka_unit_test(a_heap_always_shows_the_earliest_deadline),
		cmocka_unit_test(a_list_keeps_order_and_survives_removal_while_walking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
