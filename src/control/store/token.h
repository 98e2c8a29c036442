/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Join tokens as the coordinator keeps them: never the secret, only its hash. See store.h for threads and
 * transactions. */
#ifndef TM_CONTROL_STORE_TOKEN_H
#define TM_CONTROL_STORE_TOKEN_H

#include "control/store/store.h"
#include "mesh/model.h"
#include "wire/token.h"

struct store_token {
	uint8_t id[TOKEN_ID];
	uint8_t secret_hash[32]; /* SHA-256(secret) */
	uint32_t uses, used;
	int64_t created, expires; /* Unix seconds */
	bool revoked, ephemeral; /* ephemeral: of the nodes that enrol with it */
	char tags[NODE_TAGS_MAX][NODE_TAG_MAX + 1];
	uint8_t n_tags;
};

void store_token_hash(const uint8_t secret[static TOKEN_SECRET], uint8_t ret_hash[static 32]);

typedef int store_token_fn(void *ctx, const struct store_token *t);
NODISCARD int store_token_each(struct store *s, store_token_fn *fn, void *ctx); /* newest first */
NODISCARD int store_token_insert(struct store *s, const struct store_token *t);
/*
 * The token with this id and secret. TM_ENOENT, with the same sentence, for an unknown id and for a wrong
 * secret, after the same work: an outsider learns nothing about which ids exist.
 */
NODISCARD int store_token_find(struct store *s, const uint8_t id[static TOKEN_ID],
	const uint8_t secret[static TOKEN_SECRET], struct store_token *ret_token, struct diag *d);
/* May it be used now? TM_EAUTH (revoked), TM_EEXPIRED, TM_EUSED, with a sentence. Pure. */
NODISCARD int store_token_usable(const struct store_token *t, int64_t now, struct diag *d);
/* Counts one use. Decided by the database, whatever the caller saw before: TM_EUSED when no use was left. */
NODISCARD int store_token_spend(
	struct store *s, const uint8_t id[static TOKEN_ID], int64_t now, struct diag *d);
/* Counts one use less, of a token that is still there. */
NODISCARD int store_token_give_back(struct store *s, const uint8_t id[static TOKEN_ID]);
/* Forgets those made before `before` that cannot be used any more, unless a member joined with it. */
NODISCARD int store_token_prune(struct store *s, int64_t before);
NODISCARD int store_token_revoke(struct store *s, const uint8_t id[static TOKEN_ID]); /* TM_ENOENT */

#endif
