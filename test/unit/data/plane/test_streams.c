/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Streams between two nodes and their relay (host 9). */
#include "unit/data/plane/relay_rig.h"

#include "wire/stun.h"

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

static void two_members_reach_each_other_by_streams_alone(void **state)
{
	struct plane_peer_stats st;
	(void)state;

	pass(&a, &b, 4, 1, 20);
	pass(&b, &a, 6, 2, 1300);
	for (uint16_t i = 3; i < 60; i++)
		pass(i % 2 ? &a : &b, i % 2 ? &b : &a, i % 3 ? 4 : 6, i, 20 * i);
	assert_int_equal(fake_sent(), 0);
	assert_int_equal(plane_peer_stats(a.plane, b.pub, &st), TM_OK);
	assert_true(st.last_way_recv > 0);
	assert_int_equal(a.n_heard + b.n_heard, 0);
	assert_true(plane_relayed(r.plane).packets > 28);
}

static void a_burst_crosses_in_order(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	fake_hold(FAKE_TUNS);
	for (uint16_t i = 0; i < 40; i++)
		fake_tun_send("tm1", p, packet_make(4, 1, 2, i, 1300, p));
	fake_hold(0);
	for (uint16_t i = 0; i < 40; i++) {
		expect_packet(all, 3, &b, got);
		assert_int_equal(packet_serial(got), i);
	}
}

static void each_message_of_a_burst_keeps_its_congestion_mark(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	fake_hold(FAKE_TUNS);
	for (uint16_t i = 0; i < 8; i++) {
		size_t n = packet_make(6, 1, 2, i, 500, p);

		p[1] = i % 2 ? 2 << 4 : 3 << 4; /* ECT(0), CE */
		fake_tun_send("tm1", p, n);
	}
	fake_hold(0);
	for (uint16_t i = 0; i < 8; i++) {
		expect_packet(all, 3, &b, got);
		assert_int_equal(got[1] >> 4, packet_serial(got) % 2 ? 2 : 3);
	}
}

static void messages_of_a_burst_need_not_be_of_one_size(void **state)
{
	static const size_t size[] = {500, 500, 300, 500, 500, 20, 300, 300, 900};
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	fake_hold(FAKE_TUNS);
	for (uint16_t i = 0; i < ARRAY_LEN(size); i++)
		fake_tun_send("tm1", p, packet_make(6, 1, 2, i, size[i], p));
	fake_hold(0);
	for (uint16_t i = 0; i < ARRAY_LEN(size); i++) {
		assert_int_equal(expect_packet(all, 3, &b, got), 48 + size[i]);
		assert_int_equal(packet_serial(got), i);
	}
}

static void what_a_stream_is_known_to_carry_is_told_to_senders(void **state)
{
	struct way_to way = by_stream(&a, b.i);
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	way.payload = 1444; /* behind the relay, the stream itself takes everything */
	assert_int_equal(plane_set_way(a.plane, b.pub, &way, NULL), TM_OK);
	fake_tun_send("tm1", p, packet_make(4, 1, 2, 2, 1420 - 28, p));
	expect_packet(all, 3, &a, got);
	assert_int_equal(got[20], 3);
	assert_int_equal(got[21], 4); /* fragmentation needed */
	assert_int_equal(get_be16(got + 26), 1408);
	fake_tun_send("tm1", p, packet_make(6, 1, 2, 3, 1420 - 48, p));
	expect_packet(all, 3, &a, got);
	assert_int_equal(got[40], 2); /* packet too big */
	assert_int_equal(get_be32(got + 44), 1408);
	assert_int_equal(host_drops(&a, DROP_TOO_BIG), 2);
	/* Of a train each message counts for itself. */
	fake_hold(FAKE_TUNS);
	for (uint16_t i = 10; i < 50; i++)
		fake_tun_send("tm1", p, packet_make(i % 2 ? 4 : 6, 1, 2, i, 1408 - (i % 2 ? 28 : 48), p));
	fake_hold(0);
	for (uint16_t i = 10; i < 50; i++) {
		assert_int_equal(expect_packet(all, 3, &b, got), 1408);
		assert_int_equal(packet_serial(got), i);
	}
}

