/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/websocket.h"

#include <stdio.h>
#include <string.h>

#include "crypto/init.h"
#include "wire/portal.h"
#include "wire/upgrade.h"
#include "wire/ws.h"

enum {
	/* Beyond it pings and pongs are left out: whoever reads hears the data in front of them. */
	CONTROL_QUEUE_MAX = 64 << 10,
	REASON_MAX = WS_CONTROL_MAX + 1,
};

enum phase { OPENING, OPEN, GOODBYE };

/* What only the upgrade needs. */
struct opening {
	struct websocket_offer offer;
	uint8_t key[UPGRADE_KEY];
	size_t n, cap;
	char *head; /* HTTP, as far as it has come */
};

struct websocket {
	struct net_layer layer;
	enum phase phase;
	uint8_t path; /* a server's: which one was asked for */
	const struct websocket_server *server;
	struct opening *opening;
	struct ws_decoder decoder;
	const struct rd *reading; /* what comes behind the present message */
	uint8_t round; /* of pings, by which their answers are told */
	size_t unanswered; /* bytes that came since the last ping instead of its answer, and one; 0: it was
			      answered */
};

static struct websocket *websocket_of(struct net_layer *l)
{
	return CONTAINER_OF(l, struct websocket, layer);
}

/* --- frames out --- */

static int send_frame(struct websocket *w, enum ws_opcode op, const void *p, size_t n)
{
	UNINITIALIZED uint8_t frame[WS_HEADER_MAX + WEBSOCKET_MESSAGE_MAX];
	uint8_t mask[WS_MASK];
	bool client = w->decoder.role == WS_CLIENT;

	if (client)
		random_bytes(mask, sizeof(mask));
	size_t len = ws_encode(op, p, n, client ? mask : NULL, frame, sizeof(frame));
	return len ? net_output(&w->layer, frame, len) : TM_ERANGE;
}

static int send_control(struct websocket *w, enum ws_opcode op, const void *p, size_t n)
{
	return net_queued(&w->layer) > CONTROL_QUEUE_MAX ? TM_OK : send_frame(w, op, p, n);
}

/* Says why, if there is a code, and ends our side. Whether the words can still be sent does not matter. */
static void say_goodbye(struct websocket *w, uint16_t code, const char *reason)
{
	uint8_t frame[WS_CONTROL_FRAME_MAX], mask[WS_MASK];

	if (code && w->phase == OPEN) {
		random_bytes(mask, sizeof(mask));
		size_t n = ws_encode_close(
			code, reason, w->decoder.role == WS_CLIENT ? mask : NULL, frame, sizeof(frame));
		(void)!net_output(&w->layer, frame, n);
	}
	w->phase = GOODBYE;
	net_finish(&w->layer);
}

static int websocket_output(struct net_layer *l, const void *p, size_t n)
{
	struct websocket *w = websocket_of(l);

	return w->phase == OPEN ? send_frame(w, WS_BINARY, p, n) : TM_ECLOSED;
}

int websocket_ping(struct net_layer *owner)
{
	struct websocket *w = websocket_of(owner->below);

	if (w->phase != OPEN)
		return TM_ECLOSED;
	w->round++;
	w->unanswered = 0; /* of what is left out there is no answer */
	if (net_queued(&w->layer) > CONTROL_QUEUE_MAX)
		return TM_OK;
	w->unanswered = 1;
	return send_frame(w, WS_PING, &w->round, 1);
}

bool websocket_is_asking(const struct net_layer *owner)
{
	const size_t unanswered = websocket_of(owner->below)->unanswered;

	return unanswered && unanswered <= 2 * CONTROL_QUEUE_MAX;
}

size_t websocket_rest(const struct net_layer *owner, const uint8_t **ret_p)
{
	const struct rd *r = websocket_of(owner->below)->reading;

	*ret_p = r ? r->at : NULL;
	return r ? (size_t)(r->end - r->at) : 0;
}

size_t websocket_path(const struct net_layer *owner)
{
	return websocket_of(owner->below)->path;
}

void websocket_close(struct net_layer *owner, uint16_t code, const char *reason)
{
	struct websocket *w = websocket_of(owner->below);

	if (w->phase != GOODBYE)
		say_goodbye(w, code, reason);
}

/* --- frames in --- */

void websocket_limit(struct net_layer *owner, size_t bytes)
{
	websocket_of(owner->below)->decoder.max_message = MIN(bytes, (size_t)WEBSOCKET_MESSAGE_MAX);
}

