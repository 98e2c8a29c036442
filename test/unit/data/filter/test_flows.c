/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/filter/flows.h"
#include "fake/alloc.h"
#include "fake/random.h"
#include "unit/unit.h"

static const struct siphash_key key = {11, 22};

static struct flows *table(uint32_t most, bool routed)
{
	struct flows *t;

	assert_int_equal(
		flows_new(&(struct flows_config){.most = most, .routed = routed, .key = key}, &t), TM_OK);
	return t;
}

/* The n-th flow with a peer. */
static struct flow_id id_of(const struct flows *t, uint16_t peer, uint32_t n)
{
	struct flow_id id = {.key = {
				     .hosts = flow_pair(peer, 0),
				     .ports = flow_pair((uint16_t)n, (uint16_t)(40000 + (n >> 16))),
				     .proto = 6,
				     .version = 4,
			     }};

	flows_hash(t, &id);
	return id;
}

static struct flow *add(struct flows *t, uint16_t peer, uint32_t n, uint32_t tick, uint32_t until)
{
	const struct flow_id id = id_of(t, peer, n);
	struct flow *f = flows_add(t, &id, peer, tick);

	if (f)
		f->until = until;
	return f;
}

static struct flow *find(struct flows *t, uint16_t peer, uint32_t n, uint32_t tick)
{
	const struct flow_id id = id_of(t, peer, n);

	return flows_find(t, &id, tick);
}

static void a_flow_is_found_until_its_time_is_over_or_it_is_removed(void **state)
{
	struct flows *t = table(4096, false);
	struct flow *f;
	(void)state;

	assert_null(find(t, 7, 1, 0));
	f = add(t, 7, 1, 0, 100);
	assert_int_equal(f->peer, 7);
	assert_int_equal(f->state, 0);
	assert_ptr_equal(find(t, 7, 1, 0), f);
	assert_ptr_equal(find(t, 7, 1, 99), f);
	assert_null(find(t, 7, 1, 100));
	assert_null(find(t, 7, 2, 0));
	assert_null(find(t, 8, 1, 0));
	assert_int_equal(flows_count_of(t, 7), 1);
	flows_remove(t, f);
	assert_null(find(t, 7, 1, 0));
	assert_int_equal(flows_count(t), 0);
	/* Over, and again. */
	f = add(t, 7, 1, 0, 100);
	f->generation = 5;
	f = add(t, 7, 1, 200, 300);
	assert_int_equal(f->generation, 0);
	assert_int_equal(flows_count(t), 1);
	assert_non_null(find(t, 7, 1, 200));
	flows_free(t);
}

static void flows_that_differ_in_anything_are_different(void **state)
{
	static const struct flow_key keys[] = {
		{1, 5000 << 16 | 80, 6, 4},
		{2, 5000 << 16 | 80, 6, 4},
		{2 << 16 | 1, 5000 << 16 | 80, 6, 4},
		{1, 5000 << 16 | 81, 6, 4},
		{1, 5001 << 16 | 80, 6, 4},
		{1, 5000 << 16 | 80, 17, 4},
		{1, 5000 << 16 | 80, 6, 6},
		{1, 80 << 16 | 5000, 6, 4},
	};
	struct flows *t = table(4096, false);
	struct flow *f[ARRAY_LEN(keys)];
	(void)state;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
			struct flow_id id = {.key = keys[i]};

			flows_hash(t, &id);
			if (pass == 0) {
				assert_null(flows_find(t, &id, 0));
				f[i] = flows_add(t, &id, 1, 0);
				f[i]->until = 10;
			} else {
				assert_ptr_equal(flows_find(t, &id, 0), f[i]);
			}
		}
	flows_free(t);
}

static void routed_flows_differ_by_every_byte_of_their_addresses(void **state)
{
	struct flows *t = table(4096, true);
	(void)state;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i <= sizeof(struct flow_addr); i++) {
			struct flow_id id = {.key = {.proto = 6, .version = 6}, .routed = true};

			if (i)
				((uint8_t *)&id.addr)[i - 1] = 1;
			flows_hash(t, &id);
			struct flow *f = flows_find(t, &id, 0);
			if (pass == 0) {
				assert_null(f);
				f = flows_add(t, &id, 1, 0);
				f->until = 10;
				f->generation = (uint32_t)i;
			} else {
				assert_int_equal(f->generation, i);
			}
		}
	flows_free(t);
}

