/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/peer/handshake.h"

#include "base/secret.h"

#include <string.h>

static const char prologue[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

/* TAI64 labels count from 2^62 and are ten seconds ahead of 1970-01-01 UTC (whitepaper 5.1: TAI64N). */
#define TAI64_EPOCH (UINT64_C(0x4000000000000000) + 10)
/*
 * Below the spacing that the receiver's flood limit imposes anyway: 2^24 ns is the power of two under 1/50 s.
 */
#define STAMP_GRAIN (UINT32_C(1) << 24)

int hs_self_init(struct hs_self *self, const uint8_t priv[static WG_KEY])
{
	uint8_t clamped[WG_KEY];
	int err;

	memcpy(clamped, priv, sizeof(clamped));
	dh_clamp(clamped);
	err = dh_key_new(clamped, &self->key);
	wipe(clamped, sizeof(clamped));
	if (err < 0)
		return err;

	memcpy(self->pub, dh_key_public(self->key), WG_KEY);
	return TM_OK;
}

void hs_self_deinit(struct hs_self *self)
{
	dh_key_free(self->key);
	self->key = NULL;
}

void handshake_init(
	struct handshake *h, const uint8_t remote[static WG_KEY], const uint8_t psk[static NOISE_PSK])
{
	*h = (struct handshake){.remote = remote};
	memcpy(h->psk, psk, NOISE_PSK);
}

void handshake_deinit(struct handshake *h)
{
	handshake_forget(h);
	wipe(h, sizeof(*h));
}

void handshake_abandon(struct handshake *h)
{
	if (h->talk)
		noise_deinit(&h->talk->noise);
	h->pending = false;
	h->index = 0;
}

void handshake_forget(struct handshake *h)
{
	handshake_abandon(h);
	if (!h->talk)
		return;

	wipe(h->talk, sizeof(*h->talk));
	free(TAKE(h->talk));
}

static int start_to_talk(struct handshake *h, const struct hs_self *self)
{
	struct hs_talk *t;
	int err;

	if (h->talk)
		return TM_OK;

	t = calloc(1, sizeof(*t));
	if (!t)
		return TM_ENOMEM;

	err = dh_key_exchange(self->key, h->remote, t->ss);
	if (err < 0) {
		free(t);
		return err;
	}
	cookie_jar_init(&t->jar, h->remote);
	h->talk = t;
	return TM_OK;
}

void handshake_sign(struct handshake *h, uint8_t *msg, size_t n, ns_t now)
{
	cookie_jar_sign(&h->talk->jar, msg, n, now);
}

int handshake_take_cookie(struct handshake *h, struct aead *a, const struct wg_cookie_reply *m, ns_t now)
{
	return h->talk ? cookie_jar_consume(&h->talk->jar, a, m, now) : TM_EAUTH;
}

bool handshake_was_bare(const struct handshake *h)
{
	return h->talk && h->talk->jar.bare;
}

void hs_incoming_wipe(struct hs_incoming *in)
{
	wipe(in, sizeof(*in));
}

void hs_keys_wipe(struct hs_keys *k)
{
	wipe(k, sizeof(*k));
}

void tai64n(ns_t real, uint8_t out[static WG_TAI64N])
{
	uint64_t ns = real > 0 ? (uint64_t)real : 0;

	put_be64(out, TAI64_EPOCH + ns / (uint64_t)SEC);
	put_be32(out + 8, (uint32_t)(ns % (uint64_t)SEC) & ~(STAMP_GRAIN - 1));
}

/* A clock that stands still or was set back must not cost us the peer: count on from the last stamp. */
static void next_stamp(const uint8_t last[static WG_TAI64N], ns_t real, uint8_t out[static WG_TAI64N])
{
	uint32_t fraction;

	tai64n(real, out);
	if (memcmp(out, last, WG_TAI64N) > 0)
		return;

	memcpy(out, last, WG_TAI64N);
	fraction = get_be32(out + 8) + STAMP_GRAIN;
	if (fraction >= (uint32_t)SEC) {
		put_be64(out, get_be64(out) + 1);
		fraction = 0;
	}
	put_be32(out + 8, fraction);
}

static int noise_start(
	struct noise *n, enum noise_role role, const struct hs_self *self, const struct handshake *h)
{
	const struct noise_config cfg = {
		.pattern = NOISE_IKPSK2,
		.role = role,
		.prologue = prologue,
		.prologue_len = sizeof(prologue) - 1,
		.s = self->key,
		.rs = h ? h->remote : NULL,
		.psk = h ? h->psk : NULL,
	};
	int err = noise_init(n, &cfg);

	if (err < 0)
		return err;

	if (h)
		noise_set_ss(n, h->talk->ss);
	return TM_OK;
}

int handshake_create_init(struct handshake *h, const struct hs_self *self, struct aead *a, uint32_t index,
	ns_t real, const uint8_t e_priv[static WG_KEY], uint8_t out[static WG_INIT_MAC1])
{
	uint8_t stamp[WG_TAI64N];
	size_t n;
	int err;

	handshake_abandon(h);
	err = start_to_talk(h, self);
	if (err < 0)
		return err;

	err = noise_start(&h->talk->noise, NOISE_INITIATOR, self, h);
	if (err < 0)
		return err;

	next_stamp(h->sent_stamp, real, stamp);
	wg_init_header(out, index);
	err = noise_write(&h->talk->noise, a, e_priv, stamp, sizeof(stamp), out + WG_INIT_NOISE,
		WG_INIT_MAC1 - WG_INIT_NOISE, &n);
	if (err < 0) {
		handshake_abandon(h);
		return err;
	}

	memcpy(h->sent_stamp, stamp, sizeof(stamp));
	h->index = index;
	h->pending = true;
	return TM_OK;
}

int handshake_identify(
	const struct hs_self *self, struct aead *a, const struct wg_init *m, struct hs_incoming *ret_in)
{
	struct hs_incoming in = {.remote_index = m->sender};
	int err = noise_start(&in.noise, NOISE_RESPONDER, self, NULL);

	if (err == TM_OK)
		err = noise_read_static(&in.noise, a, m->noise, m->noise_len);
	if (err == TM_OK) {
		memcpy(in.remote, in.noise.rs, WG_KEY);
		*ret_in = in;
	}
	hs_incoming_wipe(&in);
	return err;
}

int handshake_consume_init(struct handshake *h, const struct hs_self *self, struct aead *a,
	const struct wg_init *m, struct hs_incoming *in)
{
	uint8_t payload[WG_INIT_LEN];
	size_t n = 0;
	int err = start_to_talk(h, self);

	if (err < 0)
		return err;

	noise_set_ss(&in->noise, h->talk->ss);
	err = noise_read(&in->noise, a, m->noise, m->noise_len, payload, &n);
	if (err == TM_OK && n != WG_TAI64N)
		err = TM_EBADMSG;
	if (err == TM_OK)
		memcpy(in->stamp, payload, WG_TAI64N);
	return err;
}

int handshake_accept_init(struct handshake *h, const struct hs_incoming *in, ns_t now)
{
	if (memcmp(in->stamp, h->received_stamp, WG_TAI64N) <= 0)
		return TM_EREPLAY;
	if (h->has_received && now - h->received_at < SEC / HS_INITIATIONS_PER_SECOND)
		return TM_EAGAIN;

	memcpy(h->received_stamp, in->stamp, WG_TAI64N);
	h->received_at = now;
	h->has_received = true;
	return TM_OK;
}

bool handshake_is_stale(const struct handshake *h, const struct hs_incoming *in)
{
	return get_be64(in->stamp) + HS_STAMP_STALE_S < get_be64(h->received_stamp);
}

static int take_keys(struct noise *n, uint32_t remote_index, struct hs_keys *ret_keys)
{
	struct noise_cipher send, recv;
	int err = noise_split(n, &send, &recv);

	if (err < 0)
		return err;

	memcpy(ret_keys->send, send.key, AEAD_KEY);
	memcpy(ret_keys->recv, recv.key, AEAD_KEY);
	ret_keys->remote_index = remote_index;
	wipe(&send, sizeof(send));
	wipe(&recv, sizeof(recv));
	return TM_OK;
}

int handshake_create_response(struct handshake *h, struct hs_incoming *in, struct aead *a, uint32_t index,
	const uint8_t e_priv[static WG_KEY], uint8_t out[static WG_RESPONSE_MAC1], struct hs_keys *ret_keys)
{
	size_t n;
	int err;

	noise_set_psk(&in->noise, h->psk);
	wg_response_header(out, index, in->remote_index);
	err = noise_write(&in->noise, a, e_priv, NULL, 0, out + WG_RESPONSE_NOISE,
		WG_RESPONSE_MAC1 - WG_RESPONSE_NOISE, &n);
	if (err < 0)
		return err;

	return take_keys(&in->noise, in->remote_index, ret_keys);
}

int handshake_consume_response(
	struct handshake *h, struct aead *a, const struct wg_response *m, struct hs_keys *ret_keys)
{
	struct noise trial; /* a forged response must not spoil the attempt: work on a copy */
	uint8_t payload[WG_RESPONSE_LEN];
	size_t n = 0;
	int err;

	if (!h->pending || m->receiver != h->index)
		return TM_ENOENT;

	trial = h->talk->noise;
	err = noise_read(&trial, a, m->noise, m->noise_len, payload, &n);
	if (err == TM_OK && n != 0)
		err = TM_EBADMSG;
	if (err == TM_OK)
		err = take_keys(&trial, m->sender, ret_keys);
	wipe(&trial, sizeof(trial));
	if (err < 0)
		return err;

	handshake_abandon(h);
	return TM_OK;
}