static void one_may_come_by_udp_and_the_other_by_a_stream(void **state)
{
	const struct endpoint relay = at(R);
	const struct way_to way = {.kind = WAY_RELAY_UDP, .remote = relay, .relay = relay_pair(1, 2)};
	struct plane_leg leg = {.way = {.remote = at(B)}};
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	uint64_t seen[2] = {0};
	(void)state;

	memcpy(leg.key, b.pub, sizeof(leg.key));
	assert_int_equal(plane_relay_put(r.plane, 2, &leg), TM_OK);
	assert_int_equal(plane_set_relays(b.plane, &relay, 1), TM_OK);
	assert_int_equal(plane_set_way(b.plane, a.pub, &way, NULL), TM_OK);
	for (uint16_t i = 1; i < 40; i++)
		pass(i % 2 ? &a : &b, i % 2 ? &b : &a, i % 3 ? 4 : 6, i, 30 * i);
	for (int k = 0; k < 2; k++) {
		fake_hold(FAKE_TUNS);
		for (uint16_t i = 0; i < 40; i++)
			fake_tun_send(k ? "tm2" : "tm1", p,
				packet_make(4, k ? 2 : 1, k ? 1 : 2, i, i < 39 ? 1300 : 99, p));
		fake_hold(0);
		for (uint16_t i = 0; i < 40; i++) {
			expect_packet(all, 3, k ? &a : &b, got);
			seen[k] |= UINT64_C(1) << packet_serial(got);
			/* The fake TUN hands what it has to several queues in turn. */
			if (a.workers == 1)
				assert_int_equal(packet_serial(got), i);
		}
		assert_true(seen[k] == UINT64_MAX >> 24);
	}
}

/* UDP is its leg; what it sends by its stream is its all the same, and what comes for it goes by UDP. */
static void what_comes_by_a_stream_that_stands_by_is_handed_on(void **state)
{
	const struct endpoint relay = at(R);
	struct plane_leg leg = {.way = {.remote = at(A)}};
	(void)state;

	memcpy(leg.key, a.pub, sizeof(leg.key));
	assert_int_equal(plane_relay_put(r.plane, 1, &leg), TM_OK);
	assert_int_equal(plane_set_relays(a.plane, &relay, 1), TM_OK);
	pass(&a, &b, 4, 1, 20);
	pass(&b, &a, 4, 2, 20);
	for (uint16_t i = 3; i < 20; i++)
		pass(i % 2 ? &a : &b, i % 2 ? &b : &a, i % 3 ? 4 : 6, i, 30 * i);
	assert_int_equal(host_drops(&r, DROP_RELAY_UNPROVEN), 0);
	assert_true(fake_sent() > 0);
}

static void the_relay_itself_is_reached_by_the_stream_too(void **state)
{
	const struct way_to way = by_stream(&a, 9);
	(void)state;

	host_peers(&a, &(struct peering){.with = &r, .no_endpoint = true}, 1);
	host_peers(&r, &(struct peering){.with = &a, .no_endpoint = true}, 1);
	assert_int_equal(plane_set_way(a.plane, r.pub, &way, NULL), TM_OK);
	pass(&a, &r, 4, 1, 20);
	pass(&r, &a, 6, 2, 1300);
}

