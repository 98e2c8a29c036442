/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/tunnel.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "wire/connect.h"
#include "wire/http.h"

/* What only opening needs. */
struct opening {
	struct proxy via;
	char to[ADDRESS_HOST_FIELD];
	size_t n;
	char head[HTTP_HEAD_MAX]; /* of the proxy's answer, as far as it has come */
};

struct tunnel {
	struct net_layer layer;
	struct opening *opening; /* NULL: open, or failed */
	void (*opened)(struct net_conn *c);
	bool open;
};

static struct tunnel *tunnel_of(struct net_layer *l)
{
	return CONTAINER_OF(l, struct tunnel, layer);
}

static void opening_free(struct opening *o)
{
	if (o)
		wipe(o, sizeof(*o));
	free(o);
}

static void fail(struct tunnel *t, int err, const char *why)
{
	opening_free(TAKE(t->opening));
	net_closed(&t->layer, &(struct net_end){.err = err, .why = why, .whole = true});
}

static void tunnel_ready(struct net_layer *l)
{
	struct tunnel *t = tunnel_of(l);
	char text[CONNECT_REQUEST_MAX];
	size_t n;
	int err = connect_request_format(&t->opening->via, t->opening->to, text, &n);

	if (!err)
		err = net_output(l, text, n);
	wipe(text, sizeof(text));
	if (err)
		fail(t, err, tm_strerror(err));
}

static void answer_received(struct tunnel *t, const uint8_t *p, size_t n)
{
	struct opening *o = t->opening;
	size_t had = o->n, take = MIN(n, sizeof(o->head) - had), head_len;
	struct diag d = {0};

	memcpy(o->head + had, p, take);
	o->n += take;
	int err = connect_response_parse(o->head, o->n, &o->via, o->to, &head_len, &d);
	if (err == TM_EAGAIN)
		return;
	if (err) {
		fail(t, err, d.what);
		return;
	}
	opening_free(TAKE(t->opening));
	t->open = true;
	t->opened(t->layer.conn);
	if (!net_over(&t->layer))
		net_ready(&t->layer);
	if (!net_over(&t->layer) && n > head_len - had)
		net_input(&t->layer, p + (head_len - had), n - (head_len - had));
}

static void tunnel_input(struct net_layer *l, const uint8_t *p, size_t n)
{
	struct tunnel *t = tunnel_of(l);

	if (t->opening)
		answer_received(t, p, n);
	else if (t->open)
		net_input(l, p, n);
}

static void tunnel_closed(struct net_layer *l, const struct net_end *end)
{
	struct tunnel *t = tunnel_of(l);
	char why[2 * ADDRESS_HOST];

	if (t->opening) {
		snprintf(why, sizeof(why), "the proxy at %s:%u hung up: %s", t->opening->via.host,
			t->opening->via.port, end->why);
		fail(t, end->err, why);
	} else if (t->open) {
		net_closed(l, end);
	}
}

static void tunnel_free(struct net_layer *l)
{
	struct tunnel *t = tunnel_of(l);

	opening_free(t->opening);
	free(t);
}

static const struct net_ops tunnel_ops = {
	.ready = tunnel_ready, .input = tunnel_input, .closed = tunnel_closed, .free = tunnel_free};

int tunnel_push(
	struct net_conn *c, const struct proxy *via, const char *to, void (*opened)(struct net_conn *c))
{
	struct tunnel *t = calloc(1, sizeof(*t));
	struct opening *o = calloc(1, sizeof(*o));

	if (!t || !o) {
		free(t);
		free(o);
		return TM_ENOMEM;
	}
	o->via = *via;
	snprintf(o->to, sizeof(o->to), "%s", to);
	t->opening = o;
	t->opened = opened;
	t->layer.ops = &tunnel_ops;
	net_push(c, &t->layer);
	return TM_OK;
}
