/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "cli/cmd/netchoice.h"

/* A host with some routes, and a random source that is a fixed sequence. */
struct host {
	struct prefix routes[80];
	size_t n;
	uint32_t seed;
	unsigned asked;
	int broken; /* error to return instead of looking */
};

static int in_use(void *ctx, const struct prefix *p, struct diag *d)
{
	struct host *h = ctx;

	h->asked++;
	for (size_t i = 0; i < h->n; i++)
		if (prefix_overlaps(&h->routes[i], p))
			return diag_what(d, TM_EEXIST, "in use");
	return h->broken;
}

static void random_from_seed(void *ctx, void *p, size_t n)
{
	struct host *h = ctx;

	for (size_t i = 0; i < n; i++) {
		h->seed = h->seed * 1664525 + 1013904223;
		((uint8_t *)p)[i] = (uint8_t)(h->seed >> 24);
	}
}

static struct netchoice choice(struct host *h)
{
	return (struct netchoice){.ctx = h, .in_use = in_use, .random = random_from_seed};
}

static void route(struct host *h, const char *text)
{
	assert_int_equal(prefix_parse(text, &h->routes[h->n++]), TM_OK);
}

static void random_choices_lie_in_their_ranges_and_differ(void **state UNUSED)
{
	struct prefix cgnat, ula, first4, first6;
	unsigned same4 = 0, same6 = 0;

	assert_int_equal(prefix_parse("100.64.0.0/10", &cgnat), TM_OK);
	assert_int_equal(prefix_parse("fd00::/8", &ula), TM_OK);
	for (uint32_t seed = 0; seed < 200; seed++) {
		struct host h = {.seed = seed};
		struct netchoice c = choice(&h);
		struct prefix p4, p6, m4, m6;

		assert_int_equal(netchoice_v4(&c, &p4, NULL), TM_OK);
		assert_int_equal(netchoice_v6(&c, &p6, NULL), TM_OK);
		assert_true(p4.len == 16 && prefix_contains(&cgnat, &p4.ip));
		assert_true(p6.len == 64 && prefix_contains(&ula, &p6.ip));
		m4 = prefix_mask(&p4);
		m6 = prefix_mask(&p6);
		assert_true(prefix_eq(&m4, &p4) && prefix_eq(&m6, &p6));
		if (seed == 0) {
			first4 = p4;
			first6 = p6;
		}
		same4 += prefix_eq(&p4, &first4);
		same6 += prefix_eq(&p6, &first6);
	}
	assert_in_range(same4, 1, 30);
	assert_int_equal(same6, 1);
}

/* Another VPN or the provider has one address there: whatever else comes from there it may drop. */
static void a_range_of_which_others_use_anything_is_left_to_them(void **state UNUSED)
{
	struct host h = {.seed = 7};
	struct netchoice c = choice(&h);
	struct prefix p, private;

	assert_int_equal(prefix_parse("10.128.0.0/10", &private), TM_OK);
	route(&h, "100.101.102.103/32");
	assert_int_equal(netchoice_v4(&c, &p, NULL), TM_OK);
	assert_true(p.len == 16 && prefix_contains(&private, &p.ip));
}

static void the_one_free_range_of_64_is_found(void **state UNUSED)
{
	struct host h = {.seed = 7};
	struct netchoice c = choice(&h);
	char text[32];
	struct prefix p;

	route(&h, "100.64.0.0/24");
	for (int i = 128; i < 192; i++) {
		snprintf(text, sizeof(text), "10.%d.8.0/24", i);
		if (i != 163)
			route(&h, text);
	}
	assert_int_equal(netchoice_v4(&c, &p, NULL), TM_OK);
	assert_int_equal(p.ip.bytes[1], 163);
	/* Rather beside others than not at all. */
	route(&h, "10.163.0.0/16");
	assert_int_equal(netchoice_v4(&c, &p, NULL), TM_OK);
	assert_int_equal(p.ip.bytes[0], 100);
}

static void a_machine_that_uses_all_of_both_is_told(void **state UNUSED)
{
	struct host h = {0};
	struct netchoice c = choice(&h);
	struct diag d = {0};
	struct prefix p;

	route(&h, "100.64.0.0/10");
	route(&h, "10.0.0.0/8");
	assert_int_equal(netchoice_v4(&c, &p, &d), TM_EFULL);
	assert_non_null(strstr(d.what, "100.64.0.0/10 and 10.128.0.0/10"));
	assert_non_null(strstr(d.hint, "--net4"));
	assert_int_equal(h.asked, 1 + 2 * 64);
	route(&h, "fd00::/8");
	assert_int_equal(netchoice_v6(&c, &p, &d), TM_EFULL);
}