static void a_table_begins_small_and_grows_to_its_size_without_losing_anything(void **state)
{
	enum { MOST = 1 << 17, MANY = MOST * 9 / 10 };
	struct flows *t = table(MOST, false);
	size_t most_bytes = 0;
	(void)state;

	assert_true(flows_bytes(t) <= 64 << 10);
	for (uint32_t n = 0; n < MANY; n++) {
		assert_non_null(add(t, (uint16_t)(1 + n % 50), n, 0, 100));
		most_bytes = MAX(most_bytes, flows_bytes(t));
		/* The others while some are still in the old place. */
		for (uint32_t k = 0; k < 3; k++)
			assert_non_null(find(t, (uint16_t)(1 + (n / (k + 1)) % 50), n / (k + 1), 0));
	}
	for (uint32_t n = 0; n < MANY; n++)
		assert_non_null(find(t, (uint16_t)(1 + n % 50), n, 0));
	assert_int_equal(flows_count(t), MANY);
	assert_int_equal(flows_room(t), MOST);
	assert_int_equal(flows_evicted(t), 0);
	assert_int_equal(flows_bytes(t), (size_t)MOST * 33);
	assert_true(most_bytes <= (size_t)MOST * 33 * 3 / 2);
	flows_free(t);
}

static void its_size_need_not_be_a_power_of_two(void **state)
{
	struct flows *t = table(100000, false);
	(void)state;

	for (uint32_t n = 0; n < 95000; n++)
		assert_non_null(add(t, 1, n, 0, 100));
	assert_int_equal(flows_room(t), 100000);
	assert_in_range(flows_count(t), 94900, 95000);
	flows_free(t);
	/* The least. */
	t = table(1, false);
	assert_int_equal(flows_room(t), 8);
	for (uint32_t n = 0; n < 100; n++)
		assert_non_null(add(t, 1, n, 0, 100 + n));
	assert_int_equal(flows_count(t), 8);
	flows_free(t);
}

/* What was added and neither removed nor over, as a list would know it. */
static void random_coming_and_going_agrees_with_a_list(void **state)
{
	enum { FLOWS = 20000, STEPS = 400000, PEERS = 40 };
	static uint32_t until[FLOWS]; /* 0: not there */
	uint32_t held[PEERS] = {0};
	struct flows *t = table(1 << 16, false);
	uint64_t seed = 0xf10e5;
	uint32_t tick = 1;
	(void)state;

	for (uint32_t step = 0; step < STEPS; step++) {
		const uint32_t n = fake_random(&seed) % FLOWS, dice = fake_random(&seed) % 16;
		const uint16_t peer = (uint16_t)(n % PEERS);
		struct flow *f = find(t, peer, n, tick);

		if ((f != NULL) != (until[n] > tick))
			fail_msg("step %u: flow %u until %u at %u: %p", step, n, until[n], tick, (void *)f);
		if (dice == 0)
			tick += fake_random(&seed) % 3;
		if (f && dice < 4) {
			flows_remove(t, f);
			until[n] = 0;
		} else if (!f) {
			until[n] = tick + 1 + fake_random(&seed) % 20000;
			assert_non_null(add(t, peer, n, tick, until[n]));
		}
		if (step % 64 == 0)
			flows_sweep(t, (ns_t)tick << FLOW_TICK_SHIFT);
	}
	for (uint32_t k = 0; k < 10000; k++)
		flows_sweep(t, ((ns_t)tick << FLOW_TICK_SHIFT) + k * 16 * MS);
	for (uint32_t n = 0; n < FLOWS; n++)
		held[n % PEERS] += until[n] > tick;
	for (uint16_t p = 0; p < PEERS; p++)
		assert_in_range(held[p], flows_count_of(t, p), flows_count_of(t, p) + 40);
	flows_free(t);
}

static void what_is_over_is_forgotten_unasked(void **state)
{
	enum { MANY = 50000 };
	struct flows *t = table(1 << 16, false);
	ns_t now = 0;
	(void)state;

	for (uint32_t n = 0; n < MANY; n++)
		assert_non_null(add(t, 3, n, 0, n % 2 ? 10 : 100000));
	for (; now < 40 * SEC; now += 10 * MS)
		flows_sweep(t, now);
	assert_int_equal(flows_count(t), MANY / 2);
	assert_int_equal(flows_count_of(t, 3), MANY / 2);
	for (uint32_t n = 0; n < MANY; n += 2)
		assert_non_null(find(t, 3, n, flow_tick(now)));
	flows_free(t);
}

