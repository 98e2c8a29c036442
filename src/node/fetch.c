/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/fetch.h"

#include <event2/event.h>
#include <string.h>

#include "loop/timer.h"
#include "os/tcp.h"

struct fetch {
	/* set once */
	struct event_base *base;
	uint32_t mark;
	struct fetch_user user;
	struct loop_timer *timer;
	/* changes */
	int fd; /* -1: none */
	struct event *event;
	unsigned number;
	char out[IGD_REQUEST_MAX];
	size_t out_n, out_at;
	char *in; /* IGD_ANSWER_MAX bytes while a request is under way */
	size_t in_n;
};

void fetch_stop(struct fetch *f)
{
	if (f->event)
		event_free(TAKE(f->event));
	if (f->fd >= 0)
		tcp_close(f->fd);
	f->fd = -1;
	free(TAKE(f->in));
	loop_timer_stop(f->timer);
}

static bool hand_over(struct fetch *f, bool closed)
{
	char nothing[1];

	return f->user.text(f->user.ctx, f->number, f->in ? f->in : nothing, f->in ? f->in_n : 0, closed);
}

static void finish(struct fetch *f, bool with_text)
{
	if (!with_text)
		f->in_n = 0;
	(void)hand_over(f, true);
	fetch_stop(f);
	f->user.over(f->user.ctx);
}

static void on_late(void *ctx)
{
	finish(ctx, false);
}

static int wait_for(struct fetch *f, short what);

static void on_readable(struct fetch *f)
{
	size_t n;
	int err = tcp_recv(f->fd, f->in + f->in_n, IGD_ANSWER_MAX - f->in_n, &n);

	if (err == TM_EAGAIN)
		return;
	if (!err)
		f->in_n += n;
	/* A router may reset the connection behind its answer: what is there counts. */
	if (err || f->in_n == IGD_ANSWER_MAX) {
		finish(f, true);
	} else if (hand_over(f, false)) {
		fetch_stop(f);
		f->user.over(f->user.ctx);
	}
}

static void on_writable(struct fetch *f)
{
	size_t n = 0;
	int err = f->out_at ? TM_OK : tcp_connected(f->fd);

	if (!err)
		err = tcp_send(f->fd, f->out + f->out_at, f->out_n - f->out_at, &n);
	f->out_at += n;
	if (!err && f->out_at == f->out_n)
		err = wait_for(f, EV_READ);
	if (err)
		finish(f, false);
}

static void on_event(evutil_socket_t fd UNUSED, short what, void *ctx)
{
	struct fetch *f = ctx;

	if (what & EV_WRITE)
		on_writable(f);
	else
		on_readable(f);
}

static int wait_for(struct fetch *f, short what)
{
	if (f->event)
		event_free(TAKE(f->event));
	f->event = event_new(f->base, f->fd, (short)(what | EV_PERSIST), on_event, f);
	return f->event && event_add(f->event, NULL) == 0 ? TM_OK : TM_ENOMEM;
}

void fetch_start(struct fetch *f, const struct portmap_out *out)
{
	fetch_stop(f);
	f->number = out->fetch;
	memcpy(f->out, out->msg, out->n);
	f->out_n = out->n;
	f->out_at = f->in_n = 0;
	f->in = malloc(IGD_ANSWER_MAX);
	int err = f->in ? tcp_connect_from(&out->from, &out->to, f->mark, &f->fd) : TM_ENOMEM;
	if (!err)
		err = wait_for(f, EV_WRITE);
	loop_timer_in(f->timer, err ? 0 : PORTMAP_FETCH_WAIT);
}

int fetch_new(struct event_base *base, uint32_t mark, const struct fetch_user *user, struct fetch **ret_fetch)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (!f)
		return TM_ENOMEM;
	*f = (struct fetch){.base = base, .mark = mark, .user = *user, .fd = -1};
	int err = loop_timer_new(base, on_late, f, &f->timer);
	if (err) {
		free(f);
		return err;
	}
	*ret_fetch = f;
	return TM_OK;
}

void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	fetch_stop(f);
	loop_timer_free(f->timer);
	free(f);
}
