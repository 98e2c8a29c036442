/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How much each may ask for, and that nobody pays for another one. */
#include "unit/unit.h"

#include "web/spending.h"

static struct ip ip(const char *text)
{
	struct ip out;

	assert_int_equal(ip_parse(text, &out), TM_OK);
	return out;
}

static struct web_viewer member(uint8_t id)
{
	return (struct web_viewer){.role = WEB_MEMBER, .id = {id}};
}

static unsigned spend_all(struct web_spending *s, const struct web_viewer *v, const char *from, ns_t now)
{
	const struct ip source = ip(from);
	unsigned n = 0;

	while (web_spend(s, v, &source, now))
		n++;
	return n;
}

static void so_much_at_once_and_then_so_much_a_second(void **state UNUSED)
{
	struct web_spending s = {0};
	const struct web_viewer v = member(1);

	assert_int_equal(spend_all(&s, &v, "100.101.0.1", 1 * SEC), 250);
	assert_int_equal(spend_all(&s, &v, "100.101.0.1", 2 * SEC), 25);
	assert_int_equal(spend_all(&s, &v, "100.101.0.1", 100 * SEC), 250);
}

static void a_long_answer_costs_more(void **state UNUSED)
{
	struct web_spending s = {0};
	const struct web_viewer v = member(1);
	const struct ip source = ip("100.101.0.1");

	assert_true(web_spend(&s, &v, &source, SEC));
	web_spend_answer(&s, &v, &source, 64 << 20, SEC); /* 25.6 s */
	assert_int_equal(spend_all(&s, &v, "100.101.0.1", 16 * SEC), 0);
	assert_true(spend_all(&s, &v, "100.101.0.1", 18 * SEC) > 0);
}

static void a_viewer_is_the_same_by_whichever_address(void **state UNUSED)
{
	struct web_spending s = {0};
	const struct web_viewer v = member(1), other = member(2), nobody = {.role = WEB_ANYONE},
				told = {.role = WEB_ANYONE, .id = {[7] = 1}};

	assert_int_equal(spend_all(&s, &v, "100.101.0.1", SEC), 250);
	assert_int_equal(spend_all(&s, &v, "fd5c::1", SEC), 0);
	assert_int_equal(spend_all(&s, &other, "100.101.0.1", SEC), 250);
	assert_int_equal(spend_all(&s, &nobody, "100.101.0.1", SEC), 250);
	/* Unknown, and told from others of that address. */
	assert_int_equal(spend_all(&s, &told, "100.101.0.1", SEC), 250);
	assert_int_equal(spend_all(&s, &told, "100.101.0.2", SEC), 0);
}

static void who_is_not_known_is_his_address_or_his_network_in_the_internet(void **state UNUSED)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", true}, {"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "2001:db8::1", false}, {"2001:db8::1", "2001:db8::2:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false}, {"fd5c::1", "fd5c::2", false}, /* of a mesh */
		{"fd5c::1", "fd5c::1", true}, {"2001:db8::", "32.1.13.184", false}, /* the same bytes */
	};
	const struct web_viewer nobody = {.role = WEB_ANYONE};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct ip a = ip(rows[i].a), b = ip(rows[i].b);
		struct web_spending s = {0};

		spend_all(&s, &nobody, rows[i].a, SEC);
		if ((spend_all(&s, &nobody, rows[i].b, SEC) == 0) != rows[i].same ||
			web_same_source(&a, &b) != rows[i].same)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
	}
}

/* However many others ask: who owes most is remembered longest. */
static void many_who_ask_a_little_hide_nobody_who_asks_much(void **state UNUSED)
{
	struct web_spending s = {0};
	const struct web_viewer v = member(1), nobody = {.role = WEB_ANYONE};
	char from[IP_STR_LEN];

	assert_int_equal(spend_all(&s, &v, "100.101.0.1", SEC), 250);
	for (unsigned i = 0; i < 10 * WEB_SPENDERS; i++) {
		snprintf(from, sizeof(from), "10.0.%u.%u", i / 256, i % 256);
		const struct ip source = ip(from);

		assert_true(web_spend(&s, &nobody, &source, SEC));
	}
	assert_int_equal(spend_all(&s, &v, "100.101.0.1", SEC), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_much_at_once_and_then_so_much_a_second),
		cmocka_unit_test(a_long_answer_costs_more),
		cmocka_unit_test(a_viewer_is_the_same_by_whichever_address),
		cmocka_unit_test(who_is_not_known_is_his_address_or_his_network_in_the_internet),
		cmocka_unit_test(many_who_ask_a_little_hide_nobody_who_asks_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
