/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "control/coord/ipam.h"

enum { STEPS = 40000, NAIVE = 300 };

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void it_gives_what_a_plain_array_gives_under_random_use(void **state)
{
	static const uint32_t limits[] = {2, 63, 64, 65, 128, NAIVE};

	(void)state;
	for (size_t l = 0; l < ARRAY_LEN(limits); l++) {
		bool taken[NAIVE + 1] = {true};
		uint32_t seed = 7 + (uint32_t)l, limit = limits[l], used = 0;
		struct ipam *a;

		assert_int_equal(ipam_new(limit, &a), TM_OK);
		for (int step = 0; step < STEPS; step++) {
			uint32_t host = next_random(&seed) % (limit + 2), lowest = 1, got = 0;

			while (lowest <= limit && taken[lowest])
				lowest++;
			switch (next_random(&seed) % 3) {
			case 0:
				if (ipam_take_lowest(a, &got) != (lowest > limit ? TM_EFULL : TM_OK))
					fail_msg("limit %u step %d", limit, step);
				if (lowest <= limit) {
					assert_int_equal(got, lowest);
					taken[lowest] = true;
					used++;
				}
				break;
			case 1:
				if (host == 0 || host > limit) {
					assert_int_equal(ipam_take(a, host), TM_ERANGE);
				} else {
					assert_int_equal(ipam_take(a, host), taken[host] ? TM_EEXIST : TM_OK);
					used += !taken[host];
					taken[host] = true;
				}
				break;
			default:
				ipam_release(a, host);
				if (host && host <= limit && taken[host]) {
					taken[host] = false;
					used--;
				}
			}
			assert_int_equal(ipam_used(a), used);
		}
		ipam_free(a);
	}
	ipam_free(NULL);
}

static void sixty_thousand_nodes_get_an_address_each_and_freed_ones_come_back_lowest_first(void **state)
{
	struct ipam *a;
	uint32_t host;

	(void)state;
	assert_int_equal(ipam_new(65534, &a), TM_OK);
	for (uint32_t i = 1; i <= 65534; i++) {
		assert_int_equal(ipam_take_lowest(a, &host), TM_OK);
		assert_int_equal(host, i);
	}
	assert_int_equal(ipam_take_lowest(a, &host), TM_EFULL);
	ipam_release(a, 40000);
	ipam_release(a, 3);
	ipam_release(a, 65534);
	static const uint32_t back[] = {3, 40000, 65534};
	for (size_t i = 0; i < ARRAY_LEN(back); i++) {
		assert_int_equal(ipam_take_lowest(a, &host), TM_OK);
		assert_int_equal(host, back[i]);
	}
	assert_int_equal(ipam_take_lowest(a, &host), TM_EFULL);
	ipam_free(a);
}

static void prefixes_have_the_room_that_is_left_between_network_and_broadcast(void **state)
{
	static const struct {
		const char *net4, *net6;
		uint32_t limit;
	} rows[] = {
		{"100.101.0.0/16", "fd00::/64", 65534},
		{"10.0.0.0/8", "fd00::/64", NETMAP_NODES_MAX},
		{"0.0.0.0/0", "fd00::/8", NETMAP_NODES_MAX},
		{"192.168.5.0/24", "fd00::/64", 254},
		{"192.168.5.0/30", "fd00::/64", 2},
		{"192.168.5.0/31", "fd00::/64", 0},
		{"192.168.5.1/32", "fd00::/64", 0},
		{"192.168.0.0/16", "fd00::/120", 255},
		{"192.168.0.0/16", "fd00::/126", 3},
		{"192.168.0.0/16", "fd00::/127", 0},
		{"fd01::/64", "fd00::/64", 0},
		{"10.0.0.0/8", "10.0.0.0/8", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct prefix net4, net6;

		assert_int_equal(prefix_parse(rows[i].net4, &net4), TM_OK);
		assert_int_equal(prefix_parse(rows[i].net6, &net6), TM_OK);
		if (ipam_limit(&net4, &net6) != rows[i].limit)
			fail_msg("%s %s: %u", rows[i].net4, rows[i].net6, ipam_limit(&net4, &net6));
	}
}

static void both_addresses_are_the_prefix_plus_the_number(void **state)
{
	static const struct {
		uint32_t host;
		const char *ip4, *ip6;
	} rows[] = {
		{1, "100.101.0.1", "fd5c::1"},
		{255, "100.101.0.255",
			"fd5c::ff"}, /* inside the prefix .0 and .255 are hosts like any other */
		{256, "100.101.1.0", "fd5c::100"},
		{65534, "100.101.255.254", "fd5c::fffe"},
	};
	struct prefix net4, net6;

	(void)state;
	assert_int_equal(prefix_parse("100.101.7.7/16", &net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::7/64", &net6), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ip ip4, ip6;
		char text[IP_STR_LEN];

		ipam_addresses(&net4, &net6, rows[i].host, &ip4, &ip6);
		assert_string_equal(ip_format(&ip4, text), rows[i].ip4);
		assert_string_equal(ip_format(&ip6, text), rows[i].ip6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gives_what_a_plain_array_gives_under_random_use),
		cmocka_unit_test(
			sixty_thousand_nodes_get_an_address_each_and_freed_ones_come_back_lowest_first),
		cmocka_unit_test(prefixes_have_the_room_that_is_left_between_network_and_broadcast),
		cmocka_unit_test(both_addresses_are_the_prefix_plus_the_number),
	};

	return cmocka_run_group_tests_name("ipam", tests, NULL, NULL);
}
