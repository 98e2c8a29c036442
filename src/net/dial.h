/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Opens a TCP connection to an address. Control thread; the deadline is the owner's. */
#ifndef TM_NET_DIAL_H
#define TM_NET_DIAL_H

#include "base/addr.h"
#include "base/err.h"

struct event_base;
struct dial;

/* Called once. fd is the callee's (-1 on failure, then `why` is a clause: "connection refused"). It may free
 * the dial. */
typedef void dial_done_fn(void *ctx, int err, int fd, const char *why);

/* mark: SO_MARK, 0 = none. Never calls back before returning. */
NODISCARD int dial_new(struct event_base *base, const struct endpoint *to, uint32_t mark, dial_done_fn *done,
	void *ctx, struct dial **ret_dial);
void dial_free(struct dial *d); /* NULL is fine */

#endif
