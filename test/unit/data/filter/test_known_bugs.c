/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What other filters got wrong, by their own bug reports: one test each, through the whole filter, as a peer
 * would try it.
 *
 * A closer look at the same is in
 *   test_track     states of TCP, flag by flag and number by number
 *   test_pieces    fragments, in both families
 *   test_judge     strays, pings, ICMP errors, hidden ports, directions
 *   test_flows     who loses what where there is no room
 * and what the filter has no part in is in
 *   plane/test_filter         an address of somebody else's flow (Nebula: flows were looked up before the
 * sender was checked) policy/test_service       ports beyond 65535 (Nebula) policy/test_document      a
 * document without rules allows nothing (headscale: it allowed everything) packet/test_ip            headers
 * that lie about their length packet/test_reject        what is not answered: errors, resets, fragments
 * (Nebula)
 */
#include "unit/data/filter/bed.h"

#include "base/bytes.h"

enum { S = TCP_SYN, A = TCP_ACK, F = TCP_FIN, R = TCP_RST, P = TCP_PSH, U = 0x20 };
enum { CALLER = 2, SERVER = BED_SELF }; /* from port 40000 to 22; data from 1000 and 5000 on */

static struct bed bed;

/* Host 2 may connect to our port 22 and send UDP to 53. We may begin nothing, so that what passes from us is
 * of a flow. */
static int setup(void **state)
{
	(void)state;
	bed_start(&bed, 4096, 1);
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS},
		{RULES_IN, RULES_UDP, 53, 53, VERDICT_PASS});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bed_stop(&bed);
	return 0;
}

static enum filter_says segment(uint32_t from, uint8_t flags, uint32_t seq, uint32_t ack)
{
	return bed_says(&bed, &(struct pkt){
				      .from = from,
				      .to = from == CALLER ? SERVER : CALLER,
				      .sport = from == CALLER ? 40000 : 22,
				      .dport = from == CALLER ? 22 : 40000,
				      .flags = flags,
				      .seq = seq,
				      .ack = ack,
				      .window = 500,
			      });
}
#define SEGMENT(want, ...) assert_string_equal(bed_word(segment(__VA_ARGS__)), bed_word(want))

/* A reset passes if it is of a flow, and only then. It ends one that is not in TIME-WAIT, ten seconds later.
 */
static bool is_remembered(uint32_t seq)
{
	return segment(SERVER, R, seq, 0) == FILTER_PASS;
}

static bool is_in_time_wait(uint32_t seq)
{
	assert_true(is_remembered(seq));
	bed.now += 12 * SEC;
	return is_remembered(seq);
}

/* --- NetBird: states of TCP --- */

static void a_reset_that_answers_no_syn_ends_no_attempt(void **state)
{
	(void)state;
	SEGMENT(FILTER_PASS, CALLER, S, 999, 0);
	SEGMENT(FILTER_STRAY, SERVER, R, 0, 0);
	SEGMENT(FILTER_STRAY, SERVER, R | A, 0, 77);
	bed.now += 12 * SEC;
	SEGMENT(FILTER_PASS, SERVER, S | A, 4999, 1000);
}

static void a_reset_in_time_wait_leaves_it_as_it_is(void **state)
{
	(void)state;
	bed_connect(&bed, CALLER, SERVER);
	SEGMENT(FILTER_PASS, CALLER, F | A, 1000, 5000);
	SEGMENT(FILTER_PASS, SERVER, F | A, 5000, 1001);
	SEGMENT(FILTER_PASS, CALLER, A, 1001, 5001);
	assert_true(is_in_time_wait(5001));
	bed.now += 50 * SEC;
	assert_false(is_remembered(5001));
}

static void flags_that_contradict_each_other_are_of_no_flow_and_begin_none(void **state)
{
	static const uint8_t wrong[] = {S | F, S | R, S | F | R, F, F | P | U, F | R | A, P, U, 0x3f};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		SEGMENT(FILTER_STRAY, CALLER, wrong[i], 1000, 5000);
	SEGMENT(FILTER_STRAY, SERVER, R, 5000, 0);
	bed_connect(&bed, CALLER, SERVER);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		SEGMENT(FILTER_STRAY, CALLER, wrong[i], 1000, 5000);
	assert_true(is_remembered(5000));
}

