/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections to a relay: made and proved like links, then given away whole, with every byte that came. */
#include "world.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/link/clink.h"
#include "net/release.h"
#include "os/tcp.h"

enum { EARLY = 40000 };

/* System calls, counted; the library does not call these of its own. */
static unsigned n_recv, n_send;
static size_t most_asked; /* of what is received, at once */
int __real_tcp_recv(int fd, void *p, size_t n, size_t *ret_n);
int __wrap_tcp_recv(int fd, void *p, size_t n, size_t *ret_n);
int __real_tcp_send(int fd, const void *p, size_t n, size_t *ret_n);
int __wrap_tcp_send(int fd, const void *p, size_t n, size_t *ret_n);

int __wrap_tcp_recv(int fd, void *p, size_t n, size_t *ret_n)
{
	n_recv++;
	most_asked = MAX(most_asked, n);
	return __real_tcp_recv(fd, p, n, ret_n);
}

int __wrap_tcp_send(int fd, const void *p, size_t n, size_t *ret_n)
{
	n_send++;
	return __real_tcp_send(fd, p, n, ret_n);
}

/* Both ends of a stream, in one loop. */
struct both {
	struct world w;
	struct stream_taker taker;
	struct stream_asker asker;
	const char *says; /* the question that the relay takes for a proof */
	size_t early; /* what the relay sends right behind its answer */
	uint8_t bytes[EARLY];
	struct net_released relay, node;
	unsigned taken, up, closed;
	struct clink *link;
	char why[320];
};

static int write_all(struct net_released *r, const uint8_t *p, size_t n)
{
	while (n > 0) {
		size_t sent = 0;
		int err = r->tls ? tls_io_write(r->tls, p, n, &sent) : tcp_send(r->fd, p, n, &sent);

		if (err && err != TM_EAGAIN)
			return err;
		if (sent == 0)
			return TM_EAGAIN;
		p += sent;
		n -= sent;
	}
	return TM_OK;
}

static void read_all(struct net_released *r, uint8_t *p, size_t n)
{
	size_t have = MIN(n, r->n_early);

	if (have)
		memcpy(p, r->early, have);
	while (have < n) {
		struct pollfd pfd = {.fd = r->fd, .events = POLLIN};
		size_t got = 0;
		int err = r->tls ? tls_io_read(r->tls, p + have, n - have, &got)
				 : tcp_recv(r->fd, p + have, n - have, &got);

		if (err == TM_EAGAIN && poll(&pfd, 1, PATIENCE_S * 1000) <= 0)
			fail_msg("only %zu of %zu bytes came", have, n);
		assert_true(err == TM_OK || err == TM_EAGAIN);
		have += got;
	}
}

/* Until so many are in the socket. */
static void await_bytes(const struct net_released *r, size_t n)
{
	int there = 0;

	for (int ms = 0; ms < PATIENCE_S * 1000; ms++) {
		assert_int_equal(ioctl(r->fd, FIONREAD, &there), 0);
		if ((size_t)there >= n)
			return;
		(void)poll(NULL, 0, 1);
	}
	fail_msg("only %d of %zu bytes came", there, n);
}

/* Nobody's timers look after it any more: the kernel's do. */
static bool is_watched(const struct net_released *r)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return getsockopt(r->fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len) == 0 && on;
}

static bool on_prove(void *ctx, const struct endpoint *from, const uint8_t *p, size_t n, uint8_t *answer,
	size_t answer_max, size_t *ret_n)
{
	struct both *b = ctx;

	assert_true(endpoint_is_set(from));
	if (n != strlen(b->says) || memcmp(p, b->says, n) != 0)
		return false;
	assert_true(answer_max >= 7);
	memcpy(answer, "welcome", 7);
	*ret_n = 7;
	return true;
}

static void on_take(void *ctx, struct net_released *r_take)
{
	struct both *b = ctx;

	b->taken++;
	b->relay = *r_take;
	assert_int_equal(write_all(&b->relay, b->bytes, b->early), TM_OK);
}

static size_t on_question(void *ctx UNUSED, uint8_t *out, size_t max UNUSED)
{
	memcpy(out, "it is me", 8);
	return 8;
}

