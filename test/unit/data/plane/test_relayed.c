/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What goes and comes through a relay. Here the relay is a name only: each host takes the other for its
 * relay, and what it sends there arrives with the header that a relay would have left on it.
 */
#include "unit/data/plane/rig.h"

#include "packet/csum.h"
#include "wire/relay.h"
#include "wire/stun.h"
#include "wire/wg.h"

#define A "192.0.2.1:51820"
#define B "192.0.2.2:51820"

static struct host a, b;
static struct host *ab[] = {&a, &b};
static unsigned workers = 1;

static struct way_to through(const char *relay)
{
	struct way_to way = {.kind = WAY_RELAY_UDP, .relay = relay_pair(1, 2)};

	assert_int_equal(endpoint_parse(relay, &way.remote), TM_OK);
	return way;
}

static void know_relay(struct host *h, const char *at)
{
	struct endpoint ep[2];

	assert_int_equal(endpoint_parse("[2001:db8::1]:51820", &ep[0]), TM_OK);
	assert_int_equal(endpoint_parse(at, &ep[1]), TM_OK);
	assert_int_equal(plane_set_relays(h->plane, ep, 2), TM_OK);
}

static void use(struct host *h, struct host *peer, const struct way_to *way, const struct way_to *also)
{
	assert_int_equal(plane_set_way(h->plane, peer->pub, way, also), TM_OK);
}

static int set_up(void **state)
{
	(void)state;
	a = b = (struct host){.workers = workers};
	fake_reset();
	host_start(&a, 1);
	host_start(&b, 2);
	host_peers(&a, &(struct peering){.with = &b, .no_endpoint = true}, 1);
	host_peers(&b, &(struct peering){.with = &a, .no_endpoint = true}, 1);
	know_relay(&a, B);
	know_relay(&b, A);

	struct way_to to_b = through(B);
	use(&a, &b, &to_b, NULL);
	return 0;
}

/* Sends one and waits until it arrives. */
static void pass(struct host *from, struct host *to, int family, uint16_t serial, size_t payload)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	size_t n = packet_make(family, from->i, to->i, serial, payload, p);

	fake_tun_send(from == &a ? "tm1" : "tm2", p, n);
	assert_int_equal(expect_packet(ab, 2, to, got), n);
	assert_memory_equal(got, p, n);
}

static struct plane_peer_stats stats(struct host *h, struct host *peer)
{
	struct plane_peer_stats st;

	assert_int_equal(plane_peer_stats(h->plane, peer->pub, &st), TM_OK);
	return st;
}

static void handshake_and_packets_go_through_the_relay_both_ways(void **state)
{
	(void)state;

	pass(&a, &b, 4, 1, 20);
	/* b heard of a by this way alone, and took it. */
	struct plane_peer_stats st = stats(&b, &a);
	assert_int_equal(st.way.kind, WAY_RELAY_UDP);
	assert_true(st.way.relay == relay_pair(1, 2));
	pass(&b, &a, 6, 2, 1300);
	for (uint16_t i = 3; i < 30; i++)
		pass(i % 2 ? &a : &b, i % 2 ? &b : &a, i % 3 ? 4 : 6, i, 10 * i);
	st = stats(&a, &b);
	assert_true(st.last_way_recv > 0);
	assert_int_equal(a.n_heard + b.n_heard, 0);
	assert_int_equal(host_drops(&a, DROP_MALFORMED) + host_drops(&b, DROP_MALFORMED), 0);
}

static void a_train_of_relayed_messages_is_taken_apart_in_order(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	fake_hold(FAKE_UDP);
	for (uint16_t i = 10; i < 40; i++)
		fake_tun_send("tm1", p, packet_make(4, 1, 2, i, i < 39 ? 500 : 100, p));
	expect_sent(ab, 2, &a, &b, 31);
	fake_hold(0);
	for (uint16_t i = 10; i < 40; i++) {
		expect_packet(ab, 2, &b, got);
		assert_int_equal(packet_serial(got), i);
	}
}

static bool stun_came(void *arg)
{
	return ((struct host *)arg)->n_stun > 0;
}

