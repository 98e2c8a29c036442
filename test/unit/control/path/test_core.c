/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who is answered, who is remembered, what is told, and in what order. How ways are chosen: test_path.c. */
#include "base/bytes.h"
#include "control/path/legs.h"
#include "control/path/path.h"
#include "rig.h"
#include "unit/unit.h"

static struct route *wan;

static int make_rig(void **state)
{
	rig_setup(state);
	wan = rig_route(&rig, CAND_HOST, "192.0.2.1:51820", "198.51.100.1:51820", MS);
	return 0;
}

static void assert_lines(unsigned side, const char *expected)
{
	_cleanup_(freep) char *lines = rig_lines(&rig, side);

	assert_string_equal(lines, expected);
}

static void connect_both(void)
{
	rig_want(&rig, A);
	rig_run(&rig, 400 * MS);
	assert_ptr_equal(rig_chosen(&rig, A), wan);
	assert_ptr_equal(rig_chosen(&rig, B), wan);
}

/* Takes the first check of side A off the wire, undelivered. */
static struct datagram capture(void)
{
	rig_want(&rig, A);
	rig_run(&rig, 0);
	assert_int_equal(rig.n_wire, 2); /* B was asked for, and helps */
	struct datagram d = rig.wire[0].to == B ? rig.wire[0] : rig.wire[1];
	rig.n_wire = 0;
	return d;
}

static void receive(unsigned at, const struct endpoint *from, const uint8_t *msg, size_t n)
{
	rig_input(&rig, at,
		(struct core_in){.kind = CORE_STUN, .stun = {.by = {.remote = *from}, .msg = msg, .n = n}});
}

static void what_happens_is_a_list_in_order(void **state)
{
	(void)state;
	rig_network(&rig, A, "192.0.2.1");
	connect_both();
	assert_lines(A, "- tell (our addresses changed)\n"
			"bbbbbbbbbbbbbbbb ask (somebody wants the peer)\n"
			"bbbbbbbbbbbbbbbb send 198.51.100.1:51820 (does this address answer?)\n"
			"bbbbbbbbbbbbbbbb send 198.51.100.1:51820 (a check of the peer)\n"
			"bbbbbbbbbbbbbbbb note 198.51.100.1:51820 (answers)\n"
			"bbbbbbbbbbbbbbbb use 198.51.100.1:51820 (the first address that answered)\n"
			"bbbbbbbbbbbbbbbb works 198.51.100.1:51820 (the first address that answered)\n"
			"bbbbbbbbbbbbbbbb lives 198.51.100.1:51820 (answers)\n");
	assert_lines(B, "aaaaaaaaaaaaaaaa note (the peer looks for us)\n"
			"aaaaaaaaaaaaaaaa send 192.0.2.1:51820 (does this address answer?)\n"
			"aaaaaaaaaaaaaaaa send 192.0.2.1:51820 (a check of the peer)\n"
			"aaaaaaaaaaaaaaaa note 192.0.2.1:51820 (answers)\n"
			"aaaaaaaaaaaaaaaa use 192.0.2.1:51820 (the first address that answered)\n"
			"aaaaaaaaaaaaaaaa works 192.0.2.1:51820 (the first address that answered)\n"
			"aaaaaaaaaaaaaaaa lives 192.0.2.1:51820 (answers)\n"
			"aaaaaaaaaaaaaaaa wake (a check of the peer)\n");
	assert_int_equal(core_refused(rig.side[A].core) + core_refused(rig.side[B].core), 0);
}

