/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What comes by a stream, and what becomes of it, where the test itself is the member at its other end. */
#include "unit/data/plane/relay_rig.h"

#include "wire/stun.h"

#include <poll.h>
#include <unistd.h>

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

	/* Longer than any, which its head tells: nobody waits for the rest. */
	hold(&e, &stream);
	assert_int_equal(write(e.fd, "\x82\xff\0\0\0\0\0\1\0\1mask", 14), 14);
	expect_lost(++n, stream, TM_EFULL);
	let_go(&e);

	/* Nor in pieces. */
	hold(&e, &stream);
	for (int i = 0; i < 2; i++)
		assert_int_equal(write(e.fd, i ? "\0\xfe\xff\xff\0\0\0" : "\2\x82\0\0\0\0ab", 8), 8);
	expect_lost(++n, stream, TM_EFULL);
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
		assert_int_equal(poll(&woken, 1, 40000), 1); /* its owner has given it up */
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

static void who_says_a_byte_at_a_time_holds_nobody_up_and_is_heard_in_the_end(void **state)
{
	uint8_t p[600], out[700];
	static const uint8_t mask[WS_MASK] = {3, 1, 4, 1};
	struct end e;
	(void)state;

	hold_as(&e, &(struct host){.i = 3});
	const size_t n =
		ws_encode(WS_BINARY, p, frame(relay_pair(3, 5), 100, 500, p), mask, out, sizeof(out));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(host_drops(&r, DROP_RELAY_UNBOUND), 0);
		assert_int_equal(write(e.fd, out + i, 1), 1);
		if (i % 16 == 0)
			pass(i % 32 ? &a : &b, i % 32 ? &b : &a, 4, (uint16_t)i, 40);
	}
	expect_drops(all, 3, &r, DROP_RELAY_UNBOUND, 5);
	assert_int_equal(r.n_streams_lost, 0);
	let_go(&e);
}

/* Answers for whoever reads none of them are few, and what else waits there is not lost for them. */
static void who_asks_without_end_and_reads_nothing_costs_no_memory(void **state)
{
	static const uint8_t mask[WS_MASK] = {0};
	static struct hearing h;
	uint8_t ping[200], question[WS_CONTROL_MAX] = {0};
	const size_t n = ws_encode(WS_PING, question, sizeof(question), mask, ping, sizeof(ping));
	struct end e;
	uint32_t stream;
	unsigned sent = 0, answered = 0;
	(void)state;

	hold(&e, &stream);
	h.e = &e;
	while (host_drops(&r, DROP_STREAM_FULL) < 1000) {
		for (int i = 0; i < 100; i++)
			sent += write(e.fd, ping, n) == (ssize_t)n;
		plane_service(r.plane, time_monotonic());
	}
	/* Who waits for it hears, and what was dropped is what is missing. */
	say(&e, WS_PING, (const uint8_t *)"last", 4);
	do {
		EXPECT_SOON(all, heard, &h);
		answered++;
	} while (h.n != 4);
	assert_int_equal(answered + host_drops(&r, DROP_STREAM_FULL), sent + 1);
	assert_int_equal(r.n_streams_lost, 0);
	let_go(&e);
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
	uint32_t to;
	unsigned frames = 0;
	size_t n = stun_encode(&m, NULL, msg, sizeof(msg));
	(void)state;

	hold(&reader, &to);
	hold_as(&writer, &b);
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
			.remote = at(R_TCP),
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

/* Pongs without end that nobody asked for, a byte at a time. */
struct drip {
	size_t at;
	unsigned reads; /* since it was asked whether there are more */
	_Atomic(unsigned) most, turns;
};

static int drip_read(void *ctx, uint8_t *p, size_t n UNUSED, size_t *ret_n)
{
	static const uint8_t pong[] = {0x8a, 0x80, 1, 2, 3, 4};
	struct drip *d = ctx;

	*p = pong[d->at++ % sizeof(pong)];
	*ret_n = 1;
	if (++d->reads > atomic_load(&d->most))
		atomic_store(&d->most, d->reads);
	return TM_OK;
}

static int drip_write(void *ctx UNUSED, const uint8_t *p UNUSED, size_t n, size_t *ret_n)
{
	*ret_n = n;
	return TM_OK;
}

static bool drip_pending(void *ctx)
{
	struct drip *d = ctx;

	d->reads = 0;
	atomic_fetch_add(&d->turns, 1);
	return false;
}

static void drip_free(void *ctx UNUSED)
{
}

static bool has_had_turns(void *drip)
{
	return atomic_load(&((struct drip *)drip)->turns) > 10;
}

static void a_byte_at_a_time_from_below_is_no_reason_to_read_on_and_on(void **state)
{
	static const struct plane_stream_io io = {drip_read, drip_write, drip_pending, drip_free};
	static struct drip d;
	uint32_t stream;
	int fd[2];
	(void)state;

	make_pair(fd);
	assert_int_equal(write(fd[0], "x", 1), 1); /* it stays readable */
	const struct plane_stream s = {.fd = fd[1], .io = &io, .ctx = &d, .role = WS_SERVER, .host = 3};
	assert_int_equal(plane_stream_add(r.plane, &s, &stream), TM_OK);
	EXPECT_SOON(all, has_had_turns, &d);
	assert_in_range(atomic_load(&d.most), 1, 1000);
	pass(&a, &b, 4, 1, 40);
	assert_int_equal(r.n_streams_lost, 0);
	rig_teardown(NULL);
	close(fd[0]);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, stream_rig_set_up, rig_teardown)
/* By several workers, so that most frames cross from one to another. */
#define CASE_3(f) cmocka_unit_test_prestate_setup_teardown(f, stream_rig_set_up, rig_teardown, &three)

int main(void)
{
	static unsigned three = 3;
	const struct CMUnitTest tests[] = {
		CASE(a_ping_is_answered),
		CASE(only_the_member_at_the_other_end_is_heard),
		CASE(a_stream_that_ends_or_speaks_nonsense_is_told_once),
		CASE(a_stream_that_is_removed_before_its_end_is_told_ends_once),
		CASE(what_was_read_before_is_taken_first),
		CASE(a_long_frame_goes_on_as_it_came_and_short_ones_beside_it),
		CASE(who_says_a_byte_at_a_time_holds_nobody_up_and_is_heard_in_the_end),
		CASE(who_asks_without_end_and_reads_nothing_costs_no_memory),
		CASE(who_does_not_read_loses_the_oldest_and_checks_pass_what_waits),
		CASE_3(who_does_not_read_loses_the_oldest_and_checks_pass_what_waits),
		CASE(a_frame_that_no_train_holds_leaves_in_pieces),
		CASE(what_lies_below_a_stream_is_asked_and_freed),
		CASE(a_byte_at_a_time_from_below_is_no_reason_to_read_on_and_on),
	};

	return cmocka_run_group_tests_name("data/plane/stream ends", tests, NULL, NULL);
}
