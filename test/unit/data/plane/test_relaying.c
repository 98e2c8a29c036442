/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A plane that is a relay (host 9 of the mesh), between two that use it, and between forgers. */
#include "data/plane/legs.h"
#include "data/plane/plane_private.h"

#include "unit/data/plane/relay_rig.h"

#include "data/peer/cookie.h"
#include "wire/stun.h"
#include "wire/wg.h"

static bool have_left(void *arg)
{
	return fake_sent() >= *(size_t *)arg;
}

/* What is counted as relayed leaves at the end of its burst. */
static void expect_left(size_t datagrams)
{
	EXPECT_SOON(all, have_left, &datagrams);
}

static void two_members_reach_each_other_through_it(void **state)
{
	(void)state;

	pass(&a, &b, 4, 1, 20);
	pass(&b, &a, 6, 2, 1300);
	for (uint16_t i = 3; i < 40; i++)
		pass(i % 2 ? &a : &b, i % 2 ? &b : &a, i % 3 ? 4 : 6, i, 30 * i);
	struct plane_relayed sum = plane_relayed(r.plane);
	assert_true(sum.packets >= 40 && sum.bytes > 20000);
}

static void what_goes_on_is_what_came_marks_and_all(void **state)
{
	uint8_t msg[FAKE_BYTES], got[FAKE_BYTES], tos;
	size_t n = message(3, 65536, 1452, msg);
	(void)state;

	fake_inject(C, R, 0xb7, msg, n);
	expect_relayed(1);
	expect_left(1);
	assert_int_equal(fake_last('T', got, sizeof(got), &tos), n);
	assert_memory_equal(got, msg, n);
	assert_int_equal(tos, 0xb7);
	assert_int_equal(plane_relayed(r.plane).bytes, n);
}

static void a_train_goes_on_as_a_train(void **state)
{
	uint8_t msg[FAKE_BYTES];
	(void)state;

	if (!rig_trains())
		skip();
	fake_hold(FAKE_UDP);
	for (int i = 0; i < 30; i++)
		fake_inject(C, R, 0, msg, message(3, 65536, i < 29 ? 1452 : 100, msg));
	fake_hold(0);
	expect_relayed(30);
	expect_left(30);
	assert_int_equal(fake_sent_trains(), 1);
}

static void a_train_that_the_kernel_does_not_take_at_once_goes_on_in_pieces(void **state)
{
	uint8_t msg[FAKE_BYTES];
	(void)state;

	if (!rig_trains())
		skip();
	fake_hold(FAKE_UDP);
	for (int i = 0; i < 200; i++)
		fake_inject(C, R, 0, msg, message(3, 65536, 64, msg));
	fake_hold(0);
	expect_relayed(200);
	expect_left(200);
	assert_int_equal(fake_sent_trains(), 4); /* 64, 64, 64, 8 */
}

static void nothing_passes_that_is_not_from_one_end_and_for_a_registered_other(void **state)
{
	static const struct {
		const char *from;
		uint32_t pair[2];
		enum plane_drop why;
	} rows[] = {
		{"192.0.2.66:51820", {3, 65536}, DROP_RELAY_UNPROVEN}, /* an outsider */
		{"192.0.2.3:51821", {3, 65536}, DROP_RELAY_UNPROVEN}, /* the right address, another port */
		{A, {3, 65536}, DROP_RELAY_UNPROVEN}, /* a member, in the name of others */
		{C, {3, 5}, DROP_RELAY_UNBOUND}, {C, {3, 65535}, DROP_RELAY_UNBOUND},
		{C, {4, 5}, DROP_RELAY_UNPROVEN},
		{A, {9, 2}, DROP_RELAY_STRANGER}, /* for ourselves, but not from its end */
	};
	uint64_t seen[DROP_N] = {0};
	uint8_t msg[FAKE_BYTES];
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_inject(rows[i].from, R, 0, msg, message(rows[i].pair[0], rows[i].pair[1], 200, msg));
		expect_drop(rows[i].why, ++seen[rows[i].why]);
	}
	assert_int_equal(fake_sent(), 0);
	assert_int_equal(plane_relayed(r.plane).packets, 0);
}

