/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/link/clink.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "control/link/clink_private.h"
#include "loop/timer.h"
#include "net/dial.h"
#include "net/release.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/tunnel.h"
#include "net/websocket.h"
#include "wire/ws.h"

enum {
	WHY_MAX = 320,
	/* Refused by a coordinator that has too much to do with strangers, one of whom we are: they are many,
	 * and who asks more often is let in sooner. */
	TRY_LATER_MS = 500,
};

const struct clink_tuning clink_tuning_default = {
	.ping_ms = 20000,
	.silence_ms = 45000,
	.dial_ms = 4000,
	.half_open_ms = 10000,
	.stage_ms = 5000,
	.patience_ms = 2000,
	.silent_ms = 500,
	.linger_ms = 2000,
	.admission = ADMISSION_DEFAULT,
	.queue_max = CLINK_QUEUE_MAX,
};

const char *clink_other(const struct clink *l)
{
	return l->client ? "coordinator" : "node";
}

const char *clink_where(const struct clink *l, char buf[static ENDPOINT_STR_LEN])
{
	return l->where ? l->where : endpoint_format(&l->peer, buf);
}

/* --- time --- */

/* A coordinator has thousands of links and lets the nodes do the asking; it asks those that do not. */
static ns_t ping_wait(const struct clink *l)
{
	return (l->client ? l->tuning->ping_ms : l->tuning->ping_ms * 3 / 2) * MS;
}

static void rearm(struct clink *l)
{
	ns_t at = l->deadline;

	if (l->state == CLINK_UP) {
		ns_t stalled = net_tcp_stalled_since(&l->conn);

		at = ns_min(at, l->conn.heard + l->tuning->silence_ms * MS);
		at = ns_min(at, MAX(l->conn.heard, l->asked) + ping_wait(l));
		if (stalled != NS_NEVER)
			at = ns_min(at, stalled + l->tuning->silence_ms * MS);
	}
	loop_timer_at(l->timer, at);
}

void clink_set_state(struct clink *l, enum clink_state state, unsigned timeout_ms)
{
	l->state = state;
	l->deadline = timeout_ms ? time_monotonic() + timeout_ms * MS : NS_NEVER;
	if (state < CLINK_UP)
		l->deadline = ns_min(l->deadline, l->overall);
	rearm(l);
}

static void keep_alive(struct clink *l, ns_t now)
{
	ns_t silence = l->tuning->silence_ms * MS;
	ns_t stalled = net_tcp_stalled_since(&l->conn);

	if (now - l->conn.heard >= silence) {
		clink_fail(l, TM_ETIMEOUT, "nothing was heard from the %s for %u s", clink_other(l),
			l->tuning->silence_ms / 1000);
	} else if (stalled != NS_NEVER && now - stalled >= silence) {
		clink_fail(l, TM_ETIMEOUT, "the %s does not take what is sent to it", clink_other(l));
	} else if (l->conn.heard >= l->asked && !websocket_is_asking(&l->layer) && l->deadline != NS_NEVER) {
		l->deadline = NS_NEVER; /* the probe was answered */
		rearm(l);
	} else if (now >= l->deadline) {
		clink_fail(l, TM_ETIMEOUT, "the %s did not answer after the network changed", clink_other(l));
	} else {
		if (now - MAX(l->conn.heard, l->asked) >= ping_wait(l)) {
			l->asked = now;
			(void)!websocket_ping(&l->layer); /* a broken connection tells the loop */
		}
		rearm(l);
	}
}

static void link_gone(struct net_conn *c)
{
	clink_destroy(CONTAINER_OF(c, struct clink, conn));
}

static void call_closed(struct clink *l)
{
	net_enter(&l->conn);
	net_close(&l->conn, link_gone);
	if ((l->client || l->told_up) && l->events.closed)
		l->events.closed(l->events.ctx, l, l->err, l->why ? l->why : tm_strerror(l->err));
	net_leave(&l->conn);
}

static void on_timer(void *arg)
{
	struct clink *l = arg;
	ns_t now = time_monotonic();
	char where[ENDPOINT_STR_LEN];

	if (l->state == CLINK_CLOSED) {
		call_closed(l);
		return;
	}
	if (l->state == CLINK_UP) {
		keep_alive(l, now);
		return;
	}
	if (now < l->deadline) {
		rearm(l);
		return;
	}
	switch (l->state) {
	case CLINK_DIAL:
		clink_fail(l, TM_ETIMEOUT, "the %s at %s does not answer: connecting timed out",
			clink_dialled(l), clink_where_dialled(l, where));
		break;
	case CLINK_UPGRADE:
	case CLINK_GREET:
	case CLINK_CONFIRM:
		clink_fail(l, TM_ETIMEOUT, "the %s at %s did not finish the handshake in time",
			clink_other(l), clink_where(l, where));
		break;
	case CLINK_CLOSING:
		clink_fail(l, l->err, "%s", l->why ? l->why : "");
		break;
	case CLINK_UP:
	case CLINK_CLOSED:
		break;
	}
}

