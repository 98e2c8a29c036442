/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/link/clink.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/secret.h"
#include "control/link/clink_private.h"
#include "crypto/init.h"

enum {
	READ_AHEAD = 128 << 10, /* bytes taken from the socket before they are looked at */
	/* Beyond it pings and pongs are left out: whoever reads hears the data in front of them. */
	CONTROL_QUEUE_MAX = 64 << 10,
};

struct clink_text {
	unsigned refs;
	size_t n;
	char text[];
};

const struct clink_tuning clink_tuning_default = {
	.ping_ms = 20000,
	.silence_ms = 45000,
	.dial_ms = 4000,
	.half_open_ms = 10000,
	.linger_ms = 2000,
	.stagger_ms = 250,
	.half_open_max = 256,
	.half_open_per_source = 8,
	.queue_max = CLINK_QUEUE_MAX,
};

const char *clink_other(const struct clink *l)
{
	return l->role == WS_CLIENT ? "coordinator" : "node";
}

/* --- timers --- */

static struct timeval until(ns_t deadline)
{
	ns_t left = deadline - time_monotonic();

	if (left < 0)
		left = 0;
	return (struct timeval){.tv_sec = left / SEC, .tv_usec = left % SEC / 1000 + 1};
}

void clink_rearm(struct clink *l)
{
	ns_t at = l->deadline;

	if (l->state == CLINK_UP) {
		at = ns_min(at, l->heard + l->tuning.silence_ms * MS);
		at = ns_min(at, MAX(l->heard, l->asked) + l->tuning.ping_ms * MS);
	}
	struct timeval tv = until(at);
	event_add(l->timer, &tv);
}

void clink_set_state(struct clink *l, enum clink_state state, unsigned timeout_ms)
{
	l->state = state;
	l->deadline = timeout_ms ? time_monotonic() + timeout_ms * MS : NS_NEVER;
	clink_rearm(l);
}

static void keep_alive(struct clink *l, ns_t now)
{
	if (now - l->heard >= l->tuning.silence_ms * MS) {
		clink_fail(l, TM_ETIMEOUT, "nothing was heard from the %s for %u s", clink_other(l),
			l->tuning.silence_ms / 1000);
		return;
	}
	if (now >= l->deadline) {
		clink_fail(l, TM_ETIMEOUT, "the %s did not answer after the network changed", clink_other(l));
		return;
	}
	if (now - MAX(l->heard, l->asked) >= l->tuning.ping_ms * MS) {
		l->asked = now;
		clink_send_control(l, WS_PING, NULL, 0);
	}
	if (l->state == CLINK_UP)
		clink_rearm(l);
}

static void on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct clink *l = arg;
	ns_t now = time_monotonic();

	if (l->state == CLINK_UP) {
		keep_alive(l, now);
		return;
	}
	if (now < l->deadline) {
		clink_rearm(l);
		return;
	}
	switch (l->state) {
	case CLINK_DIAL:
		if (dial_is_resolving(l->dial) && now < l->overall) {
			l->deadline = l->overall; /* a second resolver may still answer */
			clink_rearm(l);
		} else if (dial_is_resolving(l->dial))
			clink_fail(l, TM_ETIMEOUT,
				"the coordinator's name in %s cannot be resolved: the system's resolver does "
				"not answer",
				l->address);
		else
			clink_fail(l, TM_ETIMEOUT,
				"the coordinator at %s does not answer: connecting timed out", l->address);
		break;
	case CLINK_UPGRADE:
	case CLINK_NOISE:
	case CLINK_CONFIRM:
		clink_fail(l, TM_ETIMEOUT, "the %s at %s did not finish the handshake in time",
			clink_other(l), l->address);
		break;
	case CLINK_CLOSING:
		clink_fail(l, l->err, "%s", l->why);
		break;
	case CLINK_UP:
	case CLINK_CLOSED:
		break;
	}
}

/* --- life --- */

static void link_destroy(struct clink *l)
{
	dial_free(l->dial);
	if (l->bev)
		bufferevent_free(l->bev);
	if (l->timer)
		event_free(l->timer);
	if (l->finish)
		event_free(l->finish);
	list_remove(&l->in_server);
	ws_decoder_deinit(&l->ws);
	if (l->secure_ready)
		secure_deinit(&l->secure);
	if (l->role == WS_CLIENT)
		aead_free(l->aead);
	wipe(l, sizeof(*l));
	free(l);
}

/* No more input, output or time: what is left is the `closed` call. */
static void link_unplug(struct clink *l)
{
	l->state = CLINK_CLOSED;
	dial_free(TAKE(l->dial));
	if (l->bev)
		bufferevent_free(TAKE(l->bev));
	event_del(l->timer);
	if (l->server)
		server_forget(l);
}

