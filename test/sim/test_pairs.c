/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Thousands of seeded pairs, each compared with the oracle. TM_SIM_RUNS=10000 sets how many (`make slow`),
 * TM_SIM_SEED=n runs that one alone and prints what it is.
 */
#include "sim/pairs.h"
#include "sim/story.h"

#include "base/time.h"

#include <time.h>

enum { RUNS = 2 * PAIR_KINDS, SHOWN_MAX = 10, REPLAY_EVERY = 50 };

static const char *program;

static int compare(const void *a, const void *b)
{
	const ns_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

struct tally {
	ns_t *direct[2]; /* how long it took, on good and on bad lines */
	size_t n_direct[2], predicted[3], lucky, wrong;
	ns_t simulated;
};

static void count(struct tally *t, uint64_t seed, const struct pair_run *r)
{
	t->predicted[r->predicted]++;
	t->simulated += r->simulated;
	if (r->direct_after != NS_NEVER)
		t->direct[r->lossy][t->n_direct[r->lossy]++] = r->direct_after;
	t->lucky += r->predicted == DIRECT_PERHAPS && r->direct_after != NS_NEVER;
	if (r->wrong && t->wrong++ < SHOWN_MAX)
		print_error("seed %llu: %s\n  %s\n  again: TM_SIM_SEED=%llu TM_SIM_TRACE=1 %s\n",
			(unsigned long long)seed, r->wrong, r->text, (unsigned long long)seed, program);
}

static double ms(ns_t t)
{
	return (double)t / (double)MS;
}

static void report(struct tally *t, uint64_t runs, ns_t wall, clock_t cpu)
{
	double simulated = (double)t->simulated / (double)SEC, busy = (double)cpu / CLOCKS_PER_SEC;

	print_message("%llu runs, %.0f simulated seconds in %.2f s (CPU %.2f s, %.0f us each)\n",
		(unsigned long long)runs, simulated, (double)wall / (double)SEC, busy,
		1e6 * busy / simulated);
	print_message("direct: always %zu, perhaps %zu (did %zu), never %zu\n", t->predicted[DIRECT_ALWAYS],
		t->predicted[DIRECT_PERHAPS], t->lucky, t->predicted[DIRECT_NEVER]);
	for (unsigned bad = 0; bad < 2; bad++) {
		ns_t *v = t->direct[bad];
		size_t n = t->n_direct[bad];

		if (!n)
			continue;
		qsort(v, n, sizeof(v[0]), compare);
		print_message("on %s lines after: median %.0f ms, 99 %% %.0f ms, longest %.0f ms\n",
			bad ? "bad" : "good", ms(v[n / 2]), ms(v[n * 99 / 100]), ms(v[n - 1]));
	}
}

static void every_pair_gets_the_path_that_its_nats_allow(void **state)
{
	uint64_t runs = number_from("TM_SIM_RUNS", RUNS), only = number_from("TM_SIM_SEED", 0);
	struct tally t = {.direct = {calloc(runs + 1, sizeof(ns_t)), calloc(runs + 1, sizeof(ns_t))}};
	ns_t start = time_monotonic();
	clock_t cpu = clock();
	struct pair_run r;

	(void)state;
	assert_true(t.direct[0] && t.direct[1]);
	for (uint64_t seed = only ? only : 1; seed <= (only ? only : runs); seed++) {
		pair_run(seed, &r);
		count(&t, seed, &r);
	}
	if (only)
		print_message("seed %llu: %s\npredicted %s, wire %016llx\n", (unsigned long long)only, r.text,
			prediction_name(r.predicted), (unsigned long long)r.wire_hash);
	report(&t, only ? 1 : runs, time_monotonic() - start, clock() - cpu);
	free(t.direct[0]);
	free(t.direct[1]);
	if (t.wrong)
		fail_msg("%zu seeds went wrong", t.wrong);
}

static void with_a_relay_every_pair_talks_at_once_and_all_the_time(void **state)
{
	uint64_t runs = number_from("TM_SIM_RUNS", RUNS), only = number_from("TM_SIM_SEED", 0);
	struct relayed_tally t = {.runs = 0};
	struct pair_run r;
	size_t wrong = 0;
	/* Their ways changed once while nothing happened: they are run each time. */
	static const uint64_t again[] = {2075, 2488, 3304, 3691, 5033, 6013};
	const uint64_t last = only ? only : runs, more = only ? 0 : ARRAY_LEN(again);

	(void)state;
	for (uint64_t at = only ? only : 1; at <= last + more; at++) {
		const uint64_t seed = at <= last ? at : again[at - last - 1];

		pair_run_relayed(seed, &r, &t);
		if (r.wrong && wrong++ < SHOWN_MAX)
			print_error("seed %llu: %s\n  %s\n  again: TM_SIM_SEED=%llu TM_SIM_TRACE=1 %s\n",
				(unsigned long long)seed, r.wrong, r.text, (unsigned long long)seed, program);
	}
	print_message("%zu runs: at the end %zu direct, %zu relayed, %zu by stream\n", t.runs, t.direct,
		t.relayed, t.streamed);
	print_message(
		"%zu deaths and %zu restarts; worst answer %lld, worst stall %lld, worst return %lld per "
		"mille of what is allowed; %zu packets lost, %zu changes without a cause\n",
		t.deaths, t.restarts, (long long)t.worst_answer, (long long)t.worst_stall,
		(long long)t.worst_return, t.lost, t.changes);
	print_message("%zu of %zu were guessed\n", t.guessed, t.guessable);
	if (wrong)
		fail_msg("%zu seeds went wrong", wrong);
	assert_true(only || t.guessed * 100 >= t.guessable * 90);
}

static void a_seed_replays_byte_for_byte(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= RUNS; seed += REPLAY_EVERY) {
		struct pair_run first, again, other;

		pair_run(seed, &first);
		pair_run(seed + PAIR_KINDS, &other);
		pair_run(seed, &again);
		if (first.wire_hash != again.wire_hash || first.simulated != again.simulated)
			fail_msg("seed %llu ran differently the second time", (unsigned long long)seed);
		assert_true(first.wire_hash != other.wire_hash);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_gets_the_path_that_its_nats_allow),
		cmocka_unit_test(with_a_relay_every_pair_talks_at_once_and_all_the_time),
		cmocka_unit_test(a_seed_replays_byte_for_byte),
	};

	(void)argc;
	program = argv[0];
	if (crypto_init(NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
