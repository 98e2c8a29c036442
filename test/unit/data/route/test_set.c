/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Routes that come and go, version after version, against a list that does the same slowly. */
#include "data/route/route.h"
#include "fake/random.h"
#include "unit/data/route/numbered.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake/alloc.h"

enum { ROUTES = 400, VERSIONS = 40 };

static uint64_t seed;

static uint32_t rnd(void)
{
	return fake_random(&seed);
}

/* A set and its naive twin: the same routes with the turn at which each was put, 0 for those that are out. */
struct pair {
	struct route_set *set;
	struct route_table table;
	struct route routes[ROUTES];
	unsigned turn[ROUTES], turns;
};

static struct peer *slow_find(const struct pair *p, const struct ip *ip)
{
	const struct route *best = NULL;
	unsigned best_turn = 0;

	for (size_t i = 0; i < ROUTES; i++) {
		const struct route *r = &p->routes[i];

		if (!p->turn[i] || !prefix_contains(&r->prefix, ip))
			continue;
		if (best && (r->prefix.len < best->prefix.len ||
				    (r->prefix.len == best->prefix.len && p->turn[i] < best_turn)))
			continue;
		best = r;
		best_turn = p->turn[i];
	}
	return best ? best->peer : NULL;
}

static struct peer *fast_find(const struct route_table *t, const struct ip *ip)
{
	return ip->family == IP_V4 ? route_find4(t, ip->bytes) : route_find6(t, ip->bytes);
}

/* Random prefixes that nest a lot: each copies some leading bits of an earlier one, or all. */
static void random_route(struct route *r, size_t i, bool v6)
{
	unsigned bits = v6 ? 128 : 32;
	struct prefix *p = &r[i].prefix;

	*p = (struct prefix){.ip = {.family = v6 ? IP_V6 : IP_V4}};
	for (unsigned b = 0; b < bits / 8; b++)
		p->ip.bytes[b] = (uint8_t)rnd();
	if (i > 1 && rnd() % 8)
		memcpy(p->ip.bytes, r[(rnd() % (i / 2)) * 2 + v6].prefix.ip.bytes, rnd() % (bits / 8) + 1);
	p->len = (uint8_t)(rnd() % 3 == 0 ? bits : rnd() % (bits + 1));
	if (i > 1 && rnd() % 8 == 0)
		*p = r[(rnd() % (i / 2)) * 2 + v6].prefix;
	r[i].peer = peer_n(i + 1);
}

static void pair_open(struct pair *p, uint64_t from_seed)
{
	*p = (struct pair){0};
	seed = from_seed;
	for (size_t i = 0; i < ROUTES; i++)
		random_route(p->routes, i, i % 2);
	assert_int_equal(route_set_new(&p->set), TM_OK);
	route_table_init(&p->table);
}

static void pair_close(struct pair *p)
{
	route_set_free(p->set);
}

static void toggle(struct pair *p, size_t i)
{
	if (p->turn[i]) {
		assert_int_equal(route_remove(p->set, &p->routes[i]), TM_OK);
		p->turn[i] = 0;
	} else {
		assert_int_equal(route_put(p->set, &p->routes[i]), TM_OK);
		p->turn[i] = ++p->turns;
	}
}

static void commit(struct pair *p)
{
	struct route_garbage *garbage;

	assert_int_equal(route_commit(p->set, &p->table, &garbage), TM_OK);
	route_garbage_free(garbage);
}

static struct ip random_address(const struct pair *p)
{
	struct ip ip = p->routes[rnd() % ROUTES].prefix.ip;
	unsigned bytes = ip_len(&ip);

	for (unsigned b = rnd() % (bytes + 1); b < bytes; b++)
		ip.bytes[b] = (uint8_t)rnd();
	if (rnd() % 2)
		ip.bytes[rnd() % bytes] ^= (uint8_t)(1u << rnd() % 8);
	return ip;
}

static void compare(const struct pair *p, size_t lookups)
{
	for (size_t i = 0; i < lookups; i++) {
		struct ip ip = random_address(p);
		struct peer *fast = fast_find(&p->table, &ip), *slow = slow_find(p, &ip);
		char text[IP_STR_LEN];

		if (fast != slow)
			fail_msg("%s: trie says %zu, list says %zu after %u turns", ip_format(&ip, text),
				number_of(fast), number_of(slow), p->turns);
	}
}

static void after_every_change_the_trie_agrees_with_a_list(void **state)
{
	static struct pair p;
	(void)state;

	for (unsigned run = 1; run <= 6; run++) {
		unsigned at_once = run % 3 == 0 ? 1 : run % 3 == 1 ? 7 : 100;
		/* Few routes at a time, or most. */
		size_t among = run <= 3 ? 24 : ROUTES;

		pair_open(&p, 0x9e3779b97f4a7c15 + run);
		for (unsigned i = 0; i < 300; i++) {
			for (unsigned k = rnd() % at_once + 1; k-- > 0;)
				toggle(&p, rnd() % among);
			commit(&p);
			compare(&p, 100);
		}
		for (size_t i = 0; i < ROUTES; i++)
			if (p.turn[i])
				toggle(&p, i);
		commit(&p);
		compare(&p, 100);
		assert_int_equal(route_count(p.set), 0);
		pair_close(&p);
	}
}

