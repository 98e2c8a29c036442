/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What members tell of themselves and their pairs: who is asked, what is kept of it, and what is read. */
#include "unit/unit.h"

#include "control/coord/reports_private.h"
#include "unit/control/coord/rig.h"

/* A report about one peer, by that path. */
static json_t *peer(const struct machine *other, const char *path, int rtt_us, int rx, int tx)
{
	return json_pack("{s:s, s:s, s:i, s:i, s:i, s:i}", "node", other->id.id, "path", path, "rtt_us",
		rtt_us, "family", 4, "rx", rx, "tx", tx);
}

static json_t *report(bool whole, json_t *peer_take)
{
	return json_pack(
		"{s:s, s:b, s:i, s:[o]}", "t", "report", "whole", whole, "over_ms", 1000, "peers", peer_take);
}

static void two_members(struct rig *r, struct machine **ret_a, struct machine **ret_b)
{
	*ret_a = rig_machine(r, 0);
	*ret_b = rig_machine(r, 1);
	machine_join(*ret_a, "a");
	machine_join(*ret_b, "b");
	machine_await(*ret_a, "report");
	machine_await(*ret_b, "report");
}

static struct pair_report read_pair(struct rig *r, const struct machine *a, const struct machine *b)
{
	struct pair_report p;

	assert_true(reports_pair(r->c, a->id.id, b->id.id, &p));
	return p;
}

/* Which end of it this machine is. */
static const struct pair_end *end_of(const struct pair_report *p, const struct machine *m)
{
	return &p->ends[strcmp(p->ends[1].id, m->id.id) == 0];
}

static void a_member_is_asked_once_per_link_for_everything(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b;

	two_members(r, &a, &b);
	for (unsigned round = 0; round < 2; round++) {
		const json_t *asked = machine_await(a, "report");

		assert_true(json_is_true(json_object_get(asked, "whole")));
		assert_null(json_object_get(asked, "for_ms"));
		assert_int_equal(json_integer_value(json_object_get(asked, "every_ms")), 60000);
		reports_ask(r->c, time_monotonic());
		rig_settle(r);
		assert_int_equal(machine_count(a, "report"), 1);
		machine_unlink(a);
		machine_forget(a);
		machine_hello(a, NULL);
	}
}

static void who_is_watched_is_asked_for_more_for_a_while(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b;

	two_members(r, &a, &b);
	machine_forget(a);
	machine_forget(b);
	for (unsigned i = 0; i < 3; i++)
		reports_watch(r->c, a->id.id);
	assert_int_equal(machine_count(a, "report"), 1);
	assert_int_equal(json_integer_value(json_object_get(machine_last(a, "report"), "every_ms")), 2000);
	assert_int_equal(json_integer_value(json_object_get(machine_last(a, "report"), "for_ms")),
		REPORTS_WATCH_FOR / MS);
	assert_int_equal(machine_count(b, "report"), 0);
	reports_watch(r->c, NULL);
	assert_int_equal(machine_count(b, "report"), 1);
	/* Half of it is over. */
	reports_watch(r->c, a->id.id);
	reports_ask(r->c, time_monotonic() + REPORTS_WATCH_FOR / 2 + SEC);
	assert_int_equal(machine_count(a, "report"), 2);
	reports_watch(r->c, "0123456789abcdef"); /* nobody */
	/* Then nobody watches any more. */
	machine_forget(a);
	machine_forget(b);
	reports_ask(r->c, time_monotonic() + 2 * REPORTS_WATCH_FOR);
	assert_int_equal(machine_count(a, "report") + machine_count(b, "report"), 0);
	/* And somebody does again. */
	reporter_of(registry_by_id(r->c->reg, a->id.id))->asked_until = time_monotonic() - SEC;
	reports_watch(r->c, a->id.id);
	assert_int_equal(machine_count(a, "report"), 1);
}

/* No more are asked in one turn than may be: the next turn begins with the others. */
static void all_have_their_turn_to_be_asked(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b;

	two_members(r, &a, &b);
	machine_forget(a);
	machine_forget(b);
	r->c->reports->limits.asked_at_once = 1;
	reports_watch(r->c, NULL);
	assert_int_equal(machine_count(a, "report") + machine_count(b, "report"), 1);
	r->c->reports->watched_until += 10 * REPORTS_WATCH_FOR;
	for (unsigned i = 1; i <= 5; i++)
		reports_ask(r->c, time_monotonic() + (int)i * REPORTS_WATCH_FOR);
	assert_int_equal(machine_count(a, "report"), 3);
	assert_int_equal(machine_count(b, "report"), 3);
}

