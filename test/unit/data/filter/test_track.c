/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stories of single flows, packet by packet. Several are bugs that other programs had. */
#include "data/filter/track.h"
#include "unit/data/filter/pkt.h"
#include "unit/unit.h"

enum { S = TCP_SYN, A = TCP_ACK, F = TCP_FIN, R = TCP_RST, P = TCP_PSH };

/* Numbers: side 0 sends SYN at 999, side 1 at 4999. */
struct step {
	unsigned side;
	uint8_t flags;
	uint32_t seq, ack;
	enum track want;
	enum flow_state state;
	size_t payload;
};

#define TO_ESTABLISHED                                                                                       \
	{0, S, 999, 0, TRACK_PASS, FLOW_SYN_SENT, 0},                                                        \
		{1, S | A, 4999, 1000, TRACK_PASS, FLOW_SYN_ANSWERED, 0},                                    \
	{                                                                                                    \
		0, A, 1000, 5000, TRACK_PASS, FLOW_ESTABLISHED, 0                                            \
	}
#define TO_HALF_CLOSED                                                                                       \
	TO_ESTABLISHED,                                                                                      \
	{                                                                                                    \
		0, F | A, 1000, 5000, TRACK_PASS, FLOW_HALF_CLOSED, 0                                        \
	}
#define TO_TIME_WAIT                                                                                         \
	TO_HALF_CLOSED, {1, F | A, 5000, 1001, TRACK_PASS, FLOW_CLOSING, 0},                                 \
	{                                                                                                    \
		0, A, 1001, 5001, TRACK_PASS, FLOW_TIME_WAIT, 0                                              \
	}

static size_t segment(const struct step *s, uint8_t *out, struct ip_view *v)
{
	const size_t n = pkt_write(
		&(struct pkt){
			.from = 1,
			.to = 2,
			.sport = 1,
			.dport = 2,
			.flags = s->flags,
			.seq = s->seq,
			.ack = s->ack,
			.window = 1000,
			.scale = s->flags & S ? 1 + 7 : 0,
			.payload = s->payload,
		},
		out);

	assert_int_equal(ip_view_of(out, n, v), TM_OK);
	return n;
}

static struct flow play(const struct step *v, size_t n)
{
	struct flow f = {.key = {.proto = PROTO_TCP, .version = 4}};
	uint8_t p[PKT_MAX];
	struct ip_view view;

