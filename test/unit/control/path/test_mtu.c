/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The search for the longest message, over a line in virtual time: what it finds, when, and with how much. */
#include "unit/unit.h"

#include "control/path/mtu.h"

enum { FULL = 1420 + 32, IP4 = 28, IP6 = 48, RELAYED = 8, ALL = 9000, ON_WIRE = 64 };

/* One direction, whose answers always fit. */
struct line {
	unsigned takes; /* bytes of an IP packet */
	unsigned headers;
	ns_t rtt;
	unsigned loss; /* of question and answer, out of 1000 */
	uint64_t rng;
	struct {
		uint64_t stamp;
		ns_t at;
	} answers[ON_WIRE];
	unsigned n_answers;
	bool dead;
	unsigned slow_above; /* longer messages take so long; 0 = none does */
	ns_t slow;
};

static struct mtu m;
static struct line line;
static ns_t now;
static uint64_t stamp;
static unsigned probes;

static uint32_t dice(void)
{
	line.rng = line.rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(line.rng >> 33);
}

static void start(unsigned takes, unsigned headers, uint16_t use)
{
	line = (struct line){.takes = takes, .headers = headers, .rtt = 20 * MS, .rng = takes};
	probes = 0;
	now = 1000 * SEC;
	m = (struct mtu){.round_at = NS_NEVER};
	mtu_begin(&m, FULL, (uint16_t)headers, use, now);
}

static int fresh(void **state)
{
	(void)state;
	start(ALL, IP4, 0);
	return 0;
}

static bool survives(void)
{
	return dice() % 1000 >= line.loss;
}

static void ask(uint16_t size)
{
	probes++;
	mtu_sent(&m, size, ++stamp);
	if (line.dead || size + line.headers > line.takes || !survives() || !survives())
		return;
	assert_true(line.n_answers < ON_WIRE);
	line.answers[line.n_answers].stamp = stamp;
	line.answers[line.n_answers++].at =
		now + (line.slow_above && size > line.slow_above ? line.slow : line.rtt);
}

static ns_t next_answer(unsigned *ret_i)
{
	ns_t next = NS_NEVER;

	for (unsigned i = 0; i < line.n_answers; i++)
		if (line.answers[i].at < next) {
			next = line.answers[i].at;
			*ret_i = i;
		}
	return next;
}

static void run(ns_t how_long)
{
	const ns_t end = now + how_long;
	uint16_t sizes[MTU_SIZES];
	unsigned i = 0;

	for (ns_t next; (next = ns_min(mtu_next(&m), next_answer(&i))) <= end;) {
		now = MAX(now, next);
		if (next_answer(&i) <= now) {
			assert_true(mtu_knows(&m, line.answers[i].stamp));
			(void)mtu_answered(&m, line.answers[i].stamp, now);
			line.answers[i] = line.answers[--line.n_answers];
			continue;
		}
		size_t n = mtu_round(&m, line.rtt, now, sizes);

		for (size_t k = 0; k < n; k++)
			ask(sizes[k]);
	}
	now = end;
}

/* Much is sent. */
static void talk(ns_t how_long)
{
	static uint64_t bytes;

	for (const ns_t end = now + how_long; now < end;) {
		bytes += 10000;
		mtu_traffic(&m, bytes, now);
		run(100 * MS);
	}
}

/* The longest message that fits, as m.use says it. */
static unsigned best(unsigned takes, unsigned headers)
{
	if (takes >= FULL + headers)
		return 0;
	return takes < headers + MTU_LEAST ? MTU_LEAST : (takes - headers - 32) / 16 * 16 + 32;
}

static void every_length_that_a_network_may_take_is_found_exactly(void **state)
{
	static const unsigned headers[] = {IP4, IP6, IP4 + RELAYED, IP6 + RELAYED};

	(void)state;
	for (unsigned k = 0; k < ARRAY_LEN(headers); k++)
		for (unsigned takes = headers[k] + MTU_LEAST; takes <= 1520; takes++) {
			start(takes, headers[k], 0);
			run(10 * SEC);
			if (m.use != best(takes, headers[k]) || !m.found || probes > 36)
				fail_msg(
					"packets of %u, headers of %u: found %u (%u), not %u, with %u probes",
					takes, headers[k], m.use, m.found, best(takes, headers[k]), probes);
			assert_int_equal(mtu_next(&m), NS_NEVER);
		}
}

