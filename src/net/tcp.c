/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/tcp.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <string.h>

#include "base/secret.h"
#include "os/tcp.h"

enum {
	READ_MAX = 64 << 10, /* bytes per turn of the loop, so that others get theirs */
	CHUNK_MIN = 4096 - 64, /* short messages share a chunk */
};

/* Bytes that wait for the socket, from `at` on. */
struct chunk {
	struct chunk *next;
	size_t at, n, cap;
	uint8_t bytes[];
};

struct tcp {
	struct net_layer layer;
	int fd;
	struct event readable, writable;
	struct chunk *first, *last;
	size_t queued;
	ns_t moved; /* the socket took something, or the queue began */
	int failed; /* errno of a write that failed: told from the loop */
	bool long_queue; /* above NET_QUEUE_LOW: `drained` is due */
	bool finishing; /* the end is to be sent after the queue */
};

static struct tcp *tcp_of(struct net_layer *l)
{
	return CONTAINER_OF(l, struct tcp, layer);
}

/* --- sending --- */

static int queue_add(struct tcp *t, const uint8_t *p, size_t n)
{
	struct chunk *c = t->last;

	if (!c || c->cap - c->n < n) {
		size_t cap = MAX(n, (size_t)CHUNK_MIN);

		c = malloc(sizeof(*c) + cap);
		if (!c)
			return TM_ENOMEM;
		*c = (struct chunk){.cap = cap};
		if (t->last)
			t->last->next = c;
		else
			t->first = c;
		t->last = c;
	}
	memcpy(c->bytes + c->n, p, n);
	c->n += n;
	if (t->queued == 0)
		t->moved = time_monotonic();
	t->queued += n;
	t->long_queue |= t->queued > NET_QUEUE_LOW;
	return event_add(&t->writable, NULL) == 0 ? TM_OK : TM_ENOMEM;
}

static void queue_drop_first(struct tcp *t)
{
	struct chunk *c = t->first;

	t->first = c->next;
	if (!t->first)
		t->last = NULL;
	free(c);
}

/* Upwards is never called from here: a failure is told in the next turn of the loop. */
static void write_failed(struct tcp *t, int e)
{
	t->failed = e;
	event_active(&t->writable, EV_WRITE, 0);
}

static int tcp_output(struct net_layer *l, const void *p, size_t n)
{
	struct tcp *t = tcp_of(l);
	size_t sent = 0;

	if (t->failed)
		return TM_ECLOSED;
	if (t->queued == 0 && tcp_send(t->fd, p, n, &sent) != TM_OK) {
		write_failed(t, errno);
		return TM_ECLOSED;
	}
	return sent == n ? TM_OK : queue_add(t, (const uint8_t *)p + sent, n - sent);
}

static void tcp_layer_finish(struct net_layer *l)
{
	struct tcp *t = tcp_of(l);

	t->finishing = true;
	if (t->queued == 0)
		tcp_finish(t->fd);
}

static size_t tcp_queued(struct net_layer *l)
{
	return tcp_of(l)->queued;
}

ns_t net_tcp_stalled_since(const struct net_conn *c)
{
	const struct tcp *t = c->bottom ? tcp_of(c->bottom) : NULL;

	return t && t->queued ? t->moved : NS_NEVER;
}

bool net_tcp_source_gone(const struct net_conn *c)
{
	return c->bottom && tcp_source_gone(tcp_of(c->bottom)->fd);
}

int net_tcp_release(struct net_conn *c)
{
	struct tcp *t = tcp_of(c->bottom);
	int fd = t->fd;

	event_del(&t->readable);
	event_del(&t->writable);
	t->fd = -1;
	t->failed = EPIPE;
	return fd;
}

/* --- the loop's turns --- */

static void over(struct tcp *t, int e)
{
	event_del(&t->readable);
	event_del(&t->writable);
	net_closed(&t->layer,
		&(struct net_end){.err = TM_ECLOSED, .why = e ? strerror(e) : "connection closed"});
}

/* What the queue holds goes out as far as the socket takes it. False when it failed. */
static bool queue_flush(struct tcp *t)
{
	while (t->first) {
		struct chunk *c = t->first;
		size_t sent;

		if (tcp_send(t->fd, c->bytes + c->at, c->n - c->at, &sent) != TM_OK) {
			over(t, errno);
			return false;
		}
		if (sent == 0)
			break;
		t->moved = time_monotonic();
		t->queued -= sent;
		c->at += sent;
		if (c->at == c->n)
			queue_drop_first(t);
	}
	return true;
}

static void on_writable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct tcp *t = arg;
	struct net_conn *c = t->layer.conn;

	net_enter(c);
	if (t->failed) {
		over(t, t->failed);
	} else if (queue_flush(t)) {
		if (t->queued == 0) {
			event_del(&t->writable);
			if (t->finishing)
				tcp_finish(t->fd);
		}
		if (t->long_queue && t->queued <= NET_QUEUE_LOW) {
			t->long_queue = false;
			net_drained(&t->layer);
		}
	}
	net_leave(c);
}

static void on_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	UNINITIALIZED uint8_t buf[READ_MAX];
	struct tcp *t = arg;
	struct net_conn *c = t->layer.conn;
	size_t n;
	int err = tcp_recv(t->fd, buf, sizeof(buf), &n);

	if (err == TM_EAGAIN)
		return;

	net_enter(c);
	if (err) {
		over(t, errno);
	} else {
		c->heard = time_monotonic();
		net_input(&t->layer, buf, n);
		if (c->secret)
			wipe(buf, n);
	}
	net_leave(c);
}

/* --- life --- */

static void tcp_free(struct net_layer *l)
{
	struct tcp *t = tcp_of(l);

	event_del(&t->readable);
	event_del(&t->writable);
	while (t->first)
		queue_drop_first(t);
	if (t->fd >= 0)
		tcp_close(t->fd);
	free(t);
}

static const struct net_ops tcp_ops = {
	.output = tcp_output, .finish = tcp_layer_finish, .queued = tcp_queued, .free = tcp_free};

int net_tcp_push(struct net_conn *c, struct event_base *base, int fd)
{
	struct tcp *t = calloc(1, sizeof(*t));

	if (!t) {
		tcp_close(fd);
		return TM_ENOMEM;
	}
	t->layer.ops = &tcp_ops;
	t->fd = fd;
	event_assign(&t->readable, base, fd, EV_READ | EV_PERSIST, on_readable, t);
	event_assign(&t->writable, base, fd, EV_WRITE | EV_PERSIST, on_writable, t);
	if (event_add(&t->readable, NULL) != 0) {
		tcp_free(&t->layer);
		return TM_ENOMEM;
	}
	c->heard = time_monotonic();
	net_push(c, &t->layer);
	return TM_OK;
}