static void stun_goes_by_streams_to_the_relay_and_through_it(void **state)
{
	const struct stun_msg m = {.class = STUN_REQUEST, .method = 1, .pad_to = 400};
	struct way_to way = by_stream(&a, 2);
	uint8_t msg[STUN_MAX];
	size_t n = stun_encode(&m, NULL, msg, sizeof(msg));
	(void)state;

	assert_int_equal(plane_send(a.plane, &way, msg, n), TM_OK);
	EXPECT_SOON(all, stun_came, &b);
	assert_int_equal(b.stun_n, n);
	assert_int_equal(b.stun_by.kind, WAY_RELAY_TCP);
	assert_int_equal(b.stun_by.socket, ours[2]);
	assert_true(b.stun_by.relay == relay_pair(1, 2));
	assert_int_equal(plane_send(b.plane, &b.stun_by, msg, n), TM_OK);
	EXPECT_SOON(all, stun_came, &a);

	way.relay = 0;
	a.n_stun = 0;
	assert_int_equal(plane_send(a.plane, &way, msg, n), TM_OK);
	EXPECT_SOON(all, stun_came, &r);
	assert_int_equal(r.stun_by.kind, WAY_RELAY_TCP);
	assert_int_equal(r.stun_by.socket, theirs[1]);
	assert_true(r.stun_by.relay == 0);
	assert_int_equal(plane_send(r.plane, &r.stun_by, msg, n), TM_OK);
	EXPECT_SOON(all, stun_came, &a);
	assert_true(a.stun_by.relay == 0);
	assert_memory_equal(a.stun, msg, n);
}

static void a_way_by_a_stream_that_ended_leads_nowhere(void **state)
{
	uint8_t p[FAKE_BYTES];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	plane_stream_remove(a.plane, ours[1]);
	fake_tun_send("tm1", p, packet_make(4, 1, 2, 2, 20, p));
	expect_drops(all, 3, &a, DROP_NO_SENDER, 1);
	expect_lost(1, theirs[1], TM_ECLOSED);
	fake_tun_send("tm2", p, packet_make(4, 2, 1, 3, 20, p));
	expect_drops(all, 3, &r, DROP_RELAY_SEND, 1);
	const struct plane_leg leg = {.way = {.kind = WAY_RELAY_TCP, .socket = theirs[1]}};
	assert_int_equal(plane_relay_put(r.plane, 1, &leg), TM_EINVAL);
	/* A new one, and all is well. */
	connect_node(&a);
	use_stream(&a, &b);
	pass(&a, &b, 4, 4, 20);
	pass(&b, &a, 4, 5, 20);
}

static void streams_that_come_and_go_under_traffic_disturb_nobody(void **state)
{
	uint8_t p[4096];
	(void)state;

	pass(&a, &b, 4, 1, 20);
	for (uint16_t i = 0; i < 100; i++) {
		struct end e;
		uint32_t stream;
		int fd[2];

		make_pair(fd);
		stream = add_stream(&r, fd[1], WS_SERVER, 5);
		e.fd = fd[0];
		say(&e, WS_BINARY, p, frame(relay_pair(5, 2), 200, 500, p));
		if (i % 2)
			plane_stream_remove(r.plane, stream);
		pass(i % 3 ? &a : &b, i % 3 ? &b : &a, 4, i, 100);
		close(fd[0]);
	}
}

/* --- acknowledgements --- */

static _Atomic(unsigned) n_acks;
void __wrap_tcp_ack_now(int fd);

void __wrap_tcp_ack_now(int fd UNUSED)
{
	atomic_fetch_add(&n_acks, 1);
}

static bool has_acked(void *n)
{
	return atomic_load(&n_acks) >= *(unsigned *)n;
}

/* Which is little, and has been read when it is over. */
static void ping(struct end *e)
{
	struct pollfd answer = {.fd = e->fd, .events = POLLIN};
	uint8_t pong[16];

	say(e, WS_PING, (const uint8_t *)"?", 1);
	assert_int_equal(poll(&answer, 1, 40000), 1);
	assert_int_equal(read(e->fd, pong, sizeof(pong)), 3);
}

/* A proxy with Nagle's algorithm waits for it before the next one leaves; of a thousand in a row each would
 * be a call for nothing. */
