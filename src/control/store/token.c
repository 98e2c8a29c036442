/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What tokens mean, whatever keeps them. */
#include "control/store/token.h"

#include "base/secret.h"
#include "control/store/ops.h"
#include "crypto/hash.h"

static const char new_one[] = "ask for a new one: `tunnelmesh token create` on the coordinator";

void store_token_hash(const uint8_t secret[static TOKEN_SECRET], uint8_t ret_hash[static 32])
{
	struct hash_part part = {secret, TOKEN_SECRET};

	sha256(&part, 1, ret_hash);
}

int store_token_each(struct store *s, store_token_fn *fn, void *ctx)
{
	return s->ops->token_each(s, fn, ctx);
}

int store_token_insert(struct store *s, const struct store_token *t)
{
	return s->ops->token_insert(s, t);
}

int store_token_find(struct store *s, const uint8_t id[static TOKEN_ID],
	const uint8_t secret[static TOKEN_SECRET], struct store_token *ret_token, struct diag *d)
{
	struct store_token t = {0}; /* no secret has this hash */
	uint8_t hash[32];

	int err = s->ops->token_by_id(s, id, &t);
	if (err && err != TM_ENOENT)
		return err;

	store_token_hash(secret, hash);
	if (!ct_eq(hash, t.secret_hash, sizeof(hash))) {
		diag_hint(d, "check that it was copied whole and is of this mesh, or %s", new_one);
		return diag_what(d, TM_ENOENT, "the coordinator does not know this join token");
	}
	*ret_token = t;
	return TM_OK;
}

static int used_up(uint32_t uses, struct diag *d)
{
	diag_hint(d, "%s", new_one);
	if (uses == 1)
		return diag_what(d, TM_EUSED, "this join token has been used already");
	return diag_what(d, TM_EUSED, "this join token has been used as often as it may be");
}

int store_token_usable(const struct store_token *t, int64_t now, struct diag *d)
{
	if (t->revoked) {
		diag_hint(d, "%s", new_one);
		return diag_what(d, TM_EAUTH, "this join token has been revoked");
	}
	if (t->used >= t->uses)
		return used_up(t->uses, d);
	if (t->expires <= now) {
		diag_hint(d, "%s", new_one);
		return diag_what(d, TM_EEXPIRED, "this join token has expired");
	}
	return TM_OK;
}

int store_token_spend(struct store *s, const uint8_t id[static TOKEN_ID], int64_t now, struct diag *d)
{
	int err = s->ops->token_spend(s, id, now);

	return err == TM_EUSED ? used_up(1, d) : err;
}

int store_token_give_back(struct store *s, const uint8_t id[static TOKEN_ID])
{
	return s->ops->token_give_back(s, id);
}

int store_token_prune(struct store *s, int64_t before)
{
	return s->ops->token_prune(s, before);
}

int store_token_revoke(struct store *s, const uint8_t id[static TOKEN_ID])
{
	return s->ops->token_revoke(s, id);
}