static void an_old_version_answers_as_before_until_its_garbage_is_freed(void **state)
{
	static struct pair p;
	static struct {
		struct route_table table;
		struct route_garbage *garbage; /* what the version after it does not use */
		struct ip ip[32];
		struct peer *owner[32];
	} old[VERSIONS];
	(void)state;

	pair_open(&p, 0x5eed);
	for (size_t v = 0; v < VERSIONS; v++) {
		struct route_garbage *garbage;

		for (unsigned k = 0; k < 20; k++)
			toggle(&p, rnd() % ROUTES);
		assert_int_equal(route_commit(p.set, &p.table, &garbage), TM_OK);
		if (v)
			old[v - 1].garbage = garbage;
		else
			assert_null(garbage);
		old[v].table = p.table;
		for (size_t i = 0; i < ARRAY_LEN(old[v].ip); i++) {
			old[v].ip[i] = random_address(&p);
			old[v].owner[i] = slow_find(&p, &old[v].ip[i]);
		}
	}
	/* In the order in which workers leave them. */
	for (size_t gone = 0; gone < VERSIONS; gone++) {
		for (size_t v = gone; v < VERSIONS; v++)
			for (size_t i = 0; i < ARRAY_LEN(old[v].ip); i++)
				assert_ptr_equal(fast_find(&old[v].table, &old[v].ip[i]), old[v].owner[i]);
		route_garbage_free(old[gone].garbage);
	}
	pair_close(&p);
}

static void of_equal_prefixes_the_one_put_last_counts_and_then_the_one_before_it(void **state)
{
	struct route r[3] = {{.peer = peer_n(1)}, {.peer = peer_n(2)}, {.peer = peer_n(3)}};
	static const struct {
		int put, remove; /* indices, -1 none */
		size_t owner;
	} steps[] = {
		{0, -1, 1},
		{1, -1, 2},
		{2, -1, 3},
		{-1, 1, 3}, /* from the middle: nobody sees it */
		{-1, 2, 1}, /* the first counts again */
		{2, -1, 3},
		{1, 2, 2}, /* in one version */
		{-1, 1, 1},
		{-1, 0, 0},
	};
	struct pair p = {0};
	struct ip ip;
	(void)state;

	assert_int_equal(route_set_new(&p.set), TM_OK);
	assert_int_equal(ip_parse("10.1.2.3", &ip), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		assert_int_equal(prefix_parse("10.1.0.0/16", &r[i].prefix), TM_OK);
		r[i].prefix.ip.bytes[3] = (uint8_t)i; /* host bits do not count */
	}
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].put >= 0)
			assert_int_equal(route_put(p.set, &r[steps[i].put]), TM_OK);
		if (steps[i].remove >= 0)
			assert_int_equal(route_remove(p.set, &r[steps[i].remove]), TM_OK);
		commit(&p);
		if (number_of(fast_find(&p.table, &ip)) != steps[i].owner)
			fail_msg("step %zu: the address belongs to %zu", i,
				number_of(fast_find(&p.table, &ip)));
	}
	pair_close(&p);
}

/* Some changes, then none of them. */
static void take_back(struct pair *p)
{
	struct pair before = *p;

	for (unsigned k = rnd() % 60; k-- > 0;)
		toggle(p, rnd() % ROUTES);
	route_rollback(p->set);
	memcpy(p->turn, before.turn, sizeof(p->turn));
	p->turns = before.turns;
}

static void what_is_rolled_back_never_was(void **state)
{
	static struct pair p;
	(void)state;

	pair_open(&p, 0xbacc);
	for (unsigned i = 0; i < 300; i++) {
		size_t count;

		take_back(&p);
		compare(&p, 20);
		count = route_count(p.set);
		take_back(&p);
		assert_int_equal(route_count(p.set), count);
		toggle(&p, rnd() % ROUTES);
		commit(&p);
		compare(&p, 20);
	}
	pair_close(&p);
}

/* Toggles and commits with the n-th allocation failing; 0 when everything went well. */
static int try_changes(struct pair *p, const size_t *which, size_t n, unsigned nth)
{
	struct route_garbage *garbage = NULL;
	int err = TM_OK;

	fake_alloc_fail(nth);
	for (size_t i = 0; i < n && err == TM_OK; i++) {
		struct route *r = &p->routes[which[i]];

		err = p->turn[which[i]] ? route_remove(p->set, r) : route_put(p->set, r);
	}
	if (err == TM_OK)
		err = route_commit(p->set, &p->table, &garbage);
	fake_alloc_fail(0);
	route_garbage_free(garbage);
	if (err < 0)
		route_rollback(p->set);
	return err;
}

static void without_memory_at_any_point_everything_stays_as_it_was(void **state)
{
	static struct pair p;
	unsigned failures = 0;
	(void)state;

	pair_open(&p, 0xfa11);
	for (unsigned i = 0; i < 60; i++) {
		size_t which[12];
		unsigned nth = 1;

		for (size_t k = 0; k < ARRAY_LEN(which); k++) /* each once */
			which[k] = (k * 31 + i * 7) % ROUTES;
		for (; try_changes(&p, which, ARRAY_LEN(which), nth) == TM_ENOMEM; nth++) {
			compare(&p, 4);
			failures++;
			if (nth % 5 == 0) { /* a version in between finds nothing amiss */
				toggle(&p, rnd() % ROUTES);
				commit(&p);
				compare(&p, 20);
			}
		}
		for (size_t k = 0; k < ARRAY_LEN(which); k++)
			p.turn[which[k]] = p.turn[which[k]] ? 0 : ++p.turns;
		compare(&p, 50);
	}
	assert_true(failures > 500);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_every_change_the_trie_agrees_with_a_list),
		cmocka_unit_test(an_old_version_answers_as_before_until_its_garbage_is_freed),
		cmocka_unit_test(of_equal_prefixes_the_one_put_last_counts_and_then_the_one_before_it),
		cmocka_unit_test(what_is_rolled_back_never_was),
		cmocka_unit_test(without_memory_at_any_point_everything_stays_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