static void an_error_while_looking_is_not_taken_for_in_use(void **state UNUSED)
{
	struct host h = {.broken = TM_EPERM};
	struct netchoice c = choice(&h);
	struct prefix p;

	assert_int_equal(netchoice_v4(&c, &p, NULL), TM_EPERM);
	assert_int_equal(netchoice_v6(&c, &p, NULL), TM_EPERM);
	assert_int_equal(h.asked, 2);
}

static void a_given_range_is_checked(void **state UNUSED)
{
	static const struct {
		enum ip_family family;
		const char *text, *what, *hint; /* NULL = accepted; "" = no hint */
	} rows[] = {
		{IP_V4, "10.77.0.0/16", NULL, NULL},
		{IP_V4, "10.0.0.0/8", NULL, NULL},
		{IP_V4, "192.168.7.0/29", NULL, NULL},
		{IP_V6, "fd12:3456:789a::/64", NULL, NULL},
		{IP_V6, "fd12::/112", NULL, NULL},
		{IP_V4, "10.77.0.0", "--net4 10.77.0.0/32: the prefix length must be from /8 to /29", ""},
		{IP_V4, "10.77.0.0/30", "--net4 10.77.0.0/30: the prefix length must be from /8 to /29", ""},
		{IP_V4, "0.0.0.0/0", "--net4 0.0.0.0/0: the prefix length must be from /8 to /29", ""},
		{IP_V4, "10.77.1.1/16", "--net4 10.77.1.1/16 has bits set behind its prefix length",
			"did you mean 10.77.0.0/16?"},
		{IP_V4, "nonsense", "--net4 wants an IPv4 range such as 10.77.0.0/16, not \"nonsense\"", ""},
		{IP_V4, "fd12::/64", "--net4 wants an IPv4 range such as 10.77.0.0/16, not \"fd12::/64\"",
			""},
		{IP_V6, "10.77.0.0/16",
			"--net6 wants an IPv6 range such as fd12:3456:789a::/64, not \"10.77.0.0/16\"", ""},
		{IP_V4, "127.0.0.0/8", "--net4 127.0.0.0/8 is not a range for hosts", ""},
		{IP_V4, "224.0.0.0/16", "--net4 224.0.0.0/16 is not a range for hosts", ""},
		{IP_V6, "ff02::/64", "--net6 ff02::/64 is not a range for hosts", ""},
		{IP_V6, "fe80::/64", "--net6 fe80::/64 is not a range for hosts", ""},
		{IP_V4, "8.8.8.0/24",
			"--net4 8.8.8.0/24 is not for private use: those who have its addresses could not "
			"be reached any more",
			"free for private use are 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 and "
			"100.64.0.0/10; --force takes this one nevertheless"},
		{IP_V6, "2001:db8::/64",
			"--net6 2001:db8::/64 is not for private use: those who have its addresses could "
			"not be reached any more",
			"free for private use is fd00::/8; --force takes this one nevertheless"},
		{IP_V4, "172.16.0.0/16", "in use",
			"choose another range, or leave --net4 out to get one that is free"},
	};
	struct host h = {0};
	struct netchoice c = choice(&h);

	route(&h, "172.16.9.0/24");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};
		struct prefix p;
		int err = netchoice_given(&c, rows[i].family, rows[i].text, &p, &d);

		if (!rows[i].what ? err != TM_OK
				  : err == TM_OK || strcmp(d.what, rows[i].what) != 0 ||
					    strcmp(d.hint, rows[i].hint) != 0)
			fail_msg("%s: %d \"%s\" (%s)", rows[i].text, err, d.what, d.hint);
	}
}

static void force_takes_public_ranges_and_nothing_that_is_none_for_hosts(void **state UNUSED)
{
	struct host h = {0};
	struct netchoice c = choice(&h);
	struct diag d = {0};
	struct prefix p;

	c.force = true;
	assert_int_equal(netchoice_given(&c, IP_V4, "8.8.8.0/24", &p, &d), TM_OK);
	assert_int_equal(netchoice_given(&c, IP_V6, "2001:db8::/64", &p, &d), TM_OK);
	assert_int_equal(netchoice_given(&c, IP_V4, "0.0.0.0/0", &p, &d), TM_EINVAL);
	assert_int_equal(netchoice_given(&c, IP_V4, "127.0.0.0/8", &p, &d), TM_EINVAL);
	assert_int_equal(netchoice_given(&c, IP_V6, "::/16", &p, &d), TM_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_choices_lie_in_their_ranges_and_differ),
		cmocka_unit_test(a_range_of_which_others_use_anything_is_left_to_them),
		cmocka_unit_test(the_one_free_range_of_64_is_found),
		cmocka_unit_test(a_machine_that_uses_all_of_both_is_told),
		cmocka_unit_test(an_error_while_looking_is_not_taken_for_in_use),
		cmocka_unit_test(a_given_range_is_checked),
		cmocka_unit_test(force_takes_public_ranges_and_nothing_that_is_none_for_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