static void what_both_ends_say_is_one_pair(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b;
	struct reports_total t;

	two_members(r, &a, &b);
	machine_say(a, report(true, peer(b, "direct", 1500, 0, 0)));
	struct pair_report p = read_pair(r, b, a);
	assert_int_equal(p.path, REPORT_DIRECT);
	assert_int_equal(p.rtt_us, 1500);
	assert_true(end_of(&p, a)->told);
	assert_false(end_of(&p, b)->told);
	machine_say(b, report(true, peer(a, "relay", 2500, 0, 0)));
	p = read_pair(r, a, b);
	/* It is as good as its worse direction. */
	assert_int_equal(p.path, REPORT_RELAY);
	assert_int_equal(end_of(&p, a)->path, REPORT_DIRECT);
	reports_total(r->c, &t);
	assert_int_equal(t.pairs[REPORT_RELAY], 1);
	assert_int_equal(t.pairs[REPORT_DIRECT], 0);
	assert_int_equal(t.pairs_ip4, 1);
	assert_int_equal(t.telling, 2);
}

static void traffic_is_the_difference_over_the_time_that_it_took(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b;

	two_members(r, &a, &b);
	machine_say(a, report(true, peer(b, "direct", 1, 1000, 5000)));
	assert_int_equal(read_pair(r, a, b).rate, 0);
	machine_say(a, report(false, peer(b, "direct", 1, 3000, 15000)));
	struct pair_report p = read_pair(r, a, b);
	assert_int_equal(end_of(&p, a)->rx_rate, 2000);
	assert_int_equal(end_of(&p, a)->tx_rate, 10000);
	/* What one sends the other receives: it counts once. */
	machine_say(b, report(true, peer(a, "direct", 1, 0, 0)));
	machine_say(b, report(false, peer(a, "direct", 1, 9000, 2000)));
	assert_int_equal(read_pair(r, a, b).rate, 12000);
	/* Faster than anything is. */
	machine_say(a, json_pack("{s:s, s:i, s:[{s:s, s:s, s:I}]}", "t", "report", "over_ms", 1, "peers",
			       "node", b->id.id, "path", "direct", "rx", (json_int_t)INT64_MAX));
	p = read_pair(r, a, b);
	assert_int_equal(end_of(&p, a)->rx_rate, REPORTS_RATE_MAX);
	/* It has started again, and counts from 0. */
	machine_say(a, report(false, peer(b, "direct", 1, 5, 5)));
	p = read_pair(r, a, b);
	assert_int_equal(end_of(&p, a)->rx_rate, 0);
}

static void count_pair(void *ctx, const struct pair_report *p UNUSED)
{
	++*(size_t *)ctx;
}

static size_t n_pairs(struct rig *r)
{
	size_t n = 0;

	reports_pairs(r->c, NULL, count_pair, &n);
	return n;
}

static void a_pair_ends_with_its_word_its_link_and_its_member(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b;
	struct pair_report p;

	two_members(r, &a, &b);
	machine_say(a, report(true, peer(b, "direct", 1, 0, 0)));
	assert_int_equal(n_pairs(r), 1);
	machine_say(a, report(false, peer(b, "gone", 0, 0, 0)));
	assert_int_equal(n_pairs(r), 0);
	assert_int_equal(read_pair(r, a, b).path, REPORT_GONE); /* but how it was is kept */
	machine_say(a, report(false, peer(b, "direct", 1, 0, 0)));
	assert_int_equal(n_pairs(r), 1);
	machine_say(a, json_pack("{s:s, s:b}", "t", "report", "whole", 1));
	assert_int_equal(n_pairs(r), 0);
	machine_say(a, report(false, peer(b, "direct", 1, 0, 0)));
	machine_unlink(a);
	assert_int_equal(n_pairs(r), 0);
	/* By a new link it has said nothing yet; nor by one that takes the place of another. */
	machine_hello(a, NULL);
	machine_await(a, "report");
	assert_int_equal(n_pairs(r), 0);
	machine_say(a, report(false, peer(b, "direct", 1, 0, 0)));
	assert_int_equal(n_pairs(r), 1);
	struct machine *again = rig_machine(r, 2);
	again->id = a->id;
	machine_hello(again, NULL);
	machine_await(again, "report");
	assert_null(a->conn);
	assert_int_equal(n_pairs(r), 0);
	machine_say(again, json_pack("{s:s, s:{s:i}}", "t", "report", "self", "mtu", 1420));
	assert_int_equal(n_pairs(r), 0);
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "b"));
	rig_settle(r);
	assert_false(reports_pair(r->c, a->id.id, b->id.id, &p));
}

