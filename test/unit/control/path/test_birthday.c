/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One attempt to guess a mapping: where the guesses go, in which order, how many and how fast. */
#include "unit/unit.h"

#include "control/path/birthday.h"

static struct endpoint at(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(text, &ep), TM_OK);
	return ep;
}

static struct stun_guess seen(const char *const *texts, size_t n)
{
	struct stun_guess g = {.role = STUN_GUESS_OPENS};

	for (size_t i = 0; i < n; i++)
		g.seen[g.n++] = at(texts[i]);
	return g;
}
#define SEEN(...)                                                                                            \
	seen((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static struct birthday guesser(const struct stun_guess *told, uint32_t dice)
{
	struct birthday b;

	birthday_begin(&b, STUN_GUESS_GUESSES, NULL, told, dice, 0);
	return b;
}

/* How many of the first n guesses are from..to at the address; NULL: at any. */
static unsigned count(const struct birthday *b, unsigned n, const char *ip, unsigned from, unsigned to)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++) {
		struct endpoint ep = birthday_guess(b, i);
		char text[IP_STR_LEN];

		found +=
			ep.port >= from && ep.port <= to && (!ip || strcmp(ip_format(&ep.ip, text), ip) == 0);
	}
	return found;
}

static void without_a_block_every_port_is_guessed_once_at_most(void **state)
{
	struct stun_guess told = SEEN("192.0.2.1:2000", "192.0.2.1:60000");
	(void)state;

	assert_int_equal(birthday_sockets(&told), BIRTHDAY_SOCKETS);
	for (uint32_t dice = 1; dice < UINT32_MAX / 2; dice = dice * 5 + 3) {
		struct birthday b = guesser(&told, dice);
		uint8_t had[UINT16_MAX + 1] = {0};

		for (unsigned i = 0; i < BIRTHDAY_GUESSES; i++) {
			struct endpoint ep = birthday_guess(&b, i);

			assert_in_range(ep.port, BIRTHDAY_LOWEST, UINT16_MAX);
			assert_int_equal(had[ep.port]++, 0);
		}
	}
}

static void ports_that_lie_in_a_block_are_guessed_around_first(void **state)
{
	struct stun_guess told = SEEN("192.0.2.1:40960", "192.0.2.1:41100", "192.0.2.1:41215");
	struct birthday b = guesser(&told, 12345);
	(void)state;

	assert_int_equal(birthday_sockets(&told), BIRTHDAY_SOCKETS_IN_BLOCK);
	assert_int_equal(count(&b, 256, NULL, 40960, 41215), 256);
	/* Then anywhere. */
	assert_true(count(&b, BIRTHDAY_GUESSES, NULL, 40960, 41215) < 300);
}

static void a_small_block_grows_by_its_neighbours(void **state)
{
	struct stun_guess told = SEEN("192.0.2.1:5001", "192.0.2.1:5002", "192.0.2.1:5003");
	struct birthday b = guesser(&told, 7);
	(void)state;

	assert_int_equal(count(&b, 64, NULL, 4992, 5055), 64);
	assert_int_equal(count(&b, 128, NULL, 4992, 5119), 128);
	assert_int_equal(count(&b, 256, NULL, 4864, 5119), 256);
}

static void two_ports_must_be_nearer_to_each_other_than_three(void **state)
{
	struct stun_guess two = SEEN("192.0.2.1:40960", "192.0.2.1:42000");
	struct stun_guess three = SEEN("192.0.2.1:40960", "192.0.2.1:42000", "192.0.2.1:41500");
	struct stun_guess one = SEEN("192.0.2.1:40960");
	(void)state;

	assert_int_equal(birthday_sockets(&two), BIRTHDAY_SOCKETS);
	assert_int_equal(birthday_sockets(&three), BIRTHDAY_SOCKETS_IN_BLOCK);
	assert_int_equal(birthday_sockets(&one), BIRTHDAY_SOCKETS);
}

static void every_address_has_its_turn_and_its_own_block(void **state)
{
	struct stun_guess told =
		SEEN("192.0.2.1:2048", "192.0.2.1:2100", "192.0.2.2:50000", "192.0.2.1:2111");
	struct birthday b = guesser(&told, 99);
	(void)state;

	/* A single port of a provider's other address stands for the block of 512 that it lies in. */
	assert_int_equal(count(&b, 128, "192.0.2.1", 2048, 2111), 64);
	assert_int_equal(count(&b, 128, "192.0.2.2", 49664, 50175), 64);
	assert_int_equal(count(&b, BIRTHDAY_GUESSES, "192.0.2.1", 0, UINT16_MAX), BIRTHDAY_GUESSES / 2);
}

struct sent {
	unsigned n, most; /* at once */
	ns_t last;
};

