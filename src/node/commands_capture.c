/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who may look into a tunnel, and into whose: `capture`. */
#include <string.h>

#include "node/capture.h"
#include "node/commands_private.h"
#include "os/words/words.h"
#include "wire/msg/request.h"

/* A group may use the control socket; what others send and receive is for root alone. */
static bool is_root(const struct ctl_call *call)
{
	uint32_t uid;

	return ctl_user(call, &uid) == TM_OK && uid == 0;
}

/* "" = it has a tunnel of its own here, perhaps later. */
static void why_not(const struct node *n, const struct mesh_node *m, char *buf, size_t size)
{
	const struct mesh_node *via =
		m->kind == NODE_CLIENT ? mesh_by_id(peers_mesh(n->peers), m->via) : NULL;

	buf[0] = '\0';
	if (strcmp(m->id, n->enrolment.self.id) == 0)
		snprintf(buf, size, "that is this machine itself, to which no tunnel leads");
	else if (via && strcmp(via->id, n->enrolment.self.id) != 0)
		snprintf(buf, size, "%s is reached through %s: capture there, or capture that tunnel",
			m->name, via->name);
}

void command_capture(struct node *n, const msg_object *req, struct ctl_call *call)
{
	char why[2 * NODE_NAME_MAX + 64];
	struct msg_capture how;
	struct diag d = {0};

	if (!is_root(call)) {
		ctl_reply(
			call, msg_refusal("no_permission", "only root may look into a tunnel", OS_SUDO_HINT));
		return;
	}
	int err = msg_capture_get(req, &how, &d);
	if (err) {
		ctl_reply(call, msg_refusal(tm_err_word(err), d.what, d.hint));
		return;
	}
	const struct mesh_node *m = command_find_node(n, req, "node", call);
	if (!m)
		return;
	why_not(n, m, why, sizeof(why));
	if (*why)
		ctl_reply(call, msg_refusal("invalid", why, ""));
	else
		captures_begin(n, m, &how, call);
}
