/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A plane that is a relay (host 9 of the mesh), between two that use it, and between forgers. */
#include "data/plane/legs.h"
#include "data/plane/plane_private.h"

#include "unit/data/plane/relay_rig.h"

#include "data/peer/cookie.h"
#include "wire/stun.h"
#include "wire/wg.h"

/* Members of whom there is nothing but a leg. */
#define C "192.0.2.3:51820"
#define D "192.0.2.4:51820"

static void register_at(uint32_t host, const char *where, const uint8_t *key)
{
	struct plane_leg leg = {.way = {.remote = at(where)}};

	if (key)
		memcpy(leg.key, key, sizeof(leg.key));
	assert_int_equal(plane_relay_put(r.plane, host, &leg), TM_OK);
}

static void use_relay(struct host *h, struct host *peer)
{
	const struct endpoint relay = at(R);
	const struct way_to way = {
		.kind = WAY_RELAY_UDP, .remote = relay, .relay = relay_pair(h->i, peer->i)};

	assert_int_equal(plane_set_relays(h->plane, &relay, 1), TM_OK);
	host_peers(h, &(struct peering){.with = peer, .no_endpoint = true}, 1);
	assert_int_equal(plane_set_way(h->plane, peer->pub, &way, NULL), TM_OK);
}

static int set_up(void **state)
{
	relay_rig_start(0, *state ? *(unsigned *)*state : 1);
	register_at(1, A, a.pub);
	register_at(2, B, b.pub);
	register_at(3, C, a.pub);
	register_at(65536, D, b.pub);
	use_relay(&a, &b);
	use_relay(&b, &a);
	return 0;
}

/* A data message of this length, with its header. */
static size_t message(uint32_t from, uint32_t to, size_t n, uint8_t *out)
{
	memset(out, 'd', RELAY_HEADER + n);
	relay_put(out, relay_pair(from, to));
	put_le32(out + RELAY_HEADER, WG_DATA);
	return RELAY_HEADER + n;
}

static void expect_drop(enum plane_drop why, uint64_t want)
{
	expect_drops(all, 3, &r, why, want);
}

static bool relayed(void *arg)
{
	return plane_relayed(r.plane).packets >= *(uint64_t *)arg;
}

static void expect_relayed(uint64_t packets)
{
	EXPECT_SOON(all, relayed, &packets);
	assert_int_equal(plane_relayed(r.plane).packets, packets);
}

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

/* What came is what leaves, in this order; the sizes differ so that no two join. */
static void torrent(size_t n)
{
	uint8_t msg[FAKE_BYTES];

	for (size_t i = 0; i < n; i++)
		fake_inject(C, R, 0, msg, message(3, 65536, i % 2 ? 300 : 200, msg));
}

static bool has_siding(void *arg)
{
	return fake_is_steered(arg);
}

static _Atomic(unsigned) clocks;

ns_t __real_time_of_thread(void);
ns_t __wrap_time_of_thread(void);

ns_t __wrap_time_of_thread(void)
{
	clocks++;
	return __real_time_of_thread();
}

/* One that is all that C has sent meanwhile. */
static bool passes_untimed(void *arg)
{
	const unsigned before = clocks;
	uint64_t packets = plane_relayed(r.plane).packets + 1;
	(void)arg;

	torrent(1);
	EXPECT_SOON(all, relayed, &packets);
	return clocks == before;
}

enum { TORRENT = 900 };

static void who_fills_a_relays_socket_gets_one_of_his_own(void **state)
{
	uint8_t msg[FAKE_BYTES];
	(void)state;

	fake_fill(49); /* a burst, and the worker keeps up with it */
	torrent(TORRENT);
	expect_relayed(TORRENT);
	assert_false(fake_is_steered(C));
	fake_fill(50);
	fake_hold(FAKE_UDP); /* we did not run for a while, and nothing is lost by it */
	torrent(TORRENT);
	fake_hold(0);
	expect_relayed(2 * TORRENT);
	plane_service(r.plane, time_monotonic());
	assert_false(fake_is_steered(C));
	fake_overflow(true);
	fake_hold(FAKE_UDP);
	torrent(TORRENT);
	for (int i = 0; i < 30; i++)
		fake_inject(D, R, 0, msg, message(3, 65536, 100, msg));
	fake_hold(0);
	EXPECT_SOON(all, has_siding, (char[]){C});
	assert_false(fake_is_steered(D));
	expect_relayed(3 * TORRENT + 30);
	/* There he is served as before, and so are all others, by their own and by what he has of theirs. */
	torrent(100);
	fake_inject(D, R, 0, msg, message(3, 65536, 100, msg));
	pass(&a, &b, 4, 1, 20);
	EXPECT_SOON(all, passes_untimed, NULL);
	expect_drop(DROP_RELAY_UNPROVEN, 0);
	fake_inject(C, R, 0, msg, message(1, 2, 200, msg));
	expect_drop(DROP_RELAY_UNPROVEN, 1);
	/* Who does not relay has none. */
	assert_int_equal(plane_relay_offer(r.plane, false), TM_OK);
	assert_false(fake_is_steered(C));
	/* Nothing is led any more to where nobody reads. */
	torrent(20);
	expect_drop(DROP_RELAY_OTHERS, 20);
}

