/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where a member may be reached and what stands before it, as others tell it. */
#include "fake/meshjson.h"
#include "mesh/model.h"
#include "unit/unit.h"

static void strcpy_id(char to[static NODE_ID_LEN + 1], const char *id)
{
	memcpy(to, id, NODE_ID_LEN + 1);
}

static void what_is_told_of_a_translator_is_bounded_and_checked(void **state)
{
	static const struct {
		const char *text;
		enum nat_maps mapping;
		size_t n_ports;
	} rows[] = {
		{"{\"mapping\":\"dependent\",\"ports\":[40000,40007]}", NAT_DEPENDENT, 2},
		{"{\"mapping\":\"independent\"}", NAT_INDEPENDENT, 0},
		{"{\"mapping\":\"blocked\",\"ports\":[]}", NAT_BLOCKED, 0},
		{"{\"mapping\":\"magic\",\"ports\":[0,65536,-1,\"7\",1.5,null,1]}", NAT_UNKNOWN, 1},
		{"{\"mapping\":7,\"ports\":{}}", NAT_UNKNOWN, 0},
		{"{\"ports\":[1,2,3,4,5,6,7,8,9,10]}", NAT_UNKNOWN, NAT_PORTS_MAX},
		{"[]", NAT_UNKNOWN, 0},
		{"null", NAT_UNKNOWN, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct nat_told t, back;
		struct jsonout o = {0};
		json_t *j = json_loads(rows[i].text, JSON_DECODE_ANY, NULL);

		nat_told_from_json(j, &t);
		if (t.mapping != rows[i].mapping || t.n_ports != rows[i].n_ports)
			fail_msg("%s", rows[i].text);
		json_decref(j);
		jsonout_object(&o, NULL);
		nat_told_put(&o, "nat", &t);
		jsonout_object_end(&o);
		j = meshjson_parse(&o);
		nat_told_from_json(json_object_get(j, "nat"), &back);
		assert_true(nat_told_eq(&t, &back));
		/* Who does not know says nothing. */
		assert_int_equal(json_object_size(j), t.mapping != NAT_UNKNOWN || t.n_ports > 0);
		json_decref(j);
	}
}

static void candidates_survive_the_round_trip(void **state)
{
	static const char *const addrs[] = {
		"192.0.2.1:51820", "[2001:db8::1]:1", "198.51.100.7:65535", "[fe80::1]:51820"};
	struct candidates c = {.n = CAND_TYPE_N}, back;
	(void)state;

	for (size_t i = 0; i < CAND_TYPE_N; i++) {
		c.v[i].type = (enum candidate_type)i;
		assert_int_equal(endpoint_parse(addrs[i], &c.v[i].ep), TM_OK);
	}
	strcpy_id(c.v[CAND_RELAY].relay, "0123456789abcdef");
	json_t *j = meshjson_candidates(&c);
	assert_int_equal(candidates_from_json(j, &back), TM_OK);
	assert_int_equal(back.n, c.n);
	assert_string_equal(back.v[CAND_RELAY].relay, "0123456789abcdef");
	for (size_t i = 0; i < c.n; i++) {
		assert_int_equal(back.v[i].type, c.v[i].type);
		assert_true(endpoint_eq(&back.v[i].ep, &c.v[i].ep));
	}
	json_decref(j);
	/* An interface index is ours alone. */
	c.v[3].ep.scope = 7;
	j = meshjson_candidates(&c);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(j, 3), "addr")), "[fe80::1]:51820");
	json_decref(j);
}

static void lists_of_candidates_are_equal_when_all_is_in_the_same_order(void **state)
{
	struct candidates a = {.n = 2}, b;

	(void)state;
	assert_int_equal(endpoint_parse("192.0.2.1:1", &a.v[0].ep), TM_OK);
	assert_int_equal(endpoint_parse("192.0.2.1:2", &a.v[1].ep), TM_OK);
	b = a;
	assert_true(candidates_eq(&a, &b));
	b.v[1].type = CAND_SRFLX;
	assert_false(candidates_eq(&a, &b));
	b = (struct candidates){.n = 2, .v = {a.v[1], a.v[0]}};
	assert_false(candidates_eq(&a, &b));
	b = a;
	b.n = 1;
	assert_false(candidates_eq(&a, &b));
	b = a;
	b.nat.mapping = NAT_DEPENDENT;
	assert_false(candidates_eq(&a, &b));
	b = a;
	b.nat = (struct nat_told){.ports = {7}, .n_ports = 1};
	assert_false(candidates_eq(&a, &b));
	b = a;
	strcpy_id(b.v[0].relay, "0123456789abcdef");
	assert_false(candidates_eq(&a, &b));
}