/* CLOSE_WAIT and FIN_WAIT_2: the other one may send for minutes. */
static void a_fin_that_comes_again_closes_nothing_more(void **state)
{
	(void)state;
	bed_connect(&bed, CALLER, SERVER);
	SEGMENT(FILTER_PASS, CALLER, F | A, 1000, 5000);
	SEGMENT(FILTER_PASS, CALLER, F | A, 1000, 5000);
	SEGMENT(FILTER_PASS, SERVER, A, 5000, 1001);
	SEGMENT(FILTER_PASS, CALLER, F | A, 1000, 5000);
	bed.now += 200 * SEC;
	assert_true(is_remembered(5000));
}

static void the_last_acknowledgement_counts_in_one_direction(void **state)
{
	(void)state;
	bed_connect(&bed, CALLER, SERVER);
	SEGMENT(FILTER_PASS, CALLER, F | A, 1000, 5000);
	SEGMENT(FILTER_PASS, SERVER, F | A, 5000, 1001);
	SEGMENT(FILTER_PASS, SERVER, A, 5001, 1001);
	assert_false(is_in_time_wait(5001));
}

static void who_has_closed_is_not_acknowledged_by_himself(void **state)
{
	(void)state;
	bed_connect(&bed, CALLER, SERVER);
	SEGMENT(FILTER_PASS, CALLER, F | A, 1000, 5000);
	SEGMENT(FILTER_PASS, CALLER, A, 1001, 5000);
	SEGMENT(FILTER_PASS, CALLER, A, 1001, 5100);
	bed.now += 200 * SEC;
	assert_true(is_remembered(5100));
}

static void data_behind_a_fin_of_the_other_side_passes(void **state)
{
	(void)state;
	bed_connect(&bed, CALLER, SERVER);
	SEGMENT(FILTER_PASS, CALLER, F | A, 1000, 5000);
	SEGMENT(FILTER_PASS, SERVER, P | A, 5000, 1001);
	SEGMENT(FILTER_PASS, CALLER, A, 1001, 5100);
	SEGMENT(FILTER_PASS, SERVER, P | F | A, 5100, 1001);
	SEGMENT(FILTER_PASS, CALLER, A, 1001, 5101);
}

/* Its own half-open ones go first, whoever opens too many. */
static void attempts_push_out_no_connection(void **state)
{
	enum { CONNECTIONS = 256, ATTEMPTS = 20000 };
	(void)state;

	for (uint16_t i = 0; i < CONNECTIONS; i++) {
		EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = i, .dport = 22, .flags = S, .seq = 9);
		EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 22, .dport = i, .flags = S | A,
			.seq = 99, .ack = 10);
		EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = i, .dport = 22, .flags = A, .seq = 10,
			.ack = 100);
	}
	for (uint16_t i = 0; i < ATTEMPTS; i++)
		EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = (uint16_t)(CONNECTIONS + i),
			.dport = 22, .flags = S);
	for (uint16_t i = 0; i < CONNECTIONS; i++)
		EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 22, .dport = i, .flags = R,
			.seq = 100);
}

/* --- NetBird, Tailscale: fragments --- */

