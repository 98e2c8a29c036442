/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Handshake messages from the network. In this order, cheapest first: length, what it answers, mac1 (else
 * silence), under load mac2 (else a cookie) and the per-source limit, and only then Diffie-Hellman.
 */
#include "base/secret.h"
#include "data/peer/peer_private.h"

struct arrival {
	ns_t now;
	const struct way_to *by;
	const uint8_t *msg;
	size_t n;
	bool loaded;
};

static bool under_load(struct device *d, ns_t now, size_t waiting)
{
	if (waiting >= d->load_threshold)
		d->loaded_until = now + DEVICE_LOAD_LINGERS;
	return now < d->loaded_until;
}

/* May this message cost us a Diffie-Hellman? `sender` is what the sender calls itself. */
static enum device_verdict admit(struct device *d, const struct arrival *a, uint32_t sender)
{
	uint8_t reply[WG_COOKIE_REPLY_LEN];
	int err;

	if (!a->loaded)
		return DEV_OK;
	if (cookie_mac2_ok(&d->oven, &a->by->remote, a->msg, a->n, a->now))
		return ratelimit_allow(d->ratelimit, &a->by->remote.ip, a->now) ? DEV_OK : DEV_RATE_LIMITED;

	err = cookie_reply_create(&d->oven, d->aead, &a->by->remote, sender, a->msg, a->n, a->now,
		d->ops.entropy, d->ops.ctx, reply);
	if (err < 0)
		return DEV_NO_MEMORY;

	d->ops.send(d->ops.ctx, NULL, a->by, reply, sizeof(reply));
	return DEV_NEED_COOKIE;
}

/* The handshake message proved who sent it: it counts as traffic and says where its sender is. */
static void heard_from(struct device *d, struct peer *p, const struct arrival *a)
{
	peer_auth_received(p, a->now);
	peer_heard(d, p, a->by, a->now);
	if (atomic_load_explicit(&p->way, memory_order_relaxed))
		timers_endpoint_arrived(&p->timers, &d->limits, a->now);
}

static enum device_verdict verdict_of(int err)
{
	switch (err) {
	case TM_OK:
		return DEV_OK;
	case TM_EREPLAY:
		return DEV_OLD_TIMESTAMP;
	case TM_EAGAIN:
		return DEV_FLOOD;
	case TM_ENOMEM:
		return DEV_NO_MEMORY;
	case TM_ENOENT:
		return DEV_NO_HANDSHAKE;
	default:
		return DEV_DECRYPT;
	}
}

/* Responder: a session from the accepted initiation, as next, and the answer. */
static int answer(struct device *d, struct peer *p, struct hs_incoming *in, const struct arrival *a)
{
	uint8_t msg[WG_RESPONSE_LEN], e_priv[WG_KEY];
	struct hs_keys keys = {0};
	struct keypair *kp = NULL;
	uint32_t index;
	int err = peer_reserve_index(d, p, &index);

	if (err < 0)
		return err;

	d->ops.entropy(d->ops.ctx, e_priv, sizeof(e_priv));
	err = handshake_create_response(&p->hs, in, d->aead, index, e_priv, msg, &keys);
	wipe(e_priv, sizeof(e_priv));
	if (err == TM_OK) {
		handshake_sign(&p->hs, msg, sizeof(msg), a->now);
		err = session_new(d, p, index, &keys, false, a->now, &kp);
	}
	hs_keys_wipe(&keys);
	if (err < 0) {
		index_release(d->index, index);
		return err;
	}

	heard_from(d, p, a);
	session_begin_responder(d, p, kp, a->now);
	timers_response_sent(&p->timers, &d->limits, a->now);
	peer_auth_sent(p, a->now);
	d->ops.send(d->ops.ctx, p, a->by, msg, sizeof(msg));
	device_step(d, p, DEV_ANSWERED, a->by);
	return TM_OK;
}

/*
 * It is from p, at some time. If a recording, nothing is lost: p gets one initiation of ours for it, by the
 * way that we know, at most one in REKEY_TIMEOUT, and no series, which a recording now and then would keep up
 * for ever. But if p's clock was years ahead once and is not any more, this is how
 * we meet again: all that it sends would be refused for years.
 */
static void ask_back(struct device *d, struct peer *p, ns_t now)
{
	timers_handshake_once(&p->timers, &d->limits, now);
	peer_service(d, p, now);
}

static enum device_verdict receive_init(struct device *d, const struct arrival *a)
{
	struct hs_incoming in;
	enum device_verdict v;
	struct wg_init m;
	struct peer *p;
	int err;

	if (wg_init_decode(a->msg, a->n, &m) < 0)
		return DEV_MALFORMED;

