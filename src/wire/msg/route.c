/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Requests about networks behind nodes: to the coordinator, and to a node about its own. */
#include "mesh/jsonin.h"
#include "wire/msg/request.h"

#include <string.h>

/* Whoever typed that called the command wrongly. */
static int wrong(struct diag *d, const char *what, const char *hint)
{
	diag_code(d, "usage");
	diag_hint(d, "%s", hint);
	return diag_what(d, TM_EINVAL, "%s", what);
}

static const char route_help[] = "see `tunnelmesh help route`";

static int offered_get(const json_t *j, struct node_routes *r, struct diag *d)
{
	const struct prefix none = {.len = 0};
	const char *net = jsonin_string(json_object_get(j, "net"));
	struct prefix p;
	bool ha = false;

	if (!net)
		return wrong(d, "a network that is offered has no name", route_help);
	int err = route_parse(net, &none, &none, &p, d);
	if (err)
		return err;
	if (jsonin_bool(j, "ha", &ha) != TM_OK)
		return wrong(d, "ha must be true or false", route_help);
	struct node_route *route = node_routes_add(r, &p);
	if (!route)
		return wrong(d, "a node offers at most 16 networks", "name larger ones that hold several");
	route->offered = true;
	route->ha = ha;
	return TM_OK;
}

int msg_route_offer_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	const json_t *list = json_object_get(j, "routes"), *exit = json_object_get(j, "exit");
	struct node_routes r = {.n = 0};
	bool ip4 = false, ip6 = false;

	if (list && !json_is_array(list))
		return wrong(d, "routes must be a list", route_help);
	for (size_t i = 0; i < json_array_size(list); i++) {
		int err = offered_get(json_array_get(list, i), &r, d);
		if (err)
			return err;
	}
	if (exit && (!json_is_object(exit) || jsonin_bool(exit, "ip4", &ip4) != TM_OK ||
			    jsonin_bool(exit, "ip6", &ip6) != TM_OK))
		return wrong(d, "exit must say which of ip4 and ip6 are true", route_help);
	r.exit = (uint8_t)((ip4 ? EXIT_IP4 : 0) | (ip6 ? EXIT_IP6 : 0));
	ret_r->offer.routes = r;
	return TM_OK;
}

msg_object *msg_route_offer(const struct node_routes *r)
{
	struct jsonout o = {0};
	size_t n;

	jsonout_object(&o, NULL);
	jsonout_text(&o, "t", "route.offer");
	node_routes_put(&o, r);
	jsonout_object_end(&o);
	_cleanup_(freep) char *text = jsonout_take(&o, &n);
	return text ? json_loadb(text, n, 0, NULL) : NULL;
}

int msg_route_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	const struct prefix none = {.len = 0};
	const char *net = jsonin_string(json_object_get(j, "net"));
	struct msg_route r = {.prefix = none};

	int err = jsonin_text(j, "node", r.node, sizeof(r.node));
	if (err)
		err = wrong(d, "which node is not said, or is no name", "`tunnelmesh node list` shows all");
	if (!err && !net)
		err = wrong(d, "which network is not said", route_help);
	if (!err && strcmp(net, "exit") != 0)
		err = route_parse(net, &none, &none, &r.prefix, d);
	if (!err)
		ret_r->route = r;
	return err;
}

void msg_route_row_put(struct jsonout *o, const char *key, const struct msg_route_row *r)
{
	const unsigned exit = r->rec->routes.exit;

	jsonout_object(o, key);
	jsonout_text(o, "node", r->rec->name);
	jsonout_text(o, "id", r->rec->id);
	if (r->route) {
		char text[PREFIX_STR_LEN];

		jsonout_text(o, "net", prefix_format(&r->route->prefix, text));
		jsonout_bool(o, "offered", r->route->offered);
		jsonout_bool(o, "approved", r->route->approved);
		jsonout_bool(o, "ha", r->route->ha);
	} else {
		jsonout_text(o, "net", "exit");
		jsonout_bool(o, "offered", exit & EXIT_FAMILIES);
		jsonout_bool(o, "approved", exit & EXIT_APPROVED);
		jsonout_bool(o, "ip4", exit & EXIT_IP4);
		jsonout_bool(o, "ip6", exit & EXIT_IP6);
	}
	jsonout_bool(o, "online", r->online);
	jsonout_object_end(o);
}

int msg_own_routes_get(const msg_object *j, const struct prefix *net4, const struct prefix *net6,
	struct msg_own_routes *ret_r, struct diag *d)
{
	const json_t *list = json_object_get(j, "nets");
	struct msg_own_routes r = {.snat = true};
	const json_t *snat = json_object_get(j, "snat");

	if (!json_is_array(list) || !json_array_size(list) || json_array_size(list) > NODE_ROUTES_MAX)
		return wrong(d, "a machine offers 1 to 16 networks", "name larger ones that hold several");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *net = jsonin_string(json_array_get(list, i));

		if (!net)
			return wrong(d, "a network must be a text", route_help);
		int err = route_parse(net, net4, net6, &r.v[r.n++], d);
		if (err)
			return err;
	}
	if (jsonin_bool(j, "ha", &r.ha) != TM_OK || (snat && jsonin_bool(j, "snat", &r.snat) != TM_OK))
		return wrong(d, "ha and snat must be true or false", route_help);
	*ret_r = r;
	return TM_OK;
}

/* --- the way to the internet --- */

static const char exit_help[] = "see `tunnelmesh help exit-node`";

int msg_exit_offer_get(const msg_object *j, bool *ret_on, struct diag *d)
{
	if (!json_object_get(j, "on") || jsonin_bool(j, "on", ret_on) != TM_OK)
		return wrong(d, "on must be true or false", exit_help);
	return TM_OK;
}

int msg_exit_use_get(const msg_object *j, struct msg_exit_use *ret_u, struct diag *d)
{
	struct msg_exit_use u = {.lan = false};

	if (jsonin_text(j, "node", u.node, sizeof(u.node)) != TM_OK)
		return wrong(d, "which node is not said, or is no name", "`tunnelmesh route list` shows all");
	if (jsonin_bool(j, "lan", &u.lan) != TM_OK || jsonin_bool(j, "kill", &u.kill) != TM_OK)
		return wrong(d, "lan and kill must be true or false", exit_help);
	*ret_u = u;
	return TM_OK;
}

int msg_exit_pause_get(const msg_object *j, int64_t *ret_seconds, struct diag *d)
{
	if (jsonin_int(j, "seconds", 1, 86400, ret_seconds) != TM_OK)
		return wrong(d, "a pause is 1 to 86400 seconds", exit_help);
	return TM_OK;
}