static enum filter_says piece(uint32_t id, uint16_t port, uint16_t at, uint16_t len, bool more)
{
	return bed_says(&bed, &(struct pkt){
				      .version = 6,
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
#define PIECE(want, ...) assert_string_equal(bed_word(piece(__VA_ARGS__)), bed_word(want))

static void a_trailing_piece_without_the_first_is_dropped(void **state)
{
	(void)state;
	PIECE(FILTER_PIECE, 1, 53, 64, 64, true);
	PIECE(FILTER_PIECE, 1, 53, 128, 8, false);
}

static void behind_a_denied_first_piece_nothing_passes(void **state)
{
	(void)state;
	PIECE(FILTER_DENIED, 1, 54, 0, 64, true);
	PIECE(FILTER_PIECE, 1, 54, 64, 64, false);
}

static void a_piece_over_the_header_is_dropped_and_all_behind_it(void **state)
{
	(void)state;
	PIECE(FILTER_PASS, 1, 53, 0, 64, true);
	PIECE(FILTER_PIECE, 1, 53, 8, 64, true);
	PIECE(FILTER_PIECE, 1, 53, 64, 8, false);
}

static void another_first_piece_spoils_the_whole(void **state)
{
	(void)state;
	PIECE(FILTER_PASS, 1, 53, 0, 64, true);
	PIECE(FILTER_PIECE, 1, 53, 0, 64, true);
	PIECE(FILTER_PIECE, 1, 53, 64, 8, false);
}

/* Ports that are allowed, and flags that nobody sees. */
static void a_first_piece_that_hides_flags_is_dropped(void **state)
{
	(void)state;
	for (uint8_t version = 4; version <= 6; version = (uint8_t)(version + 2))
		for (uint16_t len = 8; len < 20; len = (uint16_t)(len + 8))
			EXPECT(&bed, FILTER_PIECE, .version = version, .from = 2, .to = 1, .sport = 7,
				.dport = 22, .flags = S, .piece = true, .more = true, .id = len, .len = len);
}

static void an_atomic_fragment_lends_its_verdict_to_nobody(void **state)
{
	(void)state;
	PIECE(FILTER_PASS, 1, 53, 0, 64, false);
	PIECE(FILTER_PIECE, 1, 53, 64, 64, false);
}

static void where_there_is_no_room_for_pieces_they_are_dropped(void **state)
{
	enum { WHOLES = 20000 };
	unsigned forgotten = 0;
	(void)state;

	for (uint32_t id = 0; id < WHOLES; id++)
		PIECE(FILTER_PASS, id, 53, 0, 64, true);
	for (uint32_t id = 0; id < WHOLES; id++)
		forgotten += piece(id, 53, 64, 64, false) == FILTER_PIECE;
	assert_in_range(forgotten, WHOLES / 2, WHOLES - 1);
}

static void a_verdict_about_pieces_is_over_after_a_while(void **state)
{
	(void)state;
	PIECE(FILTER_PASS, 1, 53, 0, 64, true);
	bed.now += 11 * SEC;
	PIECE(FILTER_PIECE, 1, 53, 64, 64, false);
}

/* --- Nebula: headers --- */

/* Where its length leads, everything looks like UDP to an allowed port; it has to lead into the packet. */
static void an_extension_header_that_lies_shows_no_ports_beyond_the_packet(void **state)
{
	enum { SECOND = 48, END = 128 };
	uint8_t p[512];
	(void)state;

	for (size_t i = 0; i < sizeof(p); i += 2)
		put_be16(p + i, 53);
	uint8_t head[PKT_MAX];
	pkt_write(
		&(struct pkt){.version = 6, .from = 2, .to = 1, .extensions = 2, .dport = 99, .payload = 64},
		head);
	memcpy(p, head, SECOND + 8);
	for (unsigned len = 0; len < 256; len++) {
		const bool inside = SECOND + 8 * (len + 1) + 8 <= END;

		p[SECOND + 1] = (uint8_t)len;
		assert_string_equal(bed_word(bed_says_bytes(&bed, FILTER_INGRESS, 2, p, END)),
			bed_word(inside ? FILTER_PASS : FILTER_HIDDEN));
	}
}

/* It would be looked at for ever if a header of no length were taken for the next. */
static void a_long_chain_of_headers_ends(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		const enum filter_says says = bed_says(&bed,
			&(struct pkt){
				.version = 6, .from = 2, .to = 1, .sport = 7, .dport = 53, .extensions = i});

		if (says != (i <= IP_CHAIN_MAX ? FILTER_PASS : FILTER_HIDDEN))
			fail_msg("%u headers: %s", i, bed_word(says));
	}
}

static void an_unknown_next_header_has_no_ports(void **state)
{
	uint8_t p[PKT_MAX];
	const size_t n = pkt_write(
		&(struct pkt){.version = 6, .from = 2, .to = 1, .sport = 7, .dport = 53, .extensions = 1}, p);
	(void)state;

	for (unsigned proto = 0; proto < 256; proto++) {
		p[40] = (uint8_t)proto;
		/* Destination options are followed by what is no header at all. */
		if ((bed_says_bytes(&bed, FILTER_INGRESS, 2, p, n) == FILTER_PASS) != (proto == PROTO_UDP))
			fail_msg("protocol %u", proto);
	}
}

/* Behind an extension header; and what stands where the type would be without it. */
static void the_type_of_icmpv6_is_read_where_it_is(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_IN, RULES_ICMP6, 128, 128, VERDICT_PASS});
	for (unsigned extensions = 0; extensions < 3; extensions++) {
		EXPECT(&bed, FILTER_PASS, .version = 6, .from = 2, .to = 1, .proto = PROTO_ICMP6, .type = 128,
			.echo = 1, .extensions = extensions);
		EXPECT(&bed, FILTER_DENIED, .version = 6, .from = 2, .to = 1, .proto = PROTO_ICMP6,
			.type = 135, .echo = 128 << 8 | 128, .extensions = extensions);
	}
}