/* All that it sends, by a clock that is late by as much. */
static struct sent run(struct birthday *b, ns_t lateness)
{
	struct sent s = {.n = 0};
	unsigned burst = 0;

	for (ns_t now = b->due; !birthday_is_over(b, now); now = MAX(b->due, now) + lateness) {
		uint32_t socket;
		struct endpoint to;

		while (birthday_step(b, now, &socket, &to)) {
			burst = now > s.last ? 1 : burst + 1;
			s.most = MAX(s.most, burst);
			s.last = now;
			s.n++;
		}
		assert_true(b->due > now);
	}
	return s;
}

static void guesses_are_over_within_a_second_and_never_a_burst(void **state)
{
	static const ns_t lateness[] = {0, MS, 50 * MS};
	struct stun_guess told = SEEN("192.0.2.1:2000", "192.0.2.1:60000");
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(lateness); i++) {
		struct birthday b = guesser(&told, 1);
		struct sent s = run(&b, lateness[i]);

		assert_true(s.most <= BIRTHDAY_BATCH);
		assert_true(s.n <= BIRTHDAY_GUESSES);
		assert_true(i > 1 || (s.n == BIRTHDAY_GUESSES && s.last >= 600 * MS && s.last <= 800 * MS));
	}
}

static void each_socket_sends_five_times_to_the_one_address(void **state)
{
	struct stun_guess ours = SEEN("192.0.2.1:2000", "192.0.2.1:60000");
	const struct endpoint to = at("198.51.100.1:51820");
	uint32_t sockets[BIRTHDAY_SOCKETS];
	struct birthday b;
	struct sent s;
	(void)state;

	for (unsigned i = 0; i < BIRTHDAY_SOCKETS; i++)
		sockets[i] = i + 1;
	birthday_begin(&b, STUN_GUESS_OPENS, &to, &ours, 1, 0);
	assert_true(b.due > 0); /* nothing to send by */
	birthday_opened(&b, sockets, BIRTHDAY_SOCKETS, 0);
	s = run(&b, 0);
	assert_int_equal(s.n, BIRTHDAY_ROUNDS * BIRTHDAY_SOCKETS);
	assert_true(s.most <= BIRTHDAY_BATCH);
}

static void fewer_sockets_than_asked_for_and_none_are_fine(void **state)
{
	const struct endpoint to = at("198.51.100.1:51820");
	struct stun_guess ours = SEEN("192.0.2.1:2000");
	uint32_t sockets[] = {5, 6, 7};
	(void)state;

	for (size_t n = 0; n <= ARRAY_LEN(sockets); n++) {
		struct birthday b;

		birthday_begin(&b, STUN_GUESS_OPENS, &to, &ours, 1, 0);
		birthday_opened(&b, sockets, n, MS);
		assert_int_equal(run(&b, 0).n, BIRTHDAY_ROUNDS * n);
	}
}

static void who_guesses_waits_for_what_a_right_guess_brings(void **state)
{
	struct stun_guess told = SEEN("192.0.2.1:2000", "192.0.2.1:60000");
	struct birthday b = guesser(&told, 1);
	struct endpoint to;
	uint32_t socket;
	(void)state;

	assert_true(birthday_step(&b, 0, &socket, &to));
	birthday_hint(&b, 0, false, 0);
	assert_false(birthday_step(&b, BIRTHDAY_HINT - 1, &socket, &to));
	assert_true(birthday_step(&b, BIRTHDAY_HINT, &socket, &to));
	assert_true(run(&b, 0).most <= BIRTHDAY_BATCH);
}

/* What is seen of all addresses tells where the blocks are, also of the one that alone is guessed at. */
static void addresses_that_are_left_out_still_tell_of_blocks(void **state)
{
	const struct stun_guess told = SEEN("192.0.2.1:2048", "192.0.2.2:2100", "192.0.2.3:50000"),
				at_one = SEEN("192.0.2.2:2100"), nowhere = SEEN("192.0.2.9:1");
	struct birthday b = guesser(&told, 99);
	(void)state;

	birthday_only_at(&b, &at_one);
	assert_int_equal(count(&b, BIRTHDAY_GUESSES, "192.0.2.2", 0, UINT16_MAX), BIRTHDAY_GUESSES);
	assert_int_equal(count(&b, 256, NULL, 2048, 2559), 256);
	birthday_only_at(&b, &nowhere);
	assert_int_equal(run(&b, 0).n, 0);
}

