/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What arrives on a control link, layer by layer: HTTP upgrade, WebSocket frames, Noise, JSON. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <string.h>

#include "control/link/clink_private.h"
#include "control/link/text.h"
#include "crypto/init.h"

/* --- HTTP --- */

void stream_begin(struct clink *l)
{
	char text[UPGRADE_RESPONSE_MAX + UPGRADE_HOST_MAX];
	struct upgrade_offer offer = {.host = l->address, .path = CLINK_PATH, .key = l->upgrade_key};
	size_t n;

	random_bytes(l->upgrade_key, sizeof(l->upgrade_key));
	int err = upgrade_request_format(&offer, text, sizeof(text), &n);
	if (err) {
		clink_fail(l, err, "\"%s\" is not an address of a coordinator", l->address);
		return;
	}
	bufferevent_write(l->bev, text, n);
}

static int noise_begin(struct clink *l)
{
	bool client = l->role == WS_CLIENT;
	int err = secure_init(&l->secure, l->aead, client ? NOISE_INITIATOR : NOISE_RESPONDER, l->identity,
		client ? l->remote_key : NULL, CLINK_MSG_MAX);

	l->secure_ready = true;
	l->state = CLINK_NOISE;
	return err;
}

static int hello_send(struct clink *l)
{
	uint8_t msg[SECURE_HELLO_MAX];
	size_t n;
	int err = secure_hello_write(&l->secure, msg, &n);

	return err ? err : clink_send_frame(l, WS_BINARY, msg, n);
}

static void client_upgraded(struct clink *l, struct evbuffer *in, const char *head, size_t n)
{
	struct diag d = {0};
	size_t head_len = 0;
	int err = upgrade_response_parse(head, n, l->upgrade_key, &head_len, &d);

	if (err == TM_EAGAIN)
		return;
	if (err) {
		clink_fail(l, TM_EPROTO, "what answers at %s is not a TunnelMesh coordinator (%s)",
			l->address, d.what[0] ? d.what : tm_strerror(err));
		return;
	}
	evbuffer_drain(in, head_len);
	err = noise_begin(l);
	if (!err)
		err = hello_send(l);
	if (err)
		clink_fail(l, err, "the handshake with %s cannot begin: %s", l->address, tm_strerror(err));
}

/* Somebody looks with a browser or curl: tell them what this is, and nothing else. */
static bool front_page(struct clink *l, const char *head, size_t n)
{
	static const char get_root[] = "GET / HTTP/1.";
	static const char page[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 24\r\n"
				   "Connection: close\r\n\r\nTunnelMesh control port\n";

	if (n < sizeof(get_root) - 1 || memcmp(head, get_root, sizeof(get_root) - 1) != 0)
		return false;
	bufferevent_write(l->bev, page, sizeof(page) - 1);
	return true;
}

static void server_upgraded(struct clink *l, struct evbuffer *in, const char *head, size_t n)
{
	struct upgrade_request req = {0};
	char text[UPGRADE_RESPONSE_MAX];
	int err = upgrade_request_parse(head, n, CLINK_PATH, &req);

	if (err == TM_EAGAIN)
		return;
	if (err) {
		clink_fail(l, TM_EPROTO, "not an HTTP request");
		return;
	}
	if (req.status != 101 && front_page(l, head, n)) {
		clink_shut(l, TM_EPROTO, 0, "a request for the front page");
		return;
	}
	bufferevent_write(l->bev, text, upgrade_response_format(&req, text, sizeof(text)));
	if (req.status != 101) {
		clink_shut(l, TM_EPROTO, 0, "an HTTP request that is refused with status %d", req.status);
		return;
	}
	evbuffer_drain(in, req.head_len);
	err = noise_begin(l);
	if (err)
		clink_fail(l, err, "the handshake cannot begin: %s", tm_strerror(err));
}

static void upgrade_received(struct clink *l, struct evbuffer *in)
{
	size_t n = MIN(evbuffer_get_length(in), (size_t)UPGRADE_HEAD_MAX + 1);
	const char *head = (const char *)evbuffer_pullup(in, (ev_ssize_t)n);

	if (!head)
		clink_fail(l, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));
	else if (l->role == WS_CLIENT)
		client_upgraded(l, in, head, n);
	else
		server_upgraded(l, in, head, n);
}

/* --- Noise --- */

static void wrong_coordinator(struct clink *l)
{
	clink_shut(l, TM_EAUTH, WS_CLOSE_POLICY,
		"the coordinator at %s is not the one of the join token or enrolment (it has another key)",
		l->address);
}

static void now_up(struct clink *l)
{
	clink_set_state(l, CLINK_UP, 0);
	l->told_up = true;
	if (l->events.up)
		l->events.up(l->events.ctx, l);
}

static void client_hello_received(struct clink *l, const uint8_t *p, size_t n)
{
	int err = secure_hello_read(&l->secure, p, n);

	if (err == TM_EVERSION)
		clink_shut(l, err, WS_CLOSE_POLICY,
			"the coordinator at %s speaks another version of the control protocol: update the "
			"older side",
			l->address);
	else if (err)
		wrong_coordinator(l);
	else
		now_up(l);
}

