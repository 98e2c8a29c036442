/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Join token: "tm1_" + base64url of
 *   version 1, or 2 when an address is a URL | coordinator X25519 key 32 | token id 8 | secret 16 | expiry 8
 * (Unix seconds, big-endian) | count 1 | count x { length 1 | address text } | checksum 4 (first bytes of
 * SHA-256 over all before) An address is one of a coordinator's TCP port: wire/address.h. The checksum only
 * tells a garbled paste from a wrong token; the coordinator stores SHA-256(secret), never the secret.
 */
#ifndef TM_WIRE_TOKEN_H
#define TM_WIRE_TOKEN_H

#include "base/diag.h"
#include "base/err.h"
#include "base/util.h"

enum {
	TOKEN_KEY = 32,
	TOKEN_ID = 8,
	TOKEN_SECRET = 16,
	TOKEN_ADDRS_MAX = 8,
	TOKEN_ADDR_LEN = 254 + 7,
	TOKEN_TEXT_MAX = 4096,
};

struct token {
	uint8_t coordinator_key[TOKEN_KEY];
	uint8_t id[TOKEN_ID];
	uint8_t secret[TOKEN_SECRET];
	int64_t expiry; /* Unix seconds */
	size_t n_addrs;
	char addrs[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN];
};

/*
 * "host", "host:port", "[v6]", "[v6]:port" or a bare IPv6 address, as a person writes it, as "host:port"; a
 * URL as it is.
 * TM_EINVAL: it is none of them; TM_EUNREACH: a link-local IPv6 address, which every machine would look for
 * on a network of its own.
 */
NODISCARD int token_address(const char *given, uint16_t port, char out[static TOKEN_ADDR_LEN]);
/* out >= TOKEN_TEXT_MAX bytes. */
NODISCARD int token_encode(const struct token *t, char *out, size_t out_len);
/* Surrounding white space is forgiven. d gets a sentence that fits the mistake: not a token, cut off,
 * garbled, newer version. */
NODISCARD int token_decode(const char *text, struct token *ret_token, struct diag *d);
void token_wipe(struct token *t);

#endif
