/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The two MACs at the end of handshake messages and the cookies behind the second (whitepaper 5.4.4, 5.4.7).
 *
 *   - mac1 = MAC(HASH("mac1----" || receiver's public key), message before it): the sender knows whom it
 *     talks to.
 *   - mac2 = MAC(cookie, message before it): the sender receives at its address.
 *   - cookie = MAC(secret of at most 120 s, source address and port).
 *   - reply = XAEAD(HASH("cookie--" || our public key), random nonce, cookie, ad = mac1 of the message that
 *     caused it).
 *
 * cookie_oven bakes and checks (one per device); cookie_jar keeps what one peer gave us. Control thread, but
 * for cookie_mac1_ok and cookie_mac1_under.
 */
#ifndef TM_DATA_PEER_COOKIE_H
#define TM_DATA_PEER_COOKIE_H

#include "base/addr.h"
#include "base/err.h"
#include "base/time.h"
#include "crypto/aead.h"
#include "wire/wg.h"

#define COOKIE_SECRET_AGE (120 * SEC) /* whitepaper 5.4.7: the secret changes every two minutes */
#define COOKIE_LATENCY (5 * SEC) /* a cookie is not used in its last seconds: it would arrive too late */

struct cookie_oven {
	uint8_t mac1_key[32], reply_key[32]; /* from our own public key */
	uint8_t secret[32];
	ns_t secret_at;
	bool has_secret;
};

struct cookie_jar {
	uint8_t mac1_key[32], reply_key[32]; /* from the peer's public key */
	uint8_t cookie[WG_COOKIE];
	ns_t cookie_at;
	bool has_cookie;
	uint8_t last_mac1[WG_MAC]; /* of our last message: a reply must refer to it */
	bool has_mac1;
	bool bare; /* that one had no mac2 */
};

typedef void entropy_fn(void *ctx, void *out, size_t n);

void cookie_oven_init(struct cookie_oven *o, const uint8_t our_pub[static WG_KEY]);
bool cookie_mac1_ok(const struct cookie_oven *o, const uint8_t *msg, size_t n);
/* The same for a relay, which knows the public key of whom the message is for: its key, and the question. */
void cookie_mac1_key(const uint8_t pub[static WG_KEY], uint8_t out[static 32]);
bool cookie_mac1_under(const uint8_t key[static 32], const uint8_t *msg, size_t n);
/* mac2 under the cookie of this source; false when it is missing. */
bool cookie_mac2_ok(
	const struct cookie_oven *o, const struct endpoint *from, const uint8_t *msg, size_t n, ns_t now);
/* The reply to the message msg, whose sender calls itself `receiver`. */
NODISCARD int cookie_reply_create(struct cookie_oven *o, struct aead *a, const struct endpoint *from,
	uint32_t receiver, const uint8_t *msg, size_t n, ns_t now, entropy_fn *entropy, void *ctx,
	uint8_t out[static WG_COOKIE_REPLY_LEN]);

void cookie_jar_init(struct cookie_jar *j, const uint8_t peer_pub[static WG_KEY]);
/* Fills the last 32 bytes of a handshake message of n bytes. mac2 is zero without a fresh cookie. */
void cookie_jar_sign(struct cookie_jar *j, uint8_t *msg, size_t n, ns_t now);
/* TM_EAUTH for a reply that is not about our last message or does not decrypt. A reply counts once. */
NODISCARD int cookie_jar_consume(
	struct cookie_jar *j, struct aead *a, const struct wg_cookie_reply *m, ns_t now);

#endif