/* What is to be told to whom was swapped for years. */
static void reject_and_drop_belong_to_their_direction(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_REJECT},
		{RULES_OUT, RULES_TCP, 22, 22, VERDICT_DROP});
	EXPECT(&bed, FILTER_REJECTED, .from = 2, .to = 1, .sport = 9, .dport = 22, .flags = S);
	EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 9, .dport = 22, .flags = S);
}

/* --- Tailscale: what needs no flow --- */

static void a_segment_without_syn_opens_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 40000, .dport = 23, .flags = A);
	EXPECT(&bed, FILTER_STRAY, .from = 1, .to = 2, .sport = 23, .dport = 40000, .flags = R);
}

static void an_echo_reply_that_nobody_asked_for_is_dropped(void **state)
{
	(void)state;
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 0, .echo = 5);
	EXPECT(&bed, FILTER_STRAY, .version = 6, .from = 2, .to = 1, .proto = PROTO_ICMP6, .type = 129,
		.echo = 5);
}

static void an_error_about_nothing_that_was_sent_is_dropped(void **state)
{
	const struct pkt never = {.from = 1, .to = 2, .sport = 53, .dport = 7};
	(void)state;

	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 3, .about = &never);
}

/* 512 flows were all that it remembered. */
static void a_scan_by_one_peer_ends_no_flow_of_another(void **state)
{
	(void)state;
	EXPECT(&bed, FILTER_PASS, .from = 3, .to = 1, .sport = 9, .dport = 53);
	for (unsigned i = 0; i < 60000; i++)
		(void)bed_says(&bed, &(struct pkt){.from = 2, .to = 1, .sport = (uint16_t)i, .dport = 53});
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 3, .sport = 53, .dport = 9);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_reset_that_answers_no_syn_ends_no_attempt),
		TEST(a_reset_in_time_wait_leaves_it_as_it_is),
		TEST(flags_that_contradict_each_other_are_of_no_flow_and_begin_none),
		TEST(a_fin_that_comes_again_closes_nothing_more),
		TEST(the_last_acknowledgement_counts_in_one_direction),
		TEST(who_has_closed_is_not_acknowledged_by_himself),
		TEST(data_behind_a_fin_of_the_other_side_passes),
		TEST(attempts_push_out_no_connection),
		TEST(a_trailing_piece_without_the_first_is_dropped),
		TEST(behind_a_denied_first_piece_nothing_passes),
		TEST(a_piece_over_the_header_is_dropped_and_all_behind_it),
		TEST(another_first_piece_spoils_the_whole),
		TEST(a_first_piece_that_hides_flags_is_dropped),
		TEST(an_atomic_fragment_lends_its_verdict_to_nobody),
		TEST(where_there_is_no_room_for_pieces_they_are_dropped),
		TEST(a_verdict_about_pieces_is_over_after_a_while),
		TEST(an_extension_header_that_lies_shows_no_ports_beyond_the_packet),
		TEST(a_long_chain_of_headers_ends),
		TEST(an_unknown_next_header_has_no_ports),
		TEST(the_type_of_icmpv6_is_read_where_it_is),
		TEST(reject_and_drop_belong_to_their_direction),
		TEST(a_segment_without_syn_opens_nothing),
		TEST(an_echo_reply_that_nobody_asked_for_is_dropped),
		TEST(an_error_about_nothing_that_was_sent_is_dropped),
		TEST(a_scan_by_one_peer_ends_no_flow_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
