/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/peer/cookie.h"

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/hash.h"

#include <string.h>

enum { COOKIE_SOURCE_MAX = 16 + 2 + 4 };

static void label_key(const char *label, const uint8_t pub[static WG_KEY], uint8_t out[static HASH_LEN])
{
	blake2s((struct hash_part[]){{label, 8}, {pub, WG_KEY}}, 2, out);
}

void cookie_oven_init(struct cookie_oven *o, const uint8_t our_pub[static WG_KEY])
{
	*o = (struct cookie_oven){0};
	cookie_mac1_key(our_pub, o->mac1_key);
	label_key("cookie--", our_pub, o->reply_key);
}

void cookie_mac1_key(const uint8_t pub[static WG_KEY], uint8_t out[static 32])
{
	label_key("mac1----", pub, out);
}

bool cookie_mac1_under(const uint8_t key[static 32], const uint8_t *msg, size_t n)
{
	uint8_t mac[BLAKE2S_MAC_LEN];

	if (n < 2 * WG_MAC)
		return false;

	blake2s_mac(key, 32, msg, n - 2 * WG_MAC, mac);
	return ct_eq(mac, msg + n - 2 * WG_MAC, WG_MAC);
}

bool cookie_mac1_ok(const struct cookie_oven *o, const uint8_t *msg, size_t n)
{
	return cookie_mac1_under(o->mac1_key, msg, n);
}

/*
 * Only this device ever reads the cookie's input, so its layout is ours: family-sized address, port, scope.
 */
static void cookie_of(const struct cookie_oven *o, const struct endpoint *from, uint8_t out[static WG_COOKIE])
{
	uint8_t buf[COOKIE_SOURCE_MAX];
	struct wr w = wr_over(buf, sizeof(buf));

	wr_bytes(&w, from->ip.bytes, ip_len(&from->ip));
	wr_be16(&w, from->port);
	wr_be32(&w, from->scope);
	blake2s_mac(o->secret, sizeof(o->secret), buf, wr_len(&w), out);
}

static bool secret_fresh(const struct cookie_oven *o, ns_t now)
{
	return o->has_secret && now - o->secret_at < COOKIE_SECRET_AGE;
}

bool cookie_mac2_ok(
	const struct cookie_oven *o, const struct endpoint *from, const uint8_t *msg, size_t n, ns_t now)
{
	uint8_t cookie[WG_COOKIE], mac[BLAKE2S_MAC_LEN];
	bool ok;

	if (n < 2 * WG_MAC || !secret_fresh(o, now))
		return false;

	cookie_of(o, from, cookie);
	blake2s_mac(cookie, sizeof(cookie), msg, n - WG_MAC, mac);
	ok = ct_eq(mac, msg + n - WG_MAC, WG_MAC);
	wipe(cookie, sizeof(cookie));
	return ok;
}

int cookie_reply_create(struct cookie_oven *o, struct aead *a, const struct endpoint *from, uint32_t receiver,
	const uint8_t *msg, size_t n, ns_t now, entropy_fn *entropy, void *ctx,
	uint8_t out[static WG_COOKIE_REPLY_LEN])
{
	uint8_t cookie[WG_COOKIE], nonce[WG_COOKIE_NONCE], sealed[WG_SEALED(WG_COOKIE)];
	int err;

	if (n < 2 * WG_MAC)
		return TM_ESHORT;

	if (!secret_fresh(o, now)) {
		entropy(ctx, o->secret, sizeof(o->secret));
		o->secret_at = now;
		o->has_secret = true;
	}
	cookie_of(o, from, cookie);
	entropy(ctx, nonce, sizeof(nonce));
	err = xaead_seal(
		a, o->reply_key, nonce, msg + n - 2 * WG_MAC, WG_MAC, cookie, sizeof(cookie), sealed);
	wipe(cookie, sizeof(cookie));
	if (err < 0)
		return err;

	wg_cookie_reply_encode(out, receiver, nonce, sealed);
	return TM_OK;
}

void cookie_jar_init(struct cookie_jar *j, const uint8_t peer_pub[static WG_KEY])
{
	*j = (struct cookie_jar){0};
	label_key("mac1----", peer_pub, j->mac1_key);
	label_key("cookie--", peer_pub, j->reply_key);
}

void cookie_jar_sign(struct cookie_jar *j, uint8_t *msg, size_t n, ns_t now)
{
	uint8_t *mac1 = msg + n - 2 * WG_MAC, *mac2 = msg + n - WG_MAC;

	blake2s_mac(j->mac1_key, sizeof(j->mac1_key), msg, n - 2 * WG_MAC, mac1);
	memcpy(j->last_mac1, mac1, WG_MAC);
	j->has_mac1 = true;

	j->has_cookie = j->has_cookie && now - j->cookie_at < COOKIE_SECRET_AGE - COOKIE_LATENCY;
	j->bare = !j->has_cookie;
	if (j->bare)
		memset(mac2, 0, WG_MAC);
	else
		blake2s_mac(j->cookie, sizeof(j->cookie), msg, n - WG_MAC, mac2);
}

int cookie_jar_consume(struct cookie_jar *j, struct aead *a, const struct wg_cookie_reply *m, ns_t now)
{
	uint8_t cookie[WG_COOKIE];

	if (!j->has_mac1)
		return TM_EAUTH;
	if (xaead_open(a, j->reply_key, m->nonce, j->last_mac1, WG_MAC, m->sealed, WG_SEALED(WG_COOKIE),
		    cookie) < 0)
		return TM_EAUTH;

	memcpy(j->cookie, cookie, sizeof(cookie));
	wipe(cookie, sizeof(cookie));
	j->cookie_at = now;
	j->has_cookie = true;
	j->has_mac1 = false; /* replays of the reply are worthless */
	return TM_OK;
}
