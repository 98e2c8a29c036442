/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One connection: what comes is read until a request is whole, which is then answered before the next is
 * read. */
#include <string.h>

#include "base/secret.h"
#include "loop/timer.h"
#include "net/tcp.h"
#include "os/tcp.h"
#include "web/server.h"

static struct visit *visit_of(struct net_layer *l)
{
	return CONTAINER_OF(l, struct visit, layer);
}

static void visit_free(struct net_conn *c)
{
	struct visit *v = CONTAINER_OF(c, struct visit, conn);

	request_free(v->request);
	strbuf_deinit(&v->in);
	free(v);
}

void visit_end(struct visit *v, bool tell)
{
	const struct web_request *r = v->request;
	const bool waits = r && (r->state == REQUEST_KEPT || r->state == REQUEST_STREAMS);

	if (v->conn.over)
		return;
	list_remove(&v->by_age);
	v->server->n_visits--;
	v->conn.over = true; /* the callee's calls about this request go nowhere */
	if (tell && waits && r->gone)
		r->gone(r->gone_ctx);
	net_close(&v->conn, visit_free);
}

void visit_send(struct visit *v, const struct strbuf *b)
{
	if (v->conn.over)
		return;
	if (b->failed || net_output(&v->layer, b->s, b->len) != TM_OK)
		v->broken = true;
}

bool visit_is_from(const struct visit *v, const struct ip *source)
{
	return web_same_source(&v->caller.from.ip, source);
}

bool visit_is_idle(const struct visit *v)
{
	return !v->request && v->in.len == 0 && net_queued(&v->layer) == 0;
}

bool visit_may_go(const struct visit *v)
{
	const bool owed = v->request && v->request->state != REQUEST_READ;

	return visit_is_idle(v) || (!v->known && !owed);
}

/* Something has begun, or is over, and the next thing has so much time. */
static void give_time(struct visit *v, ns_t time)
{
	v->since = time_monotonic();
	v->deadline = v->since + time;
}

/* --- reading --- */

static void drop_first(struct strbuf *in, size_t n)
{
	const size_t left = in->len - n;

	if (left == 0) { /* who is idle keeps no memory */
		strbuf_deinit(in);
		return;
	}
	memmove(in->s, in->s + n, left + 1);
	wipe(in->s + left + 1, n); /* strbuf wipes what it has, and this is no part of it any more */
	in->len = left;
}

static void refuse_head(struct web_request *r, unsigned status, const char *sentence)
{
	r->head.closes = true;
	answer_refuse_plainly(r, status, sentence);
}

/* What does not even have a head gets an answer, too. */
static void read_head(struct web_request *r, int err)
{
	const char *sentence;
	unsigned status;

	if (err == TM_EFULL) {
		refuse_head(r, 431, "The head of the request is too long.");
		return;
	}
	if (err) {
		refuse_head(r, 400, "This is no HTTP request.");
		return;
	}
	status = web_head_parse(r->text, r->head_len, &r->head, &sentence);
	if (status) {
		refuse_head(r, status, sentence);
		return;
	}
	if (request_may(r) && r->head.waits && r->head.body > 0) {
		const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";

		if (net_output(&r->visit->layer, go, sizeof(go) - 1) != TM_OK)
			r->visit->broken = true;
	}
}

/* False: its head has not come yet. */
static bool begin_request(struct visit *v)
{
	size_t len = 0;
	int err = v->in.len ? http_head_end(v->in.s, v->in.len, &len) : TM_EAGAIN;

	if (err == TM_EAGAIN)
		return false;
	struct web_request *r = calloc(1, sizeof(*r) + len);
	if (!r) {
		v->broken = true;
		return false;
	}
	r->visit = v;
	r->head_len = len;
	memcpy(r->text, v->in.s, len);
	v->request = r;
	drop_first(&v->in, len);
	read_head(r, err);
	return true;
}

/* The request has been answered. */
static void finish_request(struct visit *v)
{
	const bool sent = net_queued(&v->layer) == 0;

	v->ends = v->request->head.closes;
	request_free(TAKE(v->request));
	if (!v->ends) {
		/* The next request may have to wait until this answer has been read. */
		give_time(v, v->in.len == 0 ? WEB_IDLE_TIME : sent ? WEB_REQUEST_TIME : WEB_ANSWER_TIME);
		if (v->in.len > 0) {
			v->goes_on = true;
			loop_timer_at(v->server->soon, 0);
		}
		return;
	}
	/* What comes is still read: a socket that is closed before takes the answer back (RFC 9112 9.6). */
	strbuf_deinit(&v->in);
	net_finish(&v->layer);
	give_time(v, sent ? WEB_END_TIME : WEB_ANSWER_TIME);
}

