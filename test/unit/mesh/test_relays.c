/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mesh/relays.h"
#include "unit/unit.h"

static struct relays two(void)
{
	struct relays r = {.n = 2,
		.v = {{.node = "0123456789abcdef",
			      .n_addrs = 2,
			      .tcp = {"hub.example:8443", "[2001:db8::1]:443"},
			      .n_tcp = 2},
			{.node = "00000000000000aa"}}};

	assert_int_equal(endpoint_parse("192.0.2.1:51820", &r.v[0].addrs[0]), TM_OK);
	assert_int_equal(endpoint_parse("[2001:db8::1]:51820", &r.v[0].addrs[1]), TM_OK);
	return r;
}

static void a_relay_is_found_by_its_id(void **state)
{
	struct relays r = two();

	(void)state;
	assert_ptr_equal(relays_find(&r, "00000000000000aa"), &r.v[1]);
	assert_null(relays_find(&r, "00000000000000ab"));
}

static void any_difference_counts(void **state)
{
	struct relays a = two(), b = a;

	(void)state;
	assert_true(relays_eq(&a, &b));
	b.n = 1;
	assert_false(relays_eq(&a, &b));
	b = a;
	b.v[1].node[0] = 'f';
	assert_false(relays_eq(&a, &b));
	b = a;
	b.v[0].addrs[1].port++;
	assert_false(relays_eq(&a, &b));
	b = a;
	b.v[0].n_addrs--;
	assert_false(relays_eq(&a, &b));
	b = a;
	b.v[0].tcp[0][0] = 'x';
	assert_false(relays_eq(&a, &b));
	b = a;
	b.v[0].n_tcp--;
	assert_false(relays_eq(&a, &b));
}

static void only_the_coordinator_and_tagged_nodes_may_relay(void **state)
{
	static const struct {
		struct node_rec r;
		bool may;
	} rows[] = {
		{{.n_tags = 0}, false},
		{{.tags = {"gateway", "relays"}, .n_tags = 2}, false},
		{{.tags = {"gateway", "relay"}, .n_tags = 2}, true},
		{{.coordinator = true}, true},
		{{.kind = NODE_CLIENT, .tags = {"relay"}, .n_tags = 1}, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (relay_allowed(&rows[i].r) != rows[i].may)
			fail_msg("row %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_relay_is_found_by_its_id),
		cmocka_unit_test(any_difference_counts),
		cmocka_unit_test(only_the_coordinator_and_tagged_nodes_may_relay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