static void where_everything_passes_it_costs_two_probes(void **state)
{
	(void)state;
	run(SEC);
	assert_int_equal(m.use, 0);
	assert_true(m.found);
	assert_int_equal(probes, 2);
}

static void senders_are_told_once_and_within_half_a_second(void **state)
{
	static const unsigned takes[] = {1472, 1460, 1420, 1400, 1360, 1280}; /* as networks do */

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(takes); i++) {
		start(takes[i], IP4, 0);
		run(290 * MS);
		assert_int_equal(m.use, 0);
		run(210 * MS);
		assert_int_equal(m.use, best(takes[i], IP4));
		for (unsigned ms = 0; ms < 10000; ms++) {
			run(MS);
			assert_int_equal(m.use, best(takes[i], IP4));
		}
	}
}

static void on_a_line_that_loses_a_twentieth_it_is_found_too(void **state)
{
	unsigned exact = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		const unsigned takes = 1280 + i % 220;

		start(takes, IP4, 0);
		line.rng = i;
		line.loss = 50;
		run(20 * SEC);
		const unsigned got = m.use ? m.use : FULL, want = best(takes, IP4) ? best(takes, IP4) : FULL;

		/* Never what does not pass, and seldom less than what does. */
		if (got > want || got + 80 < want)
			fail_msg("run %u, packets of %u: found %u, not %u", i, takes, got, want);
		exact += got == want;
	}
	if (exact < 1970)
		fail_msg("exact in %u of 2000", exact);
}

static void nothing_is_concluded_while_nothing_is_answered(void **state)
{
	(void)state;
	start(ALL, IP4, 1444);
	line.dead = true;
	run(60 * SEC);
	assert_int_equal(m.use, 1444);
	assert_false(m.found);
	assert_true(probes <= MTU_TRIES * MTU_SIZES);
	line.dead = false;
	talk(12 * SEC);
	assert_true(m.found);
}

static void what_is_believed_at_first_is_replaced_by_what_is_found(void **state)
{
	(void)state;
	start(1500, IP4 + RELAYED, 1444);
	assert_int_equal(m.use, 1444);
	run(SEC);
	assert_int_equal(m.use, 0);
	start(1400, IP4 + RELAYED, 1444);
	run(5 * SEC);
	assert_int_equal(m.use, best(1400, IP4 + RELAYED));
}

static void a_path_that_gets_narrow_under_traffic_is_noticed(void **state)
{
	(void)state;
	talk(60 * SEC);
	assert_int_equal(m.use, 0);
	line.takes = 1400;
	talk(MTU_CONFIRM + SEC);
	assert_int_equal(m.use, best(1400, IP4));
	/* And once more. */
	line.takes = 1300;
	talk(MTU_CONFIRM + SEC);
	assert_int_equal(m.use, best(1300, IP4));
}

static void data_without_an_answer_is_reason_enough_to_ask_at_once(void **state)
{
	(void)state;
	run(MTU_DOUBT);
	line.takes = 1280;
	mtu_doubt(&m, now);
	run(500 * MS);
	assert_int_equal(m.use, best(1280, IP4));
	/* Not all the time, though: where data flows in one direction alone it is never answered. */
	start(ALL, IP4, 0);
	for (unsigned i = 0; i < 600; i++) {
		run(100 * MS);
		mtu_doubt(&m, now);
	}
	assert_true(probes <= 1 + 2 * 60 * SEC / MTU_DOUBT);
}

static void a_few_bytes_are_no_reason_to_ask_again(void **state)
{
	uint64_t bytes = 0;

	(void)state;
	run(SEC);
	for (unsigned i = 0; i < 3600; i++) {
		mtu_traffic(&m, bytes += 4, now);
		run(SEC);
	}
	assert_int_equal(probes, 2);
}

