/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* JSON of networks behind nodes; the format is in routes.h. */
#include "base/jsonout.h"
#include "mesh/jsonin.h"
#include "mesh/model.h"

static void route_put(struct jsonout *o, const struct node_route *r)
{
	char text[PREFIX_STR_LEN];

	jsonout_text(o, "net", prefix_format(&r->prefix, text));
	if (r->offered)
		jsonout_bool(o, "offered", true);
	if (r->approved)
		jsonout_bool(o, "approved", true);
	if (r->ha)
		jsonout_bool(o, "ha", true);
}

void node_routes_put(struct jsonout *o, const struct node_routes *r)
{
	if (r->n) {
		jsonout_list(o, "routes");
		for (size_t i = 0; i < r->n; i++) {
			jsonout_object(o, NULL);
			route_put(o, &r->v[i]);
			jsonout_object_end(o);
		}
		jsonout_list_end(o);
	}
	if (!r->exit)
		return;
	jsonout_object(o, "exit");
	if (r->exit & EXIT_IP4)
		jsonout_bool(o, "ip4", true);
	if (r->exit & EXIT_IP6)
		jsonout_bool(o, "ip6", true);
	if (r->exit & EXIT_APPROVED)
		jsonout_bool(o, "approved", true);
	jsonout_object_end(o);
}

static int route_from_json(const json_t *j, struct node_route *ret_r)
{
	const char *net = jsonin_string(json_object_get(j, "net"));
	struct node_route r = {.offered = false};
	const struct prefix none = {.len = 0};

	if (!net || prefix_parse(net, &r.prefix) != TM_OK)
		return TM_EBADMSG;
	r.prefix = prefix_mask(&r.prefix);
	if (route_check(&r.prefix, &none, &none, NULL) != TM_OK)
		return TM_EBADMSG;
	int err = jsonin_bool(j, "offered", &r.offered);
	if (!err)
		err = jsonin_bool(j, "approved", &r.approved);
	if (!err)
		err = jsonin_bool(j, "ha", &r.ha);
	if (!err)
		*ret_r = r;
	return err;
}

static int exit_from_json(const json_t *j, uint8_t *ret_exit)
{
	static const struct {
		const char *key;
		uint8_t bit;
	} keys[] = {{"ip4", EXIT_IP4}, {"ip6", EXIT_IP6}, {"approved", EXIT_APPROVED}};
	uint8_t exit = 0;

	if (j && !json_is_object(j))
		return TM_EBADMSG;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		bool on = false;

		if (jsonin_bool(j, keys[i].key, &on) != TM_OK)
			return TM_EBADMSG;
		exit |= on ? keys[i].bit : 0;
	}
	*ret_exit = exit;
	return TM_OK;
}

int node_routes_from_json(const json_t *j, struct node_routes *ret_r)
{
	const json_t *list = json_object_get(j, "routes");
	struct node_routes r = {.n = 0};

	if (list && (!json_is_array(list) || json_array_size(list) > NODE_ROUTES_MAX))
		return TM_EBADMSG;
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct node_route one;

		/* The first of a prefix counts. */
		if (route_from_json(json_array_get(list, i), &one) != TM_OK)
			return TM_EBADMSG;
		if (!node_routes_find(&r, &one.prefix))
			r.v[r.n++] = one;
	}
	int err = exit_from_json(json_object_get(j, "exit"), &r.exit);
	if (!err)
		*ret_r = r;
	return err;
}
