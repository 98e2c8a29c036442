/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The Noise handshake over a WebSocket that has just been opened, both ends. */
#include "control/link/clink_private.h"
#include "net/release.h"
#include "net/websocket.h"
#include "wire/ws.h"

static int hello_send(struct clink *l)
{
	uint8_t msg[SECURE_HELLO_MAX];
	size_t n;
	int err = secure_hello_write(&l->secure, msg, &n);

	return err ? err : net_output(&l->layer, msg, n);
}

/* --- a stream: one message each way, then it goes on elsewhere --- */

static bool is_stream(const struct clink *l)
{
	return l->client ? l->target->stream != NULL : server_is_stream(l);
}

static int stream_ask(struct clink *l)
{
	const struct stream_asker *asker = l->target->stream;
	uint8_t msg[STREAM_PROOF_MAX];
	size_t n = asker->question(asker->ctx, msg, sizeof(msg));

	return n ? net_output(&l->layer, msg, n) : TM_EINVAL;
}

static void stream_received(struct clink *l, const uint8_t *p, size_t n)
{
	const struct stream_asker *asker = l->client ? l->target->stream : NULL;

	if (!asker && !server_take_stream(l, p, n)) {
		clink_shut(l, TM_EAUTH, WS_CLOSE_POLICY, "nobody's stream");
	} else if (!asker) {
		clink_fail(l, TM_ECLOSED, "it goes on elsewhere");
	} else if (!asker->answer(asker->ctx, p, n)) {
		greet_wrong_coordinator(l);
	} else {
		l->told_up = true;
		l->events.up(l->events.ctx, l);
	}
}

/* --- a link --- */

static int greet_begin(struct clink *l)
{
	if (is_stream(l))
		return l->client ? stream_ask(l) : TM_OK;
	return l->client ? hello_send(l) : server_greet(l);
}

void greet_ready(struct clink *l)
{
	char where[ENDPOINT_STR_LEN];
	int err = greet_begin(l);

	if (err) {
		clink_fail(l, err, "the handshake with %s cannot begin: %s", clink_where(l, where),
			tm_strerror(err));
		return;
	}
	/* Strangers may hold no more. */
	websocket_limit(&l->layer, is_stream(l) ? (size_t)STREAM_PROOF_MAX : (size_t)SECURE_HELLO_MAX);
	clink_set_state(l, CLINK_GREET, l->client ? 0 : l->tuning->stage_ms);
	if (!l->client)
		server_progressed(l);
}

void greet_wrong_coordinator(struct clink *l)
{
	clink_shut(l, TM_EAUTH, WS_CLOSE_POLICY,
		"the coordinator at %s is not the one of the join token or enrolment: it has another key",
		l->where);
}

void greet_wrong_version(struct clink *l)
{
	clink_shut(l, TM_EVERSION, WS_CLOSE_POLICY,
		"the coordinator at %s speaks another version of the control protocol: update the older side",
		l->where);
}

void greet_busy(struct clink *l, unsigned retry_ms)
{
	l->retry_ms = retry_ms;
	clink_fail(l, TM_EBUSY, "the coordinator at %s has too much to do at the moment", l->where);
}

static void answer_received(struct clink *l, const uint8_t *p, size_t n)
{
	int err = secure_hello_read(&l->secure, p, n);

	if (!err)
		dh_key_free(TAKE(l->key));
	if (err == TM_EVERSION)
		greet_wrong_version(l);
	else if (err)
		greet_wrong_coordinator(l);
	else
		clink_now_up(l);
}

static void question_received(struct clink *l, const uint8_t *p, size_t n)
{
	int err = server_read_hello(l, p, n);

	if (!err)
		err = hello_send(l);
	if (err == TM_EVERSION) {
		clink_shut(l, err, WS_CLOSE_POLICY, CLINK_OTHER_VERSION);
	} else if (err == TM_EBUSY) {
		clink_shut(l, err, WS_CLOSE_TRY_LATER, "too many handshakes of strangers");
	} else if (err) {
		clink_shut(l, TM_EAUTH, WS_CLOSE_POLICY, "Noise handshake failed");
	} else {
		websocket_limit(&l->layer, l->secure.max + SECURE_OVERHEAD);
		clink_set_state(l, CLINK_CONFIRM, l->tuning->stage_ms);
		server_progressed(l);
	}
}

void greet_received(struct clink *l, const uint8_t *p, size_t n)
{
	if (is_stream(l))
		stream_received(l, p, n);
	else if (l->client)
		answer_received(l, p, n);
	else
		question_received(l, p, n);
}
