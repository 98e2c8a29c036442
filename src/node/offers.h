/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The networks behind this machine, and the way to the internet, as far as it offers them to others: what the
 * configuration and the command line said, and the coordinator is told whenever it knows otherwise. Control
 * thread. Private to node/.
 */
#ifndef TM_NODE_OFFERS_H
#define TM_NODE_OFFERS_H

#include "base/diag.h"
#include "node/route_settings.h"

struct node;
struct offers;

NODISCARD int offers_open(struct node *n); /* configuration and paths are there */
void offers_close(struct node *n);

/* What counts now, of the configuration and of what was told. */
const struct route_settings *offers_now(const struct node *n);
/* What was told alone. */
const struct route_settings *offers_told(const struct node *n);
/* The link is up, members or the configuration changed: the coordinator is told if it knows otherwise. */
void offers_look(struct node *n);
void offers_reload(struct node *n); /* the configuration is another one */
/*
 * Somebody tells something else: kept, and told on. done, if any, is called once: TM_OK; TM_EPERM, the
 * coordinator refuses, and what they changed is as before; else the coordinator will be told when there is a
 * link, or when its trouble has passed. A setting that cannot be saved is an error at once, and nothing has
 * changed.
 */
typedef void offers_done_fn(void *ctx, int err, const struct diag *d);
NODISCARD int offers_tell(
	struct node *n, const struct route_settings *next, offers_done_fn *done, void *ctx, struct diag *d);
/* Why the coordinator does not take what is offered; "" = it does, or was not asked. */
const char *offers_refused(const struct node *n);

/* What of it is approved, by our own record: what others come to us for. Flags of nets are as offered. */
void offers_approved(const struct node *n, struct route_settings *ret_s);

#endif