static void longer_ones_are_tried_again_after_ten_minutes_of_traffic(void **state)
{
	(void)state;
	start(1300, IP4, 0);
	talk(5 * SEC);
	line.takes = ALL;
	talk(MTU_RAISE - 6 * SEC);
	assert_int_equal(m.use, best(1300, IP4));
	talk(3 * SEC);
	assert_int_equal(m.use, 0);

	/* To what passes by then, and what is in use stays in use meanwhile. */
	start(1300, IP4, 0);
	talk(5 * SEC);
	line.takes = 1450;
	for (unsigned i = 0; i < 6100; i++) {
		talk(100 * MS);
		assert_in_range(m.use, best(1300, IP4), best(1450, IP4));
	}
	assert_int_equal(m.use, best(1450, IP4));

	/* Without traffic nothing is asked. */
	start(1300, IP4, 0);
	run(5 * SEC);
	probes = 0;
	run(3600 * SEC);
	assert_int_equal(probes, 0);
}

static void an_answer_that_comes_late_counts_but_not_for_another_pair(void **state)
{
	(void)state;
	start(ALL, IP4, 0);
	line.rtt = 5 * SEC;
	uint16_t sizes[MTU_SIZES];
	size_t n = mtu_round(&m, 20 * MS, now, sizes);

	for (size_t i = 0; i < n; i++)
		ask(sizes[i]);
	mtu_begin(&m, FULL, IP4, 1232, now + 60 * SEC);
	assert_true(mtu_knows(&m, stamp));
	run(10 * SEC);
	assert_int_equal(m.use, 1232);
	assert_false(m.found);

	/* Nor is the stamp of somebody else's message one. */
	assert_false(mtu_knows(&m, stamp + 1));
	assert_false(mtu_answered(&m, stamp + 1, now));
	assert_false(mtu_answered(&m, 0, now));

	/* Long ones wait in a queue for longer than all tries took. */
	start(ALL, IP4, 0);
	line.slow_above = 1300;
	line.slow = SEC;
	run(900 * MS);
	assert_in_range(m.use, 1232, 1300);
	run(20 * SEC);
	assert_int_equal(m.use, 0);
	assert_int_equal(mtu_next(&m), NS_NEVER);
}

static void answers_that_come_while_shorter_ones_are_asked_end_the_search(void **state)
{
	(void)state;
	for (ns_t slow = 100 * MS; slow < SEC; slow += 10 * MS) {
		start(ALL, IP4, 0);
		line.slow_above = 1300;
		line.slow = slow;
		run(10 * SEC);
		if (m.use || mtu_next(&m) != NS_NEVER)
			fail_msg("answers after %lld ms: %u, %lld", (long long)(slow / MS), m.use,
				(long long)mtu_next(&m));
	}
}

static void without_a_pair_nothing_is_asked(void **state)
{
	(void)state;
	mtu_end(&m);
	mtu_doubt(&m, now);
	talk(3600 * SEC);
	assert_int_equal(probes, 0);
	assert_int_equal(mtu_next(&m), NS_NEVER);
}

#define CASE(fn) cmocka_unit_test_setup(fn, fresh)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(every_length_that_a_network_may_take_is_found_exactly),
		CASE(where_everything_passes_it_costs_two_probes),
		CASE(senders_are_told_once_and_within_half_a_second),
		CASE(on_a_line_that_loses_a_twentieth_it_is_found_too),
		CASE(nothing_is_concluded_while_nothing_is_answered),
		CASE(what_is_believed_at_first_is_replaced_by_what_is_found),
		CASE(a_path_that_gets_narrow_under_traffic_is_noticed),
		CASE(data_without_an_answer_is_reason_enough_to_ask_at_once),
		CASE(a_few_bytes_are_no_reason_to_ask_again),
		CASE(longer_ones_are_tried_again_after_ten_minutes_of_traffic),
		CASE(an_answer_that_comes_late_counts_but_not_for_another_pair),
		CASE(answers_that_come_while_shorter_ones_are_asked_end_the_search),
		CASE(without_a_pair_nothing_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
