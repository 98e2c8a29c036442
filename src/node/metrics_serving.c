/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/metrics_serving.h"

#include "control/coord/figures.h"
#include "node/metrics.h"
#include "node/node_private.h"
#include "web/http.h"

#include <string.h>

/* Whoever asks more often than that, with however many connections, gets what others got: a look at ten
 * thousand members takes some milliseconds. */
#define GOOD_FOR (500 * MS)
enum { CONNECTIONS = 32, CONNECTIONS_EACH = 8 }; /* answers may be long */

/* What is asked for. */
enum page { PAGE_NODE, PAGE_MESH, PAGE_TARGETS, PAGES };

struct metrics_serving {
	struct web_server *server;
	struct own_doors doors;
	bool in_mesh;
	struct {
		char *text; /* NULL: none has been made yet */
		size_t len;
		ns_t made;
	} pages[PAGES];
};

/* --- what is served --- */

static char *mesh_text(struct node *n, size_t *ret_len)
{
	_cleanup_(freep) struct coord_node *nodes = NULL;
	struct coord_figures f;
	struct metricout out = {0};
	size_t n_nodes = 0;

	if (n->config.metrics_per_peer && coord_nodes(n->coord, &nodes, &n_nodes) != TM_OK)
		return NULL;
	coord_figures(n->coord, &f);
	metrics_print_mesh(&f, nodes, n_nodes, &out);
	return metricout_take(&out, ret_len);
}

static char *targets_text(struct node *n, size_t *ret_len)
{
	_cleanup_(freep) struct coord_node *nodes = NULL;
	struct jsonout out = {0};
	size_t n_nodes;

	if (coord_nodes(n->coord, &nodes, &n_nodes) != TM_OK)
		return NULL;
	metrics_print_targets(nodes, n_nodes, &out);
	return jsonout_take(&out, ret_len);
}

static char *make(struct node *n, enum page page, size_t *ret_len)
{
	switch (page) {
	case PAGE_NODE:
		return metrics_text(n, ret_len);
	case PAGE_MESH:
		return mesh_text(n, ret_len);
	case PAGE_TARGETS:
		return targets_text(n, ret_len);
	case PAGES:
		break;
	}
	return NULL;
}

static void serve(struct node *n, enum page page, struct web_request *r)
{
	static const char *const types[PAGES] = {
		[PAGE_NODE] = "text/plain; version=0.0.4; charset=utf-8",
		[PAGE_MESH] = "text/plain; version=0.0.4; charset=utf-8",
		[PAGE_TARGETS] = "application/json",
	};
	struct metrics_serving *s = n->metrics_serving;
	const ns_t now = time_monotonic();

	if (!s->pages[page].text || now - s->pages[page].made >= GOOD_FOR) {
		free(s->pages[page].text);
		s->pages[page].text = make(n, page, &s->pages[page].len);
		s->pages[page].made = now;
	}
	if (!s->pages[page].text) {
		web_refuse(r, 503, "There is no memory for this.");
		return;
	}
	web_answer(r, 200,
		&(struct web_body){.type = types[page], .p = s->pages[page].text, .n = s->pages[page].len});
}

static void on_node(void *ctx, struct web_request *r)
{
	serve(ctx, PAGE_NODE, r);
}

static void on_mesh(void *ctx, struct web_request *r)
{
	serve(ctx, PAGE_MESH, r);
}

static void on_targets(void *ctx, struct web_request *r)
{
	serve(ctx, PAGE_TARGETS, r);
}

/* Those behind the first are the coordinator's. */
static const struct web_route routes[] = {
	{"/metrics", on_node, NULL, WEB_MEMBER, 0},
	{"/metrics/mesh", on_mesh, NULL, WEB_MEMBER, 0},
	{"/metrics/targets", on_targets, NULL, WEB_MEMBER, 0},
};

/* The fence lets guests of this machine and its other tunnels reach mesh addresses (decision 61), and no
 * policy has judged those: in the mesh, members and this machine itself ask. Elsewhere who reaches it. */
