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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_nat_each_is_decided_by_the_table),
	};

	if (crypto_init(NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
