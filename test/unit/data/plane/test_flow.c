/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Packets that must arrive, and how. */
#include "unit/data/plane/rig.h"

#include "base/bytes.h"
#include "os/tun.h"
#include "packet/csum.h"
#include "packet/ip.h"
#include "wire/wg.h"

static struct host a, b, c;

static int set_up(void **state)
{
	(void)state;
	a = b = c = (struct host){0};
	fake_reset();
	return 0;
}

static struct host *ab[] = {&a, &b};
static struct host *abc[] = {&a, &b, &c};

static void start_pair(void)
{
	host_start(&a, 1);
	host_start(&b, 2);
	rig_connect(&a, &b);
}

static bool a_counted_eight(void *arg)
{
	struct plane_peer_stats st;

	(void)arg;
	assert_int_equal(plane_peer_stats(a.plane, b.pub, &st), TM_OK);
	return st.tx_packets >= 8;
}

static bool both_were_told(void *arg)
{
	(void)arg;
	return a.n_up >= 1 && b.n_up >= 1;
}

static void both_families_arrive_unchanged(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	struct plane_peer_stats st;
	(void)state;

	start_pair();
	for (unsigned i = 0; i < 8; i++) {
		size_t n = packet_make(i & 1 ? 6 : 4, 1, 2, (uint16_t)i, i * 150, p);

		fake_tun_send("tm1", p, n);
		assert_int_equal(expect_packet(ab, 2, &b, got), n);
		assert_memory_equal(p, got, n);
	}
	EXPECT_SOON(ab, a_counted_eight, NULL); /* accounts are settled after sending */
	assert_int_equal(plane_peer_stats(a.plane, b.pub, &st), TM_OK);
	assert_true(st.session);
	assert_true(st.last_handshake_real > 0);
	assert_int_equal(plane_peer_stats(b.plane, a.pub, &st), TM_OK);
	assert_true(st.rx_packets >= 8);
	EXPECT_SOON(ab, both_were_told, NULL); /* a worker may confirm a session before control hears of it */
}

static void what_waited_for_the_session_arrives_in_order(void **state)
{
	uint8_t p[FAKE_BYTES];
	(void)state;

	start_pair();
	for (uint16_t i = 0; i < 100; i++)
		fake_tun_send("tm1", p, packet_make(4, 1, 2, i, 20, p));
	for (uint16_t i = 0; i < 100; i++) {
		expect_packet(ab, 2, &b, p);
		assert_int_equal(packet_serial(p), i);
	}
}

static void payload_is_padded_to_16_but_never_beyond_the_mtu(void **state)
{
	static const struct {
		size_t inner, sealed;
	} rows[] = {{28, 32}, {32, 32}, {33, 48}, {1408, 1408}, {1409, 1420}, {1420, 1420}};
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	start_pair();
	rig_warm(&a, &b);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = packet_make(4, 1, 2, (uint16_t)i, rows[i].inner - 28, p);

		fake_tun_send("tm1", p, n);
		assert_int_equal(expect_packet(ab, 2, &b, got), n);
		assert_int_equal(
			fake_last(WG_DATA, got, sizeof(got), NULL), rows[i].sealed + WG_DATA_OVERHEAD);
	}
}

static void outer_header_carries_ecn_but_not_dscp(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES], tos;
	(void)state;

	start_pair();
	rig_warm(&a, &b);
	size_t n = packet_make(6, 1, 2, 1, 20, p);
	p[0] = 0x6b; /* DSCP EF, ECT(0): traffic class 0xba */
	p[1] = 0xa0;
	fake_tun_send("tm1", p, n);
	expect_packet(ab, 2, &b, got);
	fake_last(WG_DATA, got, sizeof(got), &tos);
	assert_int_equal(tos, 2);
}

static void congestion_marked_on_the_way_is_seen_inside(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES], sealed[FAKE_BYTES];
	(void)state;

	start_pair();
	rig_warm(&a, &b);

	/* ECT(0) inside, CE outside: CE inside. */
	size_t n = packet_make(4, 1, 2, 1, 20, p);
	p[1] = 2;
	size_t len = rig_intercept(&a, p, n, sealed);
	fake_inject("192.0.2.1:51820", "192.0.2.2:51820", 3, sealed, len);
	assert_int_equal(expect_packet(ab, 2, &b, got), n);
	assert_int_equal(got[1] & 3, 3);
}

static struct endpoint way_of(const struct host *h, const struct host *to)
{
	struct plane_peer_stats st;