static void who(void *ctx, const struct web_caller *c, struct web_viewer *ret_viewer)
{
	const struct node *n = ctx;
	const struct ip *from = &c->from.ip;

	if (!n->metrics_serving->in_mesh || prefix_contains(&n->mesh.net4, from) ||
		prefix_contains(&n->mesh.net6, from))
		ret_viewer->role = WEB_MEMBER;
}

/* --- where --- */

/* A page of another site cannot ask by these, whatever its own name leads to. */
static bool is_host(void *ctx, const char *host)
{
	return own_name(ctx, host) || strcmp(host, "localhost") == 0;
}

/* What stands in the configuration has been checked: config_value.c. */
static void choose(const struct node *n, struct own_doors *ret_doors)
{
	const char *text = n->config.metrics_listen;
	const struct ip mesh = {.family = IP_NONE};
	struct endpoint at = {.ip = mesh, .port = METRICS_PORT};

	*ret_doors = (struct own_doors){.n = 0};
	if (strcmp(text, "mesh") != 0 && config_listen_parse(text, &mesh, &at) != TM_OK)
		return;
	if (at.ip.family == IP_NONE)
		own_doors(n, at.port, ret_doors);
	else
		*ret_doors = (struct own_doors){.at = {at}, .n = 1};
}

static bool are_same(const struct own_doors *a, const struct own_doors *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = endpoint_eq(&a->at[i], &b->at[i]);
	return same;
}

/* --- life --- */

static int open_server(struct node *n, const struct own_doors *doors)
{
	struct metrics_serving *s = calloc(1, sizeof(*s));
	/* In the mesh answers go where the mesh leads; elsewhere as everything that the daemon sends. */
	const struct node_rec *self = &n->enrolment.self;
	const struct ip *at = &doors->at[0].ip;
	const bool in_mesh = ip_eq(at, &self->ip4) || ip_eq(at, &self->ip6);
	const struct web_config cfg = {.routes = routes,
		.n_routes = n->coord ? ARRAY_LEN(routes) : 1,
		.ctx = n,
		.who = who,
		.is_host = is_host,
		.what = "metrics",
		.mark = in_mesh ? 0 : n->config.fwmark,
		.connections = CONNECTIONS,
		.each = CONNECTIONS_EACH};
	int err = s ? web_server_new(n->base, &cfg, &s->server) : TM_ENOMEM;

	if (err) {
		free(s);
		return err;
	}
	s->doors = *doors;
	s->in_mesh = in_mesh;
	n->metrics_serving = s;
	web_server_listen(s->server, doors->at, doors->n);
	return TM_OK;
}

void metrics_serving_configure(struct node *n)
{
	struct own_doors doors;
	int err;

	choose(n, &doors);
	if (n->metrics_serving && are_same(&n->metrics_serving->doors, &doors))
		return;
	metrics_serving_close(n);
	err = doors.n ? open_server(n, &doors) : TM_OK;
	if (err)
		log_warn("node: metrics are not served", KV_ERR(err));
}

void metrics_serving_close(struct node *n)
{
	struct metrics_serving *s = TAKE(n->metrics_serving);

	if (!s)
		return;
	web_server_free(s->server);
	for (size_t i = 0; i < PAGES; i++)
		free(s->pages[i].text);
	free(s);
}

uint16_t metrics_serving_port(const struct node *n)
{
	const struct metrics_serving *s = n->metrics_serving;
	struct endpoint at;

	for (size_t i = 0; s && i < s->doors.n; i++)
		if (web_server_listens(s->server, i, &at) &&
			(ip_is_unspecified(&at.ip) || ip_eq(&at.ip, &n->enrolment.self.ip4)))
			return at.port;
	return 0;
}

void metrics_serving_view(const struct node *n, struct own_doors_view *ret_view)
{
	const struct metrics_serving *s = n->metrics_serving;

	*ret_view = (struct own_doors_view){.n = 0};
	if (s)
		own_doors_view(&s->doors, s->server, ret_view);
}
