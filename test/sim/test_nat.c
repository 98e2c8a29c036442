/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The simulated NATs against the words of RFC 4787: a simulator that is wrong proves nothing. */
#include "sim/nat.h"
#include "sim/story.h"

/* A socket: writes raw datagrams and remembers the last that arrived. */
struct socket {
	struct node super;
	struct segment *segment;
	struct endpoint at, last_from;
	unsigned arrived;
};

static struct sim *s;
static struct socket in, in2, out, out2; /* two inside, two on the internet */

static void socket_forward(struct node *n, struct datagram *dg)
{
	struct socket *k = CONTAINER_OF(n, struct socket, super);

	if (dg->to.port == k->at.port) {
		k->last_from = dg->from;
		k->arrived++;
	}
	sim_drop(s, dg);
}

static void plug(struct socket *k, struct segment *g, uint16_t port)
{
	*k = (struct socket){.super.forward = socket_forward, .segment = g};
	k->at.ip = segment_join(g, g->v4.net.ip.family ? IP_V4 : IP_V6, &k->super);
	k->at.port = port;
}

/* Did it arrive at `to`? */
static bool reaches(struct socket *from, const struct endpoint *dest, struct socket *to)
{
	struct node *n = segment_node(from->segment);
	unsigned before = to->arrived;

	n->forward(n, sim_datagram(s, &from->at, dest, (const uint8_t[]){1}, 1));
	return to->arrived == before + 1;
}

/* A world with that NAT; the sockets inside have the ports 5000 and 6000. */
static struct nat *world(uint64_t seed, const struct nat_kind *kind)
{
	struct nat *t;

	s = sim_new(seed);
	t = nat_new(s, s->internet, kind, "192.168.1.0/24");
	plug(&in, t->inside, 5000);
	plug(&in2, t->inside, 6000);
	plug(&out, s->internet, 1111);
	plug(&out2, s->internet, 2222);
	return t;
}

/* What the inside is seen as by that endpoint. */
static struct endpoint seen_at(struct socket *k)
{
	assert_true(reaches(&in, &k->at, k));
	return k->last_from;
}

/* RFC 4787 4.1: the same mapping for which other remote endpoints? */
static void a_mapping_is_used_again_as_far_as_its_scope_says(void **state)
{
	static const struct {
		enum nat_scope mapping;
		bool other_port, other_address;
	} rows[] = {
		{NAT_ENDPOINT_INDEPENDENT, true, true},
		{NAT_ADDRESS_DEPENDENT, true, false},
		{NAT_ADDRESS_AND_PORT_DEPENDENT, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct endpoint first, port, address;

		world(i, &(struct nat_kind){.mapping = rows[i].mapping, .ports = NAT_RANDOM});
		first = seen_at(&out);
		out.at.port = 3333;
		port = seen_at(&out);
		address = seen_at(&out2);
		if (endpoint_eq(&first, &port) != rows[i].other_port ||
			endpoint_eq(&first, &address) != rows[i].other_address)
			fail_msg("row %zu", i);
		sim_free(s);
	}
}

/* RFC 4787 5: who is let in after the inside wrote to `out`? */
static void a_mapping_lets_in_whom_its_filter_says(void **state)
{
	static const struct {
		enum nat_scope filtering;
		bool other_port, other_address;
	} rows[] = {
		{NAT_ENDPOINT_INDEPENDENT, true, true},
		{NAT_ADDRESS_DEPENDENT, true, false},
		{NAT_ADDRESS_AND_PORT_DEPENDENT, false, false},
	};

	(void)state;
	for (unsigned firewall = 0; firewall < 2; firewall++) {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			const struct nat_kind kind = {.filtering = rows[i].filtering};
			struct endpoint outside;

			world(i, &kind);
			if (firewall)
				plug(&in, firewall_new(s, s->internet, &kind)->inside, 5000);
			assert_false(reaches(&out, &in.at, &in)); /* nothing before the inside spoke */
			outside = seen_at(&out);
			assert_int_equal(endpoint_eq(&outside, &in.at), firewall);
			assert_true(reaches(&out, &outside, &in));
			assert_true(reaches(&out2, &outside, &in) == rows[i].other_address);
			out.at.port++;
			if (reaches(&out, &outside, &in) != rows[i].other_port)
				fail_msg("row %zu", i);
			sim_free(s);
		}
	}
}

