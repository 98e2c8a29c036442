/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Streams between two nodes and their relay (host 9), and ends of streams that the test itself holds. */
#include "unit/data/plane/rig.h"

#include "data/plane/stream.h"
#include "wire/relay.h"
#include "wire/stun.h"
#include "wire/wg.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define A "192.0.2.1:51820"
#define B "192.0.2.2:51820"
#define R "192.0.2.9:443"
#define R_UDP "192.0.2.9:51820"

static struct host a, b, r;
static struct host *all[] = {&a, &b, &r};
/* Of node a, of node b: its own number for its stream, the relay's. */
static uint32_t ours[3], theirs[3];

static struct endpoint at(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(text, &ep), TM_OK);
	return ep;
}

static void make_pair(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
}

static uint32_t add(struct host *h, int fd, enum ws_role role, uint32_t host)
{
	const struct plane_stream s = {.fd = fd,
		.role = role,
		.remote = at(role == WS_CLIENT ? R : "192.0.2.77:1000"),
		.host = host};
	uint32_t number;

	assert_int_equal(plane_stream_add(h->plane, &s, &number), TM_OK);
	return number;
}

static void leg_by_stream(uint32_t host, uint32_t stream, const uint8_t *key)
{
	struct plane_leg leg = {.way = {.kind = WAY_RELAY_TCP, .socket = stream}};

	memcpy(leg.key, key, sizeof(leg.key));
	assert_int_equal(plane_relay_put(r.plane, host, &leg), TM_OK);
}

static void connect_node(struct host *h)
{
	int fd[2];

	make_pair(fd);
	ours[h->i] = add(h, fd[0], WS_CLIENT, 0);
	theirs[h->i] = add(&r, fd[1], WS_SERVER, h->i);
	leg_by_stream(h->i, theirs[h->i], h->pub);
}

static struct way_to by_stream(const struct host *h, uint32_t peer)
{
	return (struct way_to){.kind = WAY_RELAY_TCP,
		.socket = ours[h->i],
		.remote = at(R),
		.relay = relay_pair(h->i, peer)};
}

static void use_stream(struct host *h, struct host *peer)
{
	const struct way_to way = by_stream(h, peer->i);

	host_peers(h, &(struct peering){.with = peer, .no_endpoint = true}, 1);
	assert_int_equal(plane_set_way(h->plane, peer->pub, &way, NULL), TM_OK);
}

static int set_up(void **state)
{
	const unsigned workers = *state ? *(unsigned *)*state : 1;

	a = b = r = (struct host){.workers = workers};
	fake_reset();
	host_start(&a, 1);
	host_start(&b, 2);
	host_start(&r, 9);
	assert_int_equal(plane_relay_offer(r.plane, true), TM_OK);
	connect_node(&a);
	connect_node(&b);
	use_stream(&a, &b);
	use_stream(&b, &a);
	return 0;
}

/* Sends one and waits until it arrives. */
static void pass(struct host *from, struct host *to, int family, uint16_t serial, size_t payload)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	char name[16];
	size_t n = packet_make(family, from->i, to->i, serial, payload, p);

	snprintf(name, sizeof(name), "tm%u", from->i);
	fake_tun_send(name, p, n);
	assert_int_equal(expect_packet(all, 3, to, got), n);
	assert_memory_equal(got, p, n);
}

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
	const struct endpoint relay = at(R_UDP);
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
	const struct endpoint relay = at(R_UDP);
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