/* The others have a few flows, or as many as fill a good part of the table. */
static void one_peer_opens_two_million_flows_and_fifty_others_keep_theirs(void **state)
{
	enum { OTHERS = 50, EVERY = 40, FLOOD = 2000000, ATTACKER = 999 };
	static const uint32_t shares[] = {10, 500};
	(void)state;

	for (size_t s = 0; s < ARRAY_LEN(shares); s++) {
		struct flows *t = table(1 << 16, false);
		uint32_t added = 0;

		/* Some before it, the others meanwhile. */
		for (uint32_t n = 0; n < FLOOD; n++) {
			add(t, ATTACKER, n, 1, 60000);
			if (n % EVERY == 0 && added < OTHERS * shares[s]) {
				const uint16_t who = (uint16_t)(1 + added % OTHERS);

				if (!add(t, who, added++ / OTHERS, 1, 2000))
					fail_msg("no room for flow %u of an honest peer", added);
			}
		}
		assert_int_equal(added, OTHERS * shares[s]);
		for (uint32_t k = 0; k < added; k++)
			if (!find(t, (uint16_t)(1 + k % OTHERS), k / OTHERS, 1))
				fail_msg("flow %u of peer %u is lost", k / OTHERS, 1 + k % OTHERS);
		assert_true(flows_count_of(t, ATTACKER) > 3000);
		flows_free(t);
	}
}

static void who_is_alone_loses_what_would_be_over_first(void **state)
{
	enum { ROOM = 4096 };
	struct flows *t = table(ROOM, false);
	uint32_t kept = 0;
	(void)state;

	/* As with reset and half-open connections among established ones. */
	for (uint32_t n = 0; n < 4 * ROOM; n++)
		assert_non_null(add(t, 1, n, 1, n % 8 ? 100 : 50000));
	for (uint32_t n = 0; n < 4 * ROOM; n += 8)
		kept += find(t, 1, n, 1) != NULL;
	assert_in_range(kept, ROOM / 2 * 99 / 100, ROOM / 2);
	flows_free(t);
}

/* Who sees nothing of the hash cannot fill two buckets: flows that collide under one key do not under others.
 */
static void flows_that_collide_do_so_under_one_key_only(void **state)
{
	enum { MANY = 4000 };
	struct flows *t = table(1 << 20, false);
	uint32_t of_one[16], n_one = 0;
	const struct flow_id first = id_of(t, 1, 0);
	(void)state;

	for (uint32_t n = 1; n < 1 << 24 && n_one < 16; n++) {
		const struct flow_id id = id_of(t, 1, n);

		if (id.hash[0] >> 20 == first.hash[0] >> 20)
			of_one[n_one++] = n;
	}
	assert_int_equal(n_one, 16);
	flows_free(t);
	assert_int_equal(flows_new(&(struct flows_config){.most = MANY, .key = {5, 6}}, &t), TM_OK);
	const struct flow_id other = id_of(t, 1, 0);
	for (uint32_t k = 0; k < n_one; k++) {
		const struct flow_id id = id_of(t, 1, of_one[k]);

		assert_true(id.hash[0] >> 20 != other.hash[0] >> 20);
	}
	flows_free(t);
}

static void without_memory_to_grow_it_serves_on(void **state)
{
	struct flows *t = table(1 << 16, false);
	(void)state;

	for (uint32_t n = 0; n < 3000; n++) {
		fake_alloc_fail(1);
		assert_non_null(add(t, 1, n, 0, 100));
		fake_alloc_fail(0);
	}
	assert_int_equal(flows_room(t), FLOWS_START);
	assert_in_range(flows_count(t), FLOWS_START * 9 / 10, FLOWS_START);
	for (uint32_t n = 0; n < 3000; n++)
		assert_non_null(add(t, 1, n + 10000, 0, 100));
	assert_true(flows_room(t) > FLOWS_START);
	flows_free(t);
	for (unsigned n = 1; n < 5; n++) {
		struct flows *none = NULL;

		fake_alloc_fail(n);
		int err = flows_new(&(struct flows_config){.most = 4096, .key = key}, &none);
		const bool failed = fake_alloc_failed();
		fake_alloc_fail(0);
		assert_int_equal(err, failed ? TM_ENOMEM : TM_OK);
		flows_free(none);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_is_found_until_its_time_is_over_or_it_is_removed),
		cmocka_unit_test(flows_that_differ_in_anything_are_different),
		cmocka_unit_test(routed_flows_differ_by_every_byte_of_their_addresses),
		cmocka_unit_test(a_table_begins_small_and_grows_to_its_size_without_losing_anything),
		cmocka_unit_test(its_size_need_not_be_a_power_of_two),
		cmocka_unit_test(random_coming_and_going_agrees_with_a_list),
		cmocka_unit_test(what_is_over_is_forgotten_unasked),
		cmocka_unit_test(one_peer_opens_two_million_flows_and_fifty_others_keep_theirs),
		cmocka_unit_test(who_is_alone_loses_what_would_be_over_first),
		cmocka_unit_test(flows_that_collide_do_so_under_one_key_only),
		cmocka_unit_test(without_memory_to_grow_it_serves_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
