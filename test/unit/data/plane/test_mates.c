/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which worker a relay's streams belong to, and that nothing is lost or overtaken when one changes hands. */
#include "data/plane/mates.h"

#include <unistd.h>

#include "data/plane/plane_private.h"
#include "unit/data/plane/relay_rig.h"

enum { PAIRS = 4, WORKERS = 2 };

static struct stream *find(uint32_t number)
{
	return streams_find(atomic_load(&r.plane->streams), number);
}

static struct worker *owner_of(uint32_t number)
{
	assert_non_null(find(number));
	return stream_owner(find(number));
}

struct two {
	uint32_t stream[2];
};

static bool share_a_worker(void *two)
{
	const struct two *t = two;

	return owner_of(t->stream[0]) == owner_of(t->stream[1]) && !find(t->stream[0])->moving &&
	       !find(t->stream[1])->moving;
}

static struct two nodes(void)
{
	return (struct two){.stream = {theirs[1], theirs[2]}};
}

static void streams_of_two_who_talk_come_to_one_worker(void **state)
{
	struct two t = nodes();
	(void)state;

	assert_false(share_a_worker(&t));
	for (uint16_t i = 0; i < 4 * MATES_AFTER; i++)
		pass(i % 2 ? &a : &b, i % 2 ? &b : &a, i % 3 ? 4 : 6, i, 30);
	EXPECT_SOON(all, share_a_worker, &t);
	for (uint16_t i = 0; i < 4 * MATES_AFTER; i++)
		pass(i % 2 ? &a : &b, i % 2 ? &b : &a, i % 3 ? 4 : 6, i, 30);
	assert_true(share_a_worker(&t));
}

/* Of what waits too long on a slow machine the older goes, but never the last. */
static void receive_in_order(const struct host *at, uint16_t least, uint16_t last)
{
	uint8_t got[FAKE_BYTES];

	for (uint16_t serial = 0; serial != last; least = (uint16_t)(serial + 1)) {
		expect_packet(all, 3, at, got);
		serial = packet_serial(got);
		assert_in_range(serial, least, last);
	}
}

static void what_is_on_its_way_meanwhile_arrives_in_order(void **state)
{
	enum { AT_ONCE = 8 };
	uint8_t p[FAKE_BYTES];
	struct two t = nodes();
	uint16_t sent = 0;
	(void)state;

	pass(&a, &b, 4, 1, 20);
	pass(&b, &a, 4, 1, 20);
	while (!share_a_worker(&t) || sent < 8 * MATES_AFTER) {
		assert_true(sent < 60000);
		for (uint16_t i = 0; i < AT_ONCE; i++) {
			fake_tun_send("tm1", p, packet_make(4, 1, 2, (uint16_t)(sent + i), 100, p));
			fake_tun_send("tm2", p, packet_make(4, 2, 1, (uint16_t)(sent + i), 100, p));
		}
		receive_in_order(&b, sent, (uint16_t)(sent + AT_ONCE - 1));
		receive_in_order(&a, sent, (uint16_t)(sent + AT_ONCE - 1));
		sent = (uint16_t)(sent + AT_ONCE);
	}
}

/* --- members that the test plays itself --- */

struct talker {
	struct host member;
	struct end end;
	uint32_t stream;
};

static void join_as(struct talker *t, unsigned i)
{
	t->member = (struct host){.i = i, .pub = {(uint8_t)i}};
	t->stream = hold_as(&t->end, &t->member);
}

static void talk(struct talker *from, const struct talker *to, unsigned frames)
{
	uint8_t p[4096];
	const size_t n = frame(relay_pair(from->member.i, to->member.i), 200, 200, p);

	for (unsigned i = 0; i < frames; i++)
		say(&from->end, WS_BINARY, p, n);
}

static bool has_relayed(void *packets)
{
	return plane_relayed(r.plane).packets >= *(uint64_t *)packets;
}

static void who_talks_to_many_and_those_stay_where_they_are(void **state)
{
	struct talker hub, leaf[3];
	struct worker *before[4];
	uint64_t want = 0;
	(void)state;

	join_as(&hub, 20);
	before[3] = owner_of(hub.stream);
	for (unsigned i = 0; i < 3; i++) {
		join_as(&leaf[i], 21 + i);
		before[i] = owner_of(leaf[i].stream);
	}
	for (unsigned k = 0; k < 4 * MATES_AFTER; k++)
		for (unsigned i = 0; i < 3; i++) {
			talk(&hub, &leaf[i], 1);
			talk(&leaf[i], &hub, 1);
			want += 2;
		}
	EXPECT_SOON(all, has_relayed, &want);
	/* Whoever wanted to move has done so by then. */
	for (uint16_t i = 0; i < MATES_AFTER / 2; i++)
		pass(i % 2 ? &a : &b, i % 2 ? &b : &a, 4, i, 100);
	assert_ptr_equal(owner_of(hub.stream), before[3]);
	for (unsigned i = 0; i < 3; i++)
		assert_ptr_equal(owner_of(leaf[i].stream), before[i]);
	let_go(&hub.end);
	for (unsigned i = 0; i < 3; i++)
		let_go(&leaf[i].end);
}

static void talk_both_ways(struct talker t[2])
{
	uint64_t want = plane_relayed(r.plane).packets;

	for (unsigned k = 0; k < 2 * MATES_AFTER; k++) {
		talk(&t[0], &t[1], 1);
		talk(&t[1], &t[0], 1);
		want += 2;
	}
	EXPECT_SOON(all, has_relayed, &want);
}

