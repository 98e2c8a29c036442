/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Strangers and honest nodes at one port, side by side, over a line with real latency. Strangers connect from
 * addresses of their own, do one of the things that cost them nothing, and come again as soon as they are
 * thrown out. Each honest node must get in.
 */
#include "raw.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "crypto/init.h"
#include "loop/timer.h"
#include "net/listen.h"
#include "net/tcp.h"
#include "unit/net/wire.h"
#include "wire/ws.h"

enum { HONEST_MAX = 300, STRANGERS_MAX = 200 };

/* A socket of 127.(net).0.(host) on its way to the port. */
static int call_from(unsigned net, unsigned host, uint16_t port)
{
	struct sockaddr_in from = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(127u << 24 | net << 16 | host)};
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

/* --- the line: every connection to it goes on to the port from an address of the line's choice --- */

struct line {
	struct event_base *base;
	struct listener *listener;
	uint16_t to;
	ns_t delay; /* one way */
	bool one_address;
	unsigned n;
};

/* One end of a connection that passes. */
struct half {
	struct net_layer layer;
	struct net_conn conn;
	struct half *other;
	bool done;
};

static void half_gone(struct net_conn *c)
{
	struct half *h = CONTAINER_OF(c, struct half, conn);

	h->done = true;
	if (h->other->done) {
		free(h->other);
		free(h);
	}
}

static void half_input(struct net_layer *l, const uint8_t *p, size_t n)
{
	struct half *h = CONTAINER_OF(l, struct half, layer);

	if (!h->other->done)
		(void)!net_output(&h->other->layer, p, n);
}

static void half_closed(struct net_layer *l, const struct net_end *end UNUSED)
{
	struct half *h = CONTAINER_OF(l, struct half, layer), *other = h->other;

	net_close(&other->conn, other->done ? NULL : half_gone);
	net_close(&h->conn, half_gone);
}

static const struct net_ops half_ops = {.input = half_input, .closed = half_closed};

static struct half *half_new(struct line *line, int fd)
{
	struct half *h = calloc(1, sizeof(*h));

	h->layer.ops = &half_ops;
	assert_int_equal(net_tcp_push(&h->conn, line->base, fd), TM_OK);
	chopper_push(&h->conn, line->base, 65536, line->delay);
	net_push(&h->conn, &h->layer);
	return h;
}

static void on_line_accepted(void *ctx, int fd, const struct endpoint *from UNUSED)
{
	struct line *line = ctx;
	unsigned host = line->one_address ? 1 : 1 + line->n++;
	struct half *a = half_new(line, fd), *b = half_new(line, call_from(2, host, line->to));

	a->other = b;
	b->other = a;
}

static void on_line_failed(void *ctx UNUSED, int e)
{
	fail_msg("the line cannot accept: %s", strerror(e));
}

/* --- strangers --- */

enum manner { SILENT, TRICKLING, UPGRADING };

struct stranger {
	struct strangers *all;
	struct event *readable;
	unsigned number;
	int fd;
};

struct strangers {
	struct world *w;
	enum manner manner;
	unsigned addresses, n, connects;
	uint16_t port;
	struct loop_timer *timer;
	struct stranger each[STRANGERS_MAX];
};

static void stranger_come(struct stranger *s);

static void on_stranger(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct stranger *s = arg;
	char buf[512];

	if (recv(fd, buf, sizeof(buf), 0) > 0)
		return;
	event_free(s->readable);
	close(fd);
	stranger_come(s);
}

static void stranger_come(struct stranger *s)
{
	s->all->connects++;
	s->fd = call_from(1, 1 + s->number % s->all->addresses, s->all->port);
	s->readable = event_new(s->all->w->base, s->fd, EV_READ | EV_PERSIST, on_stranger, s);
	event_add(s->readable, NULL);
}