static bool stun_came(void *arg)
{
	return ((struct host *)arg)->n_stun > 0;
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

/* --- ends that the test holds --- */

struct end {
	int fd;
	struct ws_decoder in;
};

/* A stream of the relay's to member 1, whose other end is ours. */
static void hold(struct end *e, uint32_t *ret_stream)
{
	int fd[2];

	make_pair(fd);
	e->fd = fd[0];
	ws_decoder_init(&e->in, WS_CLIENT, RELAY_FRAME_MAX);
	*ret_stream = add(&r, fd[1], WS_SERVER, 1);
	leg_by_stream(1, *ret_stream, a.pub);
}

static void let_go(struct end *e)
{
	close(e->fd);
	ws_decoder_deinit(&e->in);
}

/* May say it in pieces. */
static void say(struct end *e, enum ws_opcode op, const uint8_t *p, size_t n)
{
	static const uint8_t mask[WS_MASK] = {9, 8, 7, 6};
	static uint8_t out[RELAY_FRAME_MAX + WS_HEADER_MAX];
	size_t len = ws_encode(op, p, n, mask, out, sizeof(out));

	for (size_t done = 0; done < len;) {
		ssize_t k = write(e->fd, out + done, MIN(len - done, (size_t)777));

		if (k > 0)
			done += (size_t)k;
		else
			assert_int_equal(errno, EAGAIN);
	}
}

struct hearing {
	struct end *e;
	enum ws_event_kind kind;
	size_t n;
	uint8_t bytes[RELAY_FRAME_MAX];
};

/* Byte by byte, so that nothing is left in a buffer. */
static bool heard(void *arg)
{
	struct hearing *h = arg;
	uint8_t c;

	while (read(h->e->fd, &c, 1) == 1) {
		struct rd in = rd_over(&c, 1);
		struct ws_event ev;

		assert_int_equal(ws_decode(&h->e->in, &in, &ev), TM_OK);
		if (ev.kind == WS_EV_MORE)
			continue;
		h->kind = ev.kind;
		h->n = ev.n;
		memcpy(h->bytes, ev.data, ev.n);
		return true;
	}
	return false;
}

static size_t frame(uint64_t pair, uint16_t segment, size_t n, uint8_t *out)
{
	relay_frame_head(out, pair, segment, 0);
	memset(out + RELAY_FRAME_HEAD, 'd', n);
	for (size_t i = 0; i < n; i += segment)
		put_le32(out + RELAY_FRAME_HEAD + i, WG_DATA);
	return RELAY_FRAME_HEAD + n;
}

static bool lost(void *arg)
{
	return r.n_streams_lost >= *(unsigned *)arg;
}

static void expect_lost(unsigned n, uint32_t stream, int err)
{
	EXPECT_SOON(all, lost, &n);
	assert_int_equal(r.n_streams_lost, n);
	assert_int_equal(r.stream_lost, stream);
	assert_int_equal(r.stream_err, err);
}

static void a_ping_is_answered(void **state)
{
	struct hearing h = {0};
	struct end e;
	uint32_t stream;
	(void)state;

	hold(&e, &stream);
	h.e = &e;
	say(&e, WS_PING, (const uint8_t *)"hello", 5);
	EXPECT_SOON(all, heard, &h);
	assert_int_equal(h.kind, WS_EV_PONG);
	assert_memory_equal(h.bytes, "hello", 5);
	let_go(&e);
}

static void only_the_member_at_the_other_end_is_heard(void **state)
{
	static const struct {
		uint32_t pair[2];
		enum plane_drop why;
	} rows[] = {
		{{2, 9}, DROP_RELAY_STRANGER}, /* in the name of another, to the relay itself */
		{{2, 3}, DROP_RELAY_UNPROVEN},
		{{1, 3}, DROP_RELAY_UNBOUND},
	};
	uint8_t p[4096];
	struct end e;
	uint32_t stream;
	(void)state;

	hold(&e, &stream);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		say(&e, WS_BINARY, p, frame(relay_pair(rows[i].pair[0], rows[i].pair[1]), 200, 500, p));
		expect_drops(all, 3, &r, rows[i].why, 3);
	}
	/* Also after another stream became its leg. */
	leg_by_stream(1, theirs[1], a.pub);
	say(&e, WS_BINARY, p, frame(relay_pair(2, 3), 200, 500, p));
	expect_drops(all, 3, &r, DROP_RELAY_UNPROVEN, 6);
	assert_int_equal(r.n_streams_lost, 0);
	let_go(&e);
}

