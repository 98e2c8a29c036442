/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What left lately leaves once more, by another way (kept.h). The control thread asks each worker, which
 * sends what it has kept. A request has all that is needed: by the time that it is looked at the peer may be
 * gone, and is compared, not looked into.
 */
#ifndef TM_DATA_PLANE_AGAIN_H
#define TM_DATA_PLANE_AGAIN_H

#include "base/time.h"
#include "data/link/way.h"

struct peer;
struct worker;

struct again {
	struct again *next;
	const struct peer *peer;
	ns_t since;
	struct way way;
};

/* Control thread: w looks at it soon. */
void again_ask(struct worker *w, struct again *a_take);
/* w: does what was asked, if anything was. */
void again_send(struct worker *w);
/* The worker's thread does not run any more. */
void again_forget(struct worker *w);

#endif
