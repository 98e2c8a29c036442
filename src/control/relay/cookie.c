/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/relay/cookie.h"

#include "base/secret.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"

int cookie_key_init(struct cookie_key *c, const uint8_t private_key[static 32])
{
	return hkdf_sha256(private_key, 32, "", 0, "tunnelmesh relay 1", c->k, sizeof(c->k));
}

void cookie_key_deinit(struct cookie_key *c)
{
	wipe(c, sizeof(*c));
}

static void of_hour(const struct cookie_key *c, const char *id, const struct endpoint *at, uint64_t hour,
	uint8_t ret_cookie[static STUN_COOKIE])
{
	const uint8_t family = at->ip.family;
	uint8_t port[2], when[8], tag[32];

	put_be16(port, at->port);
	put_be64(when, hour);
	const struct hash_part parts[] = {{id, NODE_ID_LEN}, {&family, 1}, {at->ip.bytes, ip_len(&at->ip)},
		{port, sizeof(port)}, {when, sizeof(when)}};
	hmac_sha256(c->k, sizeof(c->k), parts, ARRAY_LEN(parts), tag);
	memcpy(ret_cookie, tag, STUN_COOKIE);
	wipe(tag, sizeof(tag));
}

static uint64_t hour_of(ns_t real)
{
	return (uint64_t)(real / (3600 * SEC));
}

void cookie_make(const struct cookie_key *c, const char *id, const struct endpoint *at, ns_t real,
	uint8_t ret_cookie[static STUN_COOKIE])
{
	of_hour(c, id, at, hour_of(real), ret_cookie);
}

bool cookie_is_right(const struct cookie_key *c, const char *id, const struct endpoint *at, ns_t real,
	const uint8_t cookie[static STUN_COOKIE])
{
	uint8_t now[STUN_COOKIE], before[STUN_COOKIE];

	of_hour(c, id, at, hour_of(real), now);
	of_hour(c, id, at, hour_of(real) - 1, before);
	/* Not the one or the other: which hour it was made in is nobody's business either. */
	return ct_eq(cookie, now, STUN_COOKIE) | ct_eq(cookie, before, STUN_COOKIE);
}
