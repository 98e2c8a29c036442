/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How reaching peers went: how long it took from the first traffic to the first way that answers, and to a
 * direct one, and how often the kind of way in use changed, and why. Counted from what the path core is told
 * and decides; a peer that nobody uses costs nothing. Control thread. Private to node/.
 */
#ifndef TM_NODE_REACHING_H
#define TM_NODE_REACHING_H

#include "base/err.h"
#include "base/hashset.h"
#include "base/histogram.h"
#include "control/path/core.h"

/* By what a peer is reached. */
enum reaching_by { BY_NOTHING, BY_DIRECT, BY_RELAY, BY_TCP, BY_N };

/* The way in use became another, or there is none any more. */
struct reaching_change {
	const uint8_t *key; /* the peer's, 32 bytes */
	enum reaching_by from, to;
	const struct endpoint *at; /* of the way; BY_NOTHING: of the one that was in use */
	enum path_why why;
};
typedef void reaching_change_fn(void *ctx, const struct reaching_change *c);

struct reaching {
	struct hashset peers; /* of those that were used */
	struct histogram contact, direct; /* since the first traffic that found no way */
	uint64_t changes[BY_N][BY_N][WHY_N]; /* from, to; the same kind: to another address */
	uint64_t in_vain; /* rounds of tries after which nothing had answered */
	reaching_change_fn *on_change; /* NULL: nobody wants to know */
	void *on_change_ctx;
};

NODISCARD int reaching_new(struct reaching **ret_r);
void reaching_free(struct reaching *r); /* NULL is fine */
/* now: monotonic. */
void reaching_input(struct reaching *r, const struct core_in *in, ns_t now);
void reaching_output(struct reaching *r, const struct core_out *out, ns_t now);

void reaching_on_change(struct reaching *r, reaching_change_fn *fn, void *ctx);

const char *reaching_name(enum reaching_by by);

#endif