static void a_stream_that_ends_or_speaks_nonsense_is_told_once(void **state)
{
	uint8_t p[4096];
	struct end e;
	uint32_t stream;
	unsigned n = 0;
	(void)state;

	hold(&e, &stream);
	let_go(&e);
	expect_lost(++n, stream, TM_ECLOSED);

	hold(&e, &stream);
	say(&e, WS_CLOSE, p, 0);
	expect_lost(++n, stream, TM_ECLOSED);
	let_go(&e);

	hold(&e, &stream);
	say(&e, WS_BINARY, (const uint8_t *)"what is this?", 13);
	expect_lost(++n, stream, TM_EPROTO);
	let_go(&e);

	hold(&e, &stream);
	p[11] = 1;
	say(&e, WS_BINARY, p, frame(relay_pair(1, 2), 200, 500, p) - 500);
	expect_lost(++n, stream, TM_EPROTO);
	let_go(&e);

	/* STUN, but longer than any that is handed on. */
	hold(&e, &stream);
	memset(p, 0, STUN_HEADER);
	p[1] = 1;
	put_be16(p + 2, STUN_MAX + 4 - STUN_HEADER);
	put_be32(p + 4, STUN_MAGIC);
	assert_true(stun_classify(p, STUN_MAX + 4));
	say(&e, WS_BINARY, p, STUN_MAX + 4);
	expect_lost(++n, stream, TM_EPROTO);
	let_go(&e);

	hold(&e, &stream);
	assert_int_equal(write(e.fd, "\x82\x05hello", 7), 7); /* not masked */
	expect_lost(++n, stream, TM_EPROTO);
	let_go(&e);

	/* Gone by our own will: nothing is told, and the other end is. */
	struct hearing h = {.e = &e};
	hold(&e, &stream);
	plane_stream_remove(r.plane, stream);
	plane_stream_remove(r.plane, stream);
	EXPECT_SOON(all, heard, &h);
	assert_int_equal(h.kind, WS_EV_CLOSE);
	assert_int_equal(r.n_streams_lost, n);
	let_go(&e);
}

static void a_stream_that_is_removed_before_its_end_is_told_ends_once(void **state)
{
	struct end e;
	uint32_t stream;
	(void)state;

	for (int i = 0; i < 20; i++) {
		struct pollfd woken = {.fd = plane_fd(r.plane), .events = POLLIN};

		while (poll(&woken, 1, 0) > 0)
			plane_service(r.plane, time_monotonic());
		hold(&e, &stream);
		plane_service(r.plane, time_monotonic());
		let_go(&e);
		assert_int_equal(poll(&woken, 1, 5000), 1); /* its owner has given it up */
		plane_stream_remove(r.plane, stream);
		plane_service(r.plane, time_monotonic());
	}
	assert_int_equal(r.n_streams_lost, 0);
}

static void what_was_read_before_is_taken_first(void **state)
{
	static const uint8_t mask[WS_MASK] = {0};
	uint8_t p[4096], early[5000];
	uint32_t stream;
	int fd[2];
	(void)state;

	make_pair(fd);
	size_t n = frame(relay_pair(1, 3), 200, 1000, p);
	size_t len = ws_encode(WS_BINARY, p, n, mask, early, sizeof(early));
	const struct plane_stream s = {
		.fd = fd[1], .role = WS_SERVER, .host = 1, .early = early, .n_early = len - 10};
	assert_int_equal(plane_stream_add(r.plane, &s, &stream), TM_OK);
	leg_by_stream(1, stream, a.pub);
	assert_int_equal(write(fd[0], early + len - 10, 10), 10);
	expect_drops(all, 3, &r, DROP_RELAY_UNBOUND, 5);
	close(fd[0]);
}

static void a_long_frame_goes_on_as_it_came_and_short_ones_beside_it(void **state)
{
	static uint8_t p[RELAY_FRAME_MAX];
	static struct hearing h;
	struct end from, to;
	uint32_t stream;
	(void)state;

	hold(&from, &stream);
	hold(&to, &stream);
	leg_by_stream(2, stream, b.pub); /* and member 1 again by the first */
	leg_by_stream(1, stream - 1, a.pub);
	h.e = &to;
	for (size_t count = 45; count > 0; count = count * 2 / 3) {
		size_t n = frame(relay_pair(1, 2), 1448, count * 1448 - (count > 1) * 100, p);

		say(&from, WS_BINARY, p, n);
		EXPECT_SOON(all, heard, &h);
		assert_int_equal(h.kind, WS_EV_MESSAGE);
		assert_int_equal(h.n, n);
		assert_memory_equal(h.bytes, p, n);
	}
	let_go(&from);
	let_go(&to);
}