static bool on_answer(void *ctx UNUSED, const uint8_t *p, size_t n)
{
	return n == 7 && memcmp(p, "welcome", 7) == 0;
}

static void on_up(void *ctx, struct clink *l)
{
	struct both *b = ctx;

	b->up++;
	assert_int_equal(clink_release(l, &b->node), TM_OK);
	b->link = NULL;
	clink_free(l);
}

static void on_closed(void *ctx, struct clink *l UNUSED, int err UNUSED, const char *why)
{
	struct both *b = ctx;

	b->closed++;
	b->link = NULL;
	snprintf(b->why, sizeof(b->why), "%s", why);
}

static void both_open(struct both *b)
{
	*b = (struct both){.says = "it is me", .relay.fd = -1, .node.fd = -1};
	for (size_t i = 0; i < EARLY; i++)
		b->bytes[i] = (uint8_t)(i * 2654435761u >> 24);
	b->taker = (struct stream_taker){.ctx = b, .prove = on_prove, .take = on_take};
	b->asker = (struct stream_asker){.ctx = b, .question = on_question, .answer = on_answer};
	world_open_streams(&b->w, &b->taker);
}

static void both_connect(struct both *b, bool tls)
{
	const struct clink_events ev = {.ctx = b, .up = on_up, .closed = on_closed};
	const struct clink_config cfg = {
		.address = b->w.address, .tls = tls, .stream = &b->asker, .connect_timeout_ms = 20000};

	assert_int_equal(clink_connect(b->w.base, &cfg, &ev, &b->link), TM_OK);
}

static void both_close(struct both *b)
{
	clink_free(b->link);
	net_released_deinit(&b->relay);
	net_released_deinit(&b->node);
	world_close(&b->w);
}

static void both_ends_get_the_whole_connection(void **state UNUSED)
{
	static const size_t early[] = {0, 1, 1000, EARLY};

	for (size_t i = 0; i < 2 * ARRAY_LEN(early); i++) {
		struct both b;
		uint8_t *got = malloc(EARLY);

		both_open(&b);
		b.early = early[i / 2];
		both_connect(&b, i % 2);
		world_run_until(&b.w, &b.up, 1);
		assert_int_equal(b.taken, 1);
		assert_int_equal(!b.node.tls, i % 2 == 0);
		assert_int_equal(!b.relay.tls, i % 2 == 0);
		assert_true(is_watched(&b.node) && is_watched(&b.relay));
		read_all(&b.node, got, b.early);
		assert_memory_equal(got, b.bytes, b.early);
		b.node.n_early = 0;
		assert_int_equal(write_all(&b.node, b.bytes, 30000), TM_OK);
		read_all(&b.relay, got, 30000);
		assert_memory_equal(got, b.bytes, 30000);
		assert_int_equal(b.closed, 0);
		both_close(&b);
		free(got);
	}
}

static void connect_both(struct both *b)
{
	both_open(b);
	both_connect(b, true);
	world_run_until(&b->w, &b->up, 1);
}

static void a_full_socket_takes_no_byte_twice_and_loses_none(void **state UNUSED)
{
	enum { N = 8 << 20 };
	struct both b;
	uint8_t *sent = malloc(N), *got = malloc(N);
	size_t from = 0, to = 0;

	for (size_t i = 0; i < N; i++)
		sent[i] = (uint8_t)(i * 2654435761u >> 24);
	connect_both(&b);
	for (bool full; to < N;) {
		for (full = false; from < N && !full;) {
			size_t n = 0;

			full = tls_io_write(b.node.tls, sent + from, N - from, &n) == TM_EAGAIN;
			from += n;
		}
		for (size_t n = 1; n > 0; to += n) {
			n = 0;
			(void)!tls_io_read(b.relay.tls, got + to, N - to, &n);
		}
	}
	assert_memory_equal(got, sent, N);
	both_close(&b);
	free(sent);
	free(got);
}

static void a_long_frame_in_tls_costs_a_call_to_write_and_one_for_each_record_to_read(void **state UNUSED)
{
	enum { N = 45000, RECORDS = 3 };
	static uint8_t sent[N], got[N];
	struct both b;

	memset(sent, 'f', sizeof(sent));
	connect_both(&b);
	n_send = n_recv = 0;
	assert_int_equal(write_all(&b.node, sent, N), TM_OK);
	assert_int_equal(n_send, 1);
	read_all(&b.relay, got, N);
	assert_memory_equal(got, sent, N);
	assert_in_range(n_recv, 1, RECORDS + 1);
	both_close(&b);
}