/* --- what the connection says --- */

static void on_ready(struct net_layer *layer)
{
	greet_ready(CONTAINER_OF(layer, struct clink, layer));
}

static void on_input(struct net_layer *layer, const uint8_t *p, size_t n)
{
	struct clink *l = CONTAINER_OF(layer, struct clink, layer);

	if (l->state == CLINK_GREET)
		greet_received(l, p, n);
	else if (l->state == CLINK_CONFIRM || l->state == CLINK_UP)
		message_received(l, p, n);
}

static void on_drained(struct net_layer *layer)
{
	struct clink *l = CONTAINER_OF(layer, struct clink, layer);

	if (l->state == CLINK_UP && l->events.drained)
		l->events.drained(l->events.ctx, l);
}

/* The other side said goodbye, or broke the rules of WebSocket; our last words are on their way. */
static void leaving(struct clink *l, const struct net_end *end)
{
	bool greeting = l->client && l->state == CLINK_GREET && end->code;

	if (greeting && end->code == WS_CLOSE_TRY_LATER)
		greet_busy(l, TRY_LATER_MS);
	else if (greeting && end->code == WS_CLOSE_POLICY && strcmp(end->why, CLINK_OTHER_VERSION) == 0)
		greet_wrong_version(l);
	else if (greeting)
		greet_wrong_coordinator(l);
	else if (end->code)
		clink_shut(l, end->err, 0, "the %s closed the link%s%s", clink_other(l),
			end->why[0] ? ": " : "", end->why);
	else
		clink_shut(l, end->err, 0, "the %s sent %s", clink_other(l), end->why);
}

static void lost_before_up(struct clink *l, const struct net_end *end)
{
	char buf[ENDPOINT_STR_LEN];
	const char *where = clink_where(l, buf);

	if (end->whole)
		clink_fail(l, end->err, "%s", end->why);
	else if (!l->client)
		clink_fail(l, end->err, "the node at %s ended the handshake: %s", where, end->why);
	else if (end->err == TM_EBUSY)
		greet_busy(l, end->retry_ms);
	else if (l->state == CLINK_UPGRADE)
		clink_fail(l, TM_EPROTO, "what answers at %s is not a TunnelMesh coordinator: %s", where,
			end->why);
	else
		clink_fail(l, end->err, "the coordinator at %s hung up during the handshake: %s", where,
			end->why);
}

static void on_closed(struct net_layer *layer, const struct net_end *end)
{
	struct clink *l = CONTAINER_OF(layer, struct clink, layer);

	if (l->state == CLINK_CLOSING)
		clink_fail(l, l->err, "%s", l->why ? l->why : "");
	else if (end->lingers)
		leaving(l, end);
	else if (l->state != CLINK_UP)
		lost_before_up(l, end);
	else
		clink_fail(l, end->err, "the connection to the %s was lost: %s", clink_other(l), end->why);
}

static const struct net_ops clink_ops = {
	.ready = on_ready, .input = on_input, .drained = on_drained, .closed = on_closed};

/* --- life --- */

void clink_destroy(struct clink *l)
{
	dial_free(l->dial);
	loop_timer_free(l->timer);
	list_remove(&l->in_server);
	secure_deinit(&l->secure);
	dh_key_free(l->key);
	if (l->client)
		aead_free(l->aead);
	free(l->own_tuning);
	if (l->target)
		wipe(l->target, sizeof(*l->target));
	free(l->target);
	free(l->where);
	free(l->why);
	wipe(l, sizeof(*l));
	free(l);
}

int clink_new(struct event_base *base, bool client, const struct clink_tuning *t,
	const struct clink_events *ev, struct clink **ret_link)
{
	struct clink *l = calloc(1, sizeof(*l));

	if (!l)
		return TM_ENOMEM;

	l->layer.ops = &clink_ops;
	l->base = base;
	l->client = client;
	l->tuning = t;
	l->events = *ev;
	l->deadline = l->overall = NS_NEVER;
	list_init(&l->in_server);
	int err = loop_timer_new(base, on_timer, l, &l->timer);
	if (err) {
		clink_destroy(l);
		return err;
	}
	*ret_link = l;
	return TM_OK;
}

void clink_on_way(struct net_conn *c)
{
	struct clink *l = CONTAINER_OF(c, struct clink, conn);

	if (l->events.connected)
		l->events.connected(l->events.ctx, l);
}