static bool whole_frames_lost(void *arg)
{
	(void)arg;
	return host_drops(&r, DROP_STREAM_FULL) >= 200;
}

struct message {
	struct way_to way;
	const uint8_t *p;
	size_t n;
};

/* Not at once, while what others have for the stream fills its owner's post. */
static bool was_sent(void *arg)
{
	const struct message *m = arg;
	int err = plane_send(r.plane, &m->way, m->p, m->n);

	assert_true(err == TM_OK || err == TM_EFULL);
	return err == TM_OK;
}

static void who_does_not_read_loses_the_oldest_and_checks_pass_what_waits(void **state)
{
	const struct stun_msg m = {.class = STUN_REQUEST, .method = 1};
	static struct hearing h;
	uint8_t msg[STUN_MAX], big[20000];
	struct end reader, writer;
	uint32_t to, from;
	unsigned frames = 0;
	size_t n = stun_encode(&m, NULL, msg, sizeof(msg));
	int fd[2];
	(void)state;

	hold(&reader, &to);
	make_pair(fd);
	writer.fd = fd[0];
	ws_decoder_init(&writer.in, WS_CLIENT, RELAY_FRAME_MAX);
	from = add(&r, fd[1], WS_SERVER, 2);
	leg_by_stream(2, from, b.pub);
	for (int i = 0; i < 400; i++)
		say(&writer, WS_BINARY, big, frame(relay_pair(1, 2), 1000, 10000, big));
	EXPECT_SOON(all, whole_frames_lost, NULL);
	assert_int_equal(r.n_streams_lost, 0);

	/* What the kernel has and what was begun comes before it, and at most FRAMES_BYTES_MAX after it. */
	struct message check = {
		.way = {.kind = WAY_RELAY_TCP, .socket = to, .remote = at("192.0.2.77:1000")},
		.p = msg,
		.n = n,
	};
	EXPECT_SOON(all, was_sent, &check);
	h.e = &reader;
	do {
		EXPECT_SOON(all, heard, &h);
		assert_true(h.kind == WS_EV_MESSAGE && frames++ < 400);
	} while (h.bytes[0] == 'T');
	assert_int_equal(h.n, n);
	let_go(&reader);
	let_go(&writer);
}

static bool a_whole_frame_left(void *arg)
{
	(void)arg;
	return fake_sent() >= 45;
}

static void a_frame_that_no_train_holds_leaves_in_pieces(void **state)
{
	const struct plane_leg leg = {.way = {.remote = at("192.0.2.3:51820")}};
	static uint8_t big[RELAY_FRAME_MAX];
	struct end e;
	uint32_t from;
	(void)state;

	assert_int_equal(plane_relay_put(r.plane, 3, &leg), TM_OK);
	hold(&e, &from);
	say(&e, WS_BINARY, big, frame(relay_pair(1, 3), 1452, 45 * 1452, big));
	EXPECT_SOON(all, a_whole_frame_left, NULL); /* the fake insists on what a train may hold */
	assert_int_equal(fake_sent(), 45);
	assert_int_equal(host_drops(&r, DROP_RELAY_SEND), 0);
	let_go(&e);
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
		stream = add(&r, fd[1], WS_SERVER, 5);
		e.fd = fd[0];
		say(&e, WS_BINARY, p, frame(relay_pair(5, 2), 200, 500, p));
		if (i % 2)
			plane_stream_remove(r.plane, stream);
		pass(i % 3 ? &a : &b, i % 3 ? &b : &a, 4, i, 100);
		close(fd[0]);
	}
}

/* --- through something below the WebSocket --- */