static void ports_are_preserved_sequential_or_random_and_never_shared(void **state)
{
	static const enum nat_ports rows[] = {NAT_PRESERVING, NAT_SEQUENTIAL, NAT_RANDOM};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct endpoint a, b, c;

		world(i, &(struct nat_kind){.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT, .ports = rows[i]});
		in2.at.port = in.at.port; /* both ask for the same */
		a = seen_at(&out);
		b = seen_at(&out2);
		assert_true(reaches(&in2, &out.at, &out));
		c = out.last_from;
		assert_false(endpoint_eq(&a, &b) || endpoint_eq(&a, &c) || endpoint_eq(&b, &c)); /* REQ-3 */
		if (rows[i] == NAT_PRESERVING)
			assert_int_equal(a.port, 5000);
		if (rows[i] == NAT_SEQUENTIAL)
			assert_true(b.port == a.port + 1 && c.port == b.port + 1);
		if (rows[i] == NAT_RANDOM)
			assert_true(b.port != a.port + 1);
		sim_free(s);
	}
}

/* REQ-4. */
static void parity_is_kept_where_promised(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		world(seed, &(struct nat_kind){.ports = NAT_RANDOM, .parity = true});
		assert_int_equal(seen_at(&out).port % 2, 0);
		in.at.port = 5001;
		assert_int_equal(seen_at(&out).port % 2, 1);
		sim_free(s);
	}
}

