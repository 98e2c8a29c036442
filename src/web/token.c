/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Tokens of posts: who has one has been given it by a page of this server. It is bound to the viewer, not to
 * a cookie: a member needs none, its address says who it is. Good for the day it was made on and the next.
 */
#include <string.h>

#include "base/encode.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "web/server.h"

_Static_assert(WEB_TOKEN_LEN == (WEB_DIGEST * 8 + 5) / 6, "base64url without padding");

static int64_t today(void)
{
	return time_monotonic() / (24 * 3600 * SEC);
}

static void token_make(const struct web_request *r, int64_t day, char out[static WEB_TOKEN_LEN + 1])
{
	const struct web_viewer *v = &r->viewer;
	const struct hash_part parts[] = {
		{"post", 4}, {v->id, sizeof(v->id)}, {&day, sizeof(day)}, {v->name, strlen(v->name)}};
	uint8_t digest[WEB_DIGEST];

	hmac_sha256(r->visit->server->key, WEB_DIGEST, parts, ARRAY_LEN(parts), digest);
	base64url_encode(digest, sizeof(digest), out);
}

const char *web_token(struct web_request *r)
{
	if (!r->token[0])
		token_make(r, today(), r->token);
	return r->token;
}

bool token_fits(const struct web_request *r, const char *token)
{
	char own[WEB_TOKEN_LEN + 1];
	bool fits = false;

	if (!token || strlen(token) != WEB_TOKEN_LEN)
		return false;
	for (int64_t day = today(); day >= today() - 1; day--) {
		token_make(r, day, own);
		fits |= ct_eq(own, token, WEB_TOKEN_LEN);
	}
	return fits;
}