/* Turns bits over, and reads ahead like TLS, so that the descriptor does not tell what there is. */
struct below {
	int fd;
	size_t n, at;
	uint8_t ahead[32768];
	unsigned *freed;
};

static int below_read(void *ctx, uint8_t *p, size_t n, size_t *ret_n)
{
	struct below *l = ctx;

	if (l->at == l->n) {
		ssize_t got = read(l->fd, l->ahead, sizeof(l->ahead));

		if (got <= 0)
			return got == 0 ? TM_ECLOSED : TM_EAGAIN;
		l->at = 0;
		l->n = (size_t)got;
	}
	*ret_n = MIN(MIN(n, l->n - l->at), (size_t)500);
	for (size_t i = 0; i < *ret_n; i++)
		p[i] = l->ahead[l->at++] ^ 0xff;
	return TM_OK;
}

static int below_write(void *ctx, const uint8_t *p, size_t n, size_t *ret_n)
{
	struct below *l = ctx;
	uint8_t out[1000];
	ssize_t sent;

	n = MIN(n, sizeof(out));
	for (size_t i = 0; i < n; i++)
		out[i] = p[i] ^ 0xff;
	sent = write(l->fd, out, n);
	*ret_n = sent > 0 ? (size_t)sent : 0;
	return sent < 0 ? TM_EAGAIN : TM_OK;
}

static bool below_pending(void *ctx)
{
	const struct below *l = ctx;

	return l->at < l->n;
}

static void below_free(void *ctx)
{
	struct below *l = ctx;

	++*l->freed;
	free(l);
}

static void what_lies_below_a_stream_is_asked_and_freed(void **state)
{
	static const struct plane_stream_io io = {below_read, below_write, below_pending, below_free};
	unsigned freed = 0;
	uint32_t number[2];
	int fd[2];
	(void)state;

	plane_stream_remove(a.plane, ours[1]);
	make_pair(fd);
	for (int i = 0; i < 2; i++) {
		struct below *l = calloc(1, sizeof(*l));

		assert_non_null(l);
		*l = (struct below){.fd = fd[i], .freed = &freed};
		const struct plane_stream s = {.fd = fd[i],
			.io = &io,
			.ctx = l,
			.role = i ? WS_SERVER : WS_CLIENT,
			.remote = at(R),
			.host = i};
		assert_int_equal(plane_stream_add(i ? r.plane : a.plane, &s, &number[i]), TM_OK);
	}
	ours[1] = number[0];
	leg_by_stream(1, number[1], a.pub);
	use_stream(&a, &b);
	for (uint16_t i = 0; i < 30; i++)
		pass(i % 2 ? &a : &b, i % 2 ? &b : &a, 4, i, 40 * i);
	rig_teardown(NULL);
	assert_int_equal(freed, 2);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)
/* By several workers, so that most frames cross from one to another. */
#define CASE_3(f) cmocka_unit_test_prestate_setup_teardown(f, set_up, rig_teardown, &three)

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
		CASE(a_ping_is_answered),
		CASE(only_the_member_at_the_other_end_is_heard),
		CASE(a_stream_that_ends_or_speaks_nonsense_is_told_once),
		CASE(a_stream_that_is_removed_before_its_end_is_told_ends_once),
		CASE(what_was_read_before_is_taken_first),
		CASE(a_long_frame_goes_on_as_it_came_and_short_ones_beside_it),
		CASE(who_does_not_read_loses_the_oldest_and_checks_pass_what_waits),
		CASE_3(who_does_not_read_loses_the_oldest_and_checks_pass_what_waits),
		CASE(a_frame_that_no_train_holds_leaves_in_pieces),
		CASE(a_way_by_a_stream_that_ended_leads_nowhere),
		CASE(streams_that_come_and_go_under_traffic_disturb_nobody),
		CASE_3(streams_that_come_and_go_under_traffic_disturb_nobody),
		CASE(what_lies_below_a_stream_is_asked_and_freed),
	};

	return cmocka_run_group_tests_name("data/plane/streams", tests, NULL, NULL);
}
