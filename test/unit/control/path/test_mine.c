/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/mine.h"

#include "unit/unit.h"

static struct mine_in in;
static struct endpoint reflexive;

static struct endpoint ep(const char *s)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(s, &e), 0);
	return e;
}

static int make_in(void **state)
{
	(void)state;
	in = (struct mine_in){.port = 51820, .reflexive = &reflexive, .n_reflexive = 1};
	return prefix_parse("100.101.0.0/16", &in.net4) || prefix_parse("fd01:2:3:4::/64", &in.net6);
}

static void configured_local_and_reflexive_addresses_are_put_together_once(void **state)
{
	struct ip local[3];
	struct endpoint advertise = ep("203.0.113.1:7");
	struct candidates c;

	(void)state;
	assert_int_equal(ip_parse("10.0.0.1", &local[0]), 0);
	assert_int_equal(ip_parse("100.101.0.1", &local[1]), 0); /* our own TUN */
	assert_int_equal(ip_parse("10.0.0.1", &local[2]), 0);
	in.local = local;
	in.n_local = 3;
	in.advertise = &advertise;
	in.n_advertise = 1;
	reflexive = ep("198.51.100.1:40000");
	mine_gather(&in, &c);
	assert_int_equal(c.n, 3);
	assert_true(endpoint_eq(&c.v[0].ep, &advertise));
	assert_int_equal(c.v[1].ep.port, 51820);
	assert_int_equal(c.v[1].type, CAND_HOST);
	assert_int_equal(c.v[2].type, CAND_SRFLX);
	assert_true(endpoint_eq(&c.v[2].ep, &reflexive));

	reflexive = ep("10.0.0.1:51820"); /* no translation: one candidate, and it is a host's */
	mine_gather(&in, &c);
	assert_int_equal(c.n, 2);
	assert_int_equal(c.v[1].type, CAND_HOST);
}

static void a_host_with_many_addresses_still_names_its_reflexive_one(void **state)
{
	struct ip local[40];
	struct candidates c;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(local); i++)
		local[i] = ip_v4_host(0x0a000001 + i);
	in.local = local;
	in.n_local = ARRAY_LEN(local);
	reflexive = ep("198.51.100.1:40000");
	mine_gather(&in, &c);
	assert_int_equal(c.n, MINE_KIND_MAX + 1);
	assert_int_equal(c.v[MINE_KIND_MAX].type, CAND_SRFLX);
	assert_true(ip_eq(&c.v[0].ep.ip, &local[0])); /* the best */
}

static void what_was_chosen_is_not_pushed_out_by_what_was_found(void **state)
{
	struct endpoint advertise[9], seen[10];
	struct ip local[40];
	struct candidates c;
	unsigned n[CAND_TYPE_N] = {0}, n_advertised = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(local); i++)
		local[i] = ip_v4_host(0x0a000001 + i);
	for (unsigned i = 0; i < ARRAY_LEN(advertise); i++)
		advertise[i] = (struct endpoint){.ip = ip_v4_host(0xcb007101 + i), .port = 7};
	for (unsigned i = 0; i < ARRAY_LEN(seen); i++)
		seen[i] = (struct endpoint){.ip = ip_v4_host(0xc6336401 + i), .port = 40000};
	in.local = local;
	in.n_local = ARRAY_LEN(local);
	in.advertise = advertise;
	in.reflexive = seen;
	for (in.n_advertise = 0; in.n_advertise <= ARRAY_LEN(advertise); in.n_advertise += 3) {
		memset(n, 0, sizeof(n));
		n_advertised = 0;
		in.n_reflexive = ARRAY_LEN(seen);
		mine_gather(&in, &c);
		for (size_t i = 0; i < c.n; i++) {
			n[c.v[i].type]++;
			n_advertised += c.v[i].ep.port == 7;
		}
		assert_int_equal(n_advertised, in.n_advertise);
		assert_in_range(n[CAND_HOST], in.n_advertise == 9 ? 4 : 6, MINE_KIND_MAX);
		assert_in_range(n[CAND_SRFLX] - n_advertised, MINE_REFLEXIVE_ROOM, MINE_KIND_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			configured_local_and_reflexive_addresses_are_put_together_once, make_in),
		cmocka_unit_test_setup(what_was_chosen_is_not_pushed_out_by_what_was_found, make_in),
		cmocka_unit_test_setup(a_host_with_many_addresses_still_names_its_reflexive_one, make_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
