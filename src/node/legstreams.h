/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Streams of members to the relay that we are: taken at the coordinator's port, proved by the registrar,
 * given to the plane, and looked after until they end. A member has one; its next takes the place. Control
 * thread. Private to node/.
 */
#ifndef TM_NODE_LEGSTREAMS_H
#define TM_NODE_LEGSTREAMS_H

#include "net/release.h"

struct legstreams;
struct node;

NODISCARD int legstreams_new(struct node *n, struct legstreams **ret_s);
void legstreams_free(struct legstreams *s); /* the plane closes its ends; NULL is fine */

/* For the coordinator's port; good as long as s. */
const struct stream_taker *legstreams_taker(const struct legstreams *s);
bool legstreams_has(const struct legstreams *s, uint32_t stream);
/* False: it is none of a member's. */
bool legstreams_lost(struct legstreams *s, uint32_t stream);
/* The member is none any more, or all (NULL): we relay no longer. */
void legstreams_forget(struct legstreams *s, const char *id);

#endif