	assert_int_equal(plane_peer_stats(h->plane, to->pub, &st), TM_OK);
	return st.way.remote;
}

static bool way_leads_to(const struct host *h, const struct host *to, const struct endpoint *there)
{
	struct endpoint ep = way_of(h, to);

	return endpoint_eq(&ep, there);
}

static bool b_follows(void *arg)
{
	return way_leads_to(&b, &a, arg);
}

static void a_stock_client_is_where_its_authentic_packets_come_from(void **state)
{
	struct endpoint new;
	uint8_t p[FAKE_BYTES];
	(void)state;

	host_start(&a, 1);
	host_start(&b, 2);
	host_peers(&a, &(struct peering){.with = &b}, 1);
	host_peers(&b, &(struct peering){.with = &a, .follows = true}, 1);
	rig_warm(&a, &b);
	fake_move("192.0.2.1", "198.51.100.9");
	assert_int_equal(endpoint_parse("198.51.100.9:51820", &new), TM_OK);
	fake_tun_send("tm1", p, packet_make(4, 1, 2, 5, 20, p));
	EXPECT_SOON(ab, b_follows, &new);
	expect_packet(ab, 2, &b, p);
	assert_int_equal(b.n_heard, 0); /* nobody needs to choose */

	/* And the answer finds the way, although a's sticky source address is gone. */
	fake_tun_send("tm2", p, packet_make(4, 2, 1, 6, 20, p));
	expect_packet(ab, 2, &a, p);
	assert_int_equal(packet_serial(p), 6);
}

static bool b_heard(void *arg)
{
	(void)arg;
	return b.n_heard > 0;
}

static void a_member_heard_from_two_addresses_in_turn_is_reached_by_the_chosen_one(void **state)
{
	static const char *const from[] = {"192.0.2.1:51820", "198.51.100.9:4242"};
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES];
	struct endpoint chosen;
	ns_t start = time_monotonic();
	(void)state;

	start_pair();
	rig_warm(&a, &b);
	chosen = way_of(&b, &a);
	for (uint16_t i = 0; i < 100; i++) {
		size_t n = rig_intercept(&a, p, packet_make(4, 1, 2, i, 20, p), sealed);

		fake_inject(from[i % 2], "192.0.2.2:51820", 0, sealed, n);
		expect_packet(ab, 2, &b, p);
		assert_int_equal(packet_serial(p), i);
		assert_true(way_leads_to(&b, &a, &chosen));
	}
	EXPECT_SOON(ab, b_heard, NULL);
	assert_true(b.n_heard <= 1 + (unsigned)((time_monotonic() - start) / SEC));
	assert_int_equal(b.heard_by.remote.port, 4242);
	fake_tun_send("tm2", p, packet_make(4, 2, 1, 101, 20, p));
	expect_packet(ab, 2, &a, p);
	assert_int_equal(packet_serial(p), 101);
}

static void an_answer_leaves_by_the_way_on_which_the_question_came(void **state)
{
	uint8_t msg[FAKE_BYTES], p[FAKE_BYTES];
	(void)state;

	/* b believes a elsewhere and is asked from where a really is. */
	start_pair();
	const struct way_to wrong = {.remote = {.ip = ip_v4((uint8_t[]){203, 0, 113, 5}), .port = 9}};
	assert_int_equal(plane_set_way(b.plane, a.pub, &wrong, NULL), TM_OK);
	fake_tun_send("tm1", p, packet_make(4, 1, 2, 1, 20, p));
	expect_packet(ab, 2, &b, p);
	assert_true(fake_last(WG_RESPONSE, msg, sizeof(msg), NULL) > 0);
	assert_true(way_leads_to(&b, &a, &wrong.remote));
	EXPECT_SOON(ab, b_heard, NULL);
	assert_int_equal(b.heard_by.remote.ip.bytes[3], 1);
	assert_int_equal(b.heard_by.local.bytes[3], 2);
}