static void inputs_can_be_printed_too(void **state)
{
	const struct candidates none = {.n = 0};
	const uint8_t key[32] = {0xab, 0xcd};
	const struct {
		struct core_in in;
		const char *line;
	} rows[] = {
		{{.kind = CORE_WANT, .key = key}, "abcd000000000000 want"},
		{{.kind = CORE_HEARD, .key = key, .by = {.remote = wan->end[A]}},
			"abcd000000000000 heard 192.0.2.1:51820"},
		{{.kind = CORE_CANDIDATES, .id = "0123456789abcdef", .candidates = &none},
			"0123456789abcdef candidates 0"},
		{{.kind = CORE_STUN, .stun = {.by = {.remote = wan->end[A]}, .n = 3}},
			"- stun 192.0.2.1:51820, 3 bytes"},
		{{.kind = CORE_NETWORK}, "- network of 0 addresses"},
		{{.kind = CORE_RELAYS}, "- relays: 0"},
		{{.kind = CORE_STREAM,
			 .id = "0123456789abcdef",
			 .stream = {.remote = wan->end[A], .socket = 3}},
			"0123456789abcdef stream up, number 3"},
		{{.kind = CORE_STREAM, .id = "0123456789abcdef"}, "0123456789abcdef stream down"},
		{{.kind = CORE_STREAM_GONE, .id = "0123456789abcdef", .gone = 4},
			"0123456789abcdef stream gone, number 4"},
		{{.kind = CORE_LINK, .link_up = true}, "- link up"},
		{{.kind = CORE_PROBE}, "- probe"},
		{{.kind = CORE_DOORS, .doors = {.second_port = 51821}}, "- doors 51821"},
		{{.kind = CORE_PORTMAP, .portmap = wan->end[A]}, "- portmap 192.0.2.1:51820"},
	};
	char buf[CORE_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(core_in_format(&rows[i].in, buf), rows[i].line);
}

static void a_peers_candidates_inside_the_mesh_or_on_loopback_are_never_sent_to(void **state)
{
	static const char *const bad[] = {
		"100.101.0.9:1", "[fd01:2:3:4::9]:1", "127.0.0.1:1", "224.0.0.1:1", "0.0.0.0:1"};
	struct candidates c = {.n = 0};

	(void)state;
	rig.side[A].exchange = false;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		c.v[c.n].type = CAND_HOST;
		assert_int_equal(endpoint_parse(bad[i], &c.v[c.n++].ep), 0);
	}
	/* Where a relay is, the mesh says. */
	for (size_t i = 0; i < LEGS_TOLD_MAX + 1; i++) {
		c.v[c.n] = (struct candidate){.type = CAND_RELAY, .relay = "0123456789abcdef"};
		assert_int_equal(endpoint_parse("198.51.100.9:1", &c.v[c.n++].ep), 0);
	}
	rig_want(&rig, A);
	rig_input(&rig, A,
		(struct core_in){.kind = CORE_CANDIDATES, .id = rig.side[B].self.id, .candidates = &c});
	rig_run(&rig, SEC);
	assert_int_equal(rig.side[A].checks, 0);
	/* Nor is a way taken that leads into the tunnel. */
	rig_input(&rig, A,
		(struct core_in){
			.kind = CORE_HEARD, .key = rig.side[B].self.key, .by = {.remote = c.v[0].ep}});
	assert_int_equal(rig.side[A].outs[CORE_USE], 0);
}

static void a_replayed_check_is_met_with_silence(void **state)
{
	struct datagram d = capture();
	unsigned sent;

	(void)state;
	receive(B, &wan->end[A], d.msg, d.n);
	sent = rig.side[B].outs[CORE_SEND];
	assert_int_equal(sent, 2); /* its own check, and the answer */
	for (int i = 0; i < 10; i++)
		receive(B, &wan->end[A], d.msg, d.n);
	assert_int_equal(rig.side[B].outs[CORE_SEND], sent);
	assert_int_equal(core_refused(rig.side[B].core), 10);
}

static void what_was_answered_before_a_restart_stays_unanswered(void **state)
{
	struct datagram d = capture();
	uint64_t stamp;

	(void)state;
	receive(B, &wan->end[A], d.msg, d.n);
	stamp = core_stamp(rig.side[B].core, rig.side[A].self.key);
	assert_int_equal(stamp, get_be64(d.msg + 8));
	rig_deinit(&rig);
	make_rig(NULL);
	core_seed_stamp(rig.side[B].core, rig.side[A].self.key, stamp);
	receive(B, &wan->end[A], d.msg, d.n);
	assert_int_equal(rig.side[B].outs[CORE_SEND], 0);
	assert_int_equal(core_refused(rig.side[B].core), 1);
	/* Seeding never goes back. */
	core_seed_stamp(rig.side[B].core, rig.side[A].self.key, stamp - 1);
	assert_int_equal(core_stamp(rig.side[B].core, rig.side[A].self.key), stamp);
}