static void headers_that_cannot_be_are_no_messages(void **state)
{
	static const char *const heads[] = {"T\1\0\0\0\0\0\3", "T\1\0\0\3\0\0\3", "T\1\0\0\3\0\0\0",
		"T\1\1\0\0\0\0\3", "T\1\0\0\3\1\0\1", "T\0\0\0\3\1\0\0", "T\2\0\0\3\1\0\0"};
	uint8_t msg[FAKE_BYTES];
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		size_t n = message(3, 65536, 200, msg);

		memcpy(msg, heads[i], RELAY_HEADER);
		fake_inject(C, R, 0, msg, n);
		expect_drop(DROP_MALFORMED, i + 1);
	}
	assert_int_equal(fake_sent(), 0);
}

static void what_another_recorded_leads_nowhere(void **state)
{
	uint8_t msg[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	size_t n = fake_last('T', msg, sizeof(msg), NULL), sent = fake_sent();
	fake_inject("192.0.2.66:51820", R, 0, msg, n);
	fake_inject("[2001:db8::66]:51820", R, 0, msg, n);
	expect_drop(DROP_RELAY_UNPROVEN, 2);
	assert_int_equal(fake_sent(), sent);
}

/* An initiation or answer for the owner of this key. */
static size_t handshake(uint32_t type, const uint8_t *key, uint8_t *out)
{
	size_t n = type == WG_INIT ? WG_INIT_LEN : WG_RESPONSE_LEN;
	struct cookie_jar jar;

	memset(out, 'h', RELAY_HEADER + n);
	relay_put(out, relay_pair(3, 65536));
	put_le32(out + RELAY_HEADER, type);
	cookie_jar_init(&jar, key);
	cookie_jar_sign(&jar, out + RELAY_HEADER, n, 0);
	return RELAY_HEADER + n;
}

static void only_wireguard_and_stun_pass_and_handshakes_that_know_whom_they_are_for(void **state)
{
	const struct stun_msg m = {.class = STUN_REQUEST, .method = 1};
	uint8_t msg[FAKE_BYTES];
	size_t n;
	(void)state;

	/* D has b's key. */
	fake_inject(C, R, 0, msg, handshake(WG_INIT, b.pub, msg));
	expect_relayed(1);
	fake_inject(C, R, 0, msg, handshake(WG_RESPONSE, b.pub, msg));
	expect_relayed(2);
	fake_inject(C, R, 0, msg, handshake(WG_INIT, a.pub, msg));
	expect_drop(DROP_RELAY_MAC1, 1);
	fake_inject(C, R, 0, msg, handshake(WG_RESPONSE, a.pub, msg));
	expect_drop(DROP_RELAY_MAC1, 2);

	n = message(3, 65536, WG_COOKIE_REPLY_LEN, msg);
	put_le32(msg + RELAY_HEADER, WG_COOKIE_REPLY);
	fake_inject(C, R, 0, msg, n);
	expect_relayed(3);
	n = RELAY_HEADER + stun_encode(&m, NULL, msg + RELAY_HEADER, STUN_MAX);
	fake_inject(C, R, 0, msg, n);
	expect_relayed(4);
	msg[RELAY_HEADER + 4] ^= 1; /* no magic cookie */
	fake_inject(C, R, 0, msg, n);
	expect_drop(DROP_RELAY_SHAPE, 1);
	fake_inject(C, R, 0, msg, message(3, 65536, WG_DATA_MIN - 1, msg));
	expect_drop(DROP_RELAY_SHAPE, 2);
	n = handshake(WG_INIT, b.pub, msg);
	fake_inject(C, R, 0, msg, n - 1);
	expect_drop(DROP_RELAY_SHAPE, 3);
	n = message(3, 65536, 200, msg);
	relay_put(msg + RELAY_HEADER, relay_pair(1, 2)); /* relayed to be relayed */
	fake_inject(C, R, 0, msg, n);
	expect_drop(DROP_RELAY_SHAPE, 4);
	fake_inject(C, R, 0, msg, RELAY_HEADER);
	expect_drop(DROP_MALFORMED, 1);
	assert_int_equal(plane_relayed(r.plane).packets, 4);
}

static void of_a_mixed_train_each_run_goes_where_its_own_header_says(void **state)
{
	static const struct {
		uint32_t to;
		bool bad;
	} train[] = {{65536, false}, {65536, false}, {1, false}, {1, true}, {1, false}, {5, false},
		{65536, false}};
	uint8_t msg[FAKE_BYTES];
	(void)state;

	if (!rig_trains())
		skip();
	fake_hold(FAKE_UDP);
	for (size_t i = 0; i < ARRAY_LEN(train); i++) {
		size_t n = message(3, train[i].to, 300, msg);

		msg[RELAY_HEADER + 1] = train[i].bad;
		fake_inject(C, R, 0, msg, n);
	}
	fake_hold(0);
	expect_drop(DROP_RELAY_SHAPE, 3); /* who sends one such message sent its neighbours too */
	expect_drop(DROP_RELAY_UNBOUND, 1);
	expect_relayed(3);
	expect_left(3);
	assert_int_equal(fake_sent_trains(), 1);
}

static void a_member_that_moved_is_where_it_proved_last(void **state)
{
	uint8_t msg[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	fake_move("192.0.2.1", "192.0.2.11");
	register_at(1, "192.0.2.11:51820", a.pub);
	pass(&a, &b, 4, 2, 20);
	pass(&b, &a, 4, 3, 20);
	fake_inject(A, R, 0, msg, message(1, 2, 200, msg));
	expect_drop(DROP_RELAY_UNPROVEN, 1);
	plane_relay_remove(r.plane, 1);
	plane_relay_remove(r.plane, 1);
	plane_relay_remove(r.plane, 12345);
	plane_relay_remove(r.plane, UINT32_MAX);
	fake_inject(B, R, 0, msg, message(1, 2, 200, msg));
	expect_drop(DROP_RELAY_UNBOUND, 1);
}

static void the_relay_itself_is_reached_through_itself(void **state)
{
	const struct endpoint relay = at(R);
	const struct way_to way = {.kind = WAY_RELAY_UDP, .remote = relay, .relay = relay_pair(1, 9)};
	(void)state;

	host_peers(&a, &(struct peering){.with = &r, .no_endpoint = true}, 1);
	host_peers(&r, &(struct peering){.with = &a, .no_endpoint = true}, 1);
	assert_int_equal(plane_set_way(a.plane, r.pub, &way, NULL), TM_OK);
	pass(&a, &r, 4, 1, 20);
	pass(&r, &a, 4, 2, 1300);
	assert_int_equal(plane_relayed(r.plane).packets, 0);
}

static void what_the_path_to_a_member_does_not_take_is_counted(void **state)
{
	uint8_t msg[FAKE_BYTES];
	(void)state;

	fake_narrow_path("192.0.2.4", 1000);
	fake_inject(C, R, 0, msg, message(3, 65536, 1200, msg));
	expect_drop(DROP_RELAY_SEND, 1);
	fake_inject(C, R, 0, msg, message(3, 65536, 900, msg));
	expect_relayed(2);
	/* The largest there is. */
	fake_inject(C, R, 0, msg, message(3, 65536, FAKE_BYTES - RELAY_HEADER, msg));
	expect_drop(rig_trains() ? DROP_RELAY_SEND : DROP_TRUNCATED, rig_trains() ? 2 : 1);
	assert_int_equal(fake_sent_fragmented(), 0);
}

static void who_offers_nothing_relays_nothing(void **state)
{
	struct plane_leg leg = {.way = {.remote = at(C)}};
	uint8_t msg[FAKE_BYTES];
	(void)state;

	assert_int_equal(plane_relay_offer(r.plane, true), TM_OK); /* still */
	fake_inject(C, R, 0, msg, message(3, 65536, 200, msg));
	expect_relayed(1);
	assert_int_equal(plane_relay_offer(r.plane, false), TM_OK);
	assert_int_equal(plane_relay_put(r.plane, 3, &leg), TM_EBUSY);
	plane_relay_remove(r.plane, 3);
	fake_inject(C, R, 0, msg, message(3, 65536, 200, msg));
	expect_drop(DROP_RELAY_OTHERS, 1);
	/* Legs do not outlive it. */
	assert_int_equal(plane_relay_offer(r.plane, true), TM_OK);
	fake_inject(C, R, 0, msg, message(3, 65536, 200, msg));
	expect_drop(DROP_RELAY_UNPROVEN, 1);
}

static void what_is_no_leg_is_refused(void **state)
{
	const struct {
		uint32_t host;
		struct way_to way;
	} rows[] = {
		{0, {.remote = at(C)}}, {65537, {.remote = at(C)}}, {9, {.remote = at(C)}}, /* ourselves */
		{3, {.kind = WAY_UDP}},
		{3, {.kind = WAY_RELAY_UDP, .remote = at(C), .relay = relay_pair(3, 9)}},
		{3, {.remote = at(C), .relay = relay_pair(3, 9)}},
		{3, {.remote = at("10.77.0.3:51820")}}, /* inside the mesh */
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (plane_relay_put(r.plane, rows[i].host, &(struct plane_leg){.way = rows[i].way}) !=
			TM_EINVAL)
			fail_msg("row %zu", i);
}

static bool leg_was_heard(void *leg)
{
	return endpoint_eq(&r.stun_by.remote, leg);
}

/* As behind a translator that both are behind. */
static void a_leg_is_heard_beside_who_floods_from_its_address(void **state)
{
	enum { FLOOD = 4 * ASKERS_BURST, ROUNDS = 8 };
	const struct stun_msg m = {.class = STUN_REQUEST, .method = 1};
	struct endpoint leg = at(C);
	uint8_t msg[STUN_MAX];
	const size_t n = stun_encode(&m, NULL, msg, sizeof(msg));
	(void)state;

	for (int i = 0; i < ROUNDS; i++) {
		r.stun_by = (struct way_to){.remote = {.port = 0}};
		for (unsigned k = 0; k < FLOOD; k++)
			fake_inject("192.0.2.3:7777", R, 0, msg, n);
		fake_inject(C, R, 0, msg, n);
		EXPECT_SOON(all, leg_was_heard, &leg);
	}
	assert_true(host_drops(&r, DROP_STUN_FLOOD) > 0);
}

/* Whoever registers elsewhere has nothing left at the place where he was. */
static void only_where_a_leg_is_there_is_one(void **state)
{
	const struct legs *l = atomic_load(&r.plane->legs);
	const struct endpoint before = at(C), now = at("203.0.113.3:3333");
	(void)state;

	assert_true(legs_any_at(l, legs_place(l, &before)));
	assert_false(legs_any_at(l, legs_place(l, &now)));
	register_at(3, "203.0.113.3:3333", a.pub);
	register_at(3, "203.0.113.3:3333", a.pub);
	assert_false(legs_any_at(l, legs_place(l, &before)));
	assert_true(legs_any_at(l, legs_place(l, &now)));
	plane_relay_remove(r.plane, 3);
	assert_false(legs_any_at(l, legs_place(l, &now)));
	plane_relay_remove(r.plane, 3);
	assert_false(legs_any_at(l, legs_place(l, &now)));
}

static void legs_that_change_under_traffic_disturb_nobody(void **state)
{
	uint8_t msg[FAKE_BYTES];
	(void)state;

	for (int i = 0; i < 300; i++) {
		fake_inject(C, R, 0, msg, message(3, 65536, 200, msg));
		fake_inject(D, R, 0, msg, message(3, 65536, 200, msg));
		register_at(3, C, a.pub);
		register_at(65536, D, b.pub);
		plane_service(r.plane, time_monotonic());
		if (i % 100 == 99)
			expect_relayed(2 * (uint64_t)(i + 1));
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, relaying_set_up, rig_teardown)
/* By two workers, each with a socket. */
#define CASE_2(f) cmocka_unit_test_prestate_setup_teardown(f, relaying_set_up, rig_teardown, &two)

int main(void)
{
	static unsigned two = 2;
	const struct CMUnitTest tests[] = {
		CASE(two_members_reach_each_other_through_it),
		CASE_2(two_members_reach_each_other_through_it),
		CASE(what_goes_on_is_what_came_marks_and_all),
		CASE(a_train_goes_on_as_a_train),
		CASE(a_train_that_the_kernel_does_not_take_at_once_goes_on_in_pieces),
		CASE(nothing_passes_that_is_not_from_one_end_and_for_a_registered_other),
		CASE(headers_that_cannot_be_are_no_messages),
		CASE(what_another_recorded_leads_nowhere),
		CASE(only_wireguard_and_stun_pass_and_handshakes_that_know_whom_they_are_for),
		CASE(of_a_mixed_train_each_run_goes_where_its_own_header_says),
		CASE(a_member_that_moved_is_where_it_proved_last),
		CASE(the_relay_itself_is_reached_through_itself),
		CASE(what_the_path_to_a_member_does_not_take_is_counted),
		CASE(who_offers_nothing_relays_nothing),
		CASE(what_is_no_leg_is_refused),
		CASE(a_leg_is_heard_beside_who_floods_from_its_address),
		CASE(only_where_a_leg_is_there_is_one),
		CASE_2(legs_that_change_under_traffic_disturb_nobody),
	};

	return cmocka_run_group_tests_name("data/plane/relaying", tests, NULL, NULL);
}