static void nobody_tells_of_pairs_that_it_is_not_of(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b, stranger = {.id = {.id = "0123456789abcdef"}};

	two_members(r, &a, &b);
	machine_say(a, report(true, peer(a, "direct", 1, 0, 0)));
	machine_say(a, report(true, peer(&stranger, "direct", 1, 0, 0)));
	assert_int_equal(n_pairs(r), 0);
}

/* Until something is not read any more; how much is. How long that takes is the machine's, and the allowance
 * grows meanwhile. */
static int say_too_much(struct rig *r, struct machine *from, const struct machine *about)
{
	struct pair_report p;
	int said = 0;

	do {
		machine_say(from, report(false, peer(about, "relay", ++said, 0, 0)));
		p = read_pair(r, from, about);
	} while (said < 1000 && (int)end_of(&p, from)->rtt_us == said);
	return said - 1;
}

/* Beyond the burst nothing of it is read, and it is asked to begin anew. The others are heard. */
static void who_says_too_much_loses_what_is_its_own(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b;

	two_members(r, &a, &b);
	assert_in_range(say_too_much(r, a, b), 60, 998);
	assert_non_null(a->conn);
	machine_say(b, report(false, peer(a, "direct", 7, 0, 0)));
	struct pair_report p = read_pair(r, a, b);
	assert_int_equal(end_of(&p, b)->rtt_us, 7);
	machine_forget(a);
	reports_ask(r->c, time_monotonic() + 61 * SEC);
	assert_true(json_is_true(json_object_get(machine_last(a, "report"), "whole")));
}

static void who_lost_something_begins_anew_though_it_is_watched(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b;
	unsigned n_whole = 0;

	two_members(r, &a, &b);
	assert_in_range(say_too_much(r, a, b), 60, 998);
	const ns_t now = time_monotonic();
	reporter_of(registry_by_id(r->c->reg, a->id.id))->watched_until = now + 100 * SEC;
	for (unsigned i = 1; i <= 18; i++) {
		machine_forget(a);
		reports_ask(r->c, now + (int)i * 5 * SEC);
		for (size_t k = 0; k < json_array_size(a->inbox); k++)
			n_whole += json_is_true(json_object_get(json_array_get(a->inbox, k), "whole"));
	}
	assert_int_equal(n_whole, 1);
}

/* --- bounds --- */

/* Three members, a linked to both others, and how many pairs there may be. */
static void a_new_pair_takes_the_place_of_one_that_nobody_tells_of(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b, *c = rig_machine(r, 2);
	struct pair_report p;

	two_members(r, &a, &b);
	machine_join(c, "c");
	r->c->reports->limits.pairs = 2;
	machine_say(a, report(true, peer(b, "direct", 1, 0, 0)));
	machine_say(a, report(false, peer(c, "direct", 1, 0, 0)));
	machine_say(b, report(true, peer(c, "direct", 1, 0, 0)));
	assert_int_equal(n_pairs(r), 2); /* both are in use */
	assert_false(reports_pair(r->c, b->id.id, c->id.id, &p));
	/* The one that is told of rests for longer: it stays. */
	machine_say(a, report(false, peer(c, "gone", 0, 0, 0)));
	machine_say(b, report(false, peer(c, "direct", 1, 0, 0)));
	assert_int_equal(n_pairs(r), 2);
	assert_int_equal(read_pair(r, a, b).path, REPORT_DIRECT);
	assert_false(reports_pair(r->c, a->id.id, c->id.id, &p));
	/* A link that is gone tells of nothing. */
	machine_unlink(a);
	machine_say(c, report(true, peer(a, "direct", 1, 0, 0)));
	assert_int_equal(n_pairs(r), 2);
	assert_false(reports_pair(r->c, a->id.id, b->id.id, &p));
}

