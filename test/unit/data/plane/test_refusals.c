/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Packets that must not arrive: each is counted under its name, and strangers hear nothing. */
#include "unit/data/plane/rig.h"

#include "base/bytes.h"
#include "data/plane/askers.h"
#include "wire/stun.h"
#include "wire/wg.h"

#define A "192.0.2.1:51820"
#define B "192.0.2.2:51820"
#define STRANGER "203.0.113.66:4444"

static struct host a, b, c;
static struct host *ab[] = {&a, &b};

static int set_up(void **state)
{
	(void)state;
	a = b = c = (struct host){0};
	fake_reset();
	host_start(&a, 1);
	host_start(&b, 2);
	rig_connect(&a, &b);
	return 0;
}

static void nothing_arrived(const char *tun)
{
	uint8_t p[FAKE_BYTES];

	assert_int_equal(fake_tun_recv(tun, p, sizeof(p)), 0);
}

static void a_datagram_is_accepted_once(void **state)
{
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	size_t len = rig_intercept(&a, p, packet_make(4, 1, 2, 1, 20, p), sealed);
	fake_inject(A, B, 0, sealed, len);
	expect_packet(ab, 2, &b, p);
	fake_inject(A, B, 0, sealed, len);
	expect_drops(ab, 2, &b, DROP_REPLAY, 1);
	nothing_arrived("tm2");
}

static void a_changed_bit_anywhere_is_noticed(void **state)
{
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES];
	struct plane_peer_stats st;
	uint64_t auth = 0, unknown = 0, malformed = 0;
	(void)state;

	rig_warm(&a, &b);
	size_t len = rig_intercept(&a, p, packet_make(4, 1, 2, 1, 20, p), sealed);
	for (size_t i = 0; i < len; i++) {
		sealed[i] ^= 0x20;
		fake_inject("198.51.100.1:1", B, 0, sealed, len);
		sealed[i] ^= 0x20;
		if (i < 4)
			malformed++;
		else if (i < 8)
			unknown++;
		else
			auth++;
	}
	/* A counter far beyond the limit is refused before it is opened: its highest bytes alone do not reach
	 * that. */
	expect_drops(ab, 2, &b, DROP_AUTH, auth);
	expect_drops(ab, 2, &b, DROP_NO_SESSION, unknown);
	expect_drops(ab, 2, &b, DROP_MALFORMED, malformed);
	nothing_arrived("tm2");
	assert_int_equal(b.n_heard, 0);
	assert_int_equal(plane_peer_stats(b.plane, a.pub, &st), TM_OK);
	assert_int_equal(st.way.remote.ip.bytes[0], 192);
}

static void garbage_is_counted_and_never_answered(void **state)
{
	uint8_t p[FAKE_BYTES] = {0};
	size_t before;
	(void)state;

	rig_warm(&a, &b);
	before = fake_sent();

	fake_inject(STRANGER, B, 0, p, 0);
	fake_inject(STRANGER, B, 0, p, 3);
	fake_inject(STRANGER, B, 0, p, 100);
	expect_drops(ab, 2, &b, DROP_MALFORMED, 3);

	p[0] = WG_DATA;
	for (size_t n = 1; n < WG_DATA_MIN; n++)
		fake_inject(STRANGER, B, 0, p, n);
	expect_drops(ab, 2, &b, DROP_MALFORMED, 3 + WG_DATA_MIN - 1);
	put_be32(p + 4, 0x01020304);
	fake_inject(STRANGER, B, 0, p, WG_DATA_MIN);
	expect_drops(ab, 2, &b, DROP_NO_SESSION, 1);
	fake_inject(STRANGER, B, 0, p, 3000);
	if (rig_trains()) /* nothing is too large for a slot that many fit into */
		expect_drops(ab, 2, &b, DROP_NO_SESSION, 2);
	else
		expect_drops(ab, 2, &b, DROP_TRUNCATED, 1);

	for (uint8_t type = WG_INIT; type <= WG_COOKIE_REPLY; type++) {
		p[0] = type;
		fake_inject(STRANGER, B, 0, p, 60);
		fake_inject(STRANGER, B, 0, p, 1000);
	}
	expect_drops(ab, 2, &b, DROP_HS_MALFORMED, 6);
	p[0] = WG_INIT;
	fake_inject(STRANGER, B, 0, p, WG_INIT_LEN);
	p[0] = WG_RESPONSE;
	fake_inject(STRANGER, B, 0, p, WG_RESPONSE_LEN);
	expect_drops(ab, 2, &b, DROP_HS_MAC1, 1);
	p[0] = WG_COOKIE_REPLY;
	fake_inject(STRANGER, B, 0, p, WG_COOKIE_REPLY_LEN);
	expect_drops(ab, 2, &b, DROP_HS_UNEXPECTED, 2);

	assert_int_equal(fake_sent(), before);
	rig_warm(&a, &b);
}