	for (size_t i = 0; i < n; i++) {
		enum track got = TRACK_PASS;

		segment(&v[i], p, &view);
		if (i == 0)
			track_begin(&f, &view, v[i].side, 0);
		else
			got = track_next(&f, &view, v[i].side, 0);
		if (got != v[i].want || f.state != v[i].state)
			fail_msg("step %zu: says %d, not %d; state %d, not %d", i, got, v[i].want, f.state,
				v[i].state);
	}
	return f;
}
#define PLAY(...)                                                                                            \
	play((const struct step[]){__VA_ARGS__},                                                             \
		sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static void a_connection_goes_from_handshake_to_time_wait(void **state)
{
	(void)state;
	PLAY(TO_TIME_WAIT);
	/* Closed by the one who was called, and by both at the same time. */
	PLAY(TO_ESTABLISHED, {1, F | A, 5000, 1000, TRACK_PASS, FLOW_HALF_CLOSED, 0},
		{0, A, 1000, 5001, TRACK_PASS, FLOW_HALF_CLOSED, 0},
		{0, F | A, 1000, 5001, TRACK_PASS, FLOW_CLOSING, 0},
		{1, A, 5001, 1001, TRACK_PASS, FLOW_TIME_WAIT, 0});
	PLAY(TO_HALF_CLOSED, {1, F | A, 5000, 1000, TRACK_PASS, FLOW_CLOSING, 0},
		{0, A, 1001, 5001, TRACK_PASS, FLOW_CLOSING, 0},
		{1, A, 5001, 1001, TRACK_PASS, FLOW_TIME_WAIT, 0});
}

static void both_may_begin_at_once(void **state)
{
	(void)state;
	PLAY({0, S, 999, 0, TRACK_PASS, FLOW_SYN_SENT, 0}, {1, S, 4999, 0, TRACK_PASS, FLOW_SYN_ANSWERED, 0},
		{0, S | A, 999, 5000, TRACK_PASS, FLOW_SYN_ANSWERED, 0},
		{1, S | A, 4999, 1000, TRACK_PASS, FLOW_SYN_ANSWERED, 0},
		{0, A, 1000, 5000, TRACK_PASS, FLOW_ESTABLISHED, 0});
}

static void flags_that_contradict_each_other_are_impossible(void **state)
{
	uint8_t p[PKT_MAX];
	struct ip_view v;
	(void)state;

	for (unsigned flags = 0; flags < 0x40; flags++) {
		const struct step s = {.flags = (uint8_t)flags};
		const unsigned hands = flags & (S | A | F | R);
		const bool sound = hands == S || hands == (S | A) || hands == A || hands == (F | A) ||
				   hands == R || hands == (R | A);

		p[33] = 0;
		if (flags == 0) /* pkt_write takes it for UDP */
			continue;
		segment(&s, p, &v);
		if ((track_role(&v) != TRACK_IMPOSSIBLE) != sound)
			fail_msg("flags %#x", flags);
	}
	segment(&(struct step){.flags = A}, p, &v);
	p[33] = 0;
	assert_int_equal(track_role(&v), TRACK_IMPOSSIBLE);
}

static void a_header_longer_than_its_segment_is_impossible(void **state)
{
	uint8_t p[PKT_MAX];
	struct ip_view v;
	(void)state;

	segment(&(struct step){.flags = A, .payload = 4}, p, &v);
	p[32] = 0x60;
	assert_int_equal(track_role(&v), TRACK_GOES_ON);
	p[32] = 0x70;
	assert_int_equal(track_role(&v), TRACK_IMPOSSIBLE);
	p[32] = 0x40;
	assert_int_equal(track_role(&v), TRACK_IMPOSSIBLE);
}

/* NetBird: a reset from anybody ended a connection attempt. */
static void a_reset_answers_a_syn_only_if_it_acknowledges_it(void **state)
{
	(void)state;
	PLAY({0, S, 999, 0, TRACK_PASS, FLOW_SYN_SENT, 0}, {1, R | A, 0, 1000, TRACK_PASS, FLOW_RESET, 0});
	PLAY({0, S, 999, 0, TRACK_PASS, FLOW_SYN_SENT, 0}, {1, R, 0, 0, TRACK_DROP, FLOW_SYN_SENT, 0},
		{1, R, 1000, 0, TRACK_DROP, FLOW_SYN_SENT, 0},
		{1, R | A, 0, 999, TRACK_DROP, FLOW_SYN_SENT, 0},
		{1, R | A, 0, 1000 + (1 << 16), TRACK_DROP, FLOW_SYN_SENT, 0},
		{1, S | A, 4999, 1000, TRACK_PASS, FLOW_SYN_ANSWERED, 0});
	/* The one who began may change his mind. */
	PLAY({0, S, 999, 0, TRACK_PASS, FLOW_SYN_SENT, 0}, {0, R, 1000, 0, TRACK_PASS, FLOW_RESET, 0});
}

static void a_reset_has_to_lie_in_the_window_of_its_receiver(void **state)
{
	(void)state;
	/* 1000 << 7, and twice that at most. */
	PLAY(TO_ESTABLISHED, {1, R, 4999, 0, TRACK_DROP, FLOW_ESTABLISHED, 0},
		{1, R, 5000 + 300000, 0, TRACK_DROP, FLOW_ESTABLISHED, 0},
		{0, R, 999, 0, TRACK_DROP, FLOW_ESTABLISHED, 0},
		{0, R, 1000 + 0x80000000u, 0, TRACK_DROP, FLOW_ESTABLISHED, 0},
		{1, R, 5000 + 65000, 0, TRACK_PASS, FLOW_RESET, 0});
	PLAY(TO_ESTABLISHED, {0, R, 1000, 0, TRACK_PASS, FLOW_RESET, 0});
	PLAY(TO_ESTABLISHED, {0, R | A, 1000, 5000, TRACK_PASS, FLOW_RESET, 0});
	/* Where the window has moved on. */
	PLAY(TO_ESTABLISHED, {1, A, 5000, 401000, TRACK_PASS, FLOW_ESTABLISHED, 0},
		{0, R, 1000, 0, TRACK_DROP, FLOW_ESTABLISHED, 0},
		{0, R, 401000, 0, TRACK_PASS, FLOW_RESET, 0});
	/* Behind a FIN nothing comes any more. */
	PLAY(TO_HALF_CLOSED, {0, R, 1002, 0, TRACK_DROP, FLOW_HALF_CLOSED, 0},
		{0, R, 1001, 0, TRACK_PASS, FLOW_RESET, 0});
}

/* Windows are shifted by nobody whose partner did not offer it, and a shift by 0 is an offer. */
static void windows_are_shifted_only_where_both_offered_it(void **state)
{
	static const struct {
		uint8_t scale[2]; /* + 1 */
		bool shifted;
	} rows[] = {{{8, 8}, true}, {{8, 0}, false}, {{8, 1}, true}, {{0, 8}, false}};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct flow f = {.key = {.proto = PROTO_TCP, .version = 4}};
		struct pkt p = {.from = 1, .to = 2, .flags = S, .seq = 999, .scale = rows[i].scale[0]};
		uint8_t bytes[PKT_MAX];
		struct ip_view v;

		p.window = 1000;
		assert_int_equal(ip_view_of(bytes, pkt_write(&p, bytes), &v), TM_OK);
		track_begin(&f, &v, 0, 0);
		p.flags = S | A, p.seq = 4999, p.ack = 1000, p.scale = rows[i].scale[1];
		assert_int_equal(ip_view_of(bytes, pkt_write(&p, bytes), &v), TM_OK);
		assert_int_equal(track_next(&f, &v, 1, 0), TRACK_PASS);
		p.flags = A, p.seq = 1000, p.ack = 5000, p.scale = 0, p.window = 10000;
		assert_int_equal(ip_view_of(bytes, pkt_write(&p, bytes), &v), TM_OK);
		assert_int_equal(track_next(&f, &v, 0, 0), TRACK_PASS);
		p.flags = R, p.seq = 5000 + 500000;
		assert_int_equal(ip_view_of(bytes, pkt_write(&p, bytes), &v), TM_OK);
		if ((track_next(&f, &v, 1, 0) == TRACK_PASS) != rows[i].shifted)
			fail_msg("row %zu", i);
	}
}

