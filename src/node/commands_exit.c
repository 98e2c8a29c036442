/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The way to the internet: `exit.offer`, `exit.use`, `exit.off`, `exit.pause`. */
#include "node/commands_private.h"
#include "node/exits.h"
#include "node/offers.h"
#include "node/router.h"
#include "node/routing.h"
#include "wire/msg/request.h"

#include <stdio.h>
#include <string.h>

static void refuse(struct ctl_call *call, int err, const struct diag *d)
{
	ctl_reply(call, msg_refusal(d->code[0] ? d->code : tm_err_word(err),
				d->what[0] ? d->what : tm_strerror(err), d->hint));
}

static void show(struct node *n, struct ctl_call *call)
{
	struct jsonout o = {0};
	struct exit_view v;

	exits_view(n, &v);
	jsonout_object(&o, NULL);
	jsonout_bool(&o, "ok", true);
	jsonout_text_or_null(&o, "exit", v.name);
	jsonout_text_or_null(&o, "id", v.id);
	jsonout_bool(&o, "ip4", v.families & EXIT_IP4);
	jsonout_bool(&o, "ip6", v.families & EXIT_IP6);
	jsonout_int(&o, "paused_s", v.paused_s);
	jsonout_bool(&o, "offered", offers_told(n)->exit_offer);
	jsonout_text_or_null(&o, "trouble", v.trouble);
	jsonout_object_end(&o);
	ctl_reply_text(call, jsonout_take(&o, NULL));
}

static int keep(struct node *n, const struct route_settings *next, struct diag *d)
{
	int err = offers_tell(n, next, NULL, NULL, d);

	return err ? err : exits_apply(n, d);
}

/* Kept, then everything follows; what does not is not told either. */
static void tell(struct node *n, const struct route_settings *next, struct ctl_call *call)
{
	const struct route_settings before = *offers_told(n);
	struct diag d = {0}, ignored = {0};
	int err = keep(n, next, &d);

	if (err && strcmp(offers_told(n)->exit_use, before.exit_use) != 0 && next->exit_use[0])
		(void)!keep(n, &before, &ignored);
	if (err)
		refuse(call, err, &d);
	else
		show(n, call);
}

void command_exit_offer(struct node *n, const msg_object *req, struct ctl_call *call)
{
	struct route_settings next = *offers_told(n);
	struct diag d = {0};
	int err = msg_exit_offer_get(req, &next.exit_offer, &d);

	if (!err && next.exit_offer && next.exit_use[0]) {
		diag_hint(&d, "`tunnelmesh exit-node off` ends that");
		err = diag_what(&d, TM_EPERM, "this machine uses an exit node itself");
	}
	if (!err && next.exit_offer && !os_internet(n->routes, IP_V4, NULL) &&
		!os_internet(n->routes, IP_V6, NULL)) {
		diag_hint(&d, "it needs a default route");
		err = diag_what(&d, TM_EUNREACH, "this machine has no way to the internet itself");
	}
	if (!err)
		err = offers_tell(n, &next, NULL, NULL, &d);
	if (err) {
		refuse(call, err, &d);
		return;
	}
	router_look(n);
	show(n, call);
}

static int check_exit(const struct node *n, const struct mesh_node *m, const char *text, struct diag *d)
{
	if (!m) {
		diag_hint(d, "`tunnelmesh route list` shows who offers it");
		return diag_what(d, TM_ENOENT, "there is no node \"%.80s\" in this mesh", text);
	}
	if (m->host == n->enrolment.self.host) {
		diag_hint(d, "it leads there without");
		return diag_what(d, TM_EINVAL, "this machine cannot be its own exit node");
	}
	if (!(m->exit & EXIT_FAMILIES)) {
		diag_hint(d, "`tunnelmesh exit-node offer` there does");
		return diag_what(d, TM_EPERM, "%s does not offer the way to the internet", m->name);
	}
	if (!exit_families(m->exit)) {
		diag_hint(d, "on the coordinator, `tunnelmesh route approve %s exit` does that", m->name);
		return diag_what(d, TM_EPERM, "%s is not approved as an exit node", m->name);
	}
	return TM_OK;
}

void command_exit_use(struct node *n, const msg_object *req, struct ctl_call *call)
{
	struct route_settings next = *offers_told(n);
	struct msg_exit_use use;
	struct diag d = {0};
	int err = msg_exit_use_get(req, &use, &d);
	const struct mesh_node *m = err ? NULL : mesh_lookup(peers_mesh(n->peers), use.node);

	if (!err)
		err = check_exit(n, m, use.node, &d);
	if (!err && !n->config.fwmark) {
		diag_hint(&d, "leave fwmark out, or say another number than 0");
		err = diag_what(&d, TM_EPERM,
			"an exit node needs the mark that the configuration switches off (fwmark)");
	}
	if (!err && next.exit_offer) {
		diag_hint(&d, "`tunnelmesh exit-node withdraw` ends that");
		err = diag_what(&d, TM_EPERM, "this machine offers to be an exit node itself");
	}
	if (err) {
		refuse(call, err, &d);
		return;
	}
	memcpy(next.exit_use, m->id, sizeof(next.exit_use));
	next.exit_lan = use.lan;
	next.exit_kill = use.kill;
	tell(n, &next, call);
}

void command_exit_off(struct node *n, const msg_object *req, struct ctl_call *call)
{
	struct route_settings next = *offers_told(n);

	(void)req;
	next.exit_use[0] = '\0';
	next.exit_lan = next.exit_kill = false;
	tell(n, &next, call);
}

void command_exit_pause(struct node *n, const msg_object *req, struct ctl_call *call)
{
	struct diag d = {0};
	int64_t seconds;
	int err = msg_exit_pause_get(req, &seconds, &d);

	if (!err && !offers_told(n)->exit_use[0]) {
		diag_hint(&d, "`tunnelmesh exit-node use NAME` uses one");
		err = diag_what(&d, TM_EPERM, "no exit node is used");
	}
	if (err) {
		refuse(call, err, &d);
		return;
	}
	exits_pause(n, seconds * SEC);
	show(n, call);
}
