/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/route/route.h"
#include "fake/random.h"
#include "unit/data/route/numbered.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;

static uint32_t rnd(void)
{
	return fake_random(&seed);
}

/* The naive twin: every route in turn, the longest that contains the address, the later of two equal ones. */
static struct peer *slow_find(const struct route *r, size_t n, const struct ip *ip)
{
	const struct route *best = NULL;

	for (size_t i = 0; i < n; i++) {
		if (prefix_contains(&r[i].prefix, ip) && (!best || r[i].prefix.len >= best->prefix.len))
			best = &r[i];
	}
	return best ? best->peer : NULL;
}

static struct peer *fast_find(const struct route_table *t, const struct ip *ip)
{
	return ip->family == IP_V4 ? route_find4(t, ip->bytes) : route_find6(t, ip->bytes);
}

static struct route_set *set_of(struct route *r, size_t n, struct route_table *ret_table)
{
	struct route_garbage *garbage;
	struct route_set *s = NULL;

	assert_int_equal(route_set_new(&s), TM_OK);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(route_put(s, &r[i]), TM_OK);
	assert_int_equal(route_commit(s, ret_table, &garbage), TM_OK);
	assert_null(garbage); /* no version was before */
	return s;
}

static size_t add(struct route *r, size_t n, const char *text)
{
	assert_int_equal(prefix_parse(text, &r[n].prefix), TM_OK);
	r[n].peer = peer_n(n + 1);
	return n + 1;
}

static void the_longest_prefix_owns_the_address(void **state)
{
	static const char *const prefixes[] = {
		"0.0.0.0/0",
		"10.0.0.0/8",
		"10.1.0.0/16",
		"10.1.2.0/24",
		"10.1.2.3/32",
		"10.1.2.128/25",
		"192.0.2.77/31",
		"::/0",
		"fd00::/8",
		"fd00:1::/32",
		"fd00:1::7/128",
		"fd00:1:0:0:8000::/65",
		"fd00:1::/64",
		"fd00:1::6/127",
	};
	static const struct {
		const char *ip;
		size_t owner;
	} rows[] = {
		{"8.8.8.8", 1},
		{"10.200.0.1", 2},
		{"10.1.200.1", 3},
		{"10.1.2.4", 4},
		{"10.1.2.3", 5},
		{"10.1.2.200", 6},
		{"192.0.2.76", 7},
		{"192.0.2.78", 1},
		{"2001:db8::1", 8},
		{"fdff::1", 9},
		{"fd00:1:1::", 10},
		{"fd00:1::7", 11},
		{"fd00:1::8000:0:0:1", 12},
		{"fd00:1::5", 13},
		{"fd00:1::6", 14},
	};
	struct route r[ARRAY_LEN(prefixes)];
	_cleanup_(route_set_freep) struct route_set *s = NULL;
	struct route_table t;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		n = add(r, n, prefixes[i]);
	s = set_of(r, n, &t);
	assert_int_equal(route_count(s), n);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ip ip;

		assert_int_equal(ip_parse(rows[i].ip, &ip), TM_OK);
		if (number_of(fast_find(&t, &ip)) != rows[i].owner)
			fail_msg("%s belongs to route %zu, expected %zu", rows[i].ip,
				number_of(fast_find(&t, &ip)), rows[i].owner);
	}
}

static void without_routes_nothing_is_found(void **state)
{
	_cleanup_(route_set_freep) struct route_set *s = NULL;
	struct route_table t, empty;
	const uint8_t zero[16] = {0};

	(void)state;
	s = set_of(NULL, 0, &t);
	route_table_init(&empty);
	assert_null(route_find4(&t, zero));
	assert_null(route_find6(&t, zero));
	assert_null(route_find4(&empty, zero));
	assert_null(route_find6(&empty, zero));
	assert_int_equal(route_count(s), 0);
}

static void of_two_equal_prefixes_the_later_wins_and_host_bits_do_not_count(void **state)
{
	_cleanup_(route_set_freep) struct route_set *s = NULL;
	struct route_table t;
	struct route r[4];
	size_t n = 0;
	struct ip ip;

	(void)state;
	n = add(r, n, "10.0.0.0/8");
	n = add(r, n, "10.0.0.1/32");
	n = add(r, n, "10.9.9.9/8");
	n = add(r, n, "10.0.0.1/32");
	s = set_of(r, n, &t);
	assert_int_equal(route_count(s), 2);
	assert_int_equal(ip_parse("10.3.3.3", &ip), TM_OK);
	assert_int_equal(number_of(fast_find(&t, &ip)), 3);
	assert_int_equal(ip_parse("10.0.0.1", &ip), TM_OK);
	assert_int_equal(number_of(fast_find(&t, &ip)), 4);
}

