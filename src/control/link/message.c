/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is said on a link that is up, and the texts that many links share. */
#include <string.h>

#include "base/secret.h"
#include "control/link/clink_private.h"
#include "control/link/pack.h"
#include "control/link/text.h"
#include "wire/ws.h"

/* The deflated form is made when the first link wants it. */
struct clink_text {
	unsigned refs;
	bool tried;
	uint8_t *packed; /* NULL: not made, or not worth it */
	size_t packed_len;
	size_t n;
	char text[];
};

int clink_text_new(const char *text, size_t n, struct clink_text **ret_text)
{
	if (n > CLINK_MSG_MAX)
		return TM_ERANGE;

	struct clink_text *t = malloc(sizeof(*t) + n);
	if (!t)
		return TM_ENOMEM;
	*t = (struct clink_text){.refs = 1, .n = n};
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

	if (t->packed)
		wipe(t->packed, t->packed_len);
	free(t->packed);
	wipe(t->text, t->n); /* messages carry the mesh secret */
	free(t);
}

static bool text_packed(struct clink_text *t)
{
	if (!t->tried && pack(t->text, t->n, &t->packed, &t->packed_len) != TM_OK)
		t->packed = NULL;
	t->tried = true;
	return t->packed;
}

/* --- sending --- */

static int send_fragments(struct clink *l, const uint8_t *p, size_t n, unsigned flags)
{
	UNINITIALIZED uint8_t buf[NOISE_MSG_MAX];
	size_t at = 0;
	int err;

	do {
		size_t part = MIN(n - at, (size_t)SECURE_FRAGMENT_MAX);
		bool last = at + part == n;

		memcpy(buf + 1, p + at, part);
		err = secure_seal(&l->secure, buf, part, flags | (last ? SECURE_LAST : 0));
		if (!err)
			err = net_output(&l->layer, buf, part + SECURE_OVERHEAD);
		at += part;
	} while (!err && at < n);
	return err;
}

int clink_send_text(struct clink *l, struct clink_text *t)
{
	if (l->state != CLINK_UP)
		return TM_ECLOSED;

	bool packed = l->secure.may_send_packed && text_packed(t);
	const uint8_t *p = packed ? t->packed : (const uint8_t *)t->text;
	size_t n = packed ? t->packed_len : t->n, waiting = clink_queued(l);

	if (waiting + n > l->tuning->queue_max) {
		clink_fail(l, TM_EFULL, "the %s does not take what is sent to it (%zu bytes are waiting)",
			clink_other(l), waiting);
		return TM_EFULL;
	}
	int err = send_fragments(l, p, n, packed ? SECURE_PACKED : 0);
	if (err && err != TM_ECLOSED) /* half a message is queued: nothing after it could be understood */
		clink_fail(
			l, err, "a message to the %s cannot be sent: %s", clink_other(l), tm_strerror(err));
	return err;
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

/* --- receiving --- */

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
		if (server_admit(l))
			clink_now_up(l);
		else
			clink_shut(l, TM_EFULL, WS_CLOSE_POLICY, "too many nodes are connected");
	}
	if (l->state == CLINK_UP && l->events.message)
		l->events.message(l->events.ctx, l, m);
	json_decref(m);
}

static void not_a_message(struct clink *l, int err)
{
	switch (err) {
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

void message_received(struct clink *l, const uint8_t *p, size_t n)
{
	const char *text;
	size_t text_len;
	int err = secure_open(&l->secure, p, n, &text, &text_len);

	if (err == TM_EAGAIN)
		return;
	if (!err)
		text_received(l, text, text_len);
	else
		not_a_message(l, err);
	secure_release(&l->secure); /* the link is still there: its memory goes when the connection returns */
}
