/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Looks host names up without blocking: the system is asked by a helper thread, one name at a time. Who asks
 * for a name that is being looked for already gets the same answer, so a slow server is asked once however
 * often one gives up and comes back. The system may take its time; the deadline is the owner's. Control
 * thread.
 */
#ifndef TM_NET_RESOLVER_H
#define TM_NET_RESOLVER_H

#include "base/addr.h"
#include "base/err.h"

enum { LOOKUP_MAX = 16, LOOKUP_HOST_MAX = 255 };

struct event_base;
struct resolver;
struct lookup;

/* Blocks, on the helper thread. As os_names_find. */
typedef int resolver_find_fn(const char *host, struct endpoint *found, size_t max, size_t *ret_n);

/* find NULL: os_names_find. The thread starts with the first name. */
NODISCARD int resolver_new(struct event_base *base, resolver_find_fn *find, struct resolver **ret_resolver);
/* Does not wait for the system. No look-up is left, and none calls this. NULL is fine. */
void resolver_free(struct resolver *r);
/* The network changed: what the system has been asked for a while is asked anew, for it may still wait for a
 * server that cannot be reached any more. */
void resolver_renew(struct resolver *r);

/* err != 0: `why` explains ("the name is unknown"). The families take turns in `found`, beginning with the
 * one that the system prefers (RFC 8305 4). */
typedef void lookup_done_fn(void *ctx, int err, const struct endpoint *found, size_t n, const char *why);

/* Never calls back before returning. The look-up is gone once `done` has been called. */
NODISCARD int lookup_new(struct resolver *r, const char *host, uint16_t port, lookup_done_fn *done, void *ctx,
	struct lookup **ret_lookup);
/* `done` is not called any more. NULL is fine. */
void lookup_cancel(struct lookup *l);

#endif
