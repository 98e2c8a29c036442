/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What became of the first pieces of fragmented packets: the others show no ports and share its fate. They
 * are not put together, and nothing waits: a piece whose first was not seen, or did not pass, is dropped.
 *
 * Hosts differ in what they make of pieces that overlap (RFC 1858, 3128, 5722), so where a later one reaches
 * into what the first has shown, or a second first one comes, nothing of the whole passes any more.
 *
 * Bounded: who begins wholes and never ends them loses his own, when there is no room. One thread at a time.
 */
#ifndef TM_DATA_FILTER_PIECES_H
#define TM_DATA_FILTER_PIECES_H

#include "base/err.h"
#include "base/siphash.h"
#include "data/filter/flow.h"
#include "packet/ip.h"

/* Of a whole, the pieces leave together; what is still on its way then is lost. */
enum { PIECES_MAX = 512, PIECES_S = 10 };

struct pieces;

NODISCARD int pieces_new(const struct siphash_key *key, struct pieces **ret_p);
void pieces_free(struct pieces *p);

/* A first piece: true, if its whole has begun with another, which nothing follows any more. */
bool pieces_spoil(struct pieces *p, const struct ip_view *v, uint32_t tick);
/* A first piece that has spoilt nothing, and passes; it comes through this peer. */
void pieces_begin(struct pieces *p, const struct ip_view *v, uint16_t peer, uint32_t tick);
/* Any other piece: whether it may. */
bool pieces_pass(struct pieces *p, const struct ip_view *v, uint32_t tick);

#endif
