/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What happened lately, here: `events`. What was done to the mesh the coordinator is asked for. */
#include "node/commands_private.h"
#include "node/events.h"
#include "wire/msg/request.h"

void command_events(struct node *n, const msg_object *req, struct ctl_call *call)
{
	struct msg_events q;
	struct diag d = {0};
	int err = msg_events_get(req, &q, &d);

	if (err) {
		ctl_reply(call, msg_refusal(tm_err_word(err), d.what, d.hint));
		return;
	}
	const struct events_query query = {.after = q.after,
		.since = q.since,
		.wait = q.wait,
		.patience = q.for_s * SEC,
		.mesh = n->coord != NULL};
	events_ask(n->events, &query, call);
}
