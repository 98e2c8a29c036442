/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/dashboard.h"

#include "node/clients.h"
#include "node/node_private.h"
#include "node/outside.h"
#include "web/dashboard/dashboard.h"

#include <stdio.h>
#include <string.h>

enum { HTTP_PORT = 80 };
#define TELL_AFTER (1 * SEC) /* many changes are told as one */

struct node_dashboard {
	struct dashboard *pages;
	struct web_server *server;
	struct loop_timer *tell;
	struct list answered; /* questions, in that order */
	struct loop_timer *next; /* set while there are some */
	struct own_doors doors; /* none: it is switched off */
	struct outside *outside;
};

/* --- who looks --- */

static bool has_tag(const struct mesh_node *m, const char *wanted)
{
	for (const char *tag = m->tags; *tag; tag += strlen(tag) + 1)
		if (strcmp(tag, wanted) == 0)
			return true;
	return false;
}

/*
 * By this machine's own address come all its users, and root among them has the command line. An id is that
 * of a key, which a node has proved to have and a client has not: whoever is a gateway may add one with any
 * key, and with it the id of a node that was removed.
 */
static bool administers(const struct node *n, const struct mesh_node *m)
{
	const struct config *c = &n->config;

	if (strcmp(m->id, n->enrolment.self.id) == 0)
		return false;
	for (size_t i = 0; i < c->n_dashboard_admins; i++) {
		const char *admin = c->dashboard_admins[i];

		if (strncmp(admin, "tag:", 4) == 0 ? has_tag(m, admin + 4)
						   : m->kind == NODE_MESH && strcmp(m->id, admin) == 0)
			return true;
	}
	return false;
}

/* The tunnel lets a peer use its own addresses and those of the networks behind it: only the former are a
 * member's.
 */
static void who(void *ctx, const struct web_caller *c, struct web_viewer *ret_viewer)
{
	const struct node *n = ctx;
	const struct mesh_node *m = mesh_by_ip(peers_mesh(n->peers), &c->from.ip);

	_Static_assert(sizeof(ret_viewer->id) == NODE_ID_LEN, "an id is one");
	if (!m)
		return;
	ret_viewer->role = administers(n, m) ? WEB_ADMIN : WEB_MEMBER;
	snprintf(ret_viewer->name, sizeof(ret_viewer->name), "%s", m->name);
	memcpy(ret_viewer->id, m->id, sizeof(ret_viewer->id));
}

/* What the names of the mesh say of this machine, with the zone or without it (dns.search). */
static bool is_host(void *ctx, const char *host)
{
	return own_name(ctx, host);
}

/* Who asks by a name that is not ours may be a page of another site: it is told nothing of the mesh. */
static void refuse(void *ctx, struct web_request *r, unsigned status, const char *sentence)
{
	const struct node *n = ctx;

	if (status != 421)
		dashboard_refuse(n->dashboard->pages, r, status, sentence);
}

/* --- what pages ask for --- */

struct question {
	struct node *node;
	struct web_viewer by;
	dashboard_reply_fn *reply;
	void *ctx;
	struct list in_answered;
	char *answer; /* NULL: out of memory */
};

static void hand_over(struct question *q)
{
	q->reply(q->ctx, q->answer ? msg_object_read(q->answer) : NULL);
	free(q->answer);
	free(q);
}

static struct question *first_answered(struct node_dashboard *x)
{
	struct list *first = list_pop_front(&x->answered);

	return first ? CONTAINER_OF(first, struct question, in_answered) : NULL;
}

static void on_next(void *ctx)
{
	struct node_dashboard *x = ctx;
	struct question *q = first_answered(x);

	if (!list_empty(&x->answered))
		loop_timer_at(x->next, 0);
	if (q)
		hand_over(q);
}

/*
 * Read in a later turn of the loop, one a turn whoever asked: most answers come at once, and a page of a
 * large mesh needs dozens. They are his who asked, as those of a link are its member's; an administrator may
 * ask for all there is.
 */
static void on_reply(void *ctx, char *reply_take)
{
	struct question *q = ctx;
	struct node_dashboard *x = q->node->dashboard;

	q->answer = reply_take;
	if (reply_take && q->by.role != WEB_ADMIN)
		web_charge(x->server, &q->by, strlen(reply_take));
	list_push_back(&x->answered, &q->in_answered);
	loop_timer_at(x->next, 0);
}

/* A device that was added: what its configuration needs. */
static void on_client(void *ctx, msg_object *answer_take)
{
	struct question *q = ctx;

	q->reply(q->ctx, answer_take);
	free(q);
}

static struct coord_who asker(const struct web_viewer *by)
{
	struct coord_who who = {
		.role = by->role == WEB_ADMIN ? COORD_ADMIN : COORD_MEMBER, .door = EVENT_DASHBOARD};

	snprintf(who.by, sizeof(who.by), "%s", by->name);
	if (!by->session) /* who has logged in is no member */
		memcpy(who.id, by->id, NODE_ID_LEN);
	return who;
}