/* REQ-5, REQ-6. */
static void a_mapping_lives_from_its_last_datagram_in_the_directions_that_count(void **state)
{
	static const struct {
		bool refresh_inbound, inbound, outbound, lives;
	} rows[] = {
		{false, false, false, false},
		{false, true, false, false},
		{false, false, true, true},
		{true, true, false, true},
		{true, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct endpoint outside;

		world(i, &(struct nat_kind){.refresh_inbound = rows[i].refresh_inbound, .expiry = 30 * SEC});
		outside = seen_at(&out);
		sim_run(s, 20 * SEC);
		if (rows[i].inbound)
			assert_true(reaches(&out, &outside, &in));
		if (rows[i].outbound)
			assert_true(reaches(&in, &out.at, &out));
		sim_run(s, 20 * SEC);
		if (reaches(&out, &outside, &in) != rows[i].lives)
			fail_msg("row %zu", i);
		sim_run(s, 31 * SEC);
		assert_false(reaches(&out, &outside, &in));
		sim_free(s);
	}
}

/* REQ-9: a correct NAT shows the external source. */
static void hairpinned_datagrams_arrive_from_where_the_kind_says(void **state)
{
	(void)state;
	for (enum nat_hairpin h = NAT_NO_HAIRPIN; h <= NAT_EXTERNAL_SOURCE; h++) {
		struct endpoint one, two;

		world(h, &(struct nat_kind){.hairpin = h, .ports = NAT_RANDOM});
		one = seen_at(&out);
		assert_true(reaches(&in2, &out.at, &out));
		two = out.last_from;
		assert_int_equal(reaches(&in2, &one, &in), h != NAT_NO_HAIRPIN);
		if (h == NAT_INTERNAL_SOURCE)
			assert_true(endpoint_eq(&in.last_from, &in2.at));
		if (h == NAT_EXTERNAL_SOURCE)
			assert_true(endpoint_eq(&in.last_from, &two));
		sim_free(s);
	}
}

/* REQ-2 asks for paired. */
static void a_pool_is_paired_or_arbitrary(void **state)
{
	(void)state;
	for (unsigned arbitrary = 0; arbitrary < 2; arbitrary++) {
		unsigned others = 0;
		struct ip first;

		world(7, &(struct nat_kind){.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT,
				 .pool = 4,
				 .arbitrary_pool = arbitrary});
		first = seen_at(&out).ip;
		for (unsigned i = 0; i < 20; i++) {
			struct endpoint seen;

			out.at.port++;
			seen = seen_at(&out);
			others += !ip_eq(&seen.ip, &first);
		}
		assert_true(arbitrary ? others > 5 : others == 0);
		sim_free(s);
	}
}

static void behind_two_nats_both_must_agree(void **state)
{
	struct endpoint outside;
	struct nat *outer, *home;

	(void)state;
	outer = world(1, &(struct nat_kind){.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT, .ports = NAT_RANDOM});
	home = nat_new(s, outer->inside,
		&(struct nat_kind){.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT, .ports = NAT_RANDOM},
		"10.0.0.0/24");
	plug(&in, home->inside, 5000);
	outside = seen_at(&out);
	assert_true(ip_eq(&outside.ip, &outer->pool[0]));
	assert_true(reaches(&out, &outside, &in));
	assert_false(reaches(&out2, &outside, &in)); /* the outer one would let it in */
	assert_true(seen_at(&out2).port != outside.port); /* and it maps as the outer one does */
	sim_free(s);
}

static void a_reboot_forgets_and_a_new_number_moves(void **state)
{
	struct endpoint before, after;
	struct nat *t;

	(void)state;
	t = world(3, &(struct nat_kind){.ports = NAT_SEQUENTIAL});
	before = seen_at(&out);
	nat_reboot(t);
	assert_false(reaches(&out, &before, &in));
	after = seen_at(&out);
	assert_true(ip_eq(&before.ip, &after.ip) && before.port != after.port);
	assert_non_null(nat_mapping_of(t, &in.at));
	before = after;
	nat_renumber(t);
	assert_null(nat_mapping_of(t, &in.at));
	after = seen_at(&out);
	assert_false(ip_eq(&before.ip, &after.ip));
	assert_false(reaches(&out, &before, &in));
	sim_free(s);
}

/* RFC 6092: a router's IPv6 half translates nothing, and filters. */
static void addresses_of_ip6_pass_a_router_unchanged_and_filtered(void **state)
{
	struct segment *far;
	struct nat *t;

	(void)state;
	t = world(1, &nat_home);
	firewall_for_ip6(t, &nat_home);
	far = s->internet;
	in.at.ip = segment_join(t->inside, IP_V6, &in.super);
	out.at.ip = segment_join(far, IP_V6, &out.super);
	assert_false(reaches(&out, &in.at, &in));
	assert_true(reaches(&in, &out.at, &out));
	assert_true(endpoint_eq(&out.last_from, &in.at));
	assert_true(reaches(&out, &in.at, &in));
	sim_free(s);
}

/* What nobody asked for is a flow of the router's own; whoever inside writes there gets another port, until
 * it is forgotten. All others keep theirs. */
static void a_bare_linux_router_takes_what_comes_too_early_for_its_own(void **state)
{
	struct nat *t = world(1, &nat_bare_linux);
	const struct endpoint outside = {.ip = t->pool[0], .port = in.at.port};
	(void)state;

	assert_false(reaches(&out, &outside, &in));
	assert_true(reaches(&in, &out.at, &out));
	assert_int_not_equal(out.last_from.port, in.at.port);
	assert_false(reaches(&out, &outside, &in));
	assert_true(reaches(&in, &out2.at, &out2));
	assert_true(endpoint_eq(&out2.last_from, &out.last_from));
	assert_true(reaches(&in2, &out2.at, &out2));
	assert_int_equal(out2.last_from.port, in2.at.port);
	sim_run(s, 31 * SEC);
	assert_true(reaches(&in, &out.at, &out));
	assert_true(endpoint_eq(&out.last_from, &outside));
	assert_true(reaches(&out, &outside, &in));
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mapping_is_used_again_as_far_as_its_scope_says),
		cmocka_unit_test(a_mapping_lets_in_whom_its_filter_says),
		cmocka_unit_test(ports_are_preserved_sequential_or_random_and_never_shared),
		cmocka_unit_test(parity_is_kept_where_promised),
		cmocka_unit_test(a_mapping_lives_from_its_last_datagram_in_the_directions_that_count),
		cmocka_unit_test(hairpinned_datagrams_arrive_from_where_the_kind_says),
		cmocka_unit_test(a_pool_is_paired_or_arbitrary),
		cmocka_unit_test(behind_two_nats_both_must_agree),
		cmocka_unit_test(a_reboot_forgets_and_a_new_number_moves),
		cmocka_unit_test(addresses_of_ip6_pass_a_router_unchanged_and_filtered),
		cmocka_unit_test(a_bare_linux_router_takes_what_comes_too_early_for_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