static void on_finish(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct clink *l = arg;

	l->busy++;
	if ((l->role == WS_CLIENT || l->told_up) && l->events.closed)
		l->events.closed(l->events.ctx, l, l->err, l->why);
	l->busy = 0;
	link_destroy(l);
}

int clink_new(struct event_base *base, enum ws_role role, const struct identity *id,
	const struct clink_tuning *t, const struct clink_events *ev, struct clink **ret_link)
{
	struct clink *l = calloc(1, sizeof(*l));

	if (!l)
		return TM_ENOMEM;

	l->base = base;
	l->role = role;
	l->identity = id;
	l->tuning = *t;
	l->events = *ev;
	l->deadline = NS_NEVER;
	list_init(&l->in_server);
	ws_decoder_init(&l->ws, role, NOISE_MSG_MAX);
	l->timer = event_new(base, -1, EV_TIMEOUT, on_timer, l);
	l->finish = event_new(base, -1, 0, on_finish, l);
	if (!l->timer || !l->finish) {
		link_destroy(l);
		return TM_ENOMEM;
	}
	*ret_link = l;
	return TM_OK;
}

void clink_free(struct clink *l)
{
	if (!l)
		return;

	if (l->state != CLINK_CLOSED)
		link_unplug(l);
	event_del(l->finish);
	if (l->busy)
		l->dead = true;
	else
		link_destroy(l);
}

bool clink_release(struct clink *l)
{
	l->busy--;
	if (l->busy || !l->dead)
		return l->dead;

	link_destroy(l);
	return true;
}

void clink_fail(struct clink *l, int err, const char *fmt, ...)
{
	char why[sizeof(l->why)];
	va_list ap;

	if (l->state == CLINK_CLOSED)
		return;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	memcpy(l->why, why, sizeof(why));
	l->err = err;
	link_unplug(l);
	event_active(l->finish, EV_TIMEOUT, 0);
}

void clink_shut(struct clink *l, int err, uint16_t code, const char *fmt, ...)
{
	va_list ap;

	if (l->state == CLINK_CLOSED || l->state == CLINK_CLOSING)
		return;

	va_start(ap, fmt);
	vsnprintf(l->why, sizeof(l->why), fmt, ap);
	va_end(ap);
	l->err = err;
	if (!l->bev) {
		clink_fail(l, err, "%s", l->why);
		return;
	}
	if (code && l->state != CLINK_UPGRADE) {
		uint8_t frame[WS_CONTROL_FRAME_MAX], mask[WS_MASK];

		random_bytes(mask, sizeof(mask));
		size_t n = ws_encode_close(
			code, l->why, l->role == WS_CLIENT ? mask : NULL, frame, sizeof(frame));
		bufferevent_write(l->bev, frame, n);
	}
	clink_set_state(l, CLINK_CLOSING, l->tuning.linger_ms);
	clink_progress_close(l);
}

/*
 * A socket that is closed with unread input makes the kernel send a reset, which can overtake the last words.
 * So after the queue is out only our direction is shut, and what still arrives is thrown away until the other
 * side hangs up.
 */
void clink_progress_close(struct clink *l)
{
	if (evbuffer_get_length(bufferevent_get_output(l->bev)) > 0)
		return;

	if (l->peer_done) {
		clink_fail(l, l->err, "%s", l->why);
		return;
	}
	if (!l->sent_fin) {
		l->sent_fin = true;
		(void)shutdown(bufferevent_getfd(l->bev), SHUT_WR);
	}
}

void clink_close(struct clink *l, const char *why)
{
	clink_shut(l, TM_ECLOSED, WS_CLOSE_NORMAL, "%s", why);
}

/* --- the socket --- */

static void on_readable(struct bufferevent *bev, void *arg)
{
	struct clink *l = arg;
	struct evbuffer *in = bufferevent_get_input(bev);

	if (l->state == CLINK_CLOSING) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	l->heard = time_monotonic();
	if (l->state == CLINK_UP)
		l->deadline = NS_NEVER;
	l->busy++;
	stream_received(l, in);
	(void)clink_release(l);
}

static void on_drained(struct bufferevent *bev UNUSED, void *arg)
{
	struct clink *l = arg;

	if (l->state == CLINK_CLOSING) {
		clink_progress_close(l);
		return;
	}
	if (!l->backed_up || clink_queued(l) > CLINK_QUEUE_LOW)
		return;
	l->backed_up = false;
	if (!l->events.drained)
		return;
	l->busy++;
	l->events.drained(l->events.ctx, l);
	(void)clink_release(l);
}