static int push_client(struct clink *l)
{
	const struct clink_target *to = l->target;
	const struct websocket_offer ask = {.host = to->host_field, .path = to->path};
	char authority[ADDRESS_HOST_FIELD];
	int err = TM_OK;

	if (to->via.host[0])
		err = tunnel_push(
			&l->conn, &to->via, address_authority(&to->address, authority), clink_on_way);
	if (!err && to->tls)
		err = tls_client_push(&l->conn, to->address.host);
	return err ? err : websocket_offer_push(&l->conn, &ask);
}

static int push_server(struct clink *l)
{
	const struct tls_door *door = server_door(l->server);
	int err = door ? tls_server_push(&l->conn, door) : TM_OK;

	return err ? err : websocket_server_push(&l->conn, server_websocket(l->server));
}

int clink_attach(struct clink *l, int fd)
{
	int err = net_tcp_push(&l->conn, l->base, fd);

	if (!err)
		err = l->client ? push_client(l) : push_server(l);
	if (!err)
		net_push(&l->conn, &l->layer);
	return err;
}

/* No more input, output or time: what is left is the `closed` call. */
static void unplug(struct clink *l)
{
	l->state = CLINK_CLOSED;
	dial_free(TAKE(l->dial));
	if (l->server)
		server_forget(l);
	net_close(&l->conn, NULL);
	loop_timer_stop(l->timer);
}

void clink_free(struct clink *l)
{
	if (!l)
		return;

	if (l->state != CLINK_CLOSED)
		unplug(l);
	loop_timer_stop(l->timer);
	l->events = (struct clink_events){0};
	net_close(&l->conn, link_gone);
}

/* The reason may be part of the new one. Without memory the error's own text will do. */
static void set_why(struct clink *l, const char *fmt, va_list ap)
{
	char why[WHY_MAX];

	vsnprintf(why, sizeof(why), fmt, ap);
	free(l->why);
	l->why = strdup(why);
}

void clink_fail(struct clink *l, int err, const char *fmt, ...)
{
	va_list ap;

	if (l->state == CLINK_CLOSED)
		return;

	va_start(ap, fmt);
	set_why(l, fmt, ap);
	va_end(ap);
	l->err = err;
	unplug(l);
	loop_timer_in(l->timer, 0);
}

void clink_shut(struct clink *l, int err, uint16_t code, const char *fmt, ...)
{
	va_list ap;

	if (l->state == CLINK_CLOSED || l->state == CLINK_CLOSING)
		return;

	va_start(ap, fmt);
	set_why(l, fmt, ap);
	va_end(ap);
	l->err = err;
	if (l->state == CLINK_DIAL) {
		clink_fail(l, err, "%s", l->why ? l->why : "");
		return;
	}
	websocket_close(&l->layer, code, l->why ? l->why : "");
	clink_set_state(l, CLINK_CLOSING, l->tuning->linger_ms);
}

void clink_close(struct clink *l, const char *why)
{
	clink_shut(l, TM_ECLOSED, WS_CLOSE_NORMAL, "%s", why);
}

void clink_now_up(struct clink *l)
{
	websocket_limit(&l->layer, WEBSOCKET_MESSAGE_MAX);
	clink_set_state(l, CLINK_UP, 0);
	l->told_up = true;
	if (l->events.up)
		l->events.up(l->events.ctx, l);
}

/* --- small questions --- */

const uint8_t *clink_peer_key(const struct clink *l)
{
	return l->secure.remote;
}

const struct endpoint *clink_peer_address(const struct clink *l)
{
	return &l->peer;
}

int clink_release(struct clink *l, struct net_released *ret_r)
{
	int err = net_release(&l->layer, ret_r);

	if (!err)
		ret_r->remote = l->client && !endpoint_is_set(&l->peer) ? l->target->dialled : l->peer;
	return err;
}

bool clink_is_tls(const struct clink *l)
{
	return l->target->tls;
}

bool clink_is_proxied(const struct clink *l)
{
	return l->target->via.host[0] != '\0';
}

unsigned clink_retry_ms(const struct clink *l)
{
	return l->retry_ms;
}

size_t clink_queued(const struct clink *l)
{
	return net_queued(&l->layer);
}

void *clink_user(const struct clink *l)
{
	return l->user;
}

void clink_set_user(struct clink *l, void *user)
{
	l->user = user;
}

void clink_set_events(struct clink *l, const struct clink_events *ev)
{
	l->events = *ev;
}

void clink_limit_receive(struct clink *l, size_t bytes)
{
	l->secure.max = bytes;
}

void clink_probe(struct clink *l, int timeout_ms)
{
	if (l->state != CLINK_UP)
		return;

	if (net_tcp_source_gone(&l->conn))
		timeout_ms = 0; /* an answer has nowhere to go */
	l->asked = time_monotonic();
	l->deadline = ns_min(l->deadline, l->asked + timeout_ms * MS);
	(void)!websocket_ping(&l->layer);
	rearm(l);
}
