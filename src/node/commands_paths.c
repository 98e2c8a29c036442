/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* By which ways peers were reached lately, and why it became others: `paths`. */
#include "node/commands_private.h"
#include "node/view.h"
#include "wire/msg/request.h"

static int by_host(const void *a, const void *b)
{
	const struct mesh_node *const *x = a, *const *y = b;

	return (*x)->host < (*y)->host ? -1 : (*x)->host > (*y)->host;
}

static void print_change(const struct path_change *c, struct jsonout *out)
{
	char at[ENDPOINT_STR_LEN];

	jsonout_object(out, NULL);
	jsonout_int(out, "at_ms", c->at_ms);
	jsonout_text(out, "from", reaching_name(c->from));
	jsonout_text(out, "to", reaching_name(c->to));
	jsonout_text(out, "endpoint", endpoint_format(&c->at, at));
	jsonout_text(out, "why", path_why_text(c->why));
	jsonout_object_end(out);
}

static void print_peer(const struct node *n, const struct mesh_node *m, struct jsonout *out)
{
	struct path_change v[PATH_HISTORY_KEPT];
	const size_t count = path_history_of(n->path_history, m->key, v);

	if (!count)
		return;
	jsonout_object(out, NULL);
	jsonout_text(out, "name", m->name);
	jsonout_text(out, "id", m->id);
	jsonout_list(out, "changes");
	for (size_t i = 0; i < count; i++)
		print_change(&v[i], out);
	jsonout_list_end(out);
	jsonout_object_end(out);
}

/* In the order of host numbers, which stay what they are from one page to the next. */
void command_paths(struct node *n, const msg_object *req, struct ctl_call *call)
{
	_cleanup_(freep) const struct mesh_node **members = NULL;
	struct jsonout out = {0};
	union msg_request asked;
	struct diag d = {0};
	size_t count = 0, at = 0;
	int err = msg_list_get(req, &asked, &d);

	if (err) {
		ctl_reply(call, msg_refusal(tm_err_word(err), d.what, d.hint));
		return;
	}
	if (view_members(n, &members, &count) != TM_OK) {
		ctl_reply(call, NULL);
		return;
	}
	if (count)
		qsort(members, count, sizeof(*members), by_host);
	while (at < count && members[at]->host <= asked.after)
		at++;
	const size_t end = MIN(count, at + LIST_PAGE);
	jsonout_object(&out, NULL);
	jsonout_bool(&out, "ok", true);
	jsonout_int(&out, "kept", PATH_HISTORY_KEPT);
	jsonout_list(&out, "peers");
	for (; at < end; at++)
		print_peer(n, members[at], &out);
	jsonout_list_end(&out);
	if (end < count)
		jsonout_int(&out, "next", members[end - 1]->host);
	jsonout_object_end(&out);
	ctl_reply_text(call, jsonout_take(&out, NULL));
}