static void a_few_small_messages_are_acknowledged_each_and_many_are_not(void **state)
{
	enum { AT_ONCE = 32, EVERY_MS = 4, FEW = 20, MANY = 1500 };
	struct end e;
	(void)state;

	hold_as(&e, &(struct host){.i = 3});
	atomic_store(&n_acks, 0);
	const ns_t began = time_monotonic();

	for (unsigned i = 1; i <= MANY; i++) {
		ping(&e);
		if (i <= FEW)
			EXPECT_SOON(all, has_acked, &i);
	}
	const unsigned acks = atomic_load(&n_acks);
	const ns_t took = time_monotonic() - began;

	assert_in_range(acks, FEW, AT_ONCE + 1 + (unsigned)(took / (EVERY_MS * MS)));
	let_go(&e);
}

/* Whoever waits for it sends nothing until it comes. */
static void the_last_of_many_small_messages_is_acknowledged_too(void **state)
{
	enum { MANY = 200 };
	struct end e;
	(void)state;

	hold_as(&e, &(struct host){.i = 3});
	for (unsigned i = 0; i < MANY; i++)
		ping(&e);
	unsigned one_more = atomic_load(&n_acks) + 1;
	ping(&e);
	EXPECT_SOON(all, has_acked, &one_more);
	let_go(&e);
}

/* --- in company --- */

/* A stream of node a's to a relay that is the test, which sees what is written at once. */
static uint32_t hold_relay(struct end *e)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fd), 0);
	e->fd = fd[0];
	ws_decoder_init(&e->in, WS_SERVER, RELAY_FRAME_MAX);
	return add_stream(&a, fd[1], WS_CLIENT, 0);
}

static size_t next_piece(const struct end *e, uint8_t *p, size_t max)
{
	struct pollfd in = {.fd = e->fd, .events = POLLIN};

	assert_int_equal(poll(&in, 1, 40000), 1);
	const ssize_t n = read(e->fd, p, max);
	assert_true(n > 0);
	return (size_t)n;
}

/* How many messages are in a piece; the kind of each, by its place. */
static unsigned messages(struct end *e, uint8_t *p, size_t n, enum ws_event_kind kinds[static 4])
{
	struct rd in = rd_over(p, n);
	struct ws_event ev;
	unsigned count = 0;

	for (; rd_left(&in); count++) {
		assert_true(count < 4);
		assert_int_equal(ws_decode(&e->in, &in, &ev), TM_OK);
		kinds[count] = ev.kind;
	}
	return count;
}

/* To the relay, or to a peer through it. */
static void send_check(uint32_t stream, uint64_t relay)
{
	const struct stun_msg m = {.class = STUN_REQUEST, .method = 1};
	const struct way_to way = {
		.kind = WAY_RELAY_TCP, .socket = stream, .remote = at(R_TCP), .relay = relay};
	uint8_t msg[STUN_MAX];
	const size_t n = stun_encode(&m, NULL, msg, sizeof(msg));
	int err;

	while ((err = plane_send(a.plane, &way, msg, n)) == TM_EFULL)
		sched_yield(); /* the ring is full of those before */
	assert_int_equal(err, TM_OK);
}

/* Each by itself, the second would be held by a proxy until the first is acknowledged. What comes behind a
 * check is an answer here, that the worker makes; it has the time that a check waits, mostly. */
static void a_check_leaves_in_one_piece_with_what_comes_behind_it(void **state)
{
	enum ws_event_kind kinds[4];
	uint8_t p[4096];
	struct end e;
	const uint32_t stream = hold_relay(&e);
	unsigned together = 0;
	(void)state;

	for (unsigned tries = 0; !together; tries++) {
		assert_true(tries < 200);
		send_check(stream, 0);
		send_check(stream, relay_pair(1, 2));
		assert_int_equal(write(e.fd, "\x89\0", 2), 2); /* a ping */
		unsigned seen = messages(&e, p, next_piece(&e, p, sizeof(p)), kinds);
		together = seen == 3;
		while (seen < 3)
			seen += messages(&e, p, next_piece(&e, p, sizeof(p)), kinds);
	}
	assert_int_equal(kinds[0], WS_EV_MESSAGE);
	assert_int_equal(kinds[1], WS_EV_MESSAGE);
	assert_int_equal(kinds[2], WS_EV_PONG);
	let_go(&e);
}