static void a_member_tells_of_so_many_pairs_at_most(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b, *c = rig_machine(r, 2);

	two_members(r, &a, &b);
	machine_join(c, "c");
	r->c->reports->limits.told = 1;
	machine_say(a, report(true, peer(b, "direct", 1, 0, 0)));
	machine_say(a, report(false, peer(c, "direct", 1, 0, 0)));
	assert_int_equal(n_pairs(r), 1);
	machine_say(a, report(false, peer(b, "relay", 1, 0, 0)));
	assert_int_equal(read_pair(r, a, b).path, REPORT_RELAY);
	machine_say(c, report(true, peer(b, "direct", 1, 0, 0)));
	assert_int_equal(n_pairs(r), 2);
	machine_say(a, report(false, peer(b, "gone", 0, 0, 0)));
	machine_say(a, report(false, peer(c, "direct", 1, 0, 0)));
	assert_int_equal(read_pair(r, a, c).path, REPORT_DIRECT);
}

static size_t n_samples(struct rig *r, const struct machine *a, const struct machine *b)
{
	struct pair_sample v[REPORTS_RECENT];

	return reports_samples(r->c, a->id.id, b->id.id, REPORTS_SPAN_RECENT, v, ARRAY_LEN(v));
}

static void the_pair_told_of_longest_ago_gives_its_history_up(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b, *c = rig_machine(r, 2);
	struct reports_total t;

	two_members(r, &a, &b);
	machine_join(c, "c");
	machine_say(a, report(true, peer(b, "direct", 1, 0, 0)));
	machine_say(a, report(false, peer(c, "direct", 1, 0, 0)));
	machine_say(a, report(false, peer(b, "direct", 2, 0, 0)));
	assert_int_equal(n_samples(r, a, c), 1);
	r->c->reports->limits.histories = r->c->reports->bytes;
	machine_say(b, report(true, peer(c, "direct", 1, 0, 0)));
	assert_int_equal(n_samples(r, a, c), 0);
	assert_int_equal(n_samples(r, b, c), 1);
	assert_true(n_samples(r, a, b) > 0);
	assert_true(r->c->reports->bytes <= r->c->reports->limits.histories);
	assert_int_equal(n_pairs(r), 3);
	/* However little there is, the newest has one. */
	r->c->reports->limits.histories = 1;
	machine_say(a, report(false, peer(c, "relay", 3, 0, 0)));
	assert_int_equal(n_samples(r, a, c), 1);
	assert_int_equal(n_samples(r, b, c), 0);
	reports_total(r->c, &t);
	assert_true(t.memory > r->c->reports->bytes);
}

static void a_pair_that_nobody_tells_of_for_a_day_goes(void **state)
{
	const ns_t hour = 3600 * SEC;
	struct rig *r = *state;
	struct machine *a, *b, *c = rig_machine(r, 2);
	struct pair_report p;

	two_members(r, &a, &b);
	machine_join(c, "c");
	machine_say(a, report(true, peer(b, "direct", 1, 0, 0)));
	machine_say(a, report(false, peer(c, "direct", 1, 0, 0)));
	machine_say(a, report(false, peer(b, "gone", 0, 0, 0)));
	reports_expire(r->c, time_monotonic() + 23 * hour);
	assert_true(reports_pair(r->c, a->id.id, b->id.id, &p));
	reports_expire(r->c, time_monotonic() + 25 * hour);
	assert_false(reports_pair(r->c, a->id.id, b->id.id, &p));
	assert_int_equal(read_pair(r, a, c).path, REPORT_DIRECT); /* it rests, and is still so */
	machine_unlink(a);
	reports_expire(r->c, time_monotonic() + 25 * hour);
	assert_false(reports_pair(r->c, a->id.id, c->id.id, &p));
	assert_int_equal(r->c->reports->n_pairs, 0);
	assert_int_equal(r->c->reports->bytes, 0);
}

