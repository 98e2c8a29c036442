/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The Noise handshake over a WebSocket that has just been opened, both ends. */
#include "control/link/clink_private.h"
#include "net/websocket.h"
#include "wire/ws.h"

static int hello_send(struct clink *l)
{
	uint8_t msg[SECURE_HELLO_MAX];
	size_t n;
	int err = secure_hello_write(&l->secure, msg, &n);

	return err ? err : net_output(&l->layer, msg, n);
}

void greet_ready(struct clink *l)
{
	char where[ENDPOINT_STR_LEN];
	int err = l->client ? hello_send(l) : server_greet(l);

	if (err) {
		clink_fail(l, err, "the handshake with %s cannot begin: %s", clink_where(l, where),
			tm_strerror(err));
		return;
	}
	websocket_limit(&l->layer, SECURE_HELLO_MAX); /* strangers may hold no more */
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
	if (l->client)
		answer_received(l, p, n);
	else
		question_received(l, p, n);
}