/* Else whoever sends without a pause, and records of such a length that what is read ahead always ends amid
 * the head of one, has all of a worker's time. */
static void who_asks_what_is_pending_in_tls_gets_that_and_no_more(void **state UNUSED)
{
	enum { N = 60000, AROUND = 22, AT_ONCE = 4 };
	static uint8_t sent[N], got[N];
	struct both b;
	size_t n = 0;

	connect_both(&b);
	assert_int_equal(write_all(&b.node, sent, 1), TM_OK);
	most_asked = 0;
	read_all(&b.relay, got, 1);
	const size_t ahead = most_asked, record = (ahead - 1) / AT_ONCE;

	for (size_t i = 0; i < 3 * AT_ONCE; i++)
		assert_int_equal(write_all(&b.node, sent, record - AROUND), TM_OK);
	await_bytes(&b.relay, 3 * AT_ONCE * record);
	/* It was dry a moment ago, which is believed once. */
	assert_int_equal(tls_io_read(b.relay.tls, got, sizeof(got), &n), TM_EAGAIN);
	most_asked = 0;
	assert_int_equal(tls_io_read(b.relay.tls, got, sizeof(got), &n), TM_OK);
	assert_int_equal(most_asked, ahead);
	for (most_asked = 0; tls_io_pending(b.relay.tls);)
		(void)!tls_io_read(b.relay.tls, got, sizeof(got), &n);
	assert_in_range(most_asked, 1, record);
	both_close(&b);
}

static void who_proves_nothing_gets_nothing(void **state UNUSED)
{
	struct both b;

	both_open(&b);
	b.says = "somebody else";
	both_connect(&b, false);
	world_run_until(&b.w, &b.closed, 1);
	assert_int_equal(b.taken + b.up, 0);
	both_close(&b);
}

static void a_coordinator_that_relays_nothing_says_so(void **state UNUSED)
{
	struct both b;

	both_open(&b);
	world_close(&b.w);
	world_open(&b.w, NULL);
	both_connect(&b, false);
	world_run_until(&b.w, &b.closed, 1);
	assert_int_equal(b.taken + b.up, 0);
	both_close(&b);
}

static void a_port_for_streams_alone_gives_nobody_a_link(void **state UNUSED)
{
	struct clink_server_config cfg = {.streams_only = true};
	struct endpoint at;
	struct both b;

	both_open(&b);
	clink_server_free(TAKE(b.w.server));
	cfg.identity = &b.w.coordinator;
	cfg.streams = &b.taker;
	assert_int_equal(endpoint_parse("127.0.0.1:0", &cfg.listen), TM_OK);
	const struct clink_events ev = seen_events(&b.w.at_server);
	assert_int_equal(clink_server_new(b.w.base, &cfg, &ev, &b.w.server, NULL), TM_OK);
	at = cfg.listen;
	at.port = clink_server_port(b.w.server);
	endpoint_format(&at, b.w.address);
	both_connect(&b, false);
	world_run_until(&b.w, &b.up, 1);
	assert_int_equal(b.taken, 1);
	b.w.at_client.link = world_connect(&b.w, &b.w.at_client, NULL);
	world_run_until(&b.w, &b.w.at_client.closed, 1);
	b.w.at_client.link = NULL;
	assert_int_equal(b.w.at_client.up + b.w.at_server.up, 0);
	both_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_get_the_whole_connection),
		cmocka_unit_test(a_full_socket_takes_no_byte_twice_and_loses_none),
		cmocka_unit_test(a_long_frame_in_tls_costs_a_call_to_write_and_one_for_each_record_to_read),
		cmocka_unit_test(who_asks_what_is_pending_in_tls_gets_that_and_no_more),
		cmocka_unit_test(who_proves_nothing_gets_nothing),
		cmocka_unit_test(a_coordinator_that_relays_nothing_says_so),
		cmocka_unit_test(a_port_for_streams_alone_gives_nobody_a_link),
	};

	return cmocka_run_group_tests(tests, world_setup_tls, world_teardown_tls);
}