static void a_client_reaches_others_through_its_gateway(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	/* a is a stock client of gateway b; c is a mesh node that knows a behind b. */
	host_start(&a, 1);
	host_start(&b, 2);
	host_start(&c, 3);
	host_peers(&a, &(struct peering){.with = &b, .extra = "10.77.0.0/16"}, 1);
	host_peers(&b, (struct peering[]){{.with = &a, .forwards = true}, {.with = &c}}, 2);
	host_peers(&c, &(struct peering){.with = &b, .extra = "10.77.0.1/32"}, 1);

	size_t n = packet_make(4, 1, 3, 7, 100, p);
	fake_tun_send("tm1", p, n);
	assert_int_equal(expect_packet(abc, 3, &c, got), n);
	assert_int_equal(got[8], p[8] - 1);
	assert_int_equal(csum_finish(csum_add(got, 20, 0)), 0);
	assert_memory_equal(got + 20, p + 20, n - 20);

	n = packet_make(4, 3, 1, 8, 100, p);
	fake_tun_send("tm3", p, n);
	assert_int_equal(expect_packet(abc, 3, &a, got), n);
	assert_int_equal(packet_serial(got), 8);

	/* A packet at the end of its life is answered by the gateway. */
	n = packet_make(4, 1, 3, 9, 100, p);
	p[8] = 1;
	put_be16(p + 10, 0);
	put_be16(p + 10, csum_finish(csum_add(p, 20, 0)));
	fake_tun_send("tm1", p, n);
	assert_true(expect_packet(abc, 3, &a, got) >= 56);
	assert_int_equal(got[9], 1);
	assert_int_equal(got[20], 11); /* time exceeded */
	assert_int_equal(got[15], 2); /* from the gateway */
	assert_int_equal(host_drops(&b, DROP_TTL), 1);
}

static bool b_heard_stun(void *arg)
{
	(void)arg;
	return b.n_stun == 1;
}

static void stun_shares_the_socket(void **state)
{
	static const uint8_t request[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3};
	struct way_to by = {.kind = WAY_UDP};
	(void)state;

	start_pair();
	assert_int_equal(endpoint_parse("192.0.2.2:51820", &by.remote), TM_OK);
	assert_int_equal(plane_send(a.plane, &by, request, sizeof(request)), TM_OK);
	EXPECT_SOON(ab, b_heard_stun, NULL);
	assert_int_equal(b.stun_n, sizeof(request));
	assert_memory_equal(b.stun, request, sizeof(request));
	assert_int_equal(b.stun_by.remote.ip.bytes[3], 1);
	assert_int_equal(b.stun_by.local.bytes[3], 2);
}

static bool a_wants(void *arg)
{
	(void)arg;
	return a.n_want > 0;
}

static void traffic_for_a_peer_without_endpoint_asks_for_a_path_and_waits_for_it(void **state)
{
	struct way_to way = {.kind = WAY_UDP};
	uint8_t p[FAKE_BYTES];
	(void)state;

	host_start(&a, 1);
	host_start(&b, 2);
	host_peers(&a, &(struct peering){.with = &b, .no_endpoint = true}, 1);
	host_peers(&b, &(struct peering){.with = &a, .no_endpoint = true}, 1);
	fake_tun_send("tm1", p, packet_make(4, 1, 2, 77, 20, p));
	EXPECT_SOON(ab, a_wants, NULL);

	assert_int_equal(endpoint_parse("192.0.2.2:51820", &way.remote), TM_OK);
	assert_int_equal(plane_set_way(a.plane, b.pub, &way, NULL), TM_OK);
	expect_packet(ab, 2, &b, p);
	assert_int_equal(packet_serial(p), 77);
	/* b heard where the handshake came from, and its owner took that. */
	fake_tun_send("tm2", p, packet_make(4, 2, 1, 78, 20, p));
	expect_packet(ab, 2, &a, p);
	assert_int_equal(packet_serial(p), 78);
}

static void several_workers_share_the_traffic(void **state)
{
	bool seen[200] = {false};
	uint8_t p[FAKE_BYTES];
	(void)state;

	a.workers = b.workers = 4;
	host_start(&a, 1);
	host_start(&b, 2);
	assert_int_equal(plane_workers(a.plane), 4);
	rig_connect(&a, &b);
	rig_warm(&a, &b);
	for (uint16_t i = 0; i < ARRAY_LEN(seen); i++)
		fake_tun_send("tm1", p, packet_make(i & 1 ? 6 : 4, 1, 2, i, 200, p));
	for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
		expect_packet(ab, 2, &b, p);
		assert_false(seen[packet_serial(p)]);
		seen[packet_serial(p)] = true;
	}
	assert_int_equal(host_drops(&b, DROP_REPLAY), 0);
}