static void put_question(
	struct node *n, const struct web_viewer *by, const msg_object *request, struct question *q)
{
	const struct coord_who who = asker(by);

	if (strcmp(msg_command(request).text, "client.add") == 0) /* behind this node */
		client_add(n, request, &who, on_client, q);
	else
		coord_ask(n->coord, &who, request, on_reply, q);
}

static void ask(void *ctx, const struct web_viewer *by, const char *request, dashboard_reply_fn *reply,
	void *reply_ctx)
{
	struct node *n = ctx;
	struct question *q = malloc(sizeof(*q));
	msg_object *m = msg_object_read(request);

	if (!n->coord) {
		reply(reply_ctx,
			msg_refusal("closed", "the coordinator is stopping", "try again when it is up"));
		free(q);
	} else if (!q || !m) {
		reply(reply_ctx, NULL);
		free(q);
	} else {
		*q = (struct question){.node = n, .by = *by, .reply = reply, .ctx = reply_ctx};
		put_question(n, by, m, q);
	}
	msg_object_free(m);
}

/* --- who comes from outside of the mesh --- */

static void login(void *ctx, const struct web_caller *c, const char *password, dashboard_login_fn *reply,
	void *reply_ctx)
{
	const struct node *n = ctx;

	outside_login(n->dashboard->outside, c, password, reply, reply_ctx);
}

static void logout(void *ctx, const struct web_caller *c, char ret_cookie[static DASHBOARD_COOKIE_MAX])
{
	const struct node *n = ctx;

	outside_logout(n->dashboard->outside, c, ret_cookie);
}

static bool is_still(void *ctx, const struct web_viewer *by)
{
	const struct node *n = ctx;

	return outside_is_still(n->dashboard->outside, by);
}

int node_dashboard_keep(struct node *n, const char *line, struct diag *d)
{
	return outside_keep(n->dashboard->outside, line, d);
}

/* --- life --- */

static int64_t unix_now(void)
{
	return time_real() / SEC;
}

static void on_tell(void *ctx)
{
	dashboard_changed(ctx);
}

void node_dashboard_changed(struct node *n)
{
	struct node_dashboard *x = n->dashboard;

	/* Nobody can be watching. */
	if (!x || !(web_server_connections(x->server) || outside_connections(x->outside)) ||
		loop_timer_is_set(x->tell))
		return;
	loop_timer_in(x->tell, TELL_AFTER);
}

static int open_pages(struct node *n, struct node_dashboard *x)
{
	const struct dashboard_config pages = {.mesh = n->mesh.name,
		.zone = mesh_zone(&n->mesh),
		.unix_now = unix_now,
		.ask = ask,
		.login = login,
		.logout = logout,
		.is_still = is_still,
		.ctx = n};
	int err = dashboard_new(&pages, &x->pages);

	if (err)
		return err;
	err = loop_timer_new(n->base, on_tell, x->pages, &x->tell);
	return err ? err : loop_timer_new(n->base, on_next, x, &x->next);
}

static int open_server(struct node *n, struct node_dashboard *x)
{
	const struct web_config server = {.routes = dashboard_routes,
		.n_routes = dashboard_routes_n,
		.routes_ctx = x->pages,
		.ctx = n,
		.who = who,
		.is_host = is_host,
		.refuse = refuse,
		.what = "dashboard"};

	return web_server_new(n->base, &server, &x->server);
}

int node_dashboard_open(struct node *n)
{
	if (!n->coord)
		return TM_OK;
	struct node_dashboard *x = calloc(1, sizeof(*x));
	if (!x)
		return TM_ENOMEM;
	n->dashboard = x;
	list_init(&x->answered);
	int err = open_pages(n, x);
	if (!err)
		err = outside_new(n, x->pages, &x->outside);
	return err ? err : open_server(n, x);
}

void node_dashboard_follow(struct node *n)
{
	struct node_dashboard *x = n->dashboard;

	if (!x)
		return;
	x->doors.n = 0;
	if (n->config.dashboard)
		own_doors(n, HTTP_PORT, &x->doors);
	web_server_listen(x->server, x->doors.at, x->doors.n);
	outside_follow(x->outside);
}

void node_dashboard_close(struct node *n)
{
	struct node_dashboard *x = n->dashboard;
	struct question *q;

	if (!x)
		return;
	outside_stop(x->outside);
	/* What they ask next nobody is there to answer; and a refusal is one of our pages, too. */
	while ((q = first_answered(x)))
		hand_over(q);
	n->dashboard = NULL;
	loop_timer_free(x->tell);
	loop_timer_free(x->next);
	web_server_free(x->server);
	outside_free(x->outside);
	dashboard_free(x->pages);
	free(x);
}

void node_dashboard_view(const struct node *n, struct dashboard_view *ret_view)
{
	const struct node_dashboard *x = n->dashboard;

	*ret_view = (struct dashboard_view){.outside.n = 0};
	if (!x)
		return;
	own_doors_view(&x->doors, x->server, &ret_view->mesh);
	outside_view(x->outside, &ret_view->outside);
}
