/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The oracle against the short form of its own rules, and against cases decided by hand. */
#include "sim/predict.h"
#include "sim/story.h"

enum { SCOPES = 3 };

/* The table of predict.h for one NAT each, written down once more. */
static bool by_the_table(const struct nat_kind *a, const struct nat_kind *b)
{
	const enum nat_scope e = NAT_ENDPOINT_INDEPENDENT, p = NAT_ADDRESS_AND_PORT_DEPENDENT;

	if (a->mapping == e && b->mapping == e)
		return true;
	if (a->mapping == e)
		return a->filtering != p;
	if (b->mapping == e)
		return b->filtering != p;
	if (a->mapping == p && b->mapping == p)
		return false;
	return (a->filtering == e && b->filtering != p) || (b->filtering == e && a->filtering != p);
}

static struct nat_kind kind_at(unsigned i)
{
	return (struct nat_kind){.mapping = i / SCOPES, .filtering = i % SCOPES};
}

static void one_nat_each_is_decided_by_the_table(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SCOPES * SCOPES; i++) {
		for (unsigned k = 0; k < SCOPES * SCOPES; k++) {
			struct nat_kind left = kind_at(i), right = kind_at(k);
			struct sim *s = sim_new(1);
			struct host *a, *b;

			a = sim_host_in(nat_new(s, s->internet, &left, "10.0.0.0/24")->inside, "a");
			b = sim_host_in(nat_new(s, s->internet, &right, "10.0.0.0/24")->inside, "b");
			if (direct_possible(a, b) !=
				(by_the_table(&left, &right) ? DIRECT_ALWAYS : DIRECT_NEVER))
				fail_msg("mapping %d filtering %d against mapping %d filtering %d: %s",
					(int)left.mapping, (int)left.filtering, (int)right.mapping,
					(int)right.filtering, prediction_name(direct_possible(a, b)));
			sim_free(s);
		}
	}
}

/* Both behind one provider's NAT, each with a home of its own or directly in the provider's network. */
static void what_lies_behind_one_provider_meets_below_it_or_by_hairpin(void **state)
{
	static const struct nat_kind cone = {.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT};
	static const struct nat_kind hard = {
		.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT, .filtering = NAT_ADDRESS_AND_PORT_DEPENDENT};
	static const struct {
		struct nat_kind provider;
		const struct nat_kind *a, *b; /* NULL: directly */
		enum prediction says;
	} rows[] = {
		{{.hairpin = NAT_NO_HAIRPIN}, NULL, NULL, DIRECT_ALWAYS}, /* one segment */
		{{.hairpin = NAT_NO_HAIRPIN}, NULL, &cone, DIRECT_ALWAYS}, /* b knows a's own address */
		{{.hairpin = NAT_NO_HAIRPIN}, NULL, &hard, DIRECT_ALWAYS},
		{{.hairpin = NAT_NO_HAIRPIN}, &cone, &cone, DIRECT_NEVER}, /* nobody's own address is there */
		{{.hairpin = NAT_EXTERNAL_SOURCE}, &cone, &cone, DIRECT_ALWAYS},
		{{.hairpin = NAT_EXTERNAL_SOURCE}, &cone, &hard, DIRECT_NEVER},
		{{.hairpin = NAT_EXTERNAL_SOURCE, .filtering = NAT_ADDRESS_DEPENDENT}, &cone, &cone,
			DIRECT_ALWAYS},
		/* It shows an address that nobody wrote to: the homes keep it out. */
		{{.hairpin = NAT_INTERNAL_SOURCE}, &cone, &cone, DIRECT_NEVER},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sim *s = sim_new(1);
		struct segment *g = nat_new(s, s->internet, &rows[i].provider, "100.64.0.0/10")->inside;
		struct host *a =
			sim_host_in(rows[i].a ? nat_new(s, g, rows[i].a, "10.0.0.0/24")->inside : g, "a");
		struct host *b =
			sim_host_in(rows[i].b ? nat_new(s, g, rows[i].b, "10.0.0.0/24")->inside : g, "b");

		if (direct_possible(a, b) != rows[i].says || direct_possible(b, a) != rows[i].says)
			fail_msg("row %zu: %s", i, prediction_name(direct_possible(a, b)));
		sim_free(s);
	}
}