static void stun_through_a_relay_is_told_with_the_way_it_came_and_answered_by_it(void **state)
{
	const struct stun_msg m = {.class = STUN_REQUEST, .method = 1, .pad_to = 1200};
	const struct way_to way = through(B);
	uint8_t msg[STUN_MAX];
	size_t n = stun_encode(&m, NULL, msg, sizeof(msg));
	(void)state;

	assert_int_equal(n, 1200);
	assert_int_equal(plane_send(a.plane, &way, msg, n), TM_OK);
	EXPECT_SOON(ab, stun_came, &b);
	assert_int_equal(b.stun_n, n);
	assert_int_equal(b.stun_by.kind, WAY_RELAY_UDP);
	assert_true(b.stun_by.relay == relay_pair(1, 2));
	assert_int_equal(plane_send(b.plane, &b.stun_by, msg, n), TM_OK);
	EXPECT_SOON(ab, stun_came, &a);
	assert_true(way_to_eq(&a.stun_by, &(struct way_to){.kind = WAY_RELAY_UDP,
						  .remote = way.remote,
						  .relay = way.relay,
						  .local = a.stun_by.local}));
}

/* A sealed message from a to b, caught, with this pair's header before it. */
static size_t recorded(uint16_t serial, uint64_t pair, uint8_t *out)
{
	uint8_t p[FAKE_BYTES];

	relay_put(out, pair);
	/* By the direct way: the fake keeps what has a type of WireGuard's. */
	struct way_to direct = {0}, back = through(B);
	assert_int_equal(endpoint_parse(B, &direct.remote), TM_OK);
	use(&a, &b, &direct, NULL);
	size_t n = rig_intercept(&a, p, packet_make(4, 1, 2, serial, 20, p), out + RELAY_HEADER);
	use(&a, &b, &back, NULL);
	return RELAY_HEADER + n;
}

static void relayed_messages_are_taken_from_our_relays_alone(void **state)
{
	uint8_t msg[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	size_t n = recorded(7, relay_pair(1, 2), msg);
	fake_inject("192.0.2.66:51820", B, 0, msg, n);
	expect_drops(ab, 2, &b, DROP_RELAY_STRANGER, 1);
	fake_inject("192.0.2.1:51821", B, 0, msg, n);
	expect_drops(ab, 2, &b, DROP_RELAY_STRANGER, 2);
	fake_inject(A, B, 0, msg, n);
	expect_packet(ab, 2, &b, got);
	assert_int_equal(packet_serial(got), 7);
	/* And none at all when we have none. */
	assert_int_equal(plane_set_relays(b.plane, NULL, 0), TM_OK);
	fake_inject(A, B, 0, msg, n);
	expect_drops(ab, 2, &b, DROP_RELAY_STRANGER, 3);
	assert_int_equal(plane_set_relays(b.plane, NULL, PLANE_RELAYS_MAX + 1), TM_EFULL);
}

static void what_is_for_others_or_no_header_is_dropped_by_name(void **state)
{
	static const struct {
		const char *head;
		enum plane_drop why;
	} rows[] = {
		{"T\1\0\0\1\0\0\3", DROP_RELAY_OTHERS},
		{"T\1\0\0\1\1\0\0", DROP_RELAY_OTHERS},
		{"T\1\0\0\0\0\0\2", DROP_MALFORMED}, /* nobody */
		{"T\1\0\0\2\0\0\2", DROP_MALFORMED}, /* to himself */
		{"T\1\0\0\2\0\0\1", DROP_MALFORMED},
		{"T\1\0\0\2\1\0\1", DROP_MALFORMED}, /* a host that cannot be */
		{"T\2\0\0\1\0\0\2", DROP_MALFORMED},
	};
	uint8_t msg[FAKE_BYTES];
	uint64_t seen[DROP_N] = {0};
	(void)state;

	pass(&a, &b, 4, 1, 20);
	size_t n = recorded(7, relay_pair(1, 2), msg);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		memcpy(msg, rows[i].head, RELAY_HEADER);
		fake_inject(A, B, 0, msg, n);
		expect_drops(ab, 2, &b, rows[i].why, ++seen[rows[i].why]);
	}
	/* A header in a header, nothing behind one, and what no relay carries. */
	relay_put(msg, relay_pair(1, 2));
	relay_put(msg + RELAY_HEADER, relay_pair(1, 2));
	fake_inject(A, B, 0, msg, n);
	expect_drops(ab, 2, &b, DROP_MALFORMED, ++seen[DROP_MALFORMED]);
	fake_inject(A, B, 0, msg, RELAY_HEADER);
	expect_drops(ab, 2, &b, DROP_MALFORMED, ++seen[DROP_MALFORMED]);
	put_le32(msg + RELAY_HEADER, WG_INIT);
	fake_inject(A, B, 0, msg, RELAY_HEADER + WG_INIT_LEN - 1);
	expect_drops(ab, 2, &b, DROP_HS_MALFORMED, 1);
}