/* NetBird: a reset in TIME-WAIT; RFC 1337 says why not. */
static void a_reset_does_not_end_time_wait(void **state)
{
	(void)state;
	PLAY(TO_TIME_WAIT, {1, R, 5001, 0, TRACK_PASS, FLOW_TIME_WAIT, 0},
		{0, R, 1001, 0, TRACK_PASS, FLOW_TIME_WAIT, 0});
}

/* NetBird: FINs that come again in CLOSE_WAIT and FIN_WAIT_2. */
static void a_fin_that_comes_again_changes_nothing(void **state)
{
	(void)state;
	PLAY(TO_HALF_CLOSED, {0, F | A, 1000, 5000, TRACK_PASS, FLOW_HALF_CLOSED, 0},
		{1, A, 5000, 1001, TRACK_PASS, FLOW_HALF_CLOSED, 0},
		{0, F | A, 1000, 5000, TRACK_PASS, FLOW_HALF_CLOSED, 0},
		{1, F | A, 5000, 1001, TRACK_PASS, FLOW_CLOSING, 0},
		{1, F | A, 5000, 1001, TRACK_PASS, FLOW_CLOSING, 0},
		{0, A, 1001, 5001, TRACK_PASS, FLOW_TIME_WAIT, 0},
		{1, F | A, 5000, 1001, TRACK_PASS, FLOW_TIME_WAIT, 0});
}

/* NetBird: LAST_ACK ended with an acknowledgement of the wrong side. */
static void the_last_acknowledgement_is_the_other_sides(void **state)
{
	(void)state;
	PLAY(TO_HALF_CLOSED, {1, F | A, 5000, 1001, TRACK_PASS, FLOW_CLOSING, 0},
		{1, A, 5001, 1001, TRACK_PASS, FLOW_CLOSING, 0},
		{0, A, 1001, 5000, TRACK_PASS, FLOW_CLOSING, 0},
		{0, A, 1001, 5001, TRACK_PASS, FLOW_TIME_WAIT, 0});
}

