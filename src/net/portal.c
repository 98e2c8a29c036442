/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/portal.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "crypto/init.h"
#include "loop/timer.h"
#include "net/conn.h"
#include "net/dial.h"
#include "net/resolver.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/tunnel.h"

struct portal {
	/* set once */
	struct event_base *base;
	struct address to;
	struct proxy via; /* host "": none */
	bool tls;
	uint32_t mark;
	portal_done_fn *done; /* NULL: has been called */
	void *ctx;
	struct loop_timer *deadline;
	char token[PORTAL_TOKEN + 1];
	/* on the way */
	struct lookup *lookup; /* NULL: it is over, or was not needed */
	struct endpoint at[LOOKUP_MAX]; /* of the coordinator, or of the proxy */
	size_t n_at, next;
	struct dial *dial; /* NULL: connected, or not begun */
	struct net_conn conn;
	struct net_layer layer; /* the owner's */
	bool attached; /* conn is in use */
	bool open; /* bytes reach the other end; before that a proxy speaks */
	/* what came */
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
	char text[PORTAL_TEXT_MAX], host[ADDRESS_HOST_FIELD];
	size_t n = portal_question(address_host_field(&p->to, p->tls, host), p->token, text, sizeof(text));

	p->open = true;
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
	struct portal *p = portal_of(l);

	if (p->via.host[0] && !p->open)
		finish(p, PORTAL_REFUSED);
	else
		judge(p, true);
}

static const struct net_ops portal_ops = {.ready = on_ready, .input = on_input, .closed = on_closed};

/* --- getting there --- */

static void on_way(struct net_conn *c)
{
	CONTAINER_OF(c, struct portal, conn)->open = true;
}

static int attach(struct portal *p, int fd)
{
	char to[ADDRESS_HOST_FIELD];
	int err = net_tcp_push(&p->conn, p->base, fd);

	if (err)
		return err;
	p->attached = true;
	if (p->via.host[0])
		err = tunnel_push(&p->conn, &p->via, address_authority(&p->to, to), on_way);
	if (!err && p->tls)
		err = tls_client_push(&p->conn, p->to.host);
	p->layer.ops = &portal_ops;
	net_push(&p->conn, &p->layer);
	return err;
}

static void dial_next(struct portal *p);

static void on_dialled(void *ctx, int err, int fd, const char *why UNUSED)
{
	struct portal *p = ctx;

	dial_free(TAKE(p->dial));
	if (err)
		dial_next(p);
	else if (attach(p, fd) != TM_OK)
		finish(p, PORTAL_CLOSED);
	else
		net_begin(&p->conn);
}

/* The next address that is left. */
static void dial_next(struct portal *p)
{
	int err = TM_ENOENT;

	while (err && p->next < p->n_at)
		err = dial_new(p->base, &p->at[p->next++], p->mark, on_dialled, p, &p->dial);
	if (err)
		finish(p, PORTAL_CLOSED);
}

static void on_looked_up(
	void *ctx, int err UNUSED, const struct endpoint *found, size_t n, const char *why UNUSED)
{
	struct portal *p = ctx;

	p->lookup = NULL;
	p->n_at = MIN(n, ARRAY_LEN(p->at));
	for (size_t i = 0; i < p->n_at; i++)
		p->at[i] = found[i];
	dial_next(p);
}

static void on_deadline(void *ctx)
{
	struct portal *p = ctx;

	if (p->lookup || p->dial)
		finish(p, PORTAL_CLOSED);
	else if (p->via.host[0] && !p->open)
		finish(p, PORTAL_REFUSED);
	else
		finish(p, portal_judge(p->answer, p->n, true, p->token));
}

/* To whom the first connection goes; TM_OK with something under way. */
static int begin(struct portal *p, const struct portal_config *cfg)
{
	const char *host = cfg->via ? cfg->via->host : cfg->to.host;
	const uint16_t port = cfg->via ? cfg->via->port : cfg->to.port;
	struct endpoint at = {.ip = cfg->at, .port = port};

	if (!cfg->via && cfg->at.family != IP_NONE)
		return dial_new(p->base, &at, p->mark, on_dialled, p, &p->dial);
	if (ip_parse(host, &at.ip) == TM_OK)
		return dial_new(p->base, &at, p->mark, on_dialled, p, &p->dial);
	return lookup_new(cfg->resolver, host, port, on_looked_up, p, &p->lookup);
}

int portal_new(struct event_base *base, const struct portal_config *cfg, portal_done_fn *done, void *ctx,
	struct portal **ret_portal)
{
	struct portal *p = calloc(1, sizeof(*p));
	uint8_t token[PORTAL_TOKEN / 2];

	if (!p)
		return TM_ENOMEM;
	p->base = base;
	p->to = cfg->to;
	if (cfg->via)
		p->via = *cfg->via;
	p->tls = cfg->tls;
	p->mark = cfg->mark;
	p->done = done;
	p->ctx = ctx;
	random_bytes(token, sizeof(token));
	hex_encode(token, sizeof(token), p->token);
	int err = loop_timer_new(base, on_deadline, p, &p->deadline);
	if (!err)
		err = begin(p, cfg);
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
	struct portal *p = CONTAINER_OF(c, struct portal, conn);

	proxy_wipe(&p->via);
	free(p);
}

void portal_free(struct portal *p)
{
	if (!p)
		return;
	p->done = NULL;
	loop_timer_free(TAKE(p->deadline));
	lookup_cancel(TAKE(p->lookup));
	dial_free(TAKE(p->dial));
	if (p->attached)
		net_close(&p->conn, gone);
	else
		gone(&p->conn);
}
