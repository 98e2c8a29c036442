/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Networks behind this machine: `route.advertise`, `route.withdraw`. */
#include "node/commands_private.h"
#include "node/fence.h"
#include "node/offers.h"
#include "node/router.h"
#include "wire/msg/request.h"

#include <stdio.h>
#include <string.h>

static void refuse(struct ctl_call *call, int err, const struct diag *d)
{
	ctl_reply(call, msg_refusal(d->code[0]        ? d->code
				    : err == TM_EPERM ? "refused"
						      : tm_err_word(err),
				d->what[0] ? d->what : tm_strerror(err), d->hint));
}

/* A caller who waits for what the coordinator says. */
struct waiting {
	struct node *node;
	struct ctl_call *call;
};

static bool is_approved(const struct node *n, const struct prefix *p)
{
	const struct mesh_node *self = mesh_by_id(peers_mesh(n->peers), n->enrolment.self.id);

	for (size_t i = 0; self && i < self->n_routes; i++)
		if (prefix_eq(&self->routes[i].prefix, p))
			return self->routes[i].approved;
	return false;
}

static void show_own(const struct node *n, struct ctl_call *call, bool told)
{
	const struct route_settings *now = offers_now(n);
	char text[PREFIX_STR_LEN];
	struct jsonout o = {0};

	jsonout_object(&o, NULL);
	jsonout_bool(&o, "ok", true);
	jsonout_list(&o, "routes");
	for (size_t i = 0; i < now->n; i++) {
		jsonout_object(&o, NULL);
		jsonout_text(&o, "net", prefix_format(&now->nets[i].prefix, text));
		jsonout_bool(&o, "ha", now->nets[i].ha);
		jsonout_bool(&o, "snat", now->nets[i].snat);
		jsonout_bool(&o, "approved", is_approved(n, &now->nets[i].prefix));
		jsonout_object_end(&o);
	}
	jsonout_list_end(&o);
	jsonout_bool(&o, "told", told);
	jsonout_object_end(&o);
	ctl_reply_text(call, jsonout_take(&o, NULL));
}

static void told(void *ctx, int err, const struct diag *d)
{
	struct waiting *w = ctx;

	router_look(w->node);
	fence_routes(w->node);
	if (err == TM_EPERM)
		refuse(w->call, err, d);
	else
		show_own(w->node, w->call, !err);
	free(w);
}

static void tell(struct node *n, const struct route_settings *next, struct ctl_call *call)
{
	struct waiting *w = calloc(1, sizeof(*w));
	struct diag d = {0};

	if (!w) {
		ctl_reply(call, NULL);
		return;
	}
	*w = (struct waiting){.node = n, .call = call};
	int err = offers_tell(n, next, told, w, &d);
	if (!err)
		return;
	free(w);
	refuse(call, err, &d);
}

void command_route_advertise(struct node *n, const msg_object *req, struct ctl_call *call)
{
	struct route_settings next = *offers_told(n);
	struct msg_own_routes own;
	struct diag d = {0};
	int err = msg_own_routes_get(req, &n->mesh.net4, &n->mesh.net6, &own, &d);

	for (size_t i = 0; !err && i < own.n; i++) {
		struct own_net *at = route_settings_net(&next, &own.v[i]);

		if (!at && next.n == NODE_ROUTES_MAX) {
			diag_hint(&d, "name larger networks that hold several");
			err = diag_what(&d, TM_EFULL, "a node offers at most %d networks", NODE_ROUTES_MAX);
			break;
		}
		if (!at)
			at = &next.nets[next.n++];
		*at = (struct own_net){own.v[i], own.ha, own.snat};
	}
	if (err)
		refuse(call, err, &d);
	else
		tell(n, &next, call);
}

void command_route_withdraw(struct node *n, const msg_object *req, struct ctl_call *call)
{
	struct route_settings next = *offers_told(n), now = *offers_now(n);
	struct msg_own_routes own;
	struct diag d = {0};
	char text[PREFIX_STR_LEN];
	int err = msg_own_routes_get(req, &n->mesh.net4, &n->mesh.net6, &own, &d);

	for (size_t i = 0; !err && i < own.n; i++) {
		struct own_net *at = route_settings_net(&next, &own.v[i]);

		prefix_format(&own.v[i], text);
		if (!at && route_settings_net(&now, &own.v[i])) {
			diag_hint(&d, "take it out there, then `tunnelmesh reload`");
			err = diag_what(&d, TM_EPERM, "%s is in the configuration, under routes", text);
		} else if (!at) {
			diag_hint(&d, "`tunnelmesh route list` shows all");
			err = diag_what(&d, TM_ENOENT, "this machine does not offer %s", text);
		} else {
			*at = next.nets[--next.n];
		}
	}
	if (err)
		refuse(call, err, &d);
	else
		tell(n, &next, call);
}