/* NetBird: who had sent FIN moved on by his own acknowledgements. */
static void nobody_acknowledges_his_own_fin(void **state)
{
	const struct flow f = PLAY(TO_HALF_CLOSED, {0, A, 1001, 5000, TRACK_PASS, FLOW_HALF_CLOSED, 0},
		{0, A, 1001, 5100, TRACK_PASS, FLOW_HALF_CLOSED, 0});
	(void)state;

	assert_true(f.side[0].fin && !f.side[0].acked && !f.side[1].fin);
}

/* NetBird: data in the states behind a FIN was dropped. */
static void who_has_not_closed_goes_on_sending(void **state)
{
	(void)state;
	PLAY(TO_HALF_CLOSED, {1, P | A, 5000, 1001, TRACK_PASS, FLOW_HALF_CLOSED, 100},
		{0, A, 1001, 5100, TRACK_PASS, FLOW_HALF_CLOSED, 0},
		{1, P | F | A, 5100, 1001, TRACK_PASS, FLOW_CLOSING, 50},
		{0, A, 1001, 5150, TRACK_PASS, FLOW_CLOSING, 0},
		{0, A, 1001, 5151, TRACK_PASS, FLOW_TIME_WAIT, 0});
}

static void an_answer_to_a_syn_comes_from_the_other_side(void **state)
{
	(void)state;
	PLAY({0, S, 999, 0, TRACK_PASS, FLOW_SYN_SENT, 0},
		{0, S | A, 999, 5000, TRACK_DROP, FLOW_SYN_SENT, 0},
		{1, S | A, 4999, 1, TRACK_PASS, FLOW_SYN_SENT, 0},
		{1, S | A, 4999, 1000, TRACK_PASS, FLOW_SYN_ANSWERED, 0});
	PLAY(TO_ESTABLISHED, {1, S | A, 4999, 1000, TRACK_PASS, FLOW_ESTABLISHED, 0},
		{0, S | A, 999, 5000, TRACK_DROP, FLOW_ESTABLISHED, 0});
}

static void a_syn_may_carry_data(void **state)
{
	(void)state;
	PLAY({0, S, 999, 0, TRACK_PASS, FLOW_SYN_SENT, 500},
		{1, S | A, 4999, 1500, TRACK_PASS, FLOW_SYN_ANSWERED, 0},
		{0, A, 1500, 5000, TRACK_PASS, FLOW_ESTABLISHED, 0});
	PLAY({0, S, 999, 0, TRACK_PASS, FLOW_SYN_SENT, 500},
		{1, S | A, 4999, 1000, TRACK_PASS, FLOW_SYN_ANSWERED, 0});
}

/* A host that started again uses the ports of a connection that the other one still has. */
static void the_same_ports_may_be_used_again(void **state)
{
	(void)state;
	/* The other one has forgotten it, too. */
	PLAY(TO_ESTABLISHED, {0, S, 700000, 0, TRACK_PASS, FLOW_SYN_SENT, 0},
		{1, R | A, 0, 700001, TRACK_PASS, FLOW_RESET, 0},
		{0, S, 700500, 0, TRACK_PASS, FLOW_SYN_SENT, 0});
	/* He has not: he says so, and is told. */
	PLAY(TO_ESTABLISHED, {0, S, 700000, 0, TRACK_PASS, FLOW_SYN_SENT, 0},
		{1, A, 5000, 1000, TRACK_PASS, FLOW_SYN_SENT, 0}, {0, R, 1000, 0, TRACK_PASS, FLOW_RESET, 0},
		{0, S, 701000, 0, TRACK_PASS, FLOW_SYN_SENT, 0},
		{1, S | A, 8000, 701001, TRACK_PASS, FLOW_SYN_ANSWERED, 0});
	/* It was an old SYN that came late: the connection lives on. */
	PLAY(TO_ESTABLISHED, {0, S, 999, 0, TRACK_PASS, FLOW_SYN_SENT, 0},
		{1, A, 5000, 1000, TRACK_PASS, FLOW_SYN_SENT, 0},
		{0, A, 1000, 5000, TRACK_PASS, FLOW_ESTABLISHED, 10},
		{1, A, 5000, 1010, TRACK_PASS, FLOW_ESTABLISHED, 0});
	PLAY(TO_TIME_WAIT, {0, S, 700000, 0, TRACK_PASS, FLOW_SYN_SENT, 0});
}