static void in_one_train_each_message_is_what_its_own_header_says(void **state)
{
	uint8_t msg[3][FAKE_BYTES], got[FAKE_BYTES];
	size_t n = 0;
	(void)state;

	if (!rig_trains())
		skip();
	pass(&a, &b, 4, 1, 20);
	for (uint16_t i = 0; i < 3; i++)
		n = recorded((uint16_t)(7 + i), relay_pair(1, 2), msg[i]);
	memcpy(msg[1], "T\1\0\0\1\0\0\3", RELAY_HEADER);
	fake_hold(FAKE_UDP);
	for (int i = 0; i < 3; i++)
		fake_inject(A, B, 0, msg[i], n);
	fake_hold(0);
	expect_packet(ab, 2, &b, got);
	assert_int_equal(packet_serial(got), 7);
	expect_packet(ab, 2, &b, got);
	assert_int_equal(packet_serial(got), 9);
	expect_drops(ab, 2, &b, DROP_RELAY_OTHERS, 1);
}

/* --- doubling --- */

static void in_doubt_everything_leaves_by_both_ways_and_arrives_once(void **state)
{
	struct way_to direct = {0}, relayed = through(B);
	uint64_t sent;
	(void)state;

	pass(&a, &b, 4, 1, 20);
	assert_int_equal(endpoint_parse(B, &direct.remote), TM_OK);
	use(&a, &b, &direct, &relayed);
	sent = fake_sent();
	for (uint16_t i = 2; i < 12; i++)
		pass(&a, &b, i % 2 ? 4 : 6, i, 700);
	expect_drops(ab, 2, &b, DROP_REPLAY, 10);
	assert_int_equal(fake_sent() - sent, 20);
	assert_int_equal(stats(&a, &b).tx_packets, 11);
	/* The first no longer leads there: nothing is lost. */
	assert_int_equal(endpoint_parse("192.0.2.99:9", &direct.remote), TM_OK);
	use(&a, &b, &direct, &relayed);
	for (uint16_t i = 20; i < 30; i++)
		pass(&a, &b, 4, i, 700);
	assert_int_equal(host_drops(&b, DROP_REPLAY), 10);
	use(&a, &b, &relayed, NULL);
	sent = fake_sent();
	pass(&a, &b, 4, 30, 20);
	assert_int_equal(fake_sent() - sent, 1);
}

static void a_burst_by_two_ways_keeps_its_order(void **state)
{
	struct way_to direct = {0}, relayed = through(B);
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	assert_int_equal(endpoint_parse(B, &direct.remote), TM_OK);
	use(&a, &b, &direct, &relayed);
	fake_hold(FAKE_TUNS);
	for (uint16_t i = 0; i < 250; i++)
		fake_tun_send("tm1", p, packet_make(4, 1, 2, i, 300, p));
	fake_hold(0);
	for (uint16_t i = 0; i < 250; i++) {
		expect_packet(ab, 2, &b, got);
		assert_int_equal(packet_serial(got), i);
	}
	expect_drops(ab, 2, &b, DROP_REPLAY, 250);
}

/* Ten that went nowhere arrive by the other way, and those that had arrived already do no harm. */
static void what_a_dead_way_took_leaves_again_by_another(void **state)
{
	struct way_to nowhere = {0}, relayed = through(B);
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	const ns_t before = time_monotonic();
	pass(&a, &b, 4, 2, 20);
	assert_int_equal(endpoint_parse("192.0.2.99:9", &nowhere.remote), TM_OK);
	use(&a, &b, &nowhere, NULL);
	for (uint16_t i = 10; i < 20; i++)
		fake_tun_send("tm1", p, packet_make(i % 2 ? 4 : 6, 1, 2, i, 50 * i, p));
	expect_sent(ab, 2, &a, &b, 12);
	assert_int_equal(plane_send_again(a.plane, b.pub, &relayed, before), TM_OK);
	for (uint16_t i = 10; i < 20; i++) {
		expect_packet(ab, 2, &b, got);
		if (a.workers == 1)
			assert_int_equal(packet_serial(got), i);
	}
	expect_drops(ab, 2, &b, DROP_REPLAY, 1);
	assert_int_equal(stats(&a, &b).tx_packets, 12);
	assert_int_equal(plane_send_again(a.plane, b.pub, &relayed, before), TM_OK);
	expect_drops(ab, 2, &b, DROP_REPLAY, 12);
	/* Nothing is as new as that. */
	assert_int_equal(plane_send_again(a.plane, b.pub, &relayed, time_monotonic() + 3600 * SEC), TM_OK);
	use(&a, &b, &relayed, NULL);
	pass(&a, &b, 4, 30, 20);
	assert_int_equal(host_drops(&b, DROP_REPLAY), 12);
}

