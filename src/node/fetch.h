/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A question to a gateway over TCP, and its answer: one at a time, until who asked has read enough, the other
 * end closes, or time is up. Control thread.
 */
#ifndef TM_NODE_FETCH_H
#define TM_NODE_FETCH_H

#include "control/portmap/portmap.h"

struct event_base;
struct fetch;

struct fetch_user {
	void *ctx;
	/* All that has come so far; closed: there will be no more. True: it is enough. The text may be
	 * changed. */
	bool (*text)(void *ctx, unsigned number, char *text, size_t n, bool closed);
	/* It is over, and the next one may begin. Never from within fetch_start. */
	void (*over)(void *ctx);
};

/* mark: of its sockets. */
NODISCARD int fetch_new(
	struct event_base *base, uint32_t mark, const struct fetch_user *user, struct fetch **ret_fetch);
void fetch_free(struct fetch *f); /* NULL is fine */

/* The request of a PORTMAP_FETCH; one that is under way is given up. */
void fetch_start(struct fetch *f, const struct portmap_out *out);
void fetch_stop(struct fetch *f);

#endif