static void some_addresses_are_never_candidates(void **state)
{
	static const struct {
		const char *ep;
		bool usable;
	} rows[] = {
		{"192.0.2.1:51820", true},
		{"10.0.0.1:1", true},
		{"100.102.0.1:1", true},
		{"[2001:db8::1]:1", true},
		{"[fd01:2:3:5::1]:1", true},
		{"192.0.2.1:0", false},
		{"127.0.0.1:1", false},
		{"127.9.9.9:1", false},
		{"[::1]:1", false},
		{"0.0.0.0:1", false},
		{"[::]:1", false},
		{"224.0.0.1:1", false},
		{"255.255.255.255:1", false},
		{"[ff02::1]:1", false},
		{"100.101.0.7:1", false},
		{"[fd01:2:3:4::7]:1", false},
		{"169.254.0.1:1", false},
		{"[fe80::1]:1", false},
		{"[::ffff:192.0.2.1]:1", true},
		{"[::ffff:127.0.0.1]:1", false},
		{"[::ffff:224.0.0.1]:1", false},
		{"[::ffff:0.0.0.0]:1", false},
		{"[::ffff:100.101.0.7]:1", false},
	};
	struct prefix net4, net6;

	(void)state;
	assert_int_equal(
		prefix_parse("100.101.0.0/16", &net4) | prefix_parse("fd01:2:3:4::/64", &net6), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct endpoint ep;

		assert_int_equal(endpoint_parse(rows[i].ep, &ep), TM_OK);
		if (candidate_usable(&ep, &net4, &net6) != rows[i].usable)
			fail_msg("%s", rows[i].ep);
	}
	assert_false(candidate_usable(&(struct endpoint){{0}}, &net4, &net6));
}

static void bad_candidates_are_skipped_and_surplus_ones_dropped(void **state)
{
	struct candidates c;
	(void)state;

	json_t *j = meshjson_load("[{\"type\":\"host\",\"addr\":\"192.0.2.1:51820\"},"
				  "{\"type\":\"magic\",\"addr\":\"192.0.2.1:51820\"},"
				  "{\"type\":\"host\",\"addr\":\"[fe80::1%lo]:5\"},"
				  "{\"type\":\"host\",\"addr\":\"example.org:5\"},"
				  "{\"type\":\"relay\",\"addr\":\"192.0.2.1:51820\"},"
				  "{\"type\":\"relay\",\"addr\":\"192.0.2.1:51820\",\"relay\":\"hub\"},"
				  "{\"type\":\"host\"},{\"addr\":\"192.0.2.1:5\"},7,null,[],"
				  "{\"type\":\"srflx\",\"addr\":\"203.0.113.1:5\",\"future\":1}]");
	assert_int_equal(candidates_from_json(j, &c), TM_OK);
	assert_int_equal(c.n, 2);
	assert_int_equal(c.v[1].type, CAND_SRFLX);
	for (size_t i = 0; i < 2 * CANDIDATES_MAX; i++)
		json_array_append(j, json_array_get(j, 0));
	assert_int_equal(candidates_from_json(j, &c), TM_OK);
	assert_int_equal(c.n, CANDIDATES_MAX);
	json_decref(j);
	j = meshjson_load("{}");
	assert_int_equal(candidates_from_json(j, &c), TM_EBADMSG);
	assert_int_equal(candidates_from_json(NULL, &c), TM_EBADMSG);
	json_decref(j);
	assert_string_equal(candidate_type_name(CAND_RELAY), "relay");
	assert_string_equal(candidate_type_name(CAND_TYPE_N), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_told_of_a_translator_is_bounded_and_checked),
		cmocka_unit_test(candidates_survive_the_round_trip),
		cmocka_unit_test(lists_of_candidates_are_equal_when_all_is_in_the_same_order),
		cmocka_unit_test(some_addresses_are_never_candidates),
		cmocka_unit_test(bad_candidates_are_skipped_and_surplus_ones_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