static void a_peer_that_rests_is_still_not_answered_twice(void **state)
{
	struct datagram d = capture();
	uint64_t stamp;

	(void)state;
	receive(B, &wan->end[A], d.msg, d.n);
	connect_both();
	stamp = core_stamp(rig.side[B].core, rig.side[A].self.key);
	rig_run(&rig, 4 * PATH_WANTED_FOR);
	assert_int_equal(core_next(rig.side[B].core), NS_NEVER);
	assert_int_equal(core_stamp(rig.side[B].core, rig.side[A].self.key), stamp);
	rig.side[B].outs[CORE_SEND] = 0;
	receive(B, &wan->end[A], d.msg, d.n);
	assert_int_equal(rig.side[B].outs[CORE_SEND], 0);
}

static void an_answer_that_comes_again_changes_nothing_and_is_counted(void **state)
{
	struct datagram check = capture(), answer;
	struct core_view before, after;

	(void)state;
	receive(B, &wan->end[A], check.msg, check.n);
	assert_int_equal(rig.n_wire, 1);
	answer = rig.wire[0];
	rig_run(&rig, 20 * MS);
	before = rig_view(&rig, A);
	for (int i = 0; i < 10; i++)
		receive(A, &wan->end[B], answer.msg, answer.n);
	assert_int_equal(core_refused(rig.side[A].core), 10);
	after = rig_view(&rig, A);
	assert_int_equal(after.state, PATH_UP);
	assert_int_equal(after.rtt, before.rtt);
}

