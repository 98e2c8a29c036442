/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "dns/stream.h"

#include <event2/event.h>
#include <string.h>

#include "base/bytes.h"
#include "base/list.h"
#include "loop/timer.h"
#include "os/tcp.h"

enum { LENGTH = 2 }; /* RFC 1035 4.2.2: before each message */

struct stream {
	struct list by_silence; /* of dns_streams.all */
	struct dns_streams *owner;
	struct event *readable, *writable;
	int fd;
	struct endpoint from;
	struct ip at;
	ns_t spoke;
	size_t n_in, n_out, sent;
	uint8_t in[LENGTH + DNS_STREAM_QUESTION], out[LENGTH + DNS_ANSWER_MAX];
};

struct dns_streams {
	struct event_base *base;
	dns_stream_answer_fn *answer;
	void *ctx;
	struct loop_timer *deadline; /* of the one that has been silent longest */
	struct list all; /* longest silent first */
	size_t n;
};

static struct stream *longest_silent(struct dns_streams *s)
{
	return list_empty(&s->all) ? NULL : CONTAINER_OF(s->all.next, struct stream, by_silence);
}

static void plan(struct dns_streams *s)
{
	const struct stream *first = longest_silent(s);

	loop_timer_at(s->deadline, first ? first->spoke + DNS_STREAM_IDLE : NS_NEVER);
}

static void hang_up(struct stream *c)
{
	list_remove(&c->by_silence);
	c->owner->n--;
	if (c->readable)
		event_free(c->readable);
	if (c->writable)
		event_free(c->writable);
	tcp_close(c->fd);
	free(c);
}

static void on_deadline(void *ctx)
{
	struct dns_streams *s = ctx;
	const ns_t now = time_monotonic();

	for (struct stream *c; (c = longest_silent(s)) && c->spoke + DNS_STREAM_IDLE <= now;)
		hang_up(c);
	plan(s);
}

/* --- one connection --- */

/* TM_EAGAIN: the rest waits until the other side has read. */
static int push_out(struct stream *c)
{
	while (c->sent < c->n_out) {
		size_t n = 0;
		int err = tcp_send(c->fd, c->out + c->sent, c->n_out - c->sent, &n);

		if (err)
			return err;
		if (n == 0)
			return TM_EAGAIN;
		c->sent += n;
	}
	c->n_out = c->sent = 0;
	return TM_OK;
}

/* The octets of the first question; 0 = it is not whole. */
static size_t whole(const struct stream *c)
{
	const size_t n = c->n_in >= LENGTH ? LENGTH + (size_t)get_be16(c->in) : 0;

	return n && n <= c->n_in ? n : 0;
}

static int answer_one(struct stream *c, size_t n)
{
	struct dns_streams *s = c->owner;
	const size_t len = s->answer(s->ctx, &c->from, &c->at, c->in + LENGTH, n - LENGTH, c->out + LENGTH);

	c->n_in -= n;
	memmove(c->in, c->in + n, c->n_in);
	c->spoke = time_monotonic();
	list_remove(&c->by_silence);
	list_push_back(&s->all, &c->by_silence);
	if (len == 0)
		return TM_ECLOSED;
	put_be16(c->out, (uint16_t)len);
	c->n_out = LENGTH + len;
	return push_out(c);
}

/* Answers all that has come whole: at most what fits into `in`. */
static int go_on(struct stream *c)
{
	int err = push_out(c);

	for (size_t n; !err && (n = whole(c));)
		err = answer_one(c, n);
	if (!err && c->n_in >= LENGTH && get_be16(c->in) > DNS_STREAM_QUESTION)
		err = TM_ERANGE;
	return err;
}

static void settle(struct stream *c, int err)
{
	struct dns_streams *s = c->owner;

	/* Who does not read its answers is not read from. */
	if (err == TM_EAGAIN) {
		event_del(c->readable);
		event_add(c->writable, NULL);
	} else if (err) {
		hang_up(c);
	}
	plan(s);
}

static void on_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *ctx)
{
	struct stream *c = ctx;
	size_t n = 0;
	int err = tcp_recv(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in, &n);

	if (err == TM_EAGAIN)
		return;
	c->n_in += n;
	settle(c, err ? err : go_on(c));
}

static void on_writable(evutil_socket_t fd UNUSED, short what UNUSED, void *ctx)
{
	struct stream *c = ctx;
	int err = go_on(c);

	if (!err) {
		event_del(c->writable);
		event_add(c->readable, NULL);
	}
	settle(c, err);
}

/* --- all of them --- */

/* Programs of this machine share one address: they make room for each other. */
static bool has_too_many(const struct dns_streams *s, const struct endpoint *from, const struct ip *at)
{
	size_t n = 0;

	if (ip_eq(&from->ip, at) || ip_is_loopback(&from->ip))
		return false;
	LIST_FOREACH_SAFE (c, &s->all, struct stream, by_silence)
		n += ip_eq(&c->from.ip, &from->ip);
	return n >= DNS_STREAMS_EACH;
}

void dns_streams_take(struct dns_streams *s, int fd_take, const struct endpoint *from, const struct ip *at)
{
	struct stream *c = has_too_many(s, from, at) ? NULL : calloc(1, sizeof(*c));

	if (!c) {
		tcp_close(fd_take);
		return;
	}
	if (s->n == DNS_STREAMS_MAX)
		hang_up(longest_silent(s));
	c->owner = s;
	c->fd = fd_take;
	c->from = *from;
	c->at = *at;
	c->spoke = time_monotonic();
	list_push_back(&s->all, &c->by_silence);
	s->n++;
	c->readable = event_new(s->base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(s->base, c->fd, EV_WRITE | EV_PERSIST, on_writable, c);
	if (!c->readable || !c->writable || event_add(c->readable, NULL) != 0)
		hang_up(c);
	else /* its question, which is there as a rule, before others come for its place */
		on_readable(c->fd, 0, c);
	plan(s);
}

size_t dns_streams_size(const struct dns_streams *s)
{
	return s->n;
}

int dns_streams_new(
	struct event_base *base, dns_stream_answer_fn *answer, void *ctx, struct dns_streams **ret_streams)
{
	struct dns_streams *s = calloc(1, sizeof(*s));

	if (!s)
		return TM_ENOMEM;
	s->base = base;
	s->answer = answer;
	s->ctx = ctx;
	list_init(&s->all);
	int err = loop_timer_new(base, on_deadline, s, &s->deadline);
	if (err) {
		free(s);
		return err;
	}
	*ret_streams = s;
	return TM_OK;
}

void dns_streams_free(struct dns_streams *s)
{
	if (!s)
		return;
	for (struct stream *c; (c = longest_silent(s));)
		hang_up(c);
	loop_timer_free(s->deadline);
	free(s);
}
