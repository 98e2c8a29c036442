/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <string.h>

#include "loop/timer.h"
#include "net/tcp.h"
#include "web/server.h"

static struct web_request *request_of(struct web_stream *st)
{
	return CONTAINER_OF(st, struct web_request, stream);
}

/* Streams keep their places: others get half of them. */
static bool has_place(const struct web_request *r)
{
	const struct web_server *s = r->visit->server;
	size_t all = 0, each = 0;

	LIST_FOREACH (v, &s->visits, struct visit, by_age) {
		if (!v->request || v->request->state != REQUEST_STREAMS)
			continue;
		all++;
		each += visit_is_from(v, &r->visit->caller.from.ip);
	}
	return all < s->cfg.connections / 2 && each < s->cfg.each / 2;
}

struct web_stream *web_stream_begin(struct web_request *r, void (*gone)(void *ctx), void *ctx)
{
	const struct web_body body = {.type = "text/event-stream"};
	struct strbuf b = {0};

	if (!answer_is_owed(r))
		return NULL;
	if (!has_place(r)) {
		web_refuse(r, 503, "Too many watch already: close a page, and try again.");
		return NULL;
	}
	if (r->head.method == WEB_HEAD) {
		web_answer(r, 200, &body);
		return NULL;
	}
	r->head.closes = true; /* its length is not known before its end */
	answer_head(&b, r, 200, &body);
	strbuf_puts(&b, "\r\n");
	visit_send(r->visit, &b);
	strbuf_deinit(&b);
	r->state = REQUEST_STREAMS;
	r->gone = gone;
	r->gone_ctx = ctx;
	r->stream.beat = time_monotonic();
	r->visit->server->counters.requests++;
	r->visit->deadline = NS_NEVER;
	return &r->stream;
}

void web_stream_send(struct web_stream *st, const char *event, const char *data, size_t n)
{
	struct web_request *r = request_of(st);
	struct strbuf b = {0};

	if (r->state != REQUEST_STREAMS || r->visit->broken)
		return;
	if (event)
		strbuf_printf(&b, "event: %s\n", event);
	for (const char *end = data + n; data <= end;) {
		const char *line = memchr(data, '\n', (size_t)(end - data));
		const size_t len = (size_t)((line ? line : end) - data);

		strbuf_puts(&b, "data: ");
		strbuf_add(&b, data, len);
		strbuf_puts(&b, "\n");
		data += len + 1;
	}
	strbuf_puts(&b, "\n");
	visit_send(r->visit, &b);
	strbuf_deinit(&b);
	r->stream.beat = time_monotonic();
	if (net_queued(&r->visit->layer) > WEB_STREAM_QUEUE)
		r->visit->broken = true;
}

bool web_stream_is_clear(struct web_stream *st)
{
	return net_queued(&request_of(st)->visit->layer) == 0;
}

const struct web_viewer *web_stream_viewer(struct web_stream *st)
{
	return &request_of(st)->viewer;
}

void web_stream_end(struct web_stream *st)
{
	struct web_request *r = request_of(st);

	if (r->state != REQUEST_STREAMS)
		return;
	r->state = REQUEST_ANSWERED;
	loop_timer_at(r->visit->server->soon, 0);
}

void stream_tick(struct web_request *r, ns_t now)
{
	const ns_t stalled = net_tcp_stalled_since(&r->visit->conn);

	if (stalled != NS_NEVER && now - stalled >= WEB_STALL_TIME)
		r->visit->broken = true;
	else if (now - r->stream.beat >= WEB_BEAT)
		web_stream_send(&r->stream, "beat", "", 0); /* no comment: a page would not hear of it */
}