static void what_a_node_says_of_itself_is_read_while_it_is_linked(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b;
	struct member_report m;
	struct reports_total t;

	two_members(r, &a, &b);
	assert_true(reports_member(r->c, a->id.id, &m));
	assert_false(m.told);
	machine_say(
		a, json_pack("{s:s, s:{s:i, s:[s]}}", "t", "report", "self", "mtu", 1420, "alarms", "dns"));
	assert_true(reports_member(r->c, a->id.id, &m));
	assert_true(m.told);
	assert_int_equal(m.self.mtu, 1420);
	reports_total(r->c, &t);
	assert_int_equal(t.alarms[REPORT_ALARM_DNS], 1);
	machine_unlink(a);
	assert_true(reports_member(r->c, a->id.id, &m));
	assert_false(m.told);
	assert_false(reports_member(r->c, "0123456789abcdef", &m));
}

static void how_a_pair_was_is_kept(void **state)
{
	struct rig *r = *state;
	struct machine *a, *b;
	struct pair_sample v[REPORTS_RECENT];
	struct pair_change changes[REPORTS_CHANGES];

	two_members(r, &a, &b);
	machine_say(a, report(true, peer(b, "relay", 100, 0, 0)));
	rig_unix_now += 2;
	machine_say(a, report(false, peer(b, "direct", 50, 0, 0)));
	rig_unix_now += 2;
	machine_say(a, report(false, peer(b, "direct", 50, 0, 0)));
	assert_int_equal(reports_samples(r->c, b->id.id, a->id.id, REPORTS_SPAN_RECENT, v, ARRAY_LEN(v)), 2);
	assert_int_equal(v[0].path, REPORT_RELAY);
	assert_int_equal(v[1].rtt_us, 50);
	assert_int_equal(v[1].at, v[0].at + 2);
	/* All of that was within five minutes. */
	assert_int_equal(reports_samples(r->c, a->id.id, b->id.id, REPORTS_SPAN_DAY, v, ARRAY_LEN(v)), 1);
	assert_int_equal(reports_changes(r->c, a->id.id, b->id.id, changes, ARRAY_LEN(changes)), 2);
	assert_int_equal(changes[0].path, REPORT_RELAY);
	assert_int_equal(changes[1].path, REPORT_DIRECT);
}

static void a_full_ring_keeps_the_newest(void **state UNUSED)
{
	struct ring_samples ring = {.n = 0};
	struct pair_sample v[20];

	for (unsigned i = 0; i < 100; i++) {
		samples_add(
			&ring, 20, 1, &(struct pair_sample){.at = i, .rtt_us = i + 1, .path = REPORT_DIRECT});
		const size_t n = samples_read(&ring, v, ARRAY_LEN(v));
		assert_int_equal(n, MIN(i + 1, 20));
		for (size_t k = 0; k < n; k++)
			if (v[k].at != (int64_t)(i + 1 - n + k) || v[k].rtt_us != v[k].at + 1)
				fail_msg("after %u: sample %zu is of %d", i, k, (int)v[k].at);
	}
	/* Fewer than there are: the newest. */
	assert_int_equal(samples_read(&ring, v, 3), 3);
	assert_int_equal(v[2].at, 99);
	free(ring.v);
}

int main(void)
{
#define ON_RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		ON_RIG(a_member_is_asked_once_per_link_for_everything),
		ON_RIG(who_is_watched_is_asked_for_more_for_a_while),
		ON_RIG(all_have_their_turn_to_be_asked),
		ON_RIG(what_both_ends_say_is_one_pair),
		ON_RIG(traffic_is_the_difference_over_the_time_that_it_took),
		ON_RIG(a_pair_ends_with_its_word_its_link_and_its_member),
		ON_RIG(nobody_tells_of_pairs_that_it_is_not_of),
		ON_RIG(who_says_too_much_loses_what_is_its_own),
		ON_RIG(who_lost_something_begins_anew_though_it_is_watched),
		ON_RIG(a_new_pair_takes_the_place_of_one_that_nobody_tells_of),
		ON_RIG(a_member_tells_of_so_many_pairs_at_most),
		ON_RIG(the_pair_told_of_longest_ago_gives_its_history_up),
		ON_RIG(a_pair_that_nobody_tells_of_for_a_day_goes),
		ON_RIG(what_a_node_says_of_itself_is_read_while_it_is_linked),
		ON_RIG(how_a_pair_was_is_kept),
		cmocka_unit_test(a_full_ring_keeps_the_newest),
	};

	return cmocka_run_group_tests_name("coord reports", tests, NULL, NULL);
}
