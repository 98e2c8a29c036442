/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What this node offers to others, told to the coordinator. */
#include "control/agent/agent_private.h"
#include "wire/msg/request.h"

enum { OFFER_TIMEOUT_MS = 10000 };

struct offer {
	struct agent *agent;
	agent_offered_fn *done;
	void *ctx;
};

static void answered(void *ctx, msg_object *reply_take)
{
	struct offer *o = ctx;
	struct diag d = {0};
	int err = msg_reply_get(reply_take, &d);

	if (err && !agent_link_up(o->agent))
		err = TM_ECLOSED;
	else if (err && msg_reply_passes(reply_take))
		err = TM_EAGAIN;
	o->done(o->ctx, err, &d);
	msg_object_free(reply_take);
	free(o);
}

void agent_offer_routes(struct agent *a, const struct node_routes *r, agent_offered_fn *done, void *ctx)
{
	struct offer *o = calloc(1, sizeof(*o));
	msg_object *m = msg_route_offer(r);

	if (!o || !m) {
		free(o);
		msg_object_free(m);
		done(ctx, TM_ENOMEM, &(struct diag){.what = "out of memory"});
		return;
	}
	*o = (struct offer){.agent = a, .done = done, .ctx = ctx};
	agent_request(a, m, answered, o, OFFER_TIMEOUT_MS);
	msg_object_free(m);
}