/* As when a node that knows a hundred peers has its stream to the relay at last. */
static void of_a_hundred_checks_at_once_none_pushes_out_another(void **state)
{
	enum { MANY = 100 };
	static uint8_t p[MANY * 256];
	struct ws_event ev;
	struct end e;
	const uint32_t stream = hold_relay(&e);
	unsigned came = 0;
	(void)state;

	for (unsigned i = 0; i < MANY; i++)
		send_check(stream, relay_pair(1, 2));
	while (came < MANY) {
		struct rd in = rd_over(p, next_piece(&e, p, sizeof(p)));

		while (rd_left(&in)) {
			assert_int_equal(ws_decode(&e.in, &in, &ev), TM_OK);
			came += ev.kind == WS_EV_MESSAGE;
		}
	}
	let_go(&e);
}

static void a_check_that_stays_alone_leaves_all_the_same(void **state)
{
	enum ws_event_kind kinds[4];
	uint8_t p[4096];
	struct end e;
	const uint32_t stream = hold_relay(&e);
	(void)state;

	for (int i = 0; i < 20; i++) {
		send_check(stream, i % 2 ? relay_pair(1, 2) : 0);
		assert_int_equal(messages(&e, p, next_piece(&e, p, sizeof(p)), kinds), 1);
		assert_int_equal(kinds[0], WS_EV_MESSAGE);
	}
	let_go(&e);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, stream_rig_set_up, rig_teardown)
/* By several workers, so that most frames cross from one to another. */
#define CASE_3(f) cmocka_unit_test_prestate_setup_teardown(f, stream_rig_set_up, rig_teardown, &three)

int main(void)
{
	static unsigned three = 3;
	const struct CMUnitTest tests[] = {
		CASE(two_members_reach_each_other_by_streams_alone),
		CASE_3(two_members_reach_each_other_by_streams_alone),
		CASE(a_burst_crosses_in_order),
		CASE(messages_of_a_burst_need_not_be_of_one_size),
		CASE(each_message_of_a_burst_keeps_its_congestion_mark),
		CASE(what_a_stream_is_known_to_carry_is_told_to_senders),
		CASE(one_may_come_by_udp_and_the_other_by_a_stream),
		CASE_3(one_may_come_by_udp_and_the_other_by_a_stream),
		CASE(what_comes_by_a_stream_that_stands_by_is_handed_on),
		CASE_3(what_comes_by_a_stream_that_stands_by_is_handed_on),
		CASE_3(the_relay_itself_is_reached_by_the_stream_too),
		CASE(stun_goes_by_streams_to_the_relay_and_through_it),
		CASE_3(stun_goes_by_streams_to_the_relay_and_through_it),
		CASE(a_way_by_a_stream_that_ended_leads_nowhere),
		CASE(streams_that_come_and_go_under_traffic_disturb_nobody),
		CASE_3(streams_that_come_and_go_under_traffic_disturb_nobody),
		CASE(a_few_small_messages_are_acknowledged_each_and_many_are_not),
		CASE(the_last_of_many_small_messages_is_acknowledged_too),
		CASE(a_check_leaves_in_one_piece_with_what_comes_behind_it),
		CASE_3(a_check_leaves_in_one_piece_with_what_comes_behind_it),
		CASE(a_check_that_stays_alone_leaves_all_the_same),
		CASE(of_a_hundred_checks_at_once_none_pushes_out_another),
		CASE_3(a_check_that_stays_alone_leaves_all_the_same),
		CASE_3(of_a_hundred_checks_at_once_none_pushes_out_another),
	};

	return cmocka_run_group_tests_name("data/plane/streams", tests, NULL, NULL);
}
