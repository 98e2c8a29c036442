/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What this node tells its coordinator of itself and of the peers in use, when it is asked, as often as it is
 * asked, and what has changed alone (docs/protocol.md, "report"): what is there or counted anyway is looked
 * at. Control thread. Private to node/.
 */
#ifndef TM_NODE_REPORTING_H
#define TM_NODE_REPORTING_H

#include "base/err.h"
#include "wire/msg/report.h"

struct node;
struct reporting;

NODISCARD int reporting_new(struct node *n, struct reporting **ret_reporting);
void reporting_free(struct reporting *r); /* NULL is fine */
void reporting_asked(struct reporting *r, const struct msg_report_ask *ask);
/* The link is gone, and who asked with it; NULL is fine. */
void reporting_stop(struct reporting *r);

#endif
