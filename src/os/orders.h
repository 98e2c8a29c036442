/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a daemon is told by its system, or by who sits at the machine: to end (SIGINT, SIGTERM), and to read
 * its configuration again (SIGHUP). Control thread. */
#ifndef TM_OS_ORDERS_H
#define TM_OS_ORDERS_H

#include "base/err.h"
#include "base/util.h"

struct event_base;
struct os_orders;

struct os_orders_events {
	void *ctx;
	void (*stop)(void *ctx, const char *by); /* by: for the log */
	void (*reload)(void *ctx);
};
/* From now on; and a connection that the other side has closed is an error of who writes to it, not a signal.
 */
NODISCARD int os_orders_new(
	struct event_base *base, const struct os_orders_events *ev, struct os_orders **ret_orders);
void os_orders_free(struct os_orders *o); /* NULL is fine */

#endif