static void bent_cut_and_foreign_messages_are_met_with_silence(void **state)
{
	struct datagram d = capture();
	const unsigned sent = rig.side[B].outs[CORE_SEND];
	struct stun_msg m = {.class = STUN_REQUEST, .method = 1};
	uint8_t plain[STUN_MAX];
	uint64_t refused = 0;

	(void)state;
	for (size_t bit = 0; bit < 8 * d.n; bit++, refused++) {
		d.msg[bit / 8] ^= (uint8_t)(1u << bit % 8);
		receive(B, &wan->end[A], d.msg, d.n);
		d.msg[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < d.n; n++, refused++)
		receive(B, &wan->end[A], d.msg, n);
	size_t n = stun_encode(&m, NULL, plain, sizeof(plain)); /* what any STUN client sends */
	receive(B, &wan->end[A], plain, n);
	snprintf(m.username, sizeof(m.username), "%s:%s", rig.side[B].self.id, rig.side[A].self.id);
	n = stun_encode(&m, (const uint8_t[STUN_KEY]){7}, plain, sizeof(plain)); /* names, but another key */
	receive(B, &wan->end[A], plain, n);
	assert_int_equal(rig.side[B].outs[CORE_SEND], sent);
	assert_int_equal(core_refused(rig.side[B].core), refused + 2);

	receive(B, &wan->end[A], d.msg, d.n);
	assert_int_equal(rig.side[B].outs[CORE_SEND], sent + 1);
}

/* The right names and a new stamp, which anybody can write, under a key that nobody has. */
static void forge(uint64_t stamp)
{
	struct stun_msg m = {.class = STUN_REQUEST, .method = 1, .priority = 1};
	uint8_t msg[STUN_MAX];

	put_be64(m.txid, stamp);
	snprintf(m.username, sizeof(m.username), "%s:%s", rig.side[B].self.id, rig.side[A].self.id);
	receive(B, &wan->end[A], msg, stun_encode(&m, (const uint8_t[STUN_KEY]){7}, msg, sizeof(msg)));
}

static void what_proves_nothing_makes_no_record(void **state)
{
	struct core_view v;

	(void)state;
	forge(UINT64_MAX / 2);
	assert_int_equal(core_refused(rig.side[B].core), 1);
	assert_false(core_view(rig.side[B].core, rig.side[A].self.key, &v));
	assert_int_equal(core_next(rig.side[B].core), NS_NEVER);
}

static void what_proves_nothing_and_what_comes_again_keep_no_peer_alive(void **state)
{
	struct datagram d = capture();
	const uint64_t refused = core_refused(rig.side[B].core);
	unsigned minutes = (unsigned)(4 * PATH_WANTED_FOR / (60 * SEC));

	(void)state;
	receive(B, &wan->end[A], d.msg, d.n);
	connect_both();
	for (unsigned i = 0; i < minutes; i++) {
		forge(UINT64_MAX / 2 + i);
		receive(B, &wan->end[A], d.msg, d.n);
		rig_run(&rig, 60 * SEC);
	}
	assert_int_equal(core_next(rig.side[B].core), NS_NEVER);
	assert_int_equal(core_refused(rig.side[B].core), refused + 2 * minutes);
	/* Nor does it wake one that rests. */
	forge(UINT64_MAX / 2);
	receive(B, &wan->end[A], d.msg, d.n);
	assert_int_equal(core_next(rig.side[B].core), NS_NEVER);
}

static void whoever_floods_us_with_claims_has_few_keys_computed_for_it(void **state)
{
	(void)state;
	rig.side[A].exchange = false; /* B learns of A by its checks alone */
	for (unsigned i = 0; i < 2000; i++)
		forge(UINT64_MAX / 2 + i);
	struct candidates c = rig_candidates(&rig, B);
	rig_want(&rig, A);
	rig_input(&rig, A,
		(struct core_in){.kind = CORE_CANDIDATES, .id = rig.side[B].self.id, .candidates = &c});
	rig_run(&rig, 200 * MS);
	assert_int_equal(rig.side[B].outs[CORE_SEND], 0);
	rig_run(&rig, 2 * SEC); /* its next try after a second is read */
	assert_int_equal(rig_view(&rig, A).state, PATH_UP);
	assert_int_equal(rig_view(&rig, B).state, PATH_UP);

	/* Whose key is known is not in the flood's way, also when its path has rested. */
	rig_run(&rig, 4 * PATH_WANTED_FOR);
	assert_int_equal(core_next(rig.side[B].core), NS_NEVER);
	rig.side[B].outs[CORE_SEND] = 0;
	for (unsigned i = 0; i < 2000; i++)
		forge(UINT64_MAX / 2 + i);
	rig_want(&rig, A);
	rig_run(&rig, 10 * MS);
	assert_true(rig.side[B].outs[CORE_SEND] > 0);
}

static void a_removed_peer_is_a_stranger(void **state)
{
	struct datagram d = capture();
	struct core_view v;

	(void)state;
	rig.side[A].stranger = true;
	rig_input(&rig, B, (struct core_in){.kind = CORE_REMOVE, .key = rig.side[A].self.key});
	assert_false(core_view(rig.side[B].core, rig.side[A].self.key, &v));
	receive(B, &wan->end[A], d.msg, d.n);
	assert_int_equal(core_refused(rig.side[B].core), 1);
	rig_heard(&rig, B, wan);
	rig_want(&rig, B);
	rig_tell(&rig, B, true);
	rig_run(&rig, SEC);
	assert_int_equal(rig.side[B].outs[CORE_USE], 0);
	assert_false(core_view(rig.side[B].core, rig.side[A].self.key, &v));
}

static void a_check_from_elsewhere_teaches_the_peers_new_address(void **state)
{
	struct datagram d = capture();

	(void)state;
	/* A NAT between them: answers and checks reach side A there only. */
	assert_int_equal(endpoint_parse("203.0.113.5:4242", &wan->end[A]), 0);
	receive(B, &wan->end[A], d.msg, d.n);
	rig_run(&rig, 20 * MS);
	assert_ptr_equal(rig_chosen(&rig, B), wan);
	assert_int_equal(rig_view(&rig, B).type, CAND_PRFLX);
}

static void a_check_over_a_path_that_is_up_wakes_the_session(void **state)
{
	unsigned before;

	(void)state;
	connect_both();
	before = rig.side[B].outs[CORE_WAKE];
	rig_network(&rig, A, NULL); /* looks for B again */
	rig_run(&rig, 100 * MS);
	assert_int_equal(rig.side[B].outs[CORE_WAKE], before + 1);
}

/* Side A alone knows where the other is, and checks that. */
static void check_unannounced(void)
{
	struct candidates c = rig_candidates(&rig, B);

	rig.side[A].exchange = false;
	rig_want(&rig, A);
	rig_input(&rig, A,
		(struct core_in){.kind = CORE_CANDIDATES, .id = rig.side[B].self.id, .candidates = &c});
	rig_run(&rig, 400 * MS);
	assert_ptr_equal(rig_chosen(&rig, A), wan);
	assert_ptr_equal(rig_chosen(&rig, B), wan);
	assert_int_equal(rig.side[A].checks, 1);
}

/* As after a restart: all that is left of the session is at A, which will not check again for a while. */
static void one_check_of_a_peer_finds_the_path_and_wakes_the_session(void **state)
{
	(void)state;
	check_unannounced();
	assert_int_equal(rig.side[B].outs[CORE_WAKE], 1);
}

static void who_looks_for_the_peer_itself_needs_no_waking(void **state)
{
	(void)state;
	rig_want(&rig, B);
	check_unannounced();
	assert_int_equal(rig.side[B].outs[CORE_WAKE], 0);
}

static void a_clock_that_stands_still_gives_new_stamps_all_the_same(void **state)
{
	(void)state;
	connect_both(); /* the rig's wall clock never moves */
	for (int i = 0; i < 50; i++) {
		rig_network(&rig, A, NULL);
		rig_run(&rig, 20 * MS);
	}
	assert_true(rig.side[A].checks > 50);
	assert_int_equal(core_refused(rig.side[A].core) + core_refused(rig.side[B].core), 0);
}

/* --- under which address are we seen? --- */

static void ask_b(ns_t spread)
{
	rig_input(&rig, A,
		(struct core_in){.kind = CORE_SERVER,
			.id = rig.side[B].self.id,
			.key = rig.side[B].self.key,
			.server = {.v = &wan->end[B], .n = 1, .spread = spread}});
}

static void the_coordinator_tells_our_outer_address(void **state)
{
	const struct candidates *mine = core_mine(rig.side[A].core);

	(void)state;
	rig_network(&rig, A, "10.0.0.1");
	ask_b(0);
	rig_run(&rig, 20 * MS);
	assert_int_equal(mine->n, 2);
	assert_int_equal(mine->v[1].type, CAND_SRFLX);
	assert_true(endpoint_eq(&mine->v[1].ep, &wan->end[A]));
	assert_int_equal(rig.side[A].outs[CORE_TELL], 2);
	/* A question for an address is no reason to look for a path. */
	assert_lines(B, "aaaaaaaaaaaaaaaa send 192.0.2.1:51820 (a check of the peer)\n");
	assert_int_equal(core_refused(rig.side[A].core), 0);

	/* Asked again and again, which keeps the mapping open; an address that nobody confirms is given up.
	 */
	rig_run(&rig, 5 * SEC);
	unsigned probed = rig.side[B].outs[CORE_SEND]; /* once */
	rig_run(&rig, 250 * SEC);
	assert_in_range(rig.side[B].outs[CORE_SEND] - probed, 10, 14);
	wan->cut = true;
	rig_run(&rig, 60 * SEC);
	assert_int_equal(mine->n, 1);
	wan->cut = false;
	ask_b(0); /* the coordinator is back */
	rig_run(&rig, LEG_JITTER);
	assert_int_equal(mine->n, 2);
}

static void a_port_that_the_gateway_maps_is_a_candidate_until_it_no_longer_does(void **state)
{
	const struct candidates *mine = core_mine(rig.side[A].core);

	(void)state;
	rig_input(&rig, A, (struct core_in){.kind = CORE_PORTMAP, .portmap = wan->end[B]});
	assert_int_equal(mine->n, 1);
	assert_int_equal(mine->v[0].type, CAND_SRFLX);
	assert_true(endpoint_eq(&mine->v[0].ep, &wan->end[B]));
	rig_input(&rig, A, (struct core_in){.kind = CORE_PORTMAP});
	assert_int_equal(mine->n, 0);
}

static void without_a_coordinator_to_ask_our_outer_address_is_not_told_on(void **state)
{
	const struct candidates *mine = core_mine(rig.side[A].core);

	(void)state;
	rig_network(&rig, A, "10.0.0.1");
	ask_b(0);
	rig_run(&rig, 20 * MS);
	assert_int_equal(mine->n, 2);
	unsigned told = rig.side[A].outs[CORE_TELL];
	rig_input(&rig, A,
		(struct core_in){
			.kind = CORE_SERVER, .id = rig.side[B].self.id, .key = rig.side[B].self.key});
	assert_int_equal(mine->n, 1);
	assert_int_equal(rig.side[A].outs[CORE_TELL], told + 1);
}

static void thousands_that_start_at_once_do_not_ask_at_once(void **state)
{
	unsigned asked[10] = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		rig_deinit(&rig);
		rig_init(&rig, i);
		wan = rig_route(&rig, CAND_HOST, "192.0.2.1:51820", "198.51.100.1:51820", MS);
		ask_b(10 * SEC);
		asked[(core_next(rig.side[A].core) - rig.now) / SEC % 10]++;
	}
	for (size_t i = 0; i < ARRAY_LEN(asked); i++)
		assert_in_range(asked[i], 50, 150);
}