/* At once, by a stranger. */
static void rush(const char *from)
{
	uint8_t msg[FAKE_BYTES];

	fake_hold(FAKE_UDP);
	for (size_t k = 0; k < TORRENT; k++)
		fake_inject(from, R, 0, msg, message(3, 65536, k % 2 ? 300 : 200, msg));
	fake_hold(0);
}

static bool rushes_and_has_siding(void *from)
{
	rush(from);
	return has_siding(from);
}

/* The kernel counts those that are not closed yet, and would lead to another one than was said. */
static void nobody_gets_one_before_those_of_an_earlier_relay_are_gone(void **state)
{
	struct host *others[] = {&a, &b};
	uint64_t packets = 2 * TORRENT;
	(void)state;

	fake_fill(100);
	fake_overflow(true);
	rush(C);
	EXPECT_SOON(all, has_siding, (char[]){C});
	expect_relayed(TORRENT); /* a second one finds room */
	rush(D);
	EXPECT_SOON(others, relayed, &packets); /* who relays has not looked since what D wants */
	assert_int_equal(plane_relay_offer(r.plane, false), TM_OK);
	assert_int_equal(plane_relay_offer(r.plane, true), TM_OK);
	plane_service(r.plane, time_monotonic());
	assert_false(fake_is_steered(C));
	assert_false(fake_is_steered(D));
	EXPECT_SOON(all, rushes_and_has_siding, (char[]){D});
}

/* Each siding was heard at `then` and later, in the order in which they were opened, however long all of it
 * takes here. */
static void sidings_were_heard(ns_t then)
{
	for (unsigned i = 0; i < r.plane->n_sidings; i++)
		atomic_store(&r.plane->siding[i]->last, then + i * MS);
}

static void strangers_get_one_too_and_many_who_take_as_much_do_not_run_out_of_them(void **state)
{
	enum { SIDINGS = 32, MANY = SIDINGS + 2 };
	struct host *others[] = {&a, &b};
	const ns_t then = time_monotonic() + 3600 * SEC;
	char from[40];
	(void)state;

	fake_fill(100);
	fake_overflow(true);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(from, sizeof(from), "198.51.100.%u:%u", 1 + i % 40, 1000 + i);
		plane_service(r.plane, time_monotonic()); /* no older wish waits */
		rush(from);
		expect_drop(DROP_RELAY_UNPROVEN, (i + 1) * (uint64_t)TORRENT);
		if (i < SIDINGS)
			EXPECT_SOON(all, has_siding, from);
		else
			assert_false(fake_is_steered(from)); /* until another has been silent for a while */
		sidings_were_heard(then);
	}
	assert_false(fake_is_steered(A));
	pass(&a, &b, 4, 1, 20);
	pass(&b, &a, 4, 2, 20);
	/* It is, and the first that had one was so the longest. */
	for (unsigned i = 0; i < 2; i++) {
		plane_service(r.plane, time_monotonic());
		rush(from);
		expect_drops(others, ARRAY_LEN(others), &r, DROP_RELAY_UNPROVEN,
			(MANY + 1 + i) * (uint64_t)TORRENT);
		assert_false(fake_is_steered(from));
		plane_service(r.plane, then + (i ? 11 : 9) * SEC);
	}
	assert_true(fake_is_steered(from));
	assert_false(fake_is_steered("198.51.100.1:1000"));
	assert_true(fake_is_steered("198.51.100.2:1001"));
}

static void a_node_that_relays_nothing_gives_nobody_a_socket(void **state)
{
	(void)state;

	assert_int_equal(plane_relay_offer(r.plane, false), TM_OK);
	fake_fill(100);
	fake_overflow(true);
	torrent(TORRENT);
	expect_drop(DROP_RELAY_OTHERS, TORRENT);
	assert_false(fake_is_steered(C));
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

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)
/* By two workers, each with a socket. */
#define CASE_2(f) cmocka_unit_test_prestate_setup_teardown(f, set_up, rig_teardown, &two)

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
		CASE(who_fills_a_relays_socket_gets_one_of_his_own),
		CASE(nobody_gets_one_before_those_of_an_earlier_relay_are_gone),
		CASE(strangers_get_one_too_and_many_who_take_as_much_do_not_run_out_of_them),
		CASE(a_node_that_relays_nothing_gives_nobody_a_socket),
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