static void the_families_do_not_see_each_other(void **state)
{
	_cleanup_(route_set_freep) struct route_set *s = NULL;
	struct route_table t;
	const uint8_t addr[16] = {10};
	struct route r[1];

	(void)state;
	s = set_of(r, add(r, 0, "0.0.0.0/0"), &t);
	assert_non_null(route_find4(&t, addr));
	assert_null(route_find6(&t, addr));
}

static void an_impossible_prefix_is_refused(void **state)
{
	struct route r[1] = {{.prefix = {.ip = {.family = IP_V4}, .len = 33}}};
	_cleanup_(route_set_freep) struct route_set *s = NULL;

	(void)state;
	assert_int_equal(route_set_new(&s), TM_OK);
	assert_int_equal(route_put(s, &r[0]), TM_EINVAL);
	r[0].prefix = (struct prefix){0};
	assert_int_equal(route_put(s, &r[0]), TM_EINVAL);
	assert_int_equal(route_count(s), 0);
}

/* Random prefixes that nest a lot: each copies some leading bits of an earlier one. */
static void random_route(struct route *r, size_t i, bool v6)
{
	unsigned bits = v6 ? 128 : 32;
	struct prefix *p = &r[i].prefix;

	*p = (struct prefix){.ip = {.family = v6 ? IP_V6 : IP_V4}};
	for (unsigned b = 0; b < bits / 8; b++)
		p->ip.bytes[b] = (uint8_t)rnd();
	if (i && rnd() % 8) {
		const struct prefix *other = &r[rnd() % i].prefix;

		memcpy(p->ip.bytes, other->ip.bytes, rnd() % (bits / 8) + 1);
	}
	p->len = (uint8_t)(rnd() % 3 == 0 ? bits : rnd() % (bits + 1));
	if (i && rnd() % 16 == 0)
		*p = r[rnd() % i].prefix; /* a duplicate */
	r[i].peer = peer_n(i + 1);
}

static struct ip random_address(const struct route *r, size_t n, bool v6)
{
	struct ip ip = r[rnd() % n].prefix.ip;
	unsigned bytes = v6 ? 16 : 4;

	for (unsigned b = rnd() % (bytes + 1); b < bytes; b++)
		ip.bytes[b] = (uint8_t)rnd();
	if (rnd() % 2)
		ip.bytes[rnd() % bytes] ^= (uint8_t)(1u << rnd() % 8);
	return ip;
}

static void compare(bool v6, size_t n, size_t lookups)
{
	struct route *r = calloc(n, sizeof(*r));
	struct route_table t;
	struct route_set *s;

	assert_non_null(r);
	for (size_t i = 0; i < n; i++)
		random_route(r, i, v6);
	s = set_of(r, n, &t);
	for (size_t i = 0; i < lookups; i++) {
		struct ip ip = random_address(r, n, v6);
		struct peer *fast = fast_find(&t, &ip), *slow = slow_find(r, n, &ip);
		char text[IP_STR_LEN];

		if (fast != slow)
			fail_msg("%s: trie says %zu, list says %zu of %zu routes", ip_format(&ip, text),
				number_of(fast), number_of(slow), n);
	}
	route_set_free(s);
	free(r);
}

static void the_trie_agrees_with_a_list_on_100000_random_lookups(void **state)
{
	(void)state;
	seed = 0x9e3779b97f4a7c15;
	for (size_t n = 1; n <= 100; n++) {
		compare(false, n, 450);
		compare(true, n, 450);
	}
	compare(false, 500, 5000);
	compare(true, 500, 5000);
}

static void ten_thousand_hosts_are_all_found(void **state)
{
	enum { N = 10000 };
	static struct route r[2 * N];
	struct route_table t;
	struct route_set *s;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		struct ip v4 = ip_v4_host(0x64400000u + i * 3),
			  v6 = {.family = IP_V6, .bytes = {0xfd, 1, 2, 3}};

		v6.bytes[13] = (uint8_t)(i >> 16);
		v6.bytes[14] = (uint8_t)(i >> 8);
		v6.bytes[15] = (uint8_t)i;
		r[2 * i] = (struct route){prefix_host(&v4), peer_n(i + 1)};
		r[2 * i + 1] = (struct route){prefix_host(&v6), peer_n(i + 1)};
	}
	s = set_of(r, ARRAY_LEN(r), &t);
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		assert_ptr_equal(fast_find(&t, &r[i].prefix.ip), r[i].peer);
		r[i].prefix.ip.bytes[0] ^= 1;
		assert_null(fast_find(&t, &r[i].prefix.ip));
	}
	route_set_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_prefix_owns_the_address),
		cmocka_unit_test(without_routes_nothing_is_found),
		cmocka_unit_test(of_two_equal_prefixes_the_later_wins_and_host_bits_do_not_count),
		cmocka_unit_test(the_families_do_not_see_each_other),
		cmocka_unit_test(an_impossible_prefix_is_refused),
		cmocka_unit_test(the_trie_agrees_with_a_list_on_100000_random_lookups),
		cmocka_unit_test(ten_thousand_hosts_are_all_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
