/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `dashboard password`: another one, for who comes to the dashboard from outside of the mesh. The command
 * line has made it, and tells what is to be kept of it. */
#include "node/commands_private.h"
#include "node/dashboard.h"

static void put_listeners(const struct node *n, struct jsonout *o)
{
	struct dashboard_view v;
	char text[ENDPOINT_STR_LEN];

	node_dashboard_view(n, &v);
	jsonout_list(o, "listen");
	for (size_t i = 0; i < v.outside.n; i++)
		jsonout_text(o, NULL, endpoint_format(&v.outside.doors[i].at, text));
	jsonout_list_end(o);
}

void command_dashboard_password(struct node *n, const msg_object *req, struct ctl_call *call)
{
	struct jsonout o = {0};
	struct diag d = {0};

	if (!n->dashboard) {
		command_not_coordinator(n, call);
		return;
	}
	int err = node_dashboard_keep(n, command_field(req, "kept"), &d);
	if (err) {
		ctl_reply(call, msg_refusal(tm_err_word(err), d.what, d.hint));
		return;
	}
	jsonout_object(&o, NULL);
	jsonout_bool(&o, "ok", true);
	put_listeners(n, &o);
	jsonout_object_end(&o);
	ctl_reply_text(call, jsonout_take(&o, NULL));
}
