/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who is in the pit, and how much of what they send is heard; what comes of it is in test_cast_out.c. */
#include "data/plane/pit.h"

#include "unit/data/plane/relay_rig.h"

#define STRANGER "198.51.100.66:7000"

/* One that is open, whatever its socket. */
static struct pit opened(void)
{
	static char socket;

	return (struct pit){.udp = (struct udp *)(void *)&socket};
}

static void of_an_address_with_many_ports_all_are_read_no_longer(void **state)
{
	static const struct {
		const char *one, *other, *beyond;
	} rows[] = {
		{"198.51.100.66:7000", "198.51.100.66:9999", "198.51.100.67:7000"},
		{"[2001:db8:1:2::1]:7000", "[2001:db8:1:2::99]:1", "[2001:db8:1:3::99]:1"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct endpoint other = at(rows[i].other), beyond = at(rows[i].beyond);
		struct pit p = opened();

		for (unsigned k = 1; k <= 5; k++) {
			struct endpoint from = at(rows[i].one);

			assert_false(pit_has(&p, &other));
			from.port = (uint16_t)(from.port + k);
			from.ip.bytes[15] = (uint8_t)k; /* of IPv6 */
			assert_true(pit_cast(&p, NULL, &(struct udp_cast){.from = from}, k));
			/* the same is no other */
			assert_true(pit_cast(&p, NULL, &(struct udp_cast){.from = from}, k));
			assert_true(pit_has(&p, &from));
		}
		assert_true(pit_has(&p, &other));
		assert_false(pit_has(&p, &beyond));
		assert_int_equal(p.n, 1);
	}
}

static void who_is_heard_rarely_is_so_until_his_time_is_over(void **state)
{
	struct udp_cast who = {.from = at("198.51.100.66:7000"), .rarely = true};
	struct pit p = opened();
	(void)state;

	assert_true(pit_cast(&p, NULL, &who, 1));
	who.rarely = false;
	assert_true(pit_cast(&p, NULL, &who, 2)); /* by what he sent before that */
	assert_true(p.who[0].rarely);
	who.from.port = 0;
	assert_true(pit_cast(&p, NULL, &who, 3));
	assert_int_equal(p.n, 1);
	assert_true(p.who[0].rarely);
	assert_true(pit_release(&p, 3 + CAST_TIME));
	assert_true(pit_cast(&p, NULL, &who, 4 + CAST_TIME));
	assert_false(p.who[0].rarely);
}

enum { MUCH = 100, LOOKS_PER_CALM = 41 };

static uint32_t told(const struct pit *p)
{
	struct udp_steering by = {0};

	pit_order(p, &by);
	return by.heard_of;
}

/* So many looks, in time, each with so many lost since the last; how often the kernel was to be told. */
static unsigned look(struct pit *p, unsigned times, uint64_t each)
{
	static ns_t now = 10 * SEC;
	static uint64_t lost = 7;
	unsigned n = 0;

	for (unsigned i = 0; i < times; i++) {
		now += 100 * MS;
		lost += each;
		n += pit_weigh(p, lost, now);
		assert_false(pit_weigh(p, lost + MUCH, now + 99 * MS)); /* not before its time */
	}
	return n;
}

static void who_is_heard_rarely_is_heard_less_while_others_lose(void **state)
{
	const struct udp_cast who = {.from = at(STRANGER), .rarely = true};
	struct pit p = opened();
	(void)state;

	assert_int_equal(look(&p, 3, MUCH), 0); /* nobody is */
	assert_int_equal(pit_next(&p), NS_NEVER);
	assert_true(pit_cast(&p, NULL, &who, 30 * SEC));
	assert_int_equal(look(&p, 1, MUCH), 0); /* that was before it */
	assert_int_equal(told(&p), 4);
	assert_int_equal(look(&p, 1, MUCH), 1);
	assert_int_equal(told(&p), 8);
	assert_int_equal(look(&p, 30, 3), 0); /* by chance */
	assert_int_equal(told(&p), 8);
	assert_int_equal(look(&p, 5, MUCH), 1);
	assert_int_equal(told(&p), 16);
	assert_int_equal(look(&p, LOOKS_PER_CALM, 0), 1);
	assert_int_equal(told(&p), 8);
	assert_true(pit_next(&p) < 30 * SEC);
	/* It is not forgotten when he is heard again, who may go on at once. */
	assert_true(pit_release(&p, 30 * SEC + CAST_TIME));
	assert_int_equal(told(&p), 8);
	assert_int_equal(look(&p, LOOKS_PER_CALM, 0), 1);
	assert_int_equal(told(&p), 4);
	assert_int_equal(pit_next(&p), NS_NEVER);
}

static unsigned looks;

static bool is_that(const void *ctx, const struct ip *ip)
{
	looks++;
	return ip_eq(ctx, ip);
}

static void where_somebody_of_ours_is_is_asked_now_and_then_and_others_have_no_use_of_it(void **state)
{
	const struct udp_cast member = {.from = at("192.0.2.1:7000")}, stranger = {.from = at(STRANGER)};
	const struct pit_ours somebody = {.is_there = is_that, .ctx = &member.from.ip};
	struct pit p = opened();
	(void)state;

	looks = 0;
	for (ns_t now = SEC; now < SEC + 100 * MS; now += MS)
		assert_false(pit_cast(&p, &somebody, &member, now));
	assert_int_equal(looks, 1);
	assert_true(pit_cast(&p, &somebody, &stranger, SEC));
	assert_false(pit_cast(&p, &somebody, &member, SEC + 100 * MS));
	assert_int_equal(looks, 3);
}

static void when_too_many_are_there_the_first_is_heard_again(void **state)
{
	struct pit p = opened();
	struct udp_cast from[33];
	(void)state;

	for (unsigned i = 0; i < ARRAY_LEN(from); i++) {
		from[i] = (struct udp_cast){.from = at("198.51.100.1:7000")};
		from[i].from.ip.bytes[3] = (uint8_t)i;
		assert_true(pit_cast(&p, NULL, &from[i], i));
	}
	assert_false(pit_has(&p, &from[0].from));
	assert_true(pit_has(&p, &from[1].from));
	assert_true(pit_has(&p, &from[32].from));
	assert_int_equal(pit_next(&p), 1 + CAST_TIME);
	assert_false(pit_release(&p, CAST_TIME));
	assert_true(pit_release(&p, 2 + CAST_TIME));
	assert_false(pit_has(&p, &from[2].from));
	assert_true(pit_has(&p, &from[3].from));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_an_address_with_many_ports_all_are_read_no_longer),
		cmocka_unit_test(who_is_heard_rarely_is_so_until_his_time_is_over),
		cmocka_unit_test(who_is_heard_rarely_is_heard_less_while_others_lose),
		cmocka_unit_test(
			where_somebody_of_ours_is_is_asked_now_and_then_and_others_have_no_use_of_it),
		cmocka_unit_test(when_too_many_are_there_the_first_is_heard_again),
	};

	return cmocka_run_group_tests_name("data/plane/pit", tests, NULL, NULL);
}
