/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Doubt, rule by rule: from when on what left may be lost, and who is asked; in stories: test/sim/test_doubt.
 */
#include "unit/control/path/made_path.h"

#define RTT (40 * MS)

static void a_pair_that_goes_leaves_the_others_what_they_were(void **state)
{
	static const struct {
		int was;
		unsigned goes;
		int is;
	} rows[] = {{2, 1, 1}, {2, 3, 2}, {2, 2, -1}, {-1, 1, -1}};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		end_path(state);
		make_path(state);
		path.also = path.resent = rows[i].was;
		pairs_remove(&path, rows[i].goes);
		if (path.also != rows[i].is || path.resent != rows[i].is)
			fail_msg("row %u: %d, %d", i, path.also, path.resent);
	}
	path.chosen = 2;
	pairs_remove(&path, 0);
	assert_int_equal(path.chosen, 1);
}

static void a_relay_that_may_have_ended_concerns_only_who_speaks(void **state)
{
	static const struct {
		ns_t sent, proof;
		bool alarm;
	} rows[] = {{PATH_SAMPLE_QUIET - 1, NOW, true}, {PATH_SAMPLE_QUIET, NOW, false},
		{NOW, PATH_SAMPLE_QUIET - 1, true}};

	(void)state;
	path.chosen = 1;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		path.alarm = path.unsure = 0;
		path.lost = false;
		path.last_sending = NOW - rows[i].sent;
		path.last_proof = NOW - rows[i].proof;
		path_relay_doubted(&path, &path.pairs[1].way.remote, NOW);
		/* What it had then is gone, however soon it is back. */
		if (!path.alarm == rows[i].alarm || path.lost != rows[i].alarm ||
			!path.unsure == rows[i].alarm)
			fail_msg("row %u", i);
	}
	path.alarm = 0;
	path_relay_doubted(&path, &path.pairs[3].way.remote, NOW);
	assert_int_equal(path.alarm, 0);
}

static void what_left_is_lost_perhaps_since_a_round_trip_before_the_last_proof(void **state)
{
	struct pair *pair = &path.pairs[0];

	(void)state;
	path.since = NOW - 5;
	path_be_unsure(&path);
	assert_int_equal(path.unsure, NOW - 5); /* nothing ever proved it */

	path.unsure = 0;
	pair->rtt = RTT;
	path.last_proof = NOW;
	path_be_unsure(&path);
	assert_int_equal(path.unsure, NOW - RTT - PATH_SAMPLE_GRID);

	/* Being heard proves nothing of what left since a check has no answer. */
	path.unsure = 0;
	pair->tries = 1;
	pair->began = NOW - SEC;
	path_be_unsure(&path);
	assert_int_equal(path.unsure, NOW - SEC - RTT - PATH_SAMPLE_GRID);
}

static void what_left_by_one_that_was_silent_leaves_again_by_the_next(void **state)
{
	(void)state;
	for (uint8_t tries = 1; tries < 3; tries++) {
		struct turn t = turn_at(NOW);

		path.chosen = 0;
		path.pairs[0].tries = tries;
		path.pairs[0].began = NOW - SEC;
		path_choose(&path, 2, WHY_BETTER, NOW, &t);
		path_use(&path, &t);
		assert_int_equal(came(CORE_AGAIN) != NULL, tries > 1);
	}
	assert_true(endpoint_eq(&came(CORE_AGAIN)->way.remote, &path.pairs[2].way.remote));
}

static void whoever_is_asked_again_is_compared_when_it_has_answered(void **state)
{
	for (uint8_t tries = 0; tries < 2; tries++) {
		struct turn t = turn_at(NOW);

		end_path(state);
		make_path(state);
		pair_sent(&path.pairs[0], 5, true, NOW - 100 * MS);
		path.pairs[2].rtt = RTT;
		path.pairs[2].last_ok = NOW - SEC;
		path.pairs[2].tries = tries;
		assert_true(path_check_answered(&path, 5, &path.pairs[0].way, &t));
		assert_int_equal(path.chosen, tries ? 0 : 2);
	}
}

static void what_left_by_a_relay_that_was_silent_too_is_not_there_yet(void **state)
{
	(void)state;
	for (uint64_t tries = 1; tries < 3; tries++) {
		path.resent = 1;
		pair_sent(&path.pairs[1], tries, false, NOW);
		assert_int_equal(path.pairs[1].tries, tries);
		path_recovers(&path, 1, NOW);
		assert_int_equal(path.resent, tries > 1 ? -1 : 1);
	}
}