static void handle(struct web_request *r)
{
	struct visit *v = r->visit;
	const size_t n = (size_t)r->head.body;

	request_handle(r, v->in.s, n);
	if (v->conn.over)
		return;
	if (n > 0)
		drop_first(&v->in, n);
	if (r->state == REQUEST_KEPT)
		give_time(v, WEB_ANSWER_TIME);
}

/* One request a turn of the loop, so that others get theirs. */
static void go_on(struct visit *v)
{
	v->goes_on = false;
	/* Who does not read its answers is given no others. */
	if (v->conn.over || v->ends || v->broken || net_queued(&v->layer) > NET_QUEUE_LOW)
		return;
	if (!v->request && !begin_request(v))
		return;
	if (v->request->state == REQUEST_READ && v->in.len >= v->request->head.body)
		handle(v->request);
	if (!v->conn.over && v->request->state == REQUEST_ANSWERED)
		finish_request(v);
}

static void visit_input(struct net_layer *l, const uint8_t *p, size_t n)
{
	struct visit *v = visit_of(l);

	if (v->ends || (v->request && v->request->state == REQUEST_STREAMS))
		return;
	if (!v->request && v->in.len == 0)
		give_time(v, net_queued(l) > 0 ? WEB_ANSWER_TIME : WEB_REQUEST_TIME);
	strbuf_add(&v->in, (const char *)p, n);
	if (v->in.failed) {
		visit_end(v, true);
		return;
	}
	if (!v->goes_on)
		go_on(v);
	if (v->conn.over || v->ends)
		return;
	const size_t body =
		v->request && v->request->state == REQUEST_READ ? (size_t)v->request->head.body : 0;
	if (v->in.len > body + (v->goes_on ? WEB_BURST_MAX : WEB_IN_MAX))
		visit_end(v, true);
}

static void visit_drained(struct net_layer *l)
{
	go_on(visit_of(l));
}

static void visit_closed(struct net_layer *l, const struct net_end *end UNUSED)
{
	visit_end(visit_of(l), true);
}

void visit_settle(struct visit *v)
{
	net_enter(&v->conn);
	if (v->request && v->request->state == REQUEST_ANSWERED)
		finish_request(v);
	else if (v->goes_on)
		go_on(v);
	net_leave(&v->conn);
}

void visit_tick(struct visit *v, ns_t now)
{
	if (v->request && v->request->state == REQUEST_STREAMS)
		stream_tick(v->request, now);
	if (!v->broken && now < v->deadline)
		return;
	v->server->counters.late += v->door && !visit_is_idle(v);
	visit_end(v, true);
}

/* --- TLS --- */

struct ssl_ctx_st *visit_knock(void *server, struct net_conn *c)
{
	const struct web_server *s = server;
	struct visit *v = CONTAINER_OF(c, struct visit, conn);

	give_time(v, WEB_REQUEST_TIME);
	return s->cfg.tls(s->cfg.ctx, &v->caller);
}

void visit_entered(void *server UNUSED, struct net_conn *c)
{
	struct visit *v = CONTAINER_OF(c, struct visit, conn);

	v->caller.tls = true;
	give_time(v, WEB_IDLE_TIME);
}

/* --- life --- */

static int push_layers(struct visit *v, int fd_take)
{
	struct web_server *s = v->server;
	int err = net_tcp_push(&v->conn, s->base, fd_take);

	return !err && s->cfg.tls ? tls_server_push(&v->conn, &s->tls) : err;
}

static void visit_drop(struct net_conn *c)
{
	free(CONTAINER_OF(c, struct visit, conn));
}

static const struct net_ops visit_ops = {
	.input = visit_input, .drained = visit_drained, .closed = visit_closed};

void visit_begin(struct web_server *s, const struct web_door *door, const struct endpoint *at, int fd_take,
	const struct endpoint *from)
{
	struct visit *v = calloc(1, sizeof(*v));

	if (!v) {
		tcp_close(fd_take);
		return;
	}
	v->server = s;
	v->door = door;
	v->caller = (struct web_caller){.from = *from, .at = *at};
	v->conn.secret = true; /* passwords, cookies */
	give_time(v, WEB_IDLE_TIME);
	if (push_layers(v, fd_take) != TM_OK) {
		net_close(&v->conn, visit_drop);
		return;
	}
	v->layer.ops = &visit_ops;
	net_push(&v->conn, &v->layer);
	list_push_back(&s->visits, &v->by_age);
	s->n_visits++;
	s->counters.connections++;
}
