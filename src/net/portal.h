/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Asks by HTTP whether it is the coordinator that answers at its port (wire/portal.h): directly, or through
 * the proxy that leads there, in TLS perhaps. A name is looked up; of its addresses the first that takes a
 * connection is asked. Control thread.
 */
#ifndef TM_NET_PORTAL_H
#define TM_NET_PORTAL_H

#include "base/addr.h"
#include "base/time.h"
#include "wire/portal.h"
#include "wire/proxy.h"

struct event_base;
struct portal;
struct resolver;

struct portal_config {
	struct address to; /* the coordinator's port */
	struct ip at; /* where its host is; IP_NONE: it is looked up, or the proxy knows */
	const struct proxy *via; /* borrowed for the call; NULL: none */
	bool tls;
	struct resolver *resolver; /* borrowed for as long as the portal lives */
	uint32_t mark; /* SO_MARK, 0 = none */
};

/* Called once; it may free the portal. */
typedef void portal_done_fn(void *ctx, enum portal_verdict verdict);

#define PORTAL_PATIENCE (3 * SEC) /* of all together */

/* Never calls back before returning. */
NODISCARD int portal_new(struct event_base *base, const struct portal_config *cfg, portal_done_fn *done,
	void *ctx, struct portal **ret_portal);
void portal_free(struct portal *p); /* NULL is fine */

#endif