static void a_replayed_initiation_is_not_answered(void **state)
{
	uint8_t init[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	size_t len = fake_last(WG_INIT, init, sizeof(init), NULL), before = fake_sent();
	assert_int_equal(len, WG_INIT_LEN);
	fake_inject(STRANGER, B, 0, init, len);
	expect_drops(ab, 2, &b, DROP_HS_REPLAY, 1);
	assert_int_equal(fake_sent(), before);
}

static void a_flood_of_handshakes_is_bounded_and_must_prove_its_address(void **state)
{
	enum { FLOOD = 500, SHARE = 384 }; /* of the event ring, data/plane/event.h */
	uint8_t init[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	size_t len = fake_last(WG_INIT, init, sizeof(init), NULL), before = fake_sent();
	for (unsigned i = 0; i < FLOOD; i++)
		fake_inject(STRANGER, B, 0, init, len);
	/* The control thread is busy elsewhere meanwhile. */
	while (host_drops(&b, DROP_QUEUE_FULL) < FLOOD - SHARE)
		;
	expect_drops(ab, 2, &b, DROP_HS_COOKIE, SHARE);
	assert_int_equal(host_drops(&b, DROP_QUEUE_FULL), FLOOD - SHARE);
	assert_int_equal(fake_sent(), before + SHARE);
	assert_int_equal(fake_last(WG_COOKIE_REPLY, init, sizeof(init), NULL), WG_COOKIE_REPLY_LEN);
	rig_warm(&a, &b);
}

static bool stun_came(void *arg)
{
	return ((struct host *)arg)->n_stun > 0;
}

static void whoever_floods_with_stun_pays_for_it_alone(void **state)
{
	enum { FLOOD = 4 * ASKERS_BURST };
	const struct stun_msg m = {.class = STUN_REQUEST, .method = 1};
	uint8_t msg[STUN_MAX];
	size_t n = stun_encode(&m, NULL, msg, sizeof(msg));
	(void)state;

	rig_warm(&a, &b);
	b.n_stun = 0;
	for (unsigned i = 0; i < FLOOD; i++)
		fake_inject(STRANGER, B, 0, msg, n);
	/* More than one and less than all: time goes on meanwhile. */
	while (host_drops(&b, DROP_STUN_FLOOD) == 0)
		rig_warm(&a, &b);
	EXPECT_SOON(ab, stun_came, &b);
	b.n_stun = 0;
	for (int i = 0; i < 3; i++) /* it may share its slot */
		fake_inject(i == 0 ? A : i == 1 ? "198.51.100.7:7" : "203.0.113.7:7", B, 0, msg, n);
	EXPECT_SOON(ab, stun_came, &b);
	assert_int_equal(host_drops(&b, DROP_QUEUE_FULL), 0);
}

/* Those who know no key of ours, or answer what nobody asked, take no room from those who do. */
static void garbage_takes_no_room_from_handshakes_and_makes_no_load(void **state)
{
	enum { FLOOD = 900 }; /* more than the event ring has room for */
	static const struct {
		uint8_t type;
		size_t n;
	} rows[] = {{WG_INIT, WG_INIT_LEN}, {WG_RESPONSE, WG_RESPONSE_LEN},
		{WG_COOKIE_REPLY, WG_COOKIE_REPLY_LEN}};
	uint8_t p[FAKE_BYTES] = {0};
	(void)state;

	/* The control thread does nothing meanwhile. */
	for (unsigned i = 0; i < FLOOD; i++) {
		p[0] = rows[i % 3].type;
		put_be32(p + 8, i);
		fake_inject(STRANGER, B, 0, p, rows[i % 3].n);
	}
	while (host_drops(&b, DROP_HS_MAC1) + host_drops(&b, DROP_HS_UNEXPECTED) < FLOOD)
		;
	assert_int_equal(host_drops(&b, DROP_QUEUE_FULL), 0);
	rig_warm(&a, &b);
	assert_int_equal(host_drops(&b, DROP_HS_COOKIE), 0);
}

static void somebody_who_is_not_in_the_mesh_gets_no_session(void **state)
{
	uint8_t p[FAKE_BYTES];
	struct host *bc[] = {&b, &c};
	(void)state;

	host_start(&c, 3);
	host_peers(&c, &(struct peering){.with = &b}, 1);
	fake_tun_send("tm3", p, packet_make(4, 3, 2, 1, 20, p));
	expect_drops(bc, 2, &b, DROP_HS_UNKNOWN_PEER, 1);
	nothing_arrived("tm2");
}

static void source_addresses_belong_to_their_peer(void **state)
{
	uint8_t p[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	fake_tun_send("tm1", p, packet_make(4, 9, 2, 1, 20, p)); /* nobody's */
	fake_tun_send("tm1", p, packet_make(6, 2, 2, 1, 20, p)); /* b's own */
	expect_drops(ab, 2, &b, DROP_SPOOF, 2);

	/* Exact longest prefix: a part of a's network is given to another peer. */
	host_start(&c, 3);
	host_peers(&b,
		(struct peering[]){
			{.with = &a, .extra = "10.78.0.0/16"}, {.with = &c, .extra = "10.78.5.0/24"}},
		2);
	size_t n = packet_make(4, 1, 2, 2, 20, p);
	memcpy(p + 12, (uint8_t[]){10, 78, 5, 1}, 4);
	fake_tun_send("tm1", p, n);
	expect_drops(ab, 2, &b, DROP_SPOOF, 3);
	memcpy(p + 12, (uint8_t[]){10, 78, 6, 1}, 4);
	fake_tun_send("tm1", p, n);
	expect_packet(ab, 2, &b, p);
	assert_int_equal(host_drops(&b, DROP_SPOOF), 3);
}

static void removing_a_peer_cuts_its_session_at_once(void **state)
{
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES];
	struct plane_peer_stats st;
	(void)state;

	rig_warm(&a, &b);
	size_t len = rig_intercept(&a, p, packet_make(4, 1, 2, 1, 20, p), sealed), before = fake_sent();
	host_peers(&b, NULL, 0);
	fake_inject(A, B, 0, sealed, len);
	expect_drops(ab, 2, &b, DROP_NO_SESSION, 1);
	nothing_arrived("tm2");
	assert_int_equal(plane_peer_stats(b.plane, a.pub, &st), TM_ENOENT);
	fake_tun_send("tm2", p, packet_make(4, 2, 1, 1, 20, p));
	expect_drops(ab, 2, &b, DROP_NO_ROUTE, 1);
	assert_int_equal(fake_sent(), before);
}

static void congestion_that_the_packet_cannot_carry_ends_it(void **state)
{
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	size_t len = rig_intercept(&a, p, packet_make(4, 1, 2, 1, 20, p), sealed);
	fake_inject(A, B, 3, sealed, len);
	expect_drops(ab, 2, &b, DROP_ECN, 1);
	nothing_arrived("tm2");
}

static void expired_sessions_carry_nothing_in_either_direction(void **state)
{
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES], got[FAKE_BYTES];
	struct host *bc[] = {&b, &c};
	(void)state;

	c.limits = wg_limits_default;
	c.limits.reject_after_messages = 5;
	c.limits.rekey_timeout = 30 * MS;
	host_start(&c, 3);
	host_peers(&b, &(struct peering){.with = &c}, 1);
	host_peers(&c, &(struct peering){.with = &b}, 1);

	/* Sender: each sixth message waits for the next session. */
	for (uint16_t i = 0; i < 20; i++) {
		fake_tun_send("tm3", p, packet_make(4, 3, 2, i, 20, p));
		expect_packet(bc, 2, &b, got);
		assert_int_equal(packet_serial(got), i);
	}
	assert_true(c.n_up >= 4);

	/* Receiver: a counter beyond the limit is refused unopened. */
	size_t len = fake_last(WG_DATA, sealed, sizeof(sealed), NULL);
	memset(sealed + 8, 0xff, 8);
	fake_inject("192.0.2.3:51820", B, 0, sealed, len);
	expect_drops(bc, 2, &b, DROP_RECV_EXPIRED, 1);
}

static void our_own_and_impossible_keys_are_left_out_and_the_rest_works(void **state)
{
	const uint8_t *keys[] = {a.pub, (const uint8_t[32]){1}, b.pub};
	struct plane_peer peer = {.n_allowed = 1};
	struct plane_peer_stats st;
	struct prefix allowed;
	struct way_to way = {.kind = WAY_UDP};
	(void)state;

	assert_int_equal(prefix_parse("10.77.0.2/32", &allowed), TM_OK);
	peer.allowed = &allowed;
	plane_peers_begin(a.plane);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		memcpy(peer.key, keys[i], 32);
		assert_int_equal(plane_peer_put(a.plane, &peer), keys[i] == b.pub ? TM_OK : TM_EINVAL);
	}
	allowed.len = 33;
	assert_int_equal(plane_peer_put(a.plane, &peer), TM_EINVAL);
	assert_int_equal(plane_peers_commit(a.plane), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_int_equal(
			plane_peer_stats(a.plane, keys[i], &st), keys[i] == b.pub ? TM_OK : TM_ENOENT);
	assert_int_equal(endpoint_parse(B, &way.remote), TM_OK);
	assert_int_equal(plane_set_way(a.plane, b.pub, &way, NULL), TM_OK);
	rig_warm(&a, &b);
	assert_int_equal(plane_set_way(a.plane, (uint8_t[32]){1}, &way, NULL), TM_ENOENT);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_datagram_is_accepted_once),
		CASE(a_changed_bit_anywhere_is_noticed),
		CASE(garbage_is_counted_and_never_answered),
		CASE(a_replayed_initiation_is_not_answered),
		CASE(a_flood_of_handshakes_is_bounded_and_must_prove_its_address),
		CASE(garbage_takes_no_room_from_handshakes_and_makes_no_load),
		CASE(whoever_floods_with_stun_pays_for_it_alone),
		CASE(somebody_who_is_not_in_the_mesh_gets_no_session),
		CASE(source_addresses_belong_to_their_peer),
		CASE(removing_a_peer_cuts_its_session_at_once),
		CASE(congestion_that_the_packet_cannot_carry_ends_it),
		CASE(expired_sessions_carry_nothing_in_either_direction),
		CASE(our_own_and_impossible_keys_are_left_out_and_the_rest_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
