/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "node/reaching.h"

static const uint8_t nas[32] = {1}, hub[32] = {2};
static const char *const direct = "192.0.2.1:51820", *const elsewhere = "192.0.2.9:51820",
			 *const relay = "198.51.100.1:51820";

static int setup(void **state)
{
	return reaching_new((struct reaching **)state) == TM_OK ? 0 : -1;
}

static int teardown(void **state)
{
	reaching_free(*state);
	return 0;
}

static void input(struct reaching *r, enum core_in_kind kind, const uint8_t *key, ns_t now)
{
	reaching_input(r, &(struct core_in){.kind = kind, .key = key}, now);
}

/* at NULL: none. */
static void output(struct reaching *r, enum core_out_kind kind, enum path_why why, const uint8_t *key,
	enum way_kind by, const char *at, ns_t now)
{
	struct core_out out = {.kind = kind, .why = why, .way = {.kind = by}};

	memcpy(out.peer.key, key, sizeof(out.peer.key));
	if (at)
		assert_int_equal(endpoint_parse(at, &out.way.remote), TM_OK);
	reaching_output(r, &out, now);
}

static uint64_t all_changes(const struct reaching *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < BY_N; i++)
		for (size_t k = 0; k < BY_N; k++)
			for (size_t why = 0; why < WHY_N; why++)
				sum += r->changes[i][k][why];
	return sum;
}

static void the_first_way_and_the_first_direct_one_are_timed_from_the_first_traffic(void **state)
{
	struct reaching *r = *state;

	input(r, CORE_WANT, nas, 10 * SEC);
	output(r, CORE_USE, WHY_RELAYED, nas, WAY_RELAY_UDP, relay, 10 * SEC);
	assert_int_equal(histogram_count(&r->contact), 0); /* it is only hoped for */
	input(r, CORE_WANT, nas, 11 * SEC); /* still no session */
	output(r, CORE_NOTE, WHY_ANSWERED, nas, WAY_RELAY_UDP, relay, 12 * SEC);
	assert_int_equal(histogram_count(&r->contact), 1);
	assert_int_equal(r->contact.sum, 2 * SEC);
	assert_int_equal(histogram_count(&r->direct), 0);
	output(r, CORE_USE, WHY_BETTER, nas, WAY_UDP, direct, 15 * SEC);
	assert_int_equal(histogram_count(&r->direct), 1);
	assert_int_equal(r->direct.sum, 5 * SEC);
	/* Once each. */
	output(r, CORE_LIVES, WHY_ANSWERED, nas, WAY_UDP, direct, 16 * SEC);
	output(r, CORE_USE, WHY_BETTER, nas, WAY_UDP, elsewhere, 17 * SEC);
	assert_int_equal(histogram_count(&r->contact), 1);
	assert_int_equal(histogram_count(&r->direct), 1);
}

static void what_answers_elsewhere_proves_nothing_of_the_way_in_use(void **state)
{
	struct reaching *r = *state;

	input(r, CORE_WANT, nas, SEC);
	output(r, CORE_USE, WHY_REMEMBERED, nas, WAY_UDP, direct, SEC);
	output(r, CORE_NOTE, WHY_ANSWERED, nas, WAY_UDP, elsewhere, 2 * SEC);
	output(r, CORE_NOTE, WHY_ANSWERED, hub, WAY_UDP, direct, 2 * SEC);
	assert_int_equal(histogram_count(&r->contact), 0);
	output(r, CORE_NOTE, WHY_ANSWERED, nas, WAY_UDP, direct, 3 * SEC);
	assert_int_equal(histogram_count(&r->contact), 1);
	assert_int_equal(histogram_count(&r->direct), 1);
}

