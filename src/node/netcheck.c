/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/netcheck.h"

#include "net/portal.h"
#include "node/drive.h"
#include "node/netcheck_view.h"
#include "node/node_private.h"

#include <string.h>

struct netcheck {
	struct node *node;
	unsigned step;
	struct portal *portal; /* NULL: not being asked */
	enum portal_verdict http;
	char http_proxy[ADDRESS_HOST_FIELD]; /* through which it was asked; "" = none */
	struct ctl_call *waiting[CTL_CONNS_MAX];
	size_t n_waiting;
};

static void take_servers(const struct node *n, struct netcheck_view *v)
{
	const struct nat_report *r = v->report;
	const char *home = core_home(n->path_core);

	for (size_t i = 0; i < r->n_servers; i++) {
		const struct mesh_node *m = mesh_by_id(peers_mesh(n->peers), r->servers[i].id);

		v->servers[v->n_servers++] = (struct netcheck_server){.name = m ? m->name : r->servers[i].id,
			.id = r->servers[i].id,
			.coordinator = m && m->coordinator,
			.home = strcmp(home, r->servers[i].id) == 0,
			.rtt = r->servers[i].rtt};
	}
	netcheck_sort(v);
}

static bool is_done(const struct netcheck *c)
{
	return core_nat(c->node->path_core)->done && !c->portal;
}

static void show(const struct netcheck *c, struct ctl_call *call)
{
	const struct node *n = c->node;
	struct netcheck_view v = {.report = core_nat(n->path_core),
		.done = is_done(c),
		.step = c->step,
		.http = c->http,
		.http_proxy = c->http_proxy,
		.port = plane_port(n->plane),
		.coordinator = n->coord != NULL,
		.link = view_link(n),
		.ports = view_ports(n)};
	struct jsonout out = {0};

	take_servers(n, &v);
	netcheck_print(&v, &out);
	ctl_reply_text(call, jsonout_take(&out, NULL));
}

static void on_portal(void *ctx, enum portal_verdict verdict)
{
	struct netcheck *c = ctx;

	c->http = verdict;
	portal_free(TAKE(c->portal));
	netcheck_grew(c);
}

static void ask_portal(struct netcheck *c)
{
	const struct node *n = c->node;
	struct portal_config cfg;
	struct agent_door door;

	portal_free(TAKE(c->portal));
	c->http = PORTAL_UNTRIED;
	c->http_proxy[0] = '\0';
	if (n->coord || !agent_door(n->agent, &door))
		return;
	cfg = (struct portal_config){.to = door.at,
		.at = door.ip,
		.via = door.via,
		.tls = door.tls,
		.resolver = door.resolver,
		.mark = n->config.fwmark};
	if (door.via)
		proxy_format(door.via, c->http_proxy);
	/* One that cannot even be begun has not been tried. */
	(void)!portal_new(n->base, &cfg, on_portal, c, &c->portal);
}

void netcheck_ask(struct netcheck *c, bool full, int64_t after, struct ctl_call *call)
{
	const struct nat_report *r = core_nat(c->node->path_core);

	if (!is_done(c) && after == c->step && c->n_waiting < ARRAY_LEN(c->waiting)) {
		c->waiting[c->n_waiting++] = call;
		return;
	}
	/* Probing that is under way, and not less than what is wanted, will do; that of a start asks nothing
	 * by HTTP. */
	if (after < 0) {
		const bool anew = is_done(c) || !r->began || (full && !r->full);

		if (anew || !c->portal)
			ask_portal(c);
		if (anew)
			drive_input(c->node, &(struct core_in){.kind = CORE_PROBE, .full = full});
	}
	show(c, call);
}

void netcheck_grew(struct netcheck *c)
{
	size_t n;

	if (!c)
		return;
	n = c->n_waiting;
	c->step++;
	c->n_waiting = 0;
	for (size_t i = 0; i < n; i++)
		show(c, c->waiting[i]);
}

int netcheck_new(struct node *n, struct netcheck **ret_check)
{
	struct netcheck *c = calloc(1, sizeof(*c));

	if (!c)
		return TM_ENOMEM;
	c->node = n;
	*ret_check = c;
	return TM_OK;
}

void netcheck_free(struct netcheck *c)
{
	if (c)
		portal_free(TAKE(c->portal));
	netcheck_grew(c);
	free(c);
}
