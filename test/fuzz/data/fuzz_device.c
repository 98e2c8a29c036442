/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * device_receive of a device with one peer, fed with bent versions of messages that would be right.
 *
 *   input: kind 1 | flags 1 | length 1 | kind 0: raw bytes; else pairs of offset 1, xor 1
 *   kind: 0 raw, 1 initiation of the peer, 2 response to our initiation, 3 cookie reply to our initiation
 *   flags: 1 put mac1 right again, 2 under load, 4 deliver twice, 8 cut or extend to `length`
 */
#include "crypto/dh.h"
#include "crypto/init.h"
#include "data/peer/device.h"
#include "wire/wg.h"

#include <assert.h>
#include <string.h>

enum { MSG_MAX = 256, NOW = 1000 };
enum { FIX_MAC1 = 1, LOADED = 2, TWICE = 4, RESIZE = 8 };

struct end {
	struct device *d;
	struct peer *p;
	uint64_t rng;
	uint8_t sent[MSG_MAX];
	size_t sent_n;
	unsigned n_sent, heard;
};

static const struct endpoint honest = {.ip = {IP_V4, {192, 0, 2, 1}}, .port = 1};
static const struct endpoint elsewhere = {.ip = {IP_V6, {0x20, 0x01, 0x0d, 0xb8}}, .port = 2};

static void on_send(void *ctx, struct peer *p, const struct way_to *by, const uint8_t *msg, size_t n)
{
	struct end *e = ctx;

	(void)p, (void)by;
	assert(n <= sizeof(e->sent));
	memcpy(e->sent, msg, n);
	e->sent_n = n;
	e->n_sent++;
}

static void on_peer(void *ctx, struct peer *p)
{
	(void)ctx, (void)p;
}

static void on_flush(void *ctx, struct peer *p, struct keypair *kp)
{
	(void)ctx, (void)p, (void)kp;
}

static void retire_keypair(void *ctx, struct keypair *kp)
{
	(void)ctx;
	keypair_free(kp);
}

static void retire_way(void *ctx, struct way *way)
{
	(void)ctx;
	free(way);
}

static void retire_peer(void *ctx, struct peer *p)
{
	(void)ctx;
	device_peer_free(p);
}

static void on_heard(void *ctx, struct peer *p, const struct way_to *by)
{
	(void)p, (void)by;
	((struct end *)ctx)->heard++;
}

static void on_session(void *ctx, struct peer *p, bool up)
{
	(void)ctx, (void)p, (void)up;
}

static void dice(void *ctx, void *out, size_t n)
{
	struct end *e = ctx;
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++) {
		e->rng = e->rng * UINT64_C(6364136223846793005) + 1442695040888963407;
		p[i] = (uint8_t)(e->rng >> 56);
	}
}

static ns_t real_time(void *ctx)
{
	(void)ctx;
	return 1767225600 * SEC;
}

static void end_open(struct end *e, uint8_t own, uint8_t other)
{
	const struct device_ops ops = {
		.ctx = e,
		.send = on_send,
		.send_keepalive = on_peer,
		.flush_staged = on_flush,
		.drop_staged = on_peer,
		.retire_keypair = retire_keypair,
		.retire_way = retire_way,
		.retire_peer = retire_peer,
		.want_way = on_peer,
		.heard = on_heard,
		.session_changed = on_session,
		.entropy = dice,
		.real_time = real_time,
	};
	uint8_t priv[32], other_priv[32], other_pub[32];
	const uint8_t psk[32] = {0};
	const struct device_config cfg = {.private_key = priv, .load_threshold = 100};

	memset(priv, own, sizeof(priv));
	memset(other_priv, other, sizeof(other_priv));
	*e = (struct end){.rng = own};
	if (dh_public(other_priv, other_pub) < 0 || device_new(&cfg, &ops, &e->d) < 0 ||
		device_peer_add(e->d, other_pub, psk, &e->p) < 0 ||
		device_peer_set_way(e->d, e->p, &(struct way_to){.remote = honest}, NOW * SEC) < 0)
		abort();
}

/* The message that would be right. */
static size_t genuine(unsigned kind, struct end *us, struct end *peer, uint8_t *msg)
{
	struct end *from = peer;

	if (kind == 1) {
		device_want_session(peer->d, peer->p, NOW * SEC);
	} else {
		device_want_session(us->d, us->p, NOW * SEC);
		device_receive(peer->d, NOW * SEC, &(struct way_to){.remote = honest}, us->sent, us->sent_n,
			kind == 3 ? 100 : 0);
	}
	memcpy(msg, from->sent, from->sent_n);
	return from->sent_n;
}

static void deliver(struct end *us, const uint8_t *msg, size_t n, bool loaded)
{
	const struct way *way = atomic_load(&us->p->way);
	unsigned sent = us->n_sent, heard = us->heard;
	enum device_verdict v = device_receive(
		us->d, NOW * SEC + 1 * SEC, &(struct way_to){.remote = elsewhere}, msg, n, loaded ? 100 : 0);

	/* Silence for whoever failed, and nobody is heard elsewhere without proof. */
	if (v != DEV_OK && v != DEV_NEED_COOKIE)
		assert(us->n_sent == sent);
	if (v != DEV_OK || wg_classify(msg, n) == WG_COOKIE_REPLY)
		assert(us->heard == heard);
	assert(atomic_load(&us->p->way) == way);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct end us, peer;
	uint8_t msg[MSG_MAX] = {0};
	unsigned kind, flags;
	struct cookie_jar jar;
	size_t msg_n;
	bool bent;

	if (n < 3 || crypto_init(NULL) < 0)
		return 0;

	kind = data[0] % 4;
	flags = data[1];
	end_open(&us, 1, 2);
	end_open(&peer, 2, 1);
	if (kind == 0) {
		msg_n = MIN(n - 3, sizeof(msg));
		memcpy(msg, data + 3, msg_n);
		bent = true;
	} else {
		msg_n = genuine(kind, &us, &peer, msg);
		bent = n >= 5 || (flags & (FIX_MAC1 | LOADED | RESIZE));
		for (size_t i = 3; i + 1 < n; i += 2)
			msg[data[i]] ^= data[i + 1];
	}
	if (flags & RESIZE)
		msg_n = data[2];
	if ((flags & FIX_MAC1) && msg_n >= 2 * WG_MAC) {
		cookie_jar_init(&jar, peer.p->key);
		cookie_jar_sign(&jar, msg, msg_n, 0);
	}
	if (bent)
		deliver(&us, msg, msg_n, flags & LOADED);
	else
		assert(device_receive(us.d, NOW * SEC + 1 * SEC, &(struct way_to){.remote = honest}, msg,
			       msg_n, 0) == DEV_OK);
	if (flags & TWICE)
		deliver(&us, msg, msg_n, flags & LOADED);
	device_run(us.d, NOW * SEC + 200 * SEC);
	device_free(us.d);
	device_free(peer.d);
	return 0;
}