static void many_pairs_spread_over_the_workers(void **state)
{
	struct talker t[PAIRS][2];
	(void)state;

	relay_rig_start(1, WORKERS);
	for (unsigned i = 0; i < PAIRS; i++)
		for (unsigned k = 0; k < 2; k++)
			join_as(&t[i][k], 20 + 2 * i + k);
	for (unsigned i = 0; i < PAIRS; i++) {
		struct two two = {.stream = {t[i][0].stream, t[i][1].stream}};

		assert_false(share_a_worker(&two));
		talk_both_ways(t[i]);
		EXPECT_SOON(all, share_a_worker, &two);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(r.plane->workers[i].n_streams, 2 * PAIRS / WORKERS);
	for (unsigned i = 0; i < PAIRS; i++)
		for (unsigned k = 0; k < 2; k++)
			let_go(&t[i][k].end);
}

/* Whoever is not there, and has no stream, is nobody's mate. */
static void what_is_not_handed_on_makes_no_mates(void **state)
{
	const struct talker nobody = {.member.i = 99};
	struct talker t;
	(void)state;

	join_as(&t, 20);
	talk(&t, &nobody, 2 * MATES_AFTER);
	expect_drops(all, 3, &r, DROP_RELAY_UNBOUND, 2 * MATES_AFTER);
	assert_int_equal(atomic_load(&find(t.stream)->mates), 0);
	let_go(&t.end);
}

static void one_has_another_mate_later(void **state)
{
	struct talker t[4];
	(void)state;

	/* By turns at the two workers: 0 and 2 at one, 1 and 3 at the other. */
	for (unsigned i = 0; i < 4; i++)
		join_as(&t[i], 20 + i);
	struct two first = {.stream = {t[0].stream, t[1].stream}},
		   then = {.stream = {t[0].stream, t[3].stream}};
	talk_both_ways(t);
	EXPECT_SOON(all, share_a_worker, &first);
	struct talker *others[2] = {&t[0], &t[3]};
	uint64_t want = plane_relayed(r.plane).packets;
	for (unsigned k = 0; k < 6 * MATES_AFTER; k++) {
		talk(others[k % 2], others[1 - k % 2], 1);
		want++;
	}
	EXPECT_SOON(all, has_relayed, &want);
	EXPECT_SOON(all, share_a_worker, &then);
	for (unsigned i = 0; i < 4; i++)
		let_go(&t[i].end);
}

static bool begin_to_move(void *talkers)
{
	struct talker *t = talkers;

	for (unsigned i = 0; i < 2; i++)
		talk(&t[i], &t[1 - i], 1);
	return find(t[0].stream)->moving || find(t[1].stream)->moving;
}

static bool are_gone(void *two)
{
	const struct two *t = two;

	return !find(t->stream[0]) && !find(t->stream[1]);
}

static bool have_lost(void *n)
{
	return r.n_streams_lost >= *(unsigned *)n;
}

/* What the workers have, which decides where the next ones go. */
static void expect_only(const struct two *t)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		const struct worker *w = &r.plane->workers[i];

		assert_int_equal(
			w->n_streams, (find(t->stream[0])->home == w) + (find(t->stream[1])->home == w));
	}
}

/* In every phase of it, and by both ends. */
static void streams_may_end_while_they_change_hands(void **state)
{
	const struct two stay = nodes();
	unsigned lost = 0;
	(void)state;

	for (unsigned i = 0; i < 96; i++) {
		struct talker t[2];

		join_as(&t[0], 20);
		join_as(&t[1], 21);
		struct two two = {.stream = {t[0].stream, t[1].stream}};
		if (i % 4 == 0)
			talk_both_ways(t);
		else
			EXPECT_SOON(all, begin_to_move, t);
		if (i % 4 == 3)
			EXPECT_SOON(all, share_a_worker, &two);
		for (unsigned k = 0; k < i % 7; k++)
			plane_service(r.plane, time_monotonic());
		if (i % 3 == 0)
			plane_stream_remove(r.plane, t[i % 2].stream);
		else if (i % 3 == 1)
			assert_int_equal(write(t[i % 2].end.fd, "no frame", 8), 8);
		if (i % 16 == 0)
			pass(i % 32 ? &a : &b, i % 32 ? &b : &a, 4, (uint16_t)i, 100);
		let_go(&t[0].end);
		let_go(&t[1].end);
		EXPECT_SOON(all, are_gone, &two);
		lost += i % 3 == 0 ? 1 : 2; /* of what we remove nothing is told */
		EXPECT_SOON(all, have_lost, &lost);
		assert_int_equal(r.n_streams_lost, lost);
		expect_only(&stay);
	}
}

/* What one node sends is in order, so it has one worker. */
static int set_up(void **state)
{
	(void)state;
	relay_rig_start(1, WORKERS);
	connect_node(&a);
	connect_node(&b);
	use_stream(&a, &b);
	use_stream(&b, &a);
	return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(streams_of_two_who_talk_come_to_one_worker),
		CASE(what_is_on_its_way_meanwhile_arrives_in_order),
		CASE(who_talks_to_many_and_those_stay_where_they_are),
		cmocka_unit_test_teardown(many_pairs_spread_over_the_workers, rig_teardown),
		CASE(what_is_not_handed_on_makes_no_mates),
		CASE(one_has_another_mate_later),
		CASE(streams_may_end_while_they_change_hands),
	};

	return cmocka_run_group_tests_name("data/plane/mates", tests, NULL, NULL);
}