static void the_other_side_begins_only_by_the_rules(void **state)
{
	(void)state;
	PLAY(TO_ESTABLISHED, {1, S, 70000, 0, TRACK_ANEW, FLOW_ESTABLISHED, 0});
	PLAY(TO_TIME_WAIT, {1, S, 70000, 0, TRACK_ANEW, FLOW_TIME_WAIT, 0});
	PLAY(TO_ESTABLISHED, {0, R, 1000, 0, TRACK_PASS, FLOW_RESET, 0},
		{1, S, 70000, 0, TRACK_ANEW, FLOW_RESET, 0});
}

static void what_was_forgotten_goes_on_in_its_midst(void **state)
{
	(void)state;
	struct flow f = PLAY({0, A, 1000, 5000, TRACK_PASS, FLOW_ESTABLISHED, 100},
		{1, A, 5000, 1100, TRACK_PASS, FLOW_ESTABLISHED, 0});
	assert_int_equal(f.edge[0], 1100);
	assert_int_equal(f.edge[1], 5000);
	/* By the side that was called. */
	PLAY({1, A, 5000, 1000, TRACK_PASS, FLOW_ESTABLISHED, 100},
		{0, R, 1000, 0, TRACK_PASS, FLOW_RESET, 0});
	PLAY({0, F | A, 1000, 5000, TRACK_PASS, FLOW_HALF_CLOSED, 0},
		{1, F | A, 5000, 1001, TRACK_PASS, FLOW_CLOSING, 0});
}

static void each_state_is_remembered_for_its_time(void **state)
{
	static const struct {
		const char *what;
		unsigned seconds;
		struct step v[8];
	} rows[] = {
		{"a SYN", 30, {{0, S, 999, 0, TRACK_PASS, FLOW_SYN_SENT, 0}}},
		{"answered", 30,
			{{0, S, 999, 0, TRACK_PASS, FLOW_SYN_SENT, 0},
				{1, S | A, 4999, 1000, TRACK_PASS, FLOW_SYN_ANSWERED, 0}}},
		{"established", 7440, {TO_ESTABLISHED}},
		{"half closed", 240, {TO_HALF_CLOSED}},
		{"closing", 30, {TO_HALF_CLOSED, {1, F | A, 5000, 1001, TRACK_PASS, FLOW_CLOSING, 0}}},
		{"TIME-WAIT", 60, {TO_TIME_WAIT}},
		{"reset", 10, {TO_ESTABLISHED, {0, R, 1000, 0, TRACK_PASS, FLOW_RESET, 0}}},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = 0;

		while (n < 8 && rows[i].v[n].flags)
			n++;
		const struct flow f = play(rows[i].v, n);
		if (flow_is_over(&f, flow_tick(rows[i].seconds * SEC)) ||
			!flow_is_over(&f, flow_tick((rows[i].seconds + 1) * SEC)))
			fail_msg("%s: until tick %u", rows[i].what, f.until);
	}
}

static void neither_time_wait_nor_a_reset_is_prolonged(void **state)
{
	static const struct step last[] = {
		{1, A, 5001, 1001, TRACK_PASS, 0, 0}, {1, R, 5001, 0, TRACK_PASS, 0, 0}};
	uint8_t p[PKT_MAX];
	struct ip_view v;
	(void)state;

	struct flow f[] = {
		PLAY(TO_TIME_WAIT), PLAY(TO_ESTABLISHED, {0, R, 1000, 0, TRACK_PASS, FLOW_RESET, 0})};
	for (size_t i = 0; i < ARRAY_LEN(f); i++) {
		const uint32_t until = f[i].until;

		for (size_t k = 0; k < ARRAY_LEN(last); k++) {
			segment(&last[k], p, &v);
			assert_int_equal(track_next(&f[i], &v, last[k].side, flow_tick(5 * SEC)), TRACK_PASS);
		}
		assert_int_equal(f[i].until, until);
	}
}