static void without_udp_or_with_luck_it_says_so(void **state)
{
	const struct nat_kind lucky = {
		.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT, .pool = 4, .arbitrary_pool = true};
	const struct nat_kind home = {.filtering = NAT_ADDRESS_DEPENDENT};
	struct sim *s = sim_new(1);
	struct host *a = sim_host_in(nat_new(s, s->internet, &lucky, "10.0.0.0/24")->inside, "a");
	struct host *b = sim_host_in(nat_new(s, s->internet, &home, "10.0.0.0/24")->inside, "b");

	(void)state;
	assert_int_equal(direct_possible(a, b), DIRECT_PERHAPS);
	host_line(b)->blocked = true;
	assert_int_equal(direct_possible(a, b), DIRECT_NEVER);
	sim_free(s);
}

static void ports_are_guessed_where_one_maps_independently_and_the_other_does_not(void **state)
{
	static const struct {
		enum nat_scope a, b;
		unsigned pool;
		enum prediction says;
		bool kept;
	} rows[] = {
		{NAT_ENDPOINT_INDEPENDENT, NAT_ENDPOINT_INDEPENDENT, 0,
			DIRECT_NEVER}, /* nothing to be guessed */
		{NAT_ENDPOINT_INDEPENDENT, NAT_ADDRESS_DEPENDENT, 0, DIRECT_PERHAPS},
		{NAT_ENDPOINT_INDEPENDENT, NAT_ADDRESS_AND_PORT_DEPENDENT, 0, DIRECT_ALWAYS},
		{NAT_ENDPOINT_INDEPENDENT, NAT_ADDRESS_AND_PORT_DEPENDENT, 2, DIRECT_PERHAPS},
		{NAT_ADDRESS_DEPENDENT, NAT_ADDRESS_AND_PORT_DEPENDENT, 0, DIRECT_PERHAPS},
		{NAT_ADDRESS_AND_PORT_DEPENDENT, NAT_ADDRESS_AND_PORT_DEPENDENT, 0, DIRECT_NEVER},
		/* Fresh ones need not be. */
		{NAT_ADDRESS_AND_PORT_DEPENDENT, NAT_ADDRESS_AND_PORT_DEPENDENT, 0, DIRECT_PERHAPS,
			.kept = true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct nat_kind left = {
			.mapping = rows[i].a, .ports = rows[i].kept ? NAT_PRESERVING : NAT_RANDOM};
		const struct nat_kind right = {.mapping = rows[i].b,
			.ports = left.ports,
			.pool = rows[i].pool,
			.arbitrary_pool = rows[i].pool > 1};
		struct sim *s = sim_new(1);
		struct host *a = sim_host_in(nat_new(s, s->internet, &left, "10.0.0.0/24")->inside, "a");
		struct host *b = sim_host_in(nat_new(s, s->internet, &right, "10.0.0.0/24")->inside, "b");

		assert_int_equal(guess_possible(a, b), rows[i].says);
		assert_int_equal(guess_possible(b, a), rows[i].says);
		host_line(b)->blocked = true;
		assert_int_equal(guess_possible(a, b), DIRECT_NEVER);
		sim_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_nat_each_is_decided_by_the_table),
		cmocka_unit_test(what_lies_behind_one_provider_meets_below_it_or_by_hairpin),
		cmocka_unit_test(without_udp_or_with_luck_it_says_so),
		cmocka_unit_test(ports_are_guessed_where_one_maps_independently_and_the_other_does_not),
	};

	if (crypto_init(NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