/* Says what strangers of this manner say, again and again: to whoever has heard it already it is noise. */
static void strangers_talk(void *arg)
{
	static const char request[] =
		"GET /control HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
	struct strangers *all = arg;

	for (unsigned i = 0; i < all->n; i++) {
		if (all->manner == TRICKLING)
			(void)!send(all->each[i].fd, "G", 1, MSG_NOSIGNAL);
		else if (all->manner == UPGRADING)
			(void)!send(all->each[i].fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
	}
	loop_timer_in(all->timer, 50 * MS);
}

static void strangers_begin(struct strangers *all)
{
	assert_int_equal(loop_timer_new(all->w->base, strangers_talk, all, &all->timer), TM_OK);
	for (unsigned i = 0; i < all->n; i++) {
		all->each[i] = (struct stranger){.all = all, .number = i};
		stranger_come(&all->each[i]);
	}
	strangers_talk(all);
}

static void strangers_end(struct strangers *all)
{
	for (unsigned i = 0; i < all->n; i++) {
		event_free(all->each[i].readable);
		close(all->each[i].fd);
	}
	loop_timer_free(all->timer);
}

/* --- honest nodes --- */

struct honest {
	struct crowd *all;
	struct clink *link;
	struct loop_timer *again;
};

struct crowd {
	struct world w;
	struct line line;
	struct strangers strangers;
	struct honest each[HONEST_MAX];
	unsigned n, in, attempts;
};

static void on_up(void *ctx, struct clink *l)
{
	struct honest *h = ctx;
	json_t *m = json_object();

	assert_int_equal(clink_send(l, m), TM_OK);
	json_decref(m);
	h->all->in++;
}

static void on_closed(void *ctx, struct clink *l, int err UNUSED, const char *why UNUSED)
{
	struct honest *h = ctx;

	h->link = NULL;
	loop_timer_in(h->again, MAX(clink_retry_ms(l), 200u) * MS);
}

static void honest_come(void *arg)
{
	struct honest *h = arg;
	struct world *w = &h->all->w;
	const struct clink_events ev = {.ctx = h, .up = on_up, .closed = on_closed};
	const struct clink_config cfg = {.address = w->address,
		.remote_key = w->coordinator.x_pub,
		.identity = &w->node,
		.connect_timeout_ms = 10000};

	h->all->attempts++;
	assert_int_equal(clink_connect(w->base, &cfg, &ev, &h->link), TM_OK);
}

/* Opens the port, sets the strangers on it and then the honest ones, and waits until all of these are in. */
static void everybody_gets_in(struct crowd *c, unsigned honest, ns_t rtt, bool one_address, unsigned seats)
{
	struct clink_tuning t = world_tuning();
	const struct listener_events ev = {
		.ctx = &c->line, .accepted = on_line_accepted, .failed = on_line_failed};
	struct endpoint at;

	t.admission.seats = seats;
	t.admission.seats_per_source = seats * 3 / 4;
	t.patience_ms = t.silent_ms = 500;
	t.stage_ms = 1500;
	t.half_open_ms = 3000;
	world_open(&c->w, &t);
	c->strangers.w = &c->w;
	c->strangers.port = clink_server_port(c->w.server);
	if (c->strangers.n)
		strangers_begin(&c->strangers);
	world_run_ms(&c->w, 100);

	c->line = (struct line){.base = c->w.base,
		.to = clink_server_port(c->w.server),
		.delay = rtt / 2,
		.one_address = one_address};
	assert_int_equal(endpoint_parse("127.0.0.1:0", &at), TM_OK);
	assert_int_equal(listener_new(c->w.base, &at, 0, &ev, &c->line.listener), TM_OK);
	snprintf(c->w.address, sizeof(c->w.address), "127.0.0.1:%u", at.port);
	c->n = honest;
	ns_t began = time_monotonic();
	for (unsigned i = 0; i < honest; i++) {
		c->each[i] = (struct honest){.all = c};
		assert_int_equal(
			loop_timer_new(c->w.base, honest_come, &c->each[i], &c->each[i].again), TM_OK);
		honest_come(&c->each[i]);
	}
	world_run_until(&c->w, &c->in, honest);
	print_message("%u in after %" PRId64 " ms and %u attempts, beside %u connects of strangers\n", honest,
		(time_monotonic() - began) / MS, c->attempts, c->strangers.connects);

	for (unsigned i = 0; i < honest; i++) {
		clink_free(c->each[i].link);
		loop_timer_free(c->each[i].again);
	}
	if (c->strangers.n)
		strangers_end(&c->strangers);
	world_run_ms(&c->w, 300); /* what passes the line ends with it */
	listener_free(c->line.listener);
	world_close(&c->w);
}

static void many_nodes_behind_one_address_get_in(void **state UNUSED)
{
	static struct crowd c;

	c = (struct crowd){0};
	everybody_gets_in(&c, HONEST_MAX, 100 * MS, true, 4096);
	assert_int_equal(c.attempts, HONEST_MAX);
}

static void few_seats_make_nodes_wait_and_not_fail(void **state UNUSED)
{
	static struct crowd c;

	c = (struct crowd){0};
	everybody_gets_in(&c, 200, 40 * MS, false, 16);
	assert_in_range(c.attempts, 200, 210);
}

static void strangers_of_any_manner_and_number_do_not_keep_nodes_out(void **state UNUSED)
{
	static const struct {
		enum manner manner;
		unsigned n, addresses;
		bool one_address; /* the honest ones' */
	} rows[] = {
		{SILENT, STRANGERS_MAX, 1, false},
		{SILENT, STRANGERS_MAX, 40, true},
		{TRICKLING, STRANGERS_MAX, 40, false},
		{UPGRADING, STRANGERS_MAX, 1, true},
		{UPGRADING, STRANGERS_MAX, 40, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct crowd c;

		c = (struct crowd){0};
		c.strangers.manner = rows[i].manner;
		c.strangers.n = rows[i].n;
		c.strangers.addresses = rows[i].addresses;
		everybody_gets_in(&c, 30, 100 * MS, rows[i].one_address, 64);
	}
}

/* A stranger behind the address of a node has all seats of that address and says nothing. */
static void the_silent_make_room_for_others_from_their_address(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct world w;
	struct raw r[3];

	t.admission.seats_per_source = 3;
	t.silent_ms = 300;
	world_open(&w, &t);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		raw_connect(&r[i], &w);
	raw_upgrade(&r[0]);
	world_run_ms(&w, 350);
	world_pair(&w, NULL); /* at its first attempt */
	raw_wait_eof(&r[1]);
	for (size_t i = 0; i < ARRAY_LEN(r); i += 2) { /* no more than one had to go */
		if (i == 2)
			raw_upgrade(&r[i]);
		raw_frame(&r[i], WS_PING, "", 0);
		raw_wait(&r[i], 2);
		assert_int_equal(r[i].in[0], 0x8a);
	}
	raw_close(&r[1]);
	raw_connect(&r[1], &w);
	raw_upgrade(&r[1]);
	world_run_ms(&w, 350); /* an upgrade is no handshake yet: who asks for no more goes, too */
	world_pair(&w, NULL);
	raw_wait_eof(&r[0]);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		raw_close(&r[i]);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_nodes_behind_one_address_get_in),
		cmocka_unit_test(few_seats_make_nodes_wait_and_not_fail),
		cmocka_unit_test(strangers_of_any_manner_and_number_do_not_keep_nodes_out),
		cmocka_unit_test(the_silent_make_room_for_others_from_their_address),
	};
	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