static void lost_before_up(struct clink *l, const char *how)
{
	if (l->role == WS_SERVER)
		clink_fail(l, TM_ECLOSED, "the node hung up during the handshake");
	else if (l->state == CLINK_UPGRADE)
		clink_fail(l, TM_EPROTO, "what answers at %s is not a TunnelMesh coordinator (%s)",
			l->address, how);
	else
		clink_fail(l, TM_ECLOSED, "the coordinator at %s hung up during the handshake (%s)",
			l->address, how);
}

static void on_event(struct bufferevent *bev UNUSED, short what, void *arg)
{
	struct clink *l = arg;
	int e = errno;

	if (l->state == CLINK_CLOSING) {
		clink_fail(l, l->err, "%s", l->why);
		return;
	}
	if (what & BEV_EVENT_TIMEOUT) {
		clink_fail(l, TM_ETIMEOUT, "the %s does not take what is sent to it", clink_other(l));
		return;
	}
	const char *how = what & BEV_EVENT_EOF ? "connection closed" : strerror(e);
	if (l->state != CLINK_UP)
		lost_before_up(l, how);
	else
		clink_fail(l, TM_ECLOSED, "the connection to the %s was lost (%s)", clink_other(l), how);
}

int clink_attach(struct clink *l, int fd, const struct endpoint *peer)
{
	struct timeval stalled = {
		.tv_sec = l->tuning.silence_ms / 1000, .tv_usec = l->tuning.silence_ms % 1000 * 1000};
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	l->peer = *peer;
	l->bev = bufferevent_socket_new(l->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!l->bev) {
		close(fd);
		return TM_ENOMEM;
	}
	bufferevent_setcb(l->bev, on_readable, on_drained, on_event, l);
	bufferevent_setwatermark(l->bev, EV_READ, 0, READ_AHEAD);
	bufferevent_setwatermark(l->bev, EV_WRITE, CLINK_QUEUE_LOW, 0);
	bufferevent_set_timeouts(l->bev, NULL, &stalled);
	if (bufferevent_enable(l->bev, EV_READ | EV_WRITE) != 0)
		return TM_ENOMEM;

	l->heard = time_monotonic();
	return TM_OK;
}

static void on_dialled(void *ctx, int err, int fd, const struct endpoint *peer, const char *why)
{
	struct clink *l = ctx;

	if (err == TM_ENOENT) {
		clink_fail(l, err, "the coordinator's name in %s cannot be resolved: %s", l->address, why);
		return;
	}
	if (err) {
		clink_fail(l, err, "the coordinator at %s cannot be reached: %s", l->address, why);
		return;
	}
	dial_free(TAKE(l->dial)); /* not before: it owns `why` */
	err = clink_attach(l, fd, peer);
	if (err) {
		clink_fail(l, err, "the link to %s cannot be set up: %s", l->address, tm_strerror(err));
		return;
	}
	l->state = CLINK_UPGRADE;
	l->deadline = l->overall;
	clink_rearm(l);
	stream_begin(l);
}

int clink_connect_tuned(struct event_base *base, const struct clink_config *cfg,
	const struct clink_events *ev, const struct clink_tuning *t, struct clink **ret_link)
{
	struct dial_config dial = {
		.address = cfg->address, .first = cfg->last_known, .stagger_ms = t->stagger_ms};
	struct clink *l;
	int err = clink_new(base, WS_CLIENT, cfg->identity, t, ev, &l);

	if (err)
		return err;

	snprintf(l->address, sizeof(l->address), "%s", cfg->address);
	memcpy(l->remote_key, cfg->remote_key, DH_KEY);
	err = aead_new_with(AEAD_LIBCRYPTO, &l->aead);
	if (!err)
		err = dial_new(base, &dial, on_dialled, l, &l->dial);
	if (err) {
		link_destroy(l);
		return err;
	}
	l->overall = time_monotonic() + cfg->connect_timeout_ms * MS;
	clink_set_state(l, CLINK_DIAL, MIN((unsigned)cfg->connect_timeout_ms, t->dial_ms));
	*ret_link = l;
	return TM_OK;
}

int clink_connect(struct event_base *base, const struct clink_config *cfg, const struct clink_events *ev,
	struct clink **ret_link)
{
	return clink_connect_tuned(base, cfg, ev, &clink_tuning_default, ret_link);
}

/* --- sending --- */

int clink_text_new(const char *text, size_t n, struct clink_text **ret_text)
{
	if (n > CLINK_MSG_MAX)
		return TM_ERANGE;

	struct clink_text *t = malloc(sizeof(*t) + n);
	if (!t)
		return TM_ENOMEM;
	t->refs = 1;
	t->n = n;
	memcpy(t->text, text, n);
	*ret_text = t;
	return TM_OK;
}

