/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Looks a host name up with the system's resolvers (/etc/hosts and /etc/resolv.conf, read anew for every
 * look-up, so that a changed network counts at once), without blocking. Our own stub and not a library's,
 * because its sockets carry the daemon's mark: the coordinator must be found outside the tunnel. Control
 * thread.
 */
#ifndef TM_NET_LOOKUP_H
#define TM_NET_LOOKUP_H

#include "base/addr.h"
#include "base/err.h"
#include "net/resolv.h"

struct event_base;
struct lookup;

enum { LOOKUP_MAX = 16 };

/* What the system says. */
struct lookup_system {
	struct resolv resolv;
	char *hosts; /* the text of /etc/hosts; NULL = none */
	uint32_t mark; /* SO_MARK of our sockets, 0 = none */
};

/* err != 0: `why` explains ("unknown host name"). IPv6 and IPv4 take turns in `found`, IPv6 first (RFC 8305
 * 4). */
typedef void lookup_done_fn(void *ctx, int err, const struct endpoint *found, size_t n, const char *why);

/* Never calls back before returning. The look-up is gone once `done` has been called. */
NODISCARD int lookup_new(struct event_base *base, const char *host, uint16_t port, uint32_t mark,
	lookup_done_fn *done, void *ctx, struct lookup **ret_lookup);
/* The same with another system. */
NODISCARD int lookup_new_in(struct event_base *base, const struct lookup_system *system, const char *host,
	uint16_t port, lookup_done_fn *done, void *ctx, struct lookup **ret_lookup);
/* Gives a running look-up up: `done` is not called any more. NULL is fine. */
void lookup_cancel(struct lookup *l);

#endif
