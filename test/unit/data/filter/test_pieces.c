/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Fragments, as the filter sees them: the list of what others let pass, and of what they lost. */
#include "unit/data/filter/bed.h"

#include "base/bytes.h"

static struct bed bed;

/* Host 2 may send UDP to our port 53, and connect to 22. */
static int setup(void **state)
{
	(void)state;
	bed_start(&bed, 4096, 1);
	BED_RULES(&bed, {RULES_IN, RULES_UDP, 53, 53, VERDICT_PASS},
		{RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bed_stop(&bed);
	return 0;
}

/* A piece of whole `id` for a port: `len` bytes from `at`. */
static enum filter_says piece(
	uint8_t version, uint32_t id, uint16_t port, uint16_t at, uint16_t len, bool more)
{
	return bed_says(&bed, &(struct pkt){
				      .version = version,
				      .from = 2,
				      .to = 1,
				      .sport = 7,
				      .dport = port,
				      .piece = true,
				      .id = id,
				      .at = at,
				      .len = len,
				      .more = more,
			      });
}

#define EACH_VERSION                                                                                         \
	uint8_t version = 4;                                                                                 \
	version <= 6;                                                                                        \
	version = (uint8_t)(version + 2)

static void pieces_follow_a_first_one_that_passed(void **state)
{
	(void)state;
	for (EACH_VERSION) {
		assert_int_equal(piece(version, 1, 53, 0, 1000, true), FILTER_PASS);
		assert_int_equal(piece(version, 1, 53, 1000, 1000, true), FILTER_PASS);
		/* In another order, with another whole between them. */
		assert_int_equal(piece(version, 2, 53, 0, 104, true), FILTER_PASS);
		assert_int_equal(piece(version, 1, 53, 3000, 10, false), FILTER_PASS);
		assert_int_equal(piece(version, 2, 53, 104, 20, false), FILTER_PASS);
		assert_int_equal(piece(version, 1, 53, 2000, 1000, true), FILTER_PASS);
	}
}

static void without_its_first_piece_nothing_passes(void **state)
{
	(void)state;
	for (EACH_VERSION) {
		assert_int_equal(piece(version, 1, 53, 1000, 1000, true), FILTER_PIECE);
		assert_int_equal(piece(version, 1, 53, 2000, 1000, false), FILTER_PIECE);
		/* The first of another whole, of another sender, of another protocol. */
		assert_int_equal(piece(version, 2, 53, 0, 1000, true), FILTER_PASS);
		assert_int_equal(piece(version, 1, 53, 1000, 1000, true), FILTER_PIECE);
		EXPECT(&bed, FILTER_PIECE, .version = version, .from = 3, .to = 1, .piece = true, .id = 2,
			.at = 1000, .len = 8);
	}
	EXPECT(&bed, FILTER_PIECE, .from = 2, .to = 1, .proto = 47, .piece = true, .id = 2, .at = 1000,
		.len = 8);
}

static void when_the_first_piece_is_denied_the_rest_is_dropped(void **state)
{
	(void)state;
	for (EACH_VERSION) {
		assert_int_equal(piece(version, 1, 54, 0, 1000, true), FILTER_DENIED);
		assert_int_equal(piece(version, 1, 54, 1000, 1000, false), FILTER_PIECE);
	}
}

/* RFC 1858, 3128: what was shown to the filter is overwritten at the receiver. */
static void a_piece_that_reaches_into_the_first_spoils_the_whole(void **state)
{
	(void)state;
	for (EACH_VERSION) {
		assert_int_equal(piece(version, 1, 53, 0, 64, true), FILTER_PASS);
		assert_int_equal(piece(version, 1, 53, 8, 64, true), FILTER_PIECE);
		assert_int_equal(piece(version, 1, 53, 64, 64, true), FILTER_PIECE);
		assert_int_equal(piece(version, 1, 53, 0, 64, true), FILTER_PIECE);
		assert_int_equal(piece(version, 1, 53, 128, 8, false), FILTER_PIECE);
		/* By its last bytes. */
		assert_int_equal(piece(version, 2, 53, 0, 64, true), FILTER_PASS);
		assert_int_equal(piece(version, 2, 53, 56, 8, false), FILTER_PIECE);
	}
}

static void a_second_first_piece_spoils_the_whole(void **state)
{
	(void)state;
	for (EACH_VERSION) {
		/* For an allowed port, for a denied one, and one that shows none. */
		assert_int_equal(piece(version, 1, 53, 0, 64, true), FILTER_PASS);
		assert_int_equal(piece(version, 1, 53, 0, 64, true), FILTER_PIECE);
		assert_int_equal(piece(version, 1, 53, 64, 64, false), FILTER_PIECE);
		assert_int_equal(piece(version, 2, 53, 0, 64, true), FILTER_PASS);
		assert_int_equal(piece(version, 2, 54, 0, 64, true), FILTER_PIECE);
		assert_int_equal(piece(version, 2, 53, 64, 64, false), FILTER_PIECE);
		assert_int_equal(piece(version, 3, 53, 0, 64, true), FILTER_PASS);
		EXPECT(&bed, FILTER_PIECE, .version = version, .from = 2, .to = 1, .sport = 7, .dport = 53,
			.piece = true, .more = true, .id = 3, .len = 7);
		assert_int_equal(piece(version, 3, 53, 64, 64, false), FILTER_PIECE);
	}
}

static void a_first_piece_shows_all_of_its_header(void **state)
{
	(void)state;
	for (EACH_VERSION) {
		/* Ports and half of the flags' header; then all. */
		EXPECT(&bed, FILTER_PIECE, .version = version, .from = 2, .to = 1, .sport = 7, .dport = 22,
			.flags = TCP_SYN, .piece = true, .more = true, .id = 1, .len = 16);
		EXPECT(&bed, FILTER_PIECE, .version = version, .from = 2, .to = 1, .sport = 7, .dport = 22,
			.flags = TCP_SYN, .piece = true, .id = 1, .at = 16, .len = 8);
		EXPECT(&bed, FILTER_PASS, .version = version, .from = 2, .to = 1, .sport = 7, .dport = 22,
			.flags = TCP_SYN, .piece = true, .more = true, .id = 2, .len = 24);
		EXPECT(&bed, FILTER_PASS, .version = version, .from = 2, .to = 1, .sport = 7, .dport = 22,
			.flags = TCP_SYN, .piece = true, .id = 2, .at = 24, .len = 8);
	}
	/* RFC 7112: extension headers, too. */
	EXPECT(&bed, FILTER_PASS, .version = 6, .from = 2, .to = 1, .sport = 7, .dport = 53, .extensions = 3,
		.piece = true, .more = true, .id = 7, .len = 64);
	EXPECT(&bed, FILTER_PASS, .version = 6, .from = 2, .to = 1, .extensions = 3, .piece = true, .id = 7,
		.at = 64, .len = 64);
}

/* RFC 6946: all of it in one piece is a packet, and leaves nothing behind that others could use. */
static void an_atomic_fragment_is_not_remembered(void **state)
{
	(void)state;
	assert_int_equal(piece(6, 1, 53, 0, 64, false), FILTER_PASS);
	assert_int_equal(piece(6, 1, 53, 0, 64, false), FILTER_PASS);
	assert_int_equal(piece(6, 1, 53, 64, 64, false), FILTER_PIECE);
	assert_int_equal(piece(6, 1, 54, 0, 64, false), FILTER_DENIED);
}

static void what_was_remembered_is_over_after_a_while(void **state)
{
	(void)state;
	for (EACH_VERSION) {
		assert_int_equal(piece(version, 1, 53, 0, 64, true), FILTER_PASS);
		bed.now += 9 * SEC;
		assert_int_equal(piece(version, 1, 53, 64, 64, true), FILTER_PASS);
		bed.now += 2 * SEC;
		assert_int_equal(piece(version, 1, 53, 128, 64, false), FILTER_PIECE);
	}
}

/* IPv4 has 65,536 names for all that are on their way. */
static void a_whole_that_has_come_gives_its_name_back(void **state)
{
	(void)state;
	for (EACH_VERSION)
		for (int i = 0; i < 3; i++) {
			assert_int_equal(piece(version, 1, 53, 0, 64, true), FILTER_PASS);
			assert_int_equal(piece(version, 1, 53, 128, 10, false), FILTER_PASS);
			assert_int_equal(piece(version, 1, 53, 64, 64, true), FILTER_PASS);
			assert_int_equal(piece(version, 1, 53, 64, 64, true), FILTER_PIECE);
		}
}

static void nothing_reaches_behind_65535_bytes(void **state)
{
	(void)state;
	assert_int_equal(piece(4, 1, 53, 0, 64, true), FILTER_PASS);
	uint8_t p[PKT_MAX];
	const size_t n =
		pkt_write(&(struct pkt){.from = 2, .to = 1, .piece = true, .id = 1, .at = 64, .len = 64}, p);

	put_be16(p + 6, 0x1fff);
	assert_int_equal(bed_says_bytes(&bed, FILTER_INGRESS, 2, p, n), FILTER_PIECE);
}

/* Somebody begins as many wholes as he can and ends none; another one's are not disturbed. */
static void who_never_ends_what_he_begins_loses_his_own(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		EXPECT(&bed, FILTER_PASS, .from = 3, .to = 1, .dport = 53, .piece = true, .more = true,
			.id = i, .len = 64);
	for (uint32_t i = 0; i < 20000; i++)
		assert_int_equal(piece(4, i, 53, 0, 64, true), FILTER_PASS);
	unsigned passed = 0;
	for (uint32_t i = 0; i < 40; i++)
		passed += bed_says(&bed,
				  &(struct pkt){
					  .from = 3, .to = 1, .piece = true, .id = i, .at = 64, .len = 64}) ==
			  FILTER_PASS;
	assert_int_equal(passed, 40);
	/* His first ones are forgotten. */
	assert_int_equal(piece(4, 1, 53, 64, 64, false), FILTER_PIECE);
	assert_int_equal(piece(4, 19999, 53, 64, 64, false), FILTER_PASS);
}

/* Between our own end and the tunnel likewise. */
static void our_own_pieces_follow_our_own_flows(void **state)
{
	(void)state;
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 7, .dport = 53);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 53, .dport = 7, .piece = true, .more = true,
		.id = 1, .len = 64);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .piece = true, .id = 1, .at = 64, .len = 64);
	EXPECT(&bed, FILTER_PIECE, .from = 1, .to = 2, .piece = true, .id = 2, .at = 64, .len = 64);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(pieces_follow_a_first_one_that_passed),
		TEST(without_its_first_piece_nothing_passes),
		TEST(when_the_first_piece_is_denied_the_rest_is_dropped),
		TEST(a_piece_that_reaches_into_the_first_spoils_the_whole),
		TEST(a_second_first_piece_spoils_the_whole),
		TEST(a_first_piece_shows_all_of_its_header),
		TEST(an_atomic_fragment_is_not_remembered),
		TEST(what_was_remembered_is_over_after_a_while),
		TEST(a_whole_that_has_come_gives_its_name_back),
		TEST(nothing_reaches_behind_65535_bytes),
		TEST(who_never_ends_what_he_begins_loses_his_own),
		TEST(our_own_pieces_follow_our_own_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