static void server_hello_received(struct clink *l, const uint8_t *p, size_t n)
{
	int err = secure_hello_read(&l->secure, p, n);

	if (!err)
		err = hello_send(l);
	if (err == TM_EVERSION)
		clink_shut(l, err, WS_CLOSE_POLICY, "control protocol version");
	else if (err)
		clink_shut(l, TM_EAUTH, WS_CLOSE_POLICY, "Noise handshake failed");
	else
		l->state = CLINK_CONFIRM; /* under the same deadline */
}

/* --- messages --- */

static void text_received(struct clink *l, const char *text, size_t n)
{
	const char *why;
	json_t *m;
	int err = text_parse(text, n, &m, &why);

	if (err) {
		clink_shut(l, err, WS_CLOSE_POLICY, "a message from the %s is malformed: %s", clink_other(l),
			why);
		return;
	}
	if (l->state == CLINK_CONFIRM) {
		if (!server_admit(l)) {
			clink_shut(l, TM_EFULL, WS_CLOSE_POLICY, "too many nodes are connected");
			json_decref(m);
			return;
		}
		now_up(l);
	}
	if (l->state == CLINK_UP && l->events.message)
		l->events.message(l->events.ctx, l, m);
	json_decref(m);
}

static void sealed_received(struct clink *l, const uint8_t *p, size_t n)
{
	const char *text;
	size_t text_len;
	int err = secure_open(&l->secure, p, n, &text, &text_len);

	switch (err) {
	case TM_OK:
		text_received(l, text, text_len);
		break;
	case TM_EAGAIN:
		break;
	case TM_EFULL:
		clink_shut(l, err, WS_CLOSE_TOO_BIG, "a message from the %s is larger than %zu bytes",
			clink_other(l), l->secure.max);
		break;
	case TM_EAUTH:
	case TM_ECRYPTO:
		clink_shut(l, TM_EAUTH, WS_CLOSE_POLICY, "a Noise message from the %s is not authentic",
			clink_other(l));
		break;
	default:
		clink_shut(
			l, err, WS_CLOSE_POLICY, "a Noise message from the %s is malformed", clink_other(l));
		break;
	}
}

static void binary_received(struct clink *l, const uint8_t *p, size_t n)
{
	if (l->state != CLINK_NOISE)
		sealed_received(l, p, n);
	else if (l->role == WS_CLIENT)
		client_hello_received(l, p, n);
	else
		server_hello_received(l, p, n);
}

/* --- WebSocket --- */

static void goodbye_received(struct clink *l, const struct ws_event *ev)
{
	char reason[WS_CONTROL_MAX + 1];
	size_t n = 0;

	/* Words of the other side end up in a log: printable ASCII only. */
	for (size_t i = 0; i < ev->n && n < WS_CONTROL_MAX; i++)
		reason[n++] = ev->data[i] >= 0x20 && ev->data[i] < 0x7f ? (char)ev->data[i] : '?';
	reason[n] = '\0';

	l->peer_done = true;
	if (l->role == WS_CLIENT && l->state == CLINK_NOISE && ev->close_code == WS_CLOSE_POLICY &&
		strcmp(reason, "control protocol version") == 0)
		clink_shut(l, TM_EVERSION, WS_CLOSE_NORMAL,
			"the coordinator at %s speaks another version of the control protocol: update the "
			"older side",
			l->address);
	else if (l->role == WS_CLIENT && l->state == CLINK_NOISE)
		wrong_coordinator(l);
	else
		clink_shut(l, TM_ECLOSED, WS_CLOSE_NORMAL, "the %s closed the link%s%s", clink_other(l),
			n ? ": " : "", reason);
}

static void frame_received(struct clink *l, const struct ws_event *ev)
{
	switch (ev->kind) {
	case WS_EV_MESSAGE:
		binary_received(l, ev->data, ev->n);
		break;
	case WS_EV_PING:
		/* A flood of pings is answered as far as the queue has room. */
		clink_send_control(l, WS_PONG, ev->data, ev->n);
		break;
	case WS_EV_CLOSE:
		goodbye_received(l, ev);
		break;
	case WS_EV_PONG:
	case WS_EV_MORE:
		break;
	}
}

static bool listening(const struct clink *l)
{
	return l->state == CLINK_NOISE || l->state == CLINK_CONFIRM || l->state == CLINK_UP;
}

/* One contiguous piece of input. The callbacks may end the link, and with it the buffer: check before each
 * touch. */
static bool piece_received(struct clink *l, struct evbuffer *in)
{
	size_t n = evbuffer_get_contiguous_space(in);
	struct rd r = rd_over(evbuffer_pullup(in, (ev_ssize_t)n), n);
	struct ws_event ev;

	do {
		int err = ws_decode(&l->ws, &r, &ev);
		if (err) {
			clink_shut(l, err, l->ws.close_code, "the %s sent an invalid WebSocket frame: %s",
				clink_other(l), tm_strerror(err));
			return false;
		}
		frame_received(l, &ev);
		if (!listening(l))
			return false;
	} while (ev.kind != WS_EV_MORE);

	evbuffer_drain(in, n);
	return true;
}

void stream_received(struct clink *l, struct evbuffer *in)
{
	if (l->state == CLINK_UPGRADE)
		upgrade_received(l, in);
	if (!listening(l))
		return;

	while (evbuffer_get_length(in) > 0)
		if (!piece_received(l, in))
			return;
}