static void what_cannot_be_sent_again_is_refused(void **state)
{
	struct way_to inside = {0}, relayed = through(B);
	(void)state;

	assert_int_equal(endpoint_parse("10.77.0.2:1", &inside.remote), TM_OK);
	assert_int_equal(plane_send_again(a.plane, b.pub, &inside, 0), TM_EINVAL);
	assert_int_equal(plane_send_again(a.plane, a.pub, &relayed, 0), TM_ENOENT);
}

static void a_question_for_a_session_goes_by_both_ways_too(void **state)
{
	struct way_to nowhere = {0}, relayed = through(B);
	(void)state;

	assert_int_equal(endpoint_parse("192.0.2.99:9", &nowhere.remote), TM_OK);
	use(&a, &b, &nowhere, &relayed);
	pass(&a, &b, 4, 1, 20);
}

static void without_a_way_there_is_no_second(void **state)
{
	struct way_to relayed = through(B);
	(void)state;

	pass(&a, &b, 4, 1, 20);
	use(&a, &b, &relayed, &relayed);
	assert_int_equal(plane_set_way(a.plane, b.pub, NULL, &relayed), TM_OK);
	assert_int_equal(plane_set_way(a.plane, b.pub, &relayed, NULL), TM_OK);
	size_t sent = fake_sent();
	pass(&a, &b, 4, 2, 20);
	assert_int_equal(fake_sent() - sent, 1);
}

/* --- what fits --- */

static void expect_too_big(int family, uint16_t serial, size_t n, uint32_t mtu)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];

	fake_tun_send("tm1", p, packet_make(family, 1, 2, serial, n - (family == 4 ? 28 : 48), p));
	expect_packet(ab, 2, &a, got);
	if (family == 4) {
		assert_int_equal(got[20], 3);
		assert_int_equal(got[21], 4); /* fragmentation needed */
		assert_int_equal(get_be16(got + 26), mtu);
	} else {
		assert_int_equal(got[40], 2); /* packet too big */
		assert_int_equal(get_be32(got + 44), mtu);
	}
}

/* b gets the packet in two pieces, of which the first is that long. */
static void expect_two_pieces(const uint8_t *packet, size_t n, size_t first)
{
	const size_t head = packet[0] >> 4 == 4 ? 20 : 40, more = packet[0] >> 4 == 4 ? 0 : 8;
	const size_t data = first - head - more;
	uint8_t got[FAKE_BYTES];

	assert_int_equal(expect_packet(ab, 2, &b, got), first);
	assert_memory_equal(got + head + more, packet + head, data);
	assert_int_equal(expect_packet(ab, 2, &b, got), n - data + more);
	assert_memory_equal(got + head + more, packet + head + data, n - head - data);
}

static void allow_cutting(uint8_t *p)
{
	p[6] = 0;
	put_be16(p + 10, 0);
	put_be16(p + 10, csum_finish(csum_add(p, 20, 0)));
}