static void changes_are_counted_by_kind_and_reason(void **state)
{
	struct reaching *r = *state;

	output(r, CORE_USE, WHY_RELAYED, nas, WAY_RELAY_UDP, relay, SEC);
	output(r, CORE_USE, WHY_BETTER, nas, WAY_UDP, direct, SEC);
	output(r, CORE_USE, WHY_DOUBT, nas, WAY_UDP, direct,
		SEC); /* by another as well, but this one stays */
	output(r, CORE_USE, WHY_BETTER, nas, WAY_UDP, elsewhere, SEC);
	output(r, CORE_NOTE, WHY_DEAD, nas, WAY_UDP, elsewhere, SEC);
	output(r, CORE_USE, WHY_FIRST, nas, WAY_RELAY_TCP, relay, SEC);
	output(r, CORE_USE, WHY_IDLE, nas, WAY_UDP, NULL, SEC);
	assert_int_equal(r->changes[BY_NOTHING][BY_RELAY][WHY_RELAYED], 1);
	assert_int_equal(r->changes[BY_RELAY][BY_DIRECT][WHY_BETTER], 1);
	assert_int_equal(r->changes[BY_DIRECT][BY_DIRECT][WHY_BETTER], 1);
	assert_int_equal(r->changes[BY_DIRECT][BY_NOTHING][WHY_DEAD], 1);
	assert_int_equal(r->changes[BY_NOTHING][BY_TCP][WHY_FIRST], 1);
	assert_int_equal(r->changes[BY_TCP][BY_NOTHING][WHY_IDLE], 1);
	assert_int_equal(all_changes(r), 6);
}

/* Nothing of a peer is kept that nobody uses, and what comes of it later is timed anew. */
static void peers_at_rest_and_gone_are_forgotten(void **state)
{
	struct reaching *r = *state;

	input(r, CORE_WANT, nas, SEC);
	output(r, CORE_USE, WHY_GIVEN_UP, nas, WAY_UDP, NULL, 60 * SEC);
	input(r, CORE_WANT, hub, SEC);
	input(r, CORE_REMOVE, hub, 2 * SEC);
	assert_int_equal(r->peers.size, 0);
	assert_int_equal(all_changes(r), 0);
	input(r, CORE_WANT, nas, 100 * SEC);
	output(r, CORE_USE, WHY_FIRST, nas, WAY_UDP, direct, 101 * SEC);
	assert_int_equal(r->contact.sum, SEC);
}

struct told {
	unsigned n;
	struct reaching_change last;
};

static void on_change(void *ctx, const struct reaching_change *c)
{
	struct told *t = ctx;

	t->n++;
	t->last = *c;
}

static void each_change_that_is_counted_is_told(void **state)
{
	struct reaching *r = *state;
	struct told told = {0};

	reaching_on_change(r, on_change, &told);
	input(r, CORE_WANT, nas, SEC);
	output(r, CORE_USE, WHY_RELAYED, nas, WAY_RELAY_UDP, relay, SEC);
	assert_int_equal(told.last.from, BY_NOTHING);
	assert_int_equal(told.last.to, BY_RELAY);
	output(r, CORE_USE, WHY_BETTER, nas, WAY_UDP, direct, SEC);
	output(r, CORE_USE, WHY_SURE, nas, WAY_UDP, direct, SEC); /* the same */
	output(r, CORE_NOTE, WHY_DEAD, nas, WAY_UDP, direct, SEC);
	assert_int_equal(told.n, 3);
	assert_int_equal(told.n, all_changes(r));
	assert_int_equal(told.last.from, BY_DIRECT);
	assert_int_equal(told.last.to, BY_NOTHING);
	assert_int_equal(told.last.why, WHY_DEAD);
	assert_memory_equal(told.last.key, nas, sizeof(nas));
}

static void rounds_in_vain_are_counted(void **state)
{
	struct reaching *r = *state;

	output(r, CORE_ASK, WHY_ASKED, nas, WAY_UDP, NULL, SEC);
	output(r, CORE_ASK, WHY_RETRY, nas, WAY_UDP, NULL, SEC);
	output(r, CORE_ASK, WHY_RETRY, nas, WAY_UDP, NULL, SEC);
	assert_int_equal(r->in_vain, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_first_way_and_the_first_direct_one_are_timed_from_the_first_traffic, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			what_answers_elsewhere_proves_nothing_of_the_way_in_use, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_are_counted_by_kind_and_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(peers_at_rest_and_gone_are_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(each_change_that_is_counted_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(rounds_in_vain_are_counted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
