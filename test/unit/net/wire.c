/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire.h"

#include <event2/event.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "loop/timer.h"
#include "net/tcp.h"

/* --- owners --- */

static void gone(struct net_conn *c)
{
	CONTAINER_OF(c, struct end, conn)->gone++;
}

static void on_ready(struct net_layer *l)
{
	struct end *e = CONTAINER_OF(l, struct end, layer);

	e->ready++;
	if (e->close_on_ready)
		net_close(&e->conn, gone);
}

static void on_input(struct net_layer *l, const uint8_t *p, size_t n)
{
	struct end *e = CONTAINER_OF(l, struct end, layer);

	e->inputs++;
	e->got = realloc(e->got, e->n + n + 1);
	memcpy(e->got + e->n, p, n);
	e->n += n;
	if (e->close_on_input)
		net_close(&e->conn, gone);
}

static void on_drained(struct net_layer *l)
{
	CONTAINER_OF(l, struct end, layer)->drained++;
}

static void on_closed(struct net_layer *l, const struct net_end *end)
{
	struct end *e = CONTAINER_OF(l, struct end, layer);

	if (e->closed++)
		return;
	e->err = end->err;
	e->lingers = end->lingers;
	e->code = end->code;
	e->retry_ms = end->retry_ms;
	snprintf(e->why, sizeof(e->why), "%s", end->why);
}

static const struct net_ops end_ops = {
	.ready = on_ready, .input = on_input, .drained = on_drained, .closed = on_closed};

/* --- the bad line --- */

struct piece {
	struct piece *next;
	ns_t due;
	size_t n;
	uint8_t bytes[];
};

struct chopper {
	struct net_layer layer;
	struct loop_timer *timer;
	struct piece *first, *last;
	size_t piece;
	ns_t delay;
	bool over; /* the end has come: told after the last piece */
};

static void chopper_told(struct chopper *c)
{
	if (!c->first && c->over)
		net_closed(&c->layer, &(struct net_end){.err = TM_ECLOSED, .why = "the line went dead"});
}

static void chopper_due(void *arg)
{
	struct chopper *c = arg;
	struct net_conn *conn = c->layer.conn;

	net_enter(conn);
	while (c->first && c->first->due <= time_monotonic() && !net_over(&c->layer)) {
		struct piece *p = c->first;

		c->first = p->next;
		if (!c->first)
			c->last = NULL;
		net_input(&c->layer, p->bytes, p->n);
		free(p);
	}
	if (c->first)
		loop_timer_at(c->timer, c->first->due);
	chopper_told(c);
	net_leave(conn);
}

static void chopper_input(struct net_layer *l, const uint8_t *p, size_t n)
{
	struct chopper *c = CONTAINER_OF(l, struct chopper, layer);

	for (size_t at = 0; at < n;) {
		size_t part = MIN(c->piece, n - at);
		struct piece *piece = malloc(sizeof(*piece) + part);

		*piece = (struct piece){.due = time_monotonic() + c->delay, .n = part};
		memcpy(piece->bytes, p + at, part);
		if (c->last)
			c->last->next = piece;
		else
			c->first = piece;
		c->last = piece;
		at += part;
	}
	if (!loop_timer_is_set(c->timer))
		loop_timer_at(c->timer, c->first->due);
}

static void chopper_closed(struct net_layer *l, const struct net_end *end UNUSED)
{
	struct chopper *c = CONTAINER_OF(l, struct chopper, layer);

	c->over = true;
	chopper_told(c);
}

static void chopper_free(struct net_layer *l)
{
	struct chopper *c = CONTAINER_OF(l, struct chopper, layer);

	loop_timer_free(c->timer);
	while (c->first) {
		struct piece *p = c->first;

		c->first = p->next;
		free(p);
	}
	free(c);
}

static const struct net_ops chopper_ops = {
	.input = chopper_input, .closed = chopper_closed, .free = chopper_free};

void chopper_push(struct net_conn *conn, struct event_base *base, size_t piece, ns_t delay)
{
	struct chopper *c = calloc(1, sizeof(*c));

	c->layer.ops = &chopper_ops;
	c->piece = piece;
	c->delay = delay;
	assert_int_equal(loop_timer_new(base, chopper_due, c, &c->timer), TM_OK);
	net_push(conn, &c->layer);
}

/* --- the whole --- */

void wire_open(struct wire *w)
{
	int fd[2];

	*w = (struct wire){.base = event_base_new()};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(net_tcp_push(&w->a.conn, w->base, fd[0]), TM_OK);
	assert_int_equal(net_tcp_push(&w->b.conn, w->base, fd[1]), TM_OK);
}

void wire_begin(struct wire *w)
{
	w->a.layer.ops = w->b.layer.ops = &end_ops;
	net_push(&w->a.conn, &w->a.layer);
	net_push(&w->b.conn, &w->b.layer);
	net_begin(&w->a.conn);
	net_begin(&w->b.conn);
}

void wire_close(struct wire *w)
{
	net_close(&w->a.conn, NULL);
	net_close(&w->b.conn, NULL);
	free(w->a.got);
	free(w->b.got);
	event_base_free(w->base);
}

void wire_run_until(struct wire *w, const unsigned *counter, unsigned n)
{
	ns_t end = time_monotonic() + 40 * SEC;

	while (*counter < n) {
		event_base_loop(w->base, EVLOOP_ONCE);
		if (time_monotonic() > end)
			fail_msg("still %u of %u after 40 s", *counter, n);
	}
}

void wire_run_until_bytes(struct wire *w, const struct end *e, size_t n)
{
	ns_t end = time_monotonic() + 40 * SEC;

	while (e->n < n) {
		event_base_loop(w->base, EVLOOP_ONCE);
		if (time_monotonic() > end)
			fail_msg("still %zu of %zu bytes after 40 s", e->n, n);
	}
}

void wire_turn(struct wire *w)
{
	event_base_loop(w->base, EVLOOP_NONBLOCK);
}