static void in_doubt_what_is_too_long_is_told_or_cut_once(void **state)
{
	struct way_to direct = {0}, relayed = through(B);
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	assert_int_equal(endpoint_parse(B, &direct.remote), TM_OK);

	/* For the second way alone: it goes by the first, and the next are to be shorter. */
	relayed.payload = 1372;
	use(&a, &b, &direct, &relayed);
	pass(&a, &b, 6, 2, 1420 - 48);
	assert_int_equal(expect_packet(ab, 2, &a, got), 1280);
	assert_int_equal(get_be32(got + 44), 1328);
	size_t n = packet_make(4, 1, 2, 3, 1392, p);
	allow_cutting(p);
	fake_tun_send("tm1", p, n);
	assert_int_equal(expect_packet(ab, 2, &b, got), n);
	assert_int_equal(host_drops(&a, DROP_TOO_BIG), 1);

	/* For both. */
	direct.payload = 1372;
	use(&a, &b, &direct, &relayed);
	expect_too_big(6, 4, 1420, 1328);
	fake_tun_send("tm1", p, n);
	expect_two_pieces(p, n, 1324);
	pass(&a, &b, 4, 5, 20);
	assert_int_equal(host_drops(&a, DROP_TOO_BIG), 2);

	/* For both, as the kernel has it. */
	direct.payload = relayed.payload = 0;
	use(&a, &b, &direct, &relayed);
	fake_path_payload(1380);
	expect_too_big(6, 6, 1420, 1344);
	fake_tun_send("tm1", p, n);
	expect_two_pieces(p, n, 1340);
	pass(&a, &b, 4, 7, 20);
	assert_int_equal(fake_sent_fragmented(), 0);
}

static void relayed_packets_fit_an_ethernet_that_carries_ipv6(void **state)
{
	(void)state;

	pass(&a, &b, 4, 1, 20);
	fake_path_payload(1500 - 40 - 8);
	expect_too_big(4, 2, 1420, 1408);
	expect_too_big(6, 3, 1420, 1408);
	pass(&a, &b, 4, 4, 1408 - 28);
	pass(&a, &b, 6, 5, 1408 - 48);
	/* By IPv4 they fit as they are. */
	fake_path_payload(1500 - 20 - 8);
	pass(&a, &b, 6, 6, 1420 - 48);
}

static void what_a_path_is_known_to_carry_is_told_to_senders(void **state)
{
	struct way_to way = through(B);
	uint8_t p[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	way.payload = 1372;
	use(&a, &b, &way, NULL); /* the same way, of which more is known */
	expect_too_big(4, 2, 1420, 1328);
	expect_too_big(6, 3, 1420, 1328);
	pass(&a, &b, 4, 4, 1328 - 28);
	assert_int_equal(fake_sent_fragmented(), 0);

	/* Who lets his packets be cut is not told. */
	size_t n = packet_make(4, 1, 2, 5, 1392, p);
	allow_cutting(p);
	fake_tun_send("tm1", p, n);
	expect_two_pieces(p, n, 1324);

	/* An IPv4 host can do with less than any IPv6 host must accept. */
	way.payload = 1252;
	use(&a, &b, &way, NULL);
	expect_too_big(4, 6, 1260, 1216);
	expect_too_big(6, 7, 1300, 1280);
	n = packet_make(6, 1, 2, 8, 1280 - 48, p);
	fake_tun_send("tm1", p, n);
	expect_two_pieces(p, n, 1216);
	assert_int_equal(fake_sent_fragmented(), 0);

	way.payload = 0;
	use(&a, &b, &way, NULL);
	pass(&a, &b, 6, 9, 1420 - 48);
}

static int set_up_3(void **state)
{
	workers = 3;
	return set_up(state);
}

static int tear_down(void **state)
{
	workers = 1;
	return rig_teardown(state);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define CASE_3(f) cmocka_unit_test_setup_teardown(f, set_up_3, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(handshake_and_packets_go_through_the_relay_both_ways),
		CASE(a_train_of_relayed_messages_is_taken_apart_in_order),
		CASE(stun_through_a_relay_is_told_with_the_way_it_came_and_answered_by_it),
		CASE(relayed_messages_are_taken_from_our_relays_alone),
		CASE(what_is_for_others_or_no_header_is_dropped_by_name),
		CASE(in_one_train_each_message_is_what_its_own_header_says),
		CASE(in_doubt_everything_leaves_by_both_ways_and_arrives_once),
		CASE(a_burst_by_two_ways_keeps_its_order),
		CASE(what_a_dead_way_took_leaves_again_by_another),
		CASE_3(what_a_dead_way_took_leaves_again_by_another),
		CASE(what_cannot_be_sent_again_is_refused),
		CASE(a_question_for_a_session_goes_by_both_ways_too),
		CASE(without_a_way_there_is_no_second),
		CASE(relayed_packets_fit_an_ethernet_that_carries_ipv6),
		CASE(what_a_path_is_known_to_carry_is_told_to_senders),
		CASE(in_doubt_what_is_too_long_is_told_or_cut_once),
	};

	return cmocka_run_group_tests_name("data/plane/relayed", tests, NULL, NULL);
}