static void who_is_limited_sends_no_more(void **state)
{
	const struct stun_guess told = SEEN("192.0.2.1:2048", "192.0.2.1:2100");
	const struct endpoint to = at("198.51.100.1:51820");
	const uint32_t sockets[BIRTHDAY_SOCKETS_IN_BLOCK] = {5, 6, 7, 8, 9};
	struct birthday b = guesser(&told, 99);
	(void)state;

	birthday_limit(&b, BIRTHDAY_UNSEEN);
	assert_int_equal(run(&b, 0).n, BIRTHDAY_UNSEEN);
	for (unsigned n = 1; n <= ARRAY_LEN(sockets); n++) {
		birthday_begin(&b, STUN_GUESS_OPENS, &to, &told, 1, 0);
		birthday_limit(&b, BIRTHDAY_UNSEEN);
		birthday_opened(&b, sockets, n, MS);
		assert_int_equal(run(&b, 0).n, MIN(BIRTHDAY_ROUNDS * n, (unsigned)BIRTHDAY_UNSEEN));
	}
}

/* --- meeting --- */

enum { AT = 700 }; /* ms */

struct tickets {
	unsigned n, order[BIRTHDAY_MEETINGS];
	ns_t at[BIRTHDAY_MEETINGS]; /* by ticket; 0: it was not sent */
};

static struct tickets meet_limited(enum stun_guess_role role, size_t n_sockets, unsigned most)
{
	const struct endpoint to = at("198.51.100.1:20000");
	uint32_t sockets[BIRTHDAY_SOCKETS], socket;
	struct tickets sent = {.n = 0};
	struct birthday b;
	struct endpoint ep;

	/* Every tenth could not be had. */
	for (unsigned i = 0; i < BIRTHDAY_SOCKETS; i++)
		sockets[i] = i % 10 == 9 ? 0 : 1000 + i;
	birthday_meet(&b, role, &to, AT * MS, MS);
	birthday_limit(&b, most);
	assert_false(birthday_step(&b, AT * MS, &socket, &ep));
	birthday_opened(&b, sockets, n_sockets, 2 * MS);
	for (ns_t now = MS; !birthday_is_over(&b, now); now = b.due) {
		while (birthday_step(&b, now, &socket, &ep)) {
			const unsigned i = socket - 1000;

			assert_true(ip_eq(&ep.ip, &to.ip) && ep.port == to.port + i);
			assert_true(sent.at[i] == 0);
			sent.at[i] = now;
			sent.order[sent.n++] = i;
		}
		assert_true(b.due > now);
	}
	return sent;
}

static struct tickets meet(enum stun_guess_role role, size_t n_sockets)
{
	return meet_limited(role, n_sockets, 0);
}

static void each_fresh_port_is_tried_once_and_at_one_moment_from_both_sides(void **state)
{
	const struct tickets offers = meet(STUN_GUESS_OFFERS, BIRTHDAY_MEETINGS),
			     meets = meet(STUN_GUESS_MEETS, BIRTHDAY_MEETINGS);
	ns_t sooner = 0, later = 0;
	unsigned together = 0;
	(void)state;

	assert_int_equal(offers.n, BIRTHDAY_MEETINGS - BIRTHDAY_MEETINGS / 10);
	assert_int_equal(meets.n, offers.n);
	assert_true(offers.at[0] == AT * MS && meets.at[0] == AT * MS);
	for (unsigned i = 0; i < BIRTHDAY_MEETINGS; i++) {
		const ns_t lead = offers.at[i] - meets.at[i];

		if (!offers.at[i])
			continue;
		together += lead == 0;
		sooner = MAX(sooner, lead);
		later = MAX(later, -lead);
	}
	assert_true(together >= BIRTHDAY_BURST - BIRTHDAY_BURST / 10 - 1);
	assert_true(sooner == BIRTHDAY_LEAD && later == BIRTHDAY_LEAD);
}

/* Two that leave one after the other take some microseconds: some then cross on any line. */
static void the_two_sides_begin_at_opposite_ends(void **state)
{
	const struct tickets offers = meet(STUN_GUESS_OFFERS, BIRTHDAY_MEETINGS),
			     meets = meet(STUN_GUESS_MEETS, BIRTHDAY_MEETINGS);
	(void)state;

	for (unsigned i = 1; i < BIRTHDAY_BURST * 8 / 10; i++) {
		assert_true(offers.order[i] > offers.order[i - 1]);
		assert_true(meets.order[i] < meets.order[i - 1]);
	}
}

static void fewer_ports_than_offered_are_fine(void **state)
{
	(void)state;
	assert_int_equal(meet(STUN_GUESS_OFFERS, 5).n, 5);
	assert_int_equal(meet(STUN_GUESS_OFFERS, 0).n, 0);
}