/* A receiver index names the worker (data/peer/index.h): here the one who reads what goes to that peer. */
static void one_worker_does_both_directions_of_a_peer(void **state)
{
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES];
	struct ip inner;
	(void)state;

	a.workers = 4;
	host_start(&a, 1);
	host_start(&b, 2);
	host_start(&c, 3);
	host_peers(&a, (struct peering[]){{.with = &b}, {.with = &c}}, 2);
	host_peers(&b, (struct peering[]){{.with = &a}}, 1);
	host_peers(&c, (struct peering[]){{.with = &a}}, 1);
	rig_warm(&a, &b);
	rig_warm(&a, &c);
	for (struct host **h = abc + 1; h < abc + ARRAY_LEN(abc); h++) {
		size_t n = rig_intercept(*h, p, packet_make(4, (*h)->i, 1, 1, 20, p), sealed);

		assert_true(n > WG_DATA_OVERHEAD);
		inner = ip_v4((uint8_t[]){10, 77, 0, (uint8_t)(*h)->i});
		assert_int_equal(sealed[WG_DATA_INDEX + 3] % 4, tun_queue_for(&inner, 4));
		inner = ip_v6((uint8_t[16]){0xfd, 0x77, [15] = (uint8_t)(*h)->i});
		assert_int_equal(sealed[WG_DATA_INDEX + 3] % 4, tun_queue_for(&inner, 4));
	}
}

static bool renewed(void *arg)
{
	(void)arg;
	return a.n_up >= 4 && b.n_up >= 4;
}

static void sessions_are_renewed_without_losing_a_packet(void **state)
{
	uint8_t p[FAKE_BYTES];
	uint16_t serial = 0;
	(void)state;

	a.limits = b.limits = wg_limits_default;
	a.limits.rekey_after_messages = b.limits.rekey_after_messages = 50;
	a.limits.rekey_timeout = b.limits.rekey_timeout = 20 * MS;
	host_start(&a, 1);
	host_start(&b, 2);
	rig_connect(&a, &b);
	for (; !renewed(NULL); serial++) {
		fake_tun_send("tm1", p, packet_make(4, 1, 2, serial, 64, p));
		expect_packet(ab, 2, &b, p);
		assert_int_equal(packet_serial(p), serial);
		assert_true(serial < 60000);
	}
}

/* Sends a packet with this number from a until one reaches b: the first may meet a worker in the middle of a
   batch with the old routes. */
static bool got_through(void *arg)
{
	const uint16_t *serial = arg;
	uint8_t p[FAKE_BYTES];

	while (fake_tun_recv("tm2", p, sizeof(p)))
		if (p[0] >> 4 == 4 && p[9] == 17 && packet_serial(p) == *serial)
			return true;
	fake_tun_send("tm1", p, packet_make(4, 1, 2, *serial, 64, p));
	return false;
}

static void peers_come_and_go_under_traffic(void **state)
{
	uint16_t serial;
	uint8_t p[FAKE_BYTES];
	(void)state;

	a.workers = b.workers = 2;
	host_start(&a, 1);
	host_start(&b, 2);
	for (uint16_t round = 0; round < 30; round++) {
		/* Both forget, so that the stamps of earlier handshakes do not count. */
		rig_connect(&a, &b);
		serial = (uint16_t)(1000 + round);
		EXPECT_SOON(ab, got_through, &serial);
		for (uint16_t i = 0; i < 50; i++) {
			fake_tun_send("tm1", p, packet_make(4, 1, 2, i, 64, p));
			fake_tun_send("tm2", p, packet_make(6, 2, 1, i, 64, p));
		}
		host_peers(round & 1 ? &a : &b, NULL, 0);
		plane_service(a.plane, time_monotonic());
		host_peers(round & 1 ? &b : &a, NULL, 0);
		plane_service(b.plane, time_monotonic());
		if (round % 10 != 9)
			continue;
		host_stop(&a);
		host_stop(&b);
		host_start(&a, 1);
		host_start(&b, 2);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(both_families_arrive_unchanged),
		CASE(what_waited_for_the_session_arrives_in_order),
		CASE(payload_is_padded_to_16_but_never_beyond_the_mtu),
		CASE(outer_header_carries_ecn_but_not_dscp),
		CASE(congestion_marked_on_the_way_is_seen_inside),
		CASE(a_stock_client_is_where_its_authentic_packets_come_from),
		CASE(a_member_heard_from_two_addresses_in_turn_is_reached_by_the_chosen_one),
		CASE(an_answer_leaves_by_the_way_on_which_the_question_came),
		CASE(a_client_reaches_others_through_its_gateway),
		CASE(stun_shares_the_socket),
		CASE(traffic_for_a_peer_without_endpoint_asks_for_a_path_and_waits_for_it),
		CASE(several_workers_share_the_traffic),
		CASE(one_worker_does_both_directions_of_a_peer),
		CASE(sessions_are_renewed_without_losing_a_packet),
		CASE(peers_come_and_go_under_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
