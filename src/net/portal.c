/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/portal.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "crypto/init.h"
#include "loop/timer.h"
#include "net/conn.h"
#include "net/dial.h"
#include "net/tcp.h"

struct portal {
	struct event_base *base;
	struct loop_timer *deadline;
	struct dial *dial; /* NULL: connected, or not begun */
	struct net_conn conn;
	struct net_layer layer; /* the owner's */
	bool attached; /* conn is in use */
	portal_done_fn *done; /* NULL: has been called */
	void *ctx;
	char host[256], token[PORTAL_TOKEN + 1];
	char answer[PORTAL_ANSWER_MAX];
	size_t n;
};

static void finish(struct portal *p, enum portal_verdict verdict)
{
	portal_done_fn *done = TAKE(p->done);

	if (p->deadline)
		loop_timer_stop(p->deadline);
	if (done)
		done(p->ctx, verdict);
}

static struct portal *portal_of(struct net_layer *l)
{
	return CONTAINER_OF(l, struct portal, layer);
}

static void on_ready(struct net_layer *l)
{
	struct portal *p = portal_of(l);
	char text[PORTAL_TEXT_MAX];
	size_t n = portal_question(p->host, p->token, text, sizeof(text));

	if (!n || net_output(l, text, n) != TM_OK)
		finish(p, PORTAL_SILENT);
}

static void judge(struct portal *p, bool over)
{
	enum portal_verdict v = portal_judge(p->answer, p->n, over || p->n == sizeof(p->answer), p->token);

	if (v != PORTAL_WAITS)
		finish(p, v);
}

static void on_input(struct net_layer *l, const uint8_t *bytes, size_t n)
{
	struct portal *p = portal_of(l);
	size_t take = MIN(n, sizeof(p->answer) - p->n);

	if (!p->done)
		return;
	memcpy(p->answer + p->n, bytes, take);
	p->n += take;
	judge(p, false);
}

static void on_closed(struct net_layer *l, const struct net_end *end UNUSED)
{
	judge(portal_of(l), true);
}

static const struct net_ops portal_ops = {.ready = on_ready, .input = on_input, .closed = on_closed};

static void on_dialled(void *ctx, int err, int fd, const char *why UNUSED)
{
	struct portal *p = ctx;

	dial_free(TAKE(p->dial));
	if (!err)
		err = net_tcp_push(&p->conn, p->base, fd);
	if (err) {
		finish(p, PORTAL_CLOSED);
		return;
	}
	p->attached = true;
	p->layer.ops = &portal_ops;
	net_push(&p->conn, &p->layer);
	net_begin(&p->conn);
}

static void on_deadline(void *ctx)
{
	struct portal *p = ctx;

	finish(p, p->dial ? PORTAL_CLOSED : portal_judge(p->answer, p->n, true, p->token));
}

int portal_new(struct event_base *base, const struct endpoint *to, const char *host, uint32_t mark,
	portal_done_fn *done, void *ctx, struct portal **ret_portal)
{
	struct portal *p = calloc(1, sizeof(*p));
	uint8_t token[PORTAL_TOKEN / 2];

	if (!p)
		return TM_ENOMEM;
	p->base = base;
	p->done = done;
	p->ctx = ctx;
	snprintf(p->host, sizeof(p->host), "%s", host);
	random_bytes(token, sizeof(token));
	hex_encode(token, sizeof(token), p->token);
	int err = loop_timer_new(base, on_deadline, p, &p->deadline);
	if (!err)
		err = dial_new(base, to, mark, on_dialled, p, &p->dial);
	if (err) {
		portal_free(p);
		return err;
	}
	loop_timer_in(p->deadline, PORTAL_PATIENCE);
	*ret_portal = p;
	return TM_OK;
}

static void gone(struct net_conn *c)
{
	free(CONTAINER_OF(c, struct portal, conn));
}

void portal_free(struct portal *p)
{
	if (!p)
		return;
	p->done = NULL;
	loop_timer_free(TAKE(p->deadline));
	dial_free(TAKE(p->dial));
	if (p->attached)
		net_close(&p->conn, gone);
	else
		free(p);
}