static void goodbye_received(struct websocket *w, const struct ws_event *ev)
{
	char reason[REASON_MAX];
	size_t n = 0;

	/* Words of the other side end up in a log: printable ASCII only. */
	for (size_t i = 0; i < ev->n && n < WS_CONTROL_MAX; i++)
		reason[n++] = ev->data[i] >= 0x20 && ev->data[i] < 0x7f ? (char)ev->data[i] : '?';
	reason[n] = '\0';
	say_goodbye(w, WS_CLOSE_NORMAL, NULL);
	net_closed(&w->layer,
		&(struct net_end){.err = TM_ECLOSED, .why = reason, .lingers = true, .code = ev->close_code});
}

static void broken(struct websocket *w, int err)
{
	char why[96];

	snprintf(why, sizeof(why), "an invalid WebSocket frame: %s", tm_strerror(err));
	say_goodbye(w, w->decoder.close_code, why);
	net_closed(&w->layer, &(struct net_end){.err = err, .why = why, .lingers = true});
}

static void frame_received(struct websocket *w, const struct ws_event *ev)
{
	switch (ev->kind) {
	case WS_EV_MESSAGE:
		net_input(&w->layer, ev->data, ev->n);
		break;
	case WS_EV_PING:
		/* A flood of pings is answered as far as the queue has room. */
		(void)!send_control(w, WS_PONG, ev->data, ev->n);
		break;
	case WS_EV_CLOSE:
		goodbye_received(w, ev);
		break;
	case WS_EV_PONG:
		if (ev->n == 1 && ev->data[0] == w->round)
			w->unanswered = 0;
		break;
	case WS_EV_MORE:
		break;
	}
}

static void frames_received(struct websocket *w, const uint8_t *p, size_t n)
{
	struct rd r = rd_over(p, n);
	struct ws_event ev;

	w->reading = &r;
	if (w->unanswered)
		w->unanswered += n;

	do {
		int err = ws_decode(&w->decoder, &r, &ev);
		if (err) {
			w->reading = NULL;
			broken(w, err);
			return;
		}
		frame_received(w, &ev);
	} while (ev.kind != WS_EV_MORE && w->phase == OPEN && !net_over(&w->layer));
	w->reading = NULL;
}

/* --- the upgrade --- */

static void opening_free(struct opening *o)
{
	if (o)
		free(o->head);
	free(o);
}

static int head_add(struct opening *o, const uint8_t *p, size_t n)
{
	if (o->n + n > o->cap) {
		size_t cap = MAX(o->n + n, (size_t)512);
		char *grown = realloc(o->head, cap);

		if (!grown)
			return TM_ENOMEM;
		o->head = grown;
		o->cap = cap;
	}
	memcpy(o->head + o->n, p, n);
	o->n += n;
	return TM_OK;
}

static void opened(struct websocket *w)
{
	opening_free(TAKE(w->opening));
	w->phase = OPEN;
	net_ready(&w->layer);
}

static void refused(struct websocket *w, const struct net_end *end)
{
	say_goodbye(w, 0, NULL);
	net_closed(&w->layer, end);
}

static void ask(struct websocket *w)
{
	struct opening *o = w->opening;
	char text[UPGRADE_RESPONSE_MAX + UPGRADE_HOST_MAX];
	struct upgrade_offer offer = {.host = o->offer.host, .path = o->offer.path, .key = o->key};
	size_t n;

	random_bytes(o->key, sizeof(o->key));
	int err = upgrade_request_format(&offer, text, sizeof(text), &n);
	if (!err)
		err = net_output(&w->layer, text, n);
	if (err)
		refused(w, &(struct net_end){.err = err, .why = tm_strerror(err)});
}

/* How many bytes the head has; 0 while it is not whole, or when it is not to our liking. */
static size_t answer_received(struct websocket *w)
{
	const struct opening *o = w->opening;
	struct upgrade_answer answer = {0};
	struct diag d = {0};
	int err = upgrade_response_parse(o->head, o->n, o->key, &answer, &d);

	if (err == TM_EAGAIN)
		return 0;
	if (!err)
		return answer.head_len;

	refused(w, &(struct net_end){.err = err == TM_EBUSY ? err : TM_EPROTO,
			   .why = d.what[0] ? d.what : tm_strerror(err),
			   .retry_ms = answer.retry_after_s * 1000});
	return 0;
}

