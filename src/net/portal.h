/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Asks by HTTP whether it is the coordinator that answers at its address (wire/portal.h). Control thread. */
#ifndef TM_NET_PORTAL_H
#define TM_NET_PORTAL_H

#include "base/addr.h"
#include "base/time.h"
#include "wire/portal.h"

struct event_base;
struct portal;

/* Called once; it may free the portal. */
typedef void portal_done_fn(void *ctx, enum portal_verdict verdict);

#define PORTAL_PATIENCE (3 * SEC)

/* host: for the Host field; borrowed for the call. mark: SO_MARK, 0 = none. Never calls back before
 * returning. */
NODISCARD int portal_new(struct event_base *base, const struct endpoint *to, const char *host, uint32_t mark,
	portal_done_fn *done, void *ctx, struct portal **ret_portal);
void portal_free(struct portal *p); /* NULL is fine */

#endif