static void an_answer_from_somebody_else_is_not_the_coordinators(void **state)
{
	const struct candidates *mine = core_mine(rig.side[A].core);
	struct datagram answer;
	struct endpoint elsewhere = wan->end[B];

	(void)state;
	ask_b(0);
	rig_run(&rig, MS);
	assert_int_equal(rig.n_wire, 1);
	answer = rig.wire[0];
	rig.n_wire = 0;
	elsewhere.port++;
	receive(A, &elsewhere, answer.msg, answer.n);
	assert_int_equal(mine->n, 0);
	answer.msg[answer.n - 40]++;
	receive(A, &wan->end[B], answer.msg, answer.n);
	assert_int_equal(mine->n, 0);
	answer.msg[answer.n - 40]--;
	receive(A, &wan->end[B], answer.msg, answer.n);
	assert_int_equal(mine->n, 1);
}

#define WAN_TEST(fn) cmocka_unit_test_setup_teardown(fn, make_rig, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WAN_TEST(what_happens_is_a_list_in_order),
		WAN_TEST(inputs_can_be_printed_too),
		WAN_TEST(a_peers_candidates_inside_the_mesh_or_on_loopback_are_never_sent_to),
		WAN_TEST(a_replayed_check_is_met_with_silence),
		WAN_TEST(what_was_answered_before_a_restart_stays_unanswered),
		WAN_TEST(a_peer_that_rests_is_still_not_answered_twice),
		WAN_TEST(an_answer_that_comes_again_changes_nothing_and_is_counted),
		WAN_TEST(bent_cut_and_foreign_messages_are_met_with_silence),
		WAN_TEST(what_proves_nothing_makes_no_record),
		WAN_TEST(what_proves_nothing_and_what_comes_again_keep_no_peer_alive),
		WAN_TEST(whoever_floods_us_with_claims_has_few_keys_computed_for_it),
		WAN_TEST(a_removed_peer_is_a_stranger),
		WAN_TEST(a_check_from_elsewhere_teaches_the_peers_new_address),
		WAN_TEST(a_check_over_a_path_that_is_up_wakes_the_session),
		WAN_TEST(one_check_of_a_peer_finds_the_path_and_wakes_the_session),
		WAN_TEST(who_looks_for_the_peer_itself_needs_no_waking),
		WAN_TEST(a_clock_that_stands_still_gives_new_stamps_all_the_same),
		WAN_TEST(the_coordinator_tells_our_outer_address),
		WAN_TEST(a_port_that_the_gateway_maps_is_a_candidate_until_it_no_longer_does),
		WAN_TEST(without_a_coordinator_to_ask_our_outer_address_is_not_told_on),
		WAN_TEST(thousands_that_start_at_once_do_not_ask_at_once),
		WAN_TEST(an_answer_from_somebody_else_is_not_the_coordinators),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