const char *clink_text_bytes(const struct clink_text *t, size_t *ret_n)
{
	*ret_n = t->n;
	return t->text;
}

struct clink_text *clink_text_ref(struct clink_text *t)
{
	t->refs++;
	return t;
}

void clink_text_unref(struct clink_text *t)
{
	if (!t || --t->refs > 0)
		return;

	wipe(t->text, t->n); /* messages carry the mesh secret */
	free(t);
}

int clink_send_frame(struct clink *l, enum ws_opcode op, const void *p, size_t n)
{
	uint8_t frame[WS_HEADER_MAX + SECURE_HELLO_MAX], mask[WS_MASK];

	random_bytes(mask, sizeof(mask));
	size_t len = ws_encode(op, p, n, l->role == WS_CLIENT ? mask : NULL, frame, sizeof(frame));
	if (len == 0)
		return TM_EINVAL;
	return evbuffer_add(bufferevent_get_output(l->bev), frame, len) == 0 ? TM_OK : TM_ENOMEM;
}

void clink_send_control(struct clink *l, enum ws_opcode op, const void *p, size_t n)
{
	if (evbuffer_get_length(bufferevent_get_output(l->bev)) > CONTROL_QUEUE_MAX)
		return;

	int err = clink_send_frame(l, op, p, n);
	if (err)
		clink_fail(l, err, "a frame to the %s cannot be sent: %s", clink_other(l), tm_strerror(err));
}

/* One fragment: sealed and masked where it lies in the output buffer. */
static int send_fragment(struct clink *l, struct evbuffer *out, const char *text, size_t n, bool last)
{
	uint8_t head[WS_HEADER_MAX], mask[WS_MASK];
	size_t body = n + SECURE_OVERHEAD;
	struct evbuffer_iovec v;

	random_bytes(mask, sizeof(mask));
	size_t head_len = ws_header(WS_BINARY, body, l->role == WS_CLIENT ? mask : NULL, head);
	if (evbuffer_reserve_space(out, (ev_ssize_t)(head_len + body), &v, 1) != 1)
		return TM_ENOMEM;

	uint8_t *at = v.iov_base;
	memcpy(at, head, head_len);
	at += head_len;
	memcpy(at + 1, text, n);
	int err = secure_seal(&l->secure, at, n, last);
	if (err)
		return err;

	if (l->role == WS_CLIENT)
		ws_mask(at, body, mask, 0);
	v.iov_len = head_len + body;
	return evbuffer_commit_space(out, &v, 1) == 0 ? TM_OK : TM_ENOMEM;
}

static int send_text(struct clink *l, const char *text, size_t n)
{
	struct evbuffer *out = bufferevent_get_output(l->bev);
	int err = TM_OK;

	if (evbuffer_get_length(out) + n > l->tuning.queue_max) {
		clink_fail(l, TM_EFULL, "the %s does not take what is sent to it (%zu bytes are waiting)",
			clink_other(l), evbuffer_get_length(out));
		return TM_EFULL;
	}
	for (size_t at = 0; at < n && !err;) {
		size_t part = MIN(n - at, (size_t)SECURE_FRAGMENT_MAX);

		err = send_fragment(l, out, text + at, part, at + part == n);
		at += part;
	}
	l->backed_up |= evbuffer_get_length(out) > CLINK_QUEUE_LOW;
	if (err) /* half a message is queued: nothing after it could be understood */
		clink_fail(
			l, err, "a message to the %s cannot be sent: %s", clink_other(l), tm_strerror(err));
	return err;
}

int clink_send_text(struct clink *l, struct clink_text *t)
{
	return l->state == CLINK_UP ? send_text(l, t->text, t->n) : TM_ECLOSED;
}

int clink_send(struct clink *l, const json_t *m)
{
	if (l->state != CLINK_UP)
		return TM_ECLOSED;

	_cleanup_(clink_text_unrefp) struct clink_text *t = NULL;
	char *text = json_dumps(m, JSON_COMPACT);
	if (!text)
		return TM_ENOMEM;

	size_t n = strlen(text);
	int err = clink_text_new(text, n, &t);
	wipe(text, n);
	free(text);
	return err ? err : clink_send_text(l, t);
}

size_t clink_queued(const struct clink *l)
{
	return l->bev ? evbuffer_get_length(bufferevent_get_output(l->bev)) : 0;
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

	l->asked = time_monotonic();
	l->deadline = ns_min(l->deadline, l->asked + timeout_ms * MS);
	clink_send_control(l, WS_PING, NULL, 0);
	clink_rearm(l);
}