/* Whether one of them is limited, or both. */
static void those_that_are_limited_meet_at_the_same_ports(void **state)
{
	const struct tickets offers = meet_limited(STUN_GUESS_OFFERS, BIRTHDAY_UNSEEN, BIRTHDAY_UNSEEN),
			     meets = meet_limited(STUN_GUESS_MEETS, BIRTHDAY_UNSEEN, BIRTHDAY_UNSEEN);
	(void)state;

	assert_int_equal(offers.n, BIRTHDAY_UNSEEN - BIRTHDAY_UNSEEN / 10);
	assert_int_equal(meets.n, offers.n);
	for (unsigned i = 0; i < BIRTHDAY_UNSEEN; i++)
		assert_true(offers.at[i] == (i % 10 == 9 ? 0 : AT * MS) && meets.at[i] == offers.at[i]);
}

static void one_that_comes_through_is_enough_for_both(void **state)
{
	const struct endpoint to = at("198.51.100.1:20000");
	const uint32_t sockets[] = {1, 0, 3, 4};
	struct endpoint ep;
	struct birthday b;
	uint32_t socket;
	(void)state;

	birthday_meet(&b, STUN_GUESS_OFFERS, &to, 0, 0);
	birthday_opened(&b, sockets, ARRAY_LEN(sockets), 0);
	assert_true(birthday_step(&b, 0, &socket, &ep));
	birthday_hint(&b, 0, false, 0); /* by the socket of all: no fresh port */
	assert_true(birthday_step(&b, 0, &socket, &ep));
	birthday_hint(&b, 3, false, 0);
	assert_false(birthday_step(&b, 0, &socket, &ep));
	assert_true(b.hit[2] && !b.hit[0]);
	birthday_hint(&b, 0, false, 0);
	assert_false(
		b.hit[1]); /* what comes by the socket of all says nothing of one that could not be had */
}

/* Where translators let in whole addresses all of them are found, and each side takes another one. */
static void what_the_peer_may_use_is_kept_before_all_else(void **state)
{
	const struct endpoint to = at("198.51.100.1:20000");
	uint32_t sockets[BIRTHDAY_MEETINGS];
	bool kept[BIRTHDAY_SOCKETS];
	struct birthday b;
	unsigned n = 0;
	(void)state;

	for (unsigned i = 0; i < ARRAY_LEN(sockets); i++)
		sockets[i] = i + 1;
	birthday_meet(&b, STUN_GUESS_OFFERS, &to, 0, 0);
	birthday_opened(&b, sockets, ARRAY_LEN(sockets), 0);
	for (unsigned i = 0; i < 200; i++)
		birthday_hint(&b, sockets[i], i >= 120 && i < 150, 0);
	birthday_hint(&b, sockets[149], true, 0);
	for (unsigned i = 150; i < 200; i++)
		birthday_hint(&b, sockets[i], true, 0);
	birthday_hint(&b, sockets[199], true, 0);
	birthday_kept(&b, kept);
	for (unsigned i = 0; i < ARRAY_LEN(kept); i++)
		n += kept[i];
	assert_int_equal(n, BIRTHDAY_SOCKETS_IN_BLOCK);
	assert_true(kept[199] && kept[149] && kept[120] && !kept[0] && !kept[200]);

	/* Also who asks by all of them has no more kept. */
	for (unsigned i = 0; i < ARRAY_LEN(sockets); i++)
		for (unsigned k = 0; k < 300; k++)
			birthday_hint(&b, sockets[i], true, 0);
	birthday_kept(&b, kept);
	for (unsigned i = n = 0; i < ARRAY_LEN(kept); i++)
		n += kept[i];
	assert_int_equal(n, BIRTHDAY_SOCKETS_IN_BLOCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_peer_may_use_is_kept_before_all_else),
		cmocka_unit_test(without_a_block_every_port_is_guessed_once_at_most),
		cmocka_unit_test(ports_that_lie_in_a_block_are_guessed_around_first),
		cmocka_unit_test(a_small_block_grows_by_its_neighbours),
		cmocka_unit_test(two_ports_must_be_nearer_to_each_other_than_three),
		cmocka_unit_test(every_address_has_its_turn_and_its_own_block),
		cmocka_unit_test(guesses_are_over_within_a_second_and_never_a_burst),
		cmocka_unit_test(each_socket_sends_five_times_to_the_one_address),
		cmocka_unit_test(fewer_sockets_than_asked_for_and_none_are_fine),
		cmocka_unit_test(who_guesses_waits_for_what_a_right_guess_brings),
		cmocka_unit_test(each_fresh_port_is_tried_once_and_at_one_moment_from_both_sides),
		cmocka_unit_test(the_two_sides_begin_at_opposite_ends),
		cmocka_unit_test(fewer_ports_than_offered_are_fine),
		cmocka_unit_test(addresses_that_are_left_out_still_tell_of_blocks),
		cmocka_unit_test(who_is_limited_sends_no_more),
		cmocka_unit_test(those_that_are_limited_meet_at_the_same_ports),
		cmocka_unit_test(one_that_comes_through_is_enough_for_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