/* What is no upgrade and answered all the same: somebody looks with a browser or curl, who is told what this
 * is, or a node asks whether it is us that it has reached. */
static bool page_asked_for(struct websocket *w)
{
	static const char get_root[] = "GET / HTTP/1.";
	const struct opening *o = w->opening;
	char text[UPGRADE_RESPONSE_MAX], token[PORTAL_TOKEN + 1];
	size_t n = 0;

	if (portal_is_question(o->head, o->n, token))
		n = portal_answer(token, text, sizeof(text));
	else if (o->n >= sizeof(get_root) - 1 && memcmp(o->head, get_root, sizeof(get_root) - 1) == 0)
		n = (size_t)snprintf(text, sizeof(text),
			"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: "
			"close\r\n\r\n%s",
			strlen(w->server->page), w->server->page);
	if (!n)
		return false;
	(void)!net_output(&w->layer, text, n);
	refused(w, &(struct net_end){.err = TM_EPROTO, .why = "a request for a page", .lingers = true});
	return true;
}

static size_t request_received(struct websocket *w)
{
	const struct opening *o = w->opening;
	struct upgrade_request req = {0};
	char text[UPGRADE_RESPONSE_MAX];
	int err = upgrade_request_parse(o->head, o->n, w->server->paths, &req);

	if (err == TM_EAGAIN)
		return 0;
	if (err) {
		net_closed(&w->layer, &(struct net_end){.err = TM_EPROTO, .why = "not an HTTP request"});
		return 0;
	}
	if (req.status != 101 && page_asked_for(w))
		return 0;
	(void)!net_output(&w->layer, text, upgrade_response_format(&req, text, sizeof(text)));
	if (req.status == 101) {
		w->path = (uint8_t)req.path;
		return req.head_len;
	}

	refused(w, &(struct net_end){
			   .err = TM_EPROTO, .why = "an HTTP request that is refused", .lingers = true});
	return 0;
}

static void head_received(struct websocket *w, const uint8_t *p, size_t n)
{
	struct opening *o = w->opening;
	size_t had = o->n, take = MIN(n, (size_t)UPGRADE_HEAD_MAX + 1 - had);

	int err = head_add(o, p, take);
	if (err) {
		net_closed(&w->layer, &(struct net_end){.err = err, .why = tm_strerror(err)});
		return;
	}
	size_t head_len = w->server ? request_received(w) : answer_received(w);
	if (head_len == 0)
		return;

	opened(w);
	if (!net_over(&w->layer) && w->phase == OPEN && n > head_len - had)
		frames_received(w, p + (head_len - had), n - (head_len - had));
}

/* --- the layer --- */

static void websocket_ready(struct net_layer *l)
{
	struct websocket *w = websocket_of(l);

	if (!w->server)
		ask(w);
}

static void websocket_input(struct net_layer *l, const uint8_t *p, size_t n)
{
	struct websocket *w = websocket_of(l);

	switch (w->phase) {
	case OPENING:
		head_received(w, p, n);
		break;
	case OPEN:
		frames_received(w, p, n);
		break;
	case GOODBYE:
		break;
	}
}

static void websocket_free(struct net_layer *l)
{
	struct websocket *w = websocket_of(l);

	opening_free(w->opening);
	ws_decoder_deinit(&w->decoder);
	free(w);
}

static const struct net_ops websocket_ops = {.output = websocket_output,
	.ready = websocket_ready,
	.input = websocket_input,
	.free = websocket_free};

static int push(struct net_conn *c, enum ws_role role, struct websocket **ret_w)
{
	struct websocket *w = calloc(1, sizeof(*w));

	if (!w)
		return TM_ENOMEM;
	w->opening = calloc(1, sizeof(*w->opening));
	if (!w->opening) {
		free(w);
		return TM_ENOMEM;
	}
	w->layer.ops = &websocket_ops;
	ws_decoder_init(&w->decoder, role, WEBSOCKET_MESSAGE_MAX);
	net_push(c, &w->layer);
	*ret_w = w;
	return TM_OK;
}

int websocket_offer_push(struct net_conn *c, const struct websocket_offer *cfg)
{
	struct websocket *w;
	int err = push(c, WS_CLIENT, &w);

	if (!err)
		w->opening->offer = *cfg;
	return err;
}

int websocket_server_push(struct net_conn *c, const struct websocket_server *cfg)
{
	struct websocket *w;
	int err = push(c, WS_SERVER, &w);

	if (!err)
		w->server = cfg;
	return err;
}
