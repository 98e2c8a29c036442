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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gives_what_a_plain_array_gives_under_random_use),
		cmocka_unit_test(
			sixty_thousand_nodes_get_an_address_each_and_freed_ones_come_back_lowest_first),
	};

	return cmocka_run_group_tests_name("ipam", tests, NULL, NULL);
}