/* Both of the relays are silent: that the first is was told, and the second has to be as well. */
static void each_that_is_overdue_is_news(void **state)
{
	const ns_t late = NOW + PATH_OVERDUE(RTT);
	struct turn t = turn_at(NOW);

	(void)state;
	path.overdue = true;
	path_chosen_died(&path, &t);
	path_choose(&path, 1, WHY_RELAYED, NOW - SEC, &t);
	path.pairs[1].rtt = RTT;
	path.pairs[1].last_ok = NOW - SEC;
	path.pairs[1].next_check = NOW;
	pair_sent(&path.pairs[1], 6, true, NOW);
	pair_gave_up(&path.pairs[3], true);
	path.pairs[3].last_ok = NOW;
	t = turn_at(late);
	path_use(&path, &t);
	assert_int_equal(path.also, 3);
	assert_int_equal(path.pairs[3].next_check, late);
}

/* What it replaces carries everything, too: by that the peer is heard, and only an answer tells more. */
static void one_on_trial_that_is_heard_and_does_not_answer_is_left(void **state)
{
	struct turn t = turn_at(NOW);

	(void)state;
	pair_gave_up(&path.pairs[2], false);
	path.pairs[0].rtt = path.pairs[1].rtt = RTT;
	path.chosen = 1;
	path_choose(&path, 0, WHY_BETTER, NOW, &t);
	for (ns_t now = NOW; path.chosen == 0 && now < NOW + 3 * SEC; now += 5 * MS) {
		t = turn_at(now);
		path.last_sending = path.last_proof = now;
		/* One relay answers. */
		if (path.pairs[1].tries)
			pair_answered(&path.pairs[1], path.pairs[1].stamps[0], now);
		(void)path_step(&path, &t);
		if (path.chosen == 0 && path.also != 1)
			fail_msg("the relay is not used after %lld ms", (long long)((now - NOW) / MS));
	}
	assert_int_equal(path.chosen, 1);
}

/* But where no relay answers, what is heard is heard by it. */
static void one_on_trial_that_is_heard_is_kept_where_no_relay_answers(void **state)
{
	struct turn t = turn_at(NOW);

	(void)state;
	pair_gave_up(&path.pairs[2], false);
	path.pairs[0].rtt = RTT;
	path.chosen = 1;
	path_choose(&path, 0, WHY_BETTER, NOW, &t);
	for (ns_t now = NOW; now < NOW + 10 * SEC; now += 5 * MS) {
		t = turn_at(now);
		path.last_sending = path.last_proof = now;
		(void)path_step(&path, &t);
		assert_int_equal(path.chosen, 0);
	}
	assert_false(path.trial);
	assert_int_equal(path.alarm, 0);
}

/* --- looked for --- */

/* The pair by the stream of a relay that has one, after a turn. */
static const struct pair *by_stream(bool up)
{
	struct turn t = turn_at(NOW);
	const struct way_to way = {.kind = WAY_RELAY_TCP,
		.socket = 5,
		.relay = 7,
		.remote = {.ip = ip_v4_host(0xc0000209), .port = 443}};

	t.pair = way.relay;
	legs.n = 1;
	legs.v[0].listed = legs.v[0].streams = true;
	legs.v[0].stream = up ? STREAM_UP : STREAM_OPENING;
	legs.v[0].stream_way = way;
	path_use_relays(&path, &t);
	const int at = pairs_find(&path, &way);
	return at < 0 ? NULL : &path.pairs[at];
}

/* What the peer sent by it before is lost. */
static void who_is_looked_for_says_when_a_relay_has_him_at_last(void **state)
{
	(void)state;

	path.chosen = -1;
	path.state = PATH_CHECKING;
	path.helping = true;
	assert_null(by_stream(false));
	assert_non_null(by_stream(true));
	assert_true(by_stream(true)->next_check <= NOW);
}

static void who_is_looked_for_is_silent_by_the_relay_that_had_him_before(void **state)
{
	(void)state;

	path.chosen = -1;
	path.state = PATH_CHECKING;
	path.helping = true;
	assert_non_null(by_stream(true));
	assert_true(by_stream(true)->next_check == NS_NEVER);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, make_path, end_path)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(a_pair_that_goes_leaves_the_others_what_they_were),
		CASE(who_is_looked_for_says_when_a_relay_has_him_at_last),
		CASE(who_is_looked_for_is_silent_by_the_relay_that_had_him_before),
		CASE(a_relay_that_may_have_ended_concerns_only_who_speaks),
		CASE(what_left_is_lost_perhaps_since_a_round_trip_before_the_last_proof),
		CASE(what_left_by_one_that_was_silent_leaves_again_by_the_next),
		CASE(whoever_is_asked_again_is_compared_when_it_has_answered),
		CASE(what_left_by_a_relay_that_was_silent_too_is_not_there_yet),
		CASE(each_that_is_overdue_is_news),
		CASE(one_on_trial_that_is_heard_and_does_not_answer_is_left),
		CASE(one_on_trial_that_is_heard_is_kept_where_no_relay_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