static void udp_is_remembered_longer_once_answered(void **state)
{
	const struct pkt p = {.from = 1, .to = 2, .sport = 5, .dport = 53};
	struct flow f = {.key = {.proto = PROTO_UDP, .version = 4}};
	uint8_t bytes[PKT_MAX];
	struct ip_view v;
	(void)state;

	assert_int_equal(ip_view_of(bytes, pkt_write(&p, bytes), &v), TM_OK);
	assert_int_equal(track_role(&v), TRACK_BEGINS);
	track_begin(&f, &v, 0, 0);
	assert_true(flow_is_over(&f, flow_tick(31 * SEC)));
	assert_int_equal(track_next(&f, &v, 0, 0), TRACK_PASS);
	assert_true(flow_is_over(&f, flow_tick(31 * SEC)));
	assert_int_equal(track_next(&f, &v, 1, 0), TRACK_PASS);
	assert_false(flow_is_over(&f, flow_tick(180 * SEC)));
	assert_int_equal(track_next(&f, &v, 0, flow_tick(100 * SEC)), TRACK_PASS);
	assert_false(flow_is_over(&f, flow_tick(280 * SEC)));
	assert_true(flow_is_over(&f, flow_tick(282 * SEC)));
}

static void what_icmp_messages_are(void **state)
{
	static const struct {
		uint8_t version, type;
		enum track_role role;
	} rows[] = {
		{4, 0, TRACK_STRAY},
		{4, 3, TRACK_ABOUT},
		{4, 4, TRACK_IMPOSSIBLE},
		{4, 5, TRACK_IMPOSSIBLE},
		{4, 8, TRACK_BEGINS},
		{4, 11, TRACK_ABOUT},
		{4, 12, TRACK_ABOUT},
		{4, 13, TRACK_IMPOSSIBLE},
		{4, 14, TRACK_IMPOSSIBLE},
		{4, 128, TRACK_ALONE},
		{6, 1, TRACK_ABOUT},
		{6, 2, TRACK_ABOUT},
		{6, 3, TRACK_ABOUT},
		{6, 4, TRACK_ABOUT},
		{6, 8, TRACK_ABOUT},
		{6, 128, TRACK_BEGINS},
		{6, 129, TRACK_STRAY},
		{6, 133, TRACK_ALONE},
	};
	uint8_t bytes[PKT_MAX];
	struct ip_view v;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct pkt p = {
			.version = rows[i].version,
			.from = 1,
			.to = 2,
			.proto = rows[i].version == 4 ? PROTO_ICMP : PROTO_ICMP6,
			.type = rows[i].type,
			.code = 200, /* Nebula read the type from the wrong byte */
			.echo = 77,
		};

		assert_int_equal(ip_view_of(bytes, pkt_write(&p, bytes), &v), TM_OK);
		if (track_role(&v) != rows[i].role)
			fail_msg("ICMP of IPv%u, type %u", rows[i].version, rows[i].type);
	}
	/* Of the other family it is a protocol like any. */
	const struct pkt other = {.version = 6, .from = 1, .to = 2, .proto = PROTO_ICMP, .type = 0};
	assert_int_equal(ip_view_of(bytes, pkt_write(&other, bytes), &v), TM_OK);
	assert_int_equal(track_role(&v), TRACK_BEGINS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_goes_from_handshake_to_time_wait),
		cmocka_unit_test(both_may_begin_at_once),
		cmocka_unit_test(flags_that_contradict_each_other_are_impossible),
		cmocka_unit_test(a_header_longer_than_its_segment_is_impossible),
		cmocka_unit_test(a_reset_answers_a_syn_only_if_it_acknowledges_it),
		cmocka_unit_test(a_reset_has_to_lie_in_the_window_of_its_receiver),
		cmocka_unit_test(windows_are_shifted_only_where_both_offered_it),
		cmocka_unit_test(a_reset_does_not_end_time_wait),
		cmocka_unit_test(a_fin_that_comes_again_changes_nothing),
		cmocka_unit_test(the_last_acknowledgement_is_the_other_sides),
		cmocka_unit_test(nobody_acknowledges_his_own_fin),
		cmocka_unit_test(who_has_not_closed_goes_on_sending),
		cmocka_unit_test(an_answer_to_a_syn_comes_from_the_other_side),
		cmocka_unit_test(a_syn_may_carry_data),
		cmocka_unit_test(the_same_ports_may_be_used_again),
		cmocka_unit_test(the_other_side_begins_only_by_the_rules),
		cmocka_unit_test(what_was_forgotten_goes_on_in_its_midst),
		cmocka_unit_test(each_state_is_remembered_for_its_time),
		cmocka_unit_test(neither_time_wait_nor_a_reset_is_prolonged),
		cmocka_unit_test(udp_is_remembered_longer_once_answered),
		cmocka_unit_test(what_icmp_messages_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