	v = admit(d, a, m.sender);
	if (v != DEV_OK)
		return v;

	err = handshake_identify(&d->self, d->aead, &m, &in);
	if (err < 0)
		return verdict_of(err);

	p = device_peer_find(d, in.remote);
	if (!p) {
		hs_incoming_wipe(&in);
		return DEV_UNKNOWN_PEER;
	}
	err = handshake_consume_init(&p->hs, &d->self, d->aead, &m, &in);
	if (err == TM_OK)
		err = handshake_accept_init(&p->hs, &in, a->now);
	if (err == TM_OK)
		err = answer(d, p, &in, a);
	else if (err == TM_EREPLAY && handshake_is_stale(&p->hs, &in))
		ask_back(d, p, a->now);
	hs_incoming_wipe(&in);
	if (err == TM_OK)
		peer_service(d, p, a->now);
	return verdict_of(err);
}

static enum device_verdict receive_response(struct device *d, const struct arrival *a)
{
	struct hs_keys keys = {0};
	struct keypair *kp = NULL;
	enum device_verdict v;
	struct wg_response m;
	struct peer *p;
	int err;

	if (wg_response_decode(a->msg, a->n, &m) < 0)
		return DEV_MALFORMED;

	v = admit(d, a, m.sender);
	if (v != DEV_OK)
		return v;

	p = index_owner(d->index, m.receiver);
	if (!p)
		return DEV_NO_HANDSHAKE;

	err = handshake_consume_response(&p->hs, d->aead, &m, &keys);
	if (err < 0)
		return verdict_of(err);

	/* From here on the index is the session's. */
	err = session_new(d, p, m.receiver, &keys, true, a->now, &kp);
	hs_keys_wipe(&keys);
	if (err < 0) {
		index_release(d->index, m.receiver);
		return verdict_of(err);
	}
	heard_from(d, p, a);
	session_begin_initiator(d, p, kp, a->now);
	peer_service(d, p, a->now);
	return DEV_OK;
}

/* Never says where anybody is: whoever sees our message can answer it with a cookie. */
static enum device_verdict receive_cookie(struct device *d, const struct arrival *a)
{
	struct wg_cookie_reply m;
	struct peer *p;

	if (wg_cookie_reply_decode(a->msg, a->n, &m) < 0)
		return DEV_MALFORMED;

	p = index_owner(d->index, m.receiver);
	if (!p)
		return DEV_BAD_COOKIE;

	if (handshake_take_cookie(&p->hs, d->aead, &m, a->now) != TM_OK)
		return DEV_BAD_COOKIE;

	if (p->hs.pending && p->hs.index == m.receiver && handshake_was_bare(&p->hs)) {
		timers_cookie_arrived(&p->timers, a->now);
		peer_service(d, p, a->now);
	}
	return DEV_OK;
}

enum device_verdict device_screen(const struct device *d, const uint8_t *msg, size_t n)
{
	struct wg_cookie_reply cookie;
	struct wg_response response;

	switch (wg_classify(msg, n)) {
	case WG_INIT:
		break;
	case WG_RESPONSE:
		if (wg_response_decode(msg, n, &response) < 0)
			return DEV_MALFORMED;
		if (!index_known(d->index, response.receiver))
			return DEV_NO_HANDSHAKE;
		break;
	case WG_COOKIE_REPLY:
		if (wg_cookie_reply_decode(msg, n, &cookie) < 0)
			return DEV_MALFORMED;
		return index_known(d->index, cookie.receiver) ? DEV_OK : DEV_BAD_COOKIE;
	case WG_DATA:
	default:
		return DEV_MALFORMED;
	}
	return cookie_mac1_ok(&d->oven, msg, n) ? DEV_OK : DEV_BAD_MAC1;
}

enum device_verdict device_receive(
	struct device *d, ns_t now, const struct way_to *by, const uint8_t *msg, size_t n, size_t waiting)
{
	enum device_verdict v = device_screen(d, msg, n);

	return v == DEV_OK ? device_receive_screened(d, now, by, msg, n, waiting) : v;
}

enum device_verdict device_receive_screened(
	struct device *d, ns_t now, const struct way_to *by, const uint8_t *msg, size_t n, size_t waiting)
{
	const struct arrival a = {
		.now = now,
		.by = by,
		.msg = msg,
		.n = n,
		.loaded = under_load(d, now, waiting),
	};

	switch (wg_classify(msg, n)) {
	case WG_INIT:
		return receive_init(d, &a);
	case WG_RESPONSE:
		return receive_response(d, &a);
	case WG_COOKIE_REPLY:
		return receive_cookie(d, &a);
	case WG_DATA:
	default:
		return DEV_MALFORMED;
	}
}
