/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/dashboard/dashboard_private.h"

#include "web/assets/assets.h"

#include <string.h>

/* A byte becomes three in a form at most, but the end of a line six: a document of little else is refused. */
enum { POLICY_FORM_MAX = 3 * MSG_POLICY_MAX };

#define WANTS(w) (1u << WANT_##w)

static const struct sight overview = {
	"/", page_overview, WANTS(NODES) | WANTS(ROUTES) | WANTS(REPORTS) | WANTS(POLICY), WANTS(NODES)};
static const struct sight nodes = {"/nodes", page_nodes, WANTS(NODES) | WANTS(REPORTS), WANTS(NODES)};
static const struct sight node = {"/nodes/+", page_node, WANTS(NODES) | WANTS(REPORT), WANTS(NODES)};
static const struct sight removal = {"/nodes/+/remove", page_remove, WANTS(NODES), WANTS(NODES)};
static const struct sight map = {"/map", page_map, WANTS(NODES) | WANTS(REPORTS), WANTS(NODES)};
static const struct sight names = {"/names", page_names, WANTS(NODES), WANTS(NODES)};
static const struct sight events = {"/events", page_events, WANTS(EVENTS), WANTS(EVENTS)};
static const struct sight routes = {"/routes", page_routes, WANTS(ROUTES), WANTS(ROUTES)};
static const struct sight tokens = {"/tokens", page_tokens, WANTS(TOKENS), WANTS(TOKENS)};
static const struct sight devices = {"/devices", page_devices, WANTS(CLIENTS), WANTS(CLIENTS)};
static const struct sight policy = {"/policy", page_policy,
	WANTS(POLICY) | WANTS(HISTORY) | WANTS(EXPLAINED) | WANTS(PROVED), WANTS(POLICY)};
static const struct sight policy_edit = {"/policy/edit", page_policy_edit, WANTS(POLICY), WANTS(POLICY)};

#define SIGHT(name)                                                                                          \
	static void show_##name(void *ctx, struct web_request *r)                                            \
	{                                                                                                    \
		showing_begin(ctx, r, &name, NULL);                                                          \
	}
SIGHT(overview)
SIGHT(nodes)
SIGHT(node)
SIGHT(removal)
SIGHT(map)
SIGHT(names)
SIGHT(events)
SIGHT(routes)
SIGHT(devices)
SIGHT(tokens)
SIGHT(policy)
SIGHT(policy_edit)

static const struct action rename_it = {"node.rename",
	{{"", "node", FIELD_PATH}, {"name", "name", FIELD_TEXT}, {"keep", "keep", FIELD_FLAG}}, &node,
	"/nodes/+", false};
static const struct action tag = {"node.tag",
	{{"", "node", FIELD_PATH}, {"add", "add", FIELD_WORDS}, {"remove", "remove", FIELD_WORDS}}, &node,
	"/nodes/+", false};
static const struct action alias = {"node.alias",
	{{"", "node", FIELD_PATH}, {"add", "add", FIELD_WORDS}, {"remove", "remove", FIELD_WORDS}}, &node,
	"/nodes/+", false};
static const struct action remove_it = {"node.remove", {{"", "node", FIELD_PATH}}, &removal, "/nodes", false};
static const struct action approve = {"route.approve",
	{{"node", "node", FIELD_TEXT}, {"net", "net", FIELD_TEXT}}, &routes, "/routes", false};
static const struct action reject = {"route.reject",
	{{"node", "node", FIELD_TEXT}, {"net", "net", FIELD_TEXT}}, &routes, "/routes", false};
static const struct action create = {"token.create",
	{{"uses", "uses", FIELD_NUMBER}, {"ttl_s", "ttl_s", FIELD_NUMBER}, {"tags", "tags", FIELD_WORDS},
		{"ephemeral", "ephemeral", FIELD_FLAG}},
	&tokens, NULL, false};
static const struct action add_device = {"client.add",
	{{"name", "name", FIELD_TEXT}, {"", "key", FIELD_KEY}, {"endpoint", "endpoint", FIELD_TEXT},
		{"exit", "exit", FIELD_FLAG}},
	&devices, NULL, false};
static const struct action revoke = {"token.revoke", {{"id", "id", FIELD_TEXT}}, &tokens, "/tokens", false};
static const struct action test = {"policy.test", {{"text", "text", FIELD_LINES}}, &policy_edit, NULL, false};
static const struct action set = {"policy.set",
	{{"text", "text", FIELD_LINES}, {"if_version", "if_version", FIELD_NUMBER}}, &policy_edit, "/policy",
	true};
static const struct action rollback = {
	"policy.rollback", {{"version", "version", FIELD_NUMBER}}, &policy, "/policy", true};

#define ACTION(name)                                                                                         \
	static void do_##name(void *ctx, struct web_request *r)                                              \
	{                                                                                                    \
		showing_begin(ctx, r, name.sight, &name);                                                    \
	}
ACTION(rename_it)
ACTION(tag)
ACTION(alias)
ACTION(remove_it)
ACTION(approve)
ACTION(reject)
ACTION(create)
ACTION(revoke)
ACTION(add_device)
ACTION(test)
ACTION(set)
ACTION(rollback)

static void send_asset(void *ctx UNUSED, struct web_request *r)
{
	const struct web_asset *a = web_asset_find(web_param(r, 1));

	if (!a) {
		web_refuse(r, 404, "there is no such page");
		return;
	}
	/* A page of an older program gets what there is, which is not to be kept under that address. */
	web_answer(r, 200,
		&(struct web_body){.type = a->type,
			.p = a->bytes,
			.n = *a->n,
			.immutable = strcmp(web_path(r), a->url) == 0});
}

void page_for(const struct dashboard *d, const struct web_request *r, struct page *ret_p)
{
	const struct web_viewer *by = web_viewer(r);
	const bool known = by->role != WEB_ANYONE;

	/* A stranger is not told whose mesh it is. */
	*ret_p = (struct page){.mesh = known ? d->cfg.mesh : "TunnelMesh",
		.zone = d->cfg.zone,
		.viewer = known ? by->name : "",
		.admin = by->role == WEB_ADMIN,
		.session = by->session,
		.style = web_asset_url("style.css"),
		.script = web_asset_url("script.js"),
		.icon = web_asset_url("icon.svg"),
		.now = d->cfg.unix_now()};
}

void dashboard_refuse(const struct dashboard *d, struct web_request *r, unsigned status, const char *sentence)
{
	struct strbuf out = {0};
	struct page p;

	page_for(d, r, &p);
	p.error = sentence;
	p.proof = web_token(r);
	page_refusal(&out, &p);
	if (!out.failed)
		web_answer(r, status,
			&(struct web_body){.type = "text/html; charset=utf-8", .p = out.s, .n = out.len});
	strbuf_deinit(&out);
}

/* --- who watches --- */

struct watcher {
	struct web_stream *stream;
	struct list in_streams;
};

static void watcher_gone(void *ctx)
{
	struct watcher *w = ctx;

	list_remove(&w->in_streams);
	free(w);
}

static void watch(void *ctx, struct web_request *r)
{
	struct dashboard *d = ctx;
	struct watcher *w = calloc(1, sizeof(*w));

	if (!w) {
		web_refuse(r, 503, "The coordinator is out of memory.");
		return;
	}
	w->stream = web_stream_begin(r, watcher_gone, w);
	if (w->stream)
		list_push_back(&d->streams, &w->in_streams);
	else
		free(w);
}

void dashboard_changed(struct dashboard *d)
{
	LIST_FOREACH_SAFE (w, &d->streams, struct watcher, in_streams) {
		if (d->cfg.is_still && !d->cfg.is_still(d->cfg.ctx, web_stream_viewer(w->stream))) {
			web_stream_end(w->stream);
			watcher_gone(w);
		} else if (web_stream_is_clear(w->stream)) {
			web_stream_send(w->stream, "changed", "", 0);
		}
	}
}

const struct web_route dashboard_routes[] = {
	{"/", show_overview, NULL, WEB_MEMBER, 0},
	{"/nodes", show_nodes, NULL, WEB_MEMBER, 0},
	{"/nodes/+", show_node, NULL, WEB_MEMBER, 0},
	{"/nodes/+/rename", NULL, do_rename_it, WEB_ADMIN, 0},
	{"/nodes/+/tag", NULL, do_tag, WEB_ADMIN, 0},
	{"/nodes/+/alias", NULL, do_alias, WEB_ADMIN, 0},
	{"/nodes/+/remove", show_removal, do_remove_it, WEB_ADMIN, 0},
	{"/map", show_map, NULL, WEB_MEMBER, 0},
	{"/names", show_names, NULL, WEB_MEMBER, 0},
	{"/events", show_events, NULL, WEB_MEMBER, 0},
	{"/routes", show_routes, NULL, WEB_MEMBER, 0},
	{"/routes/approve", NULL, do_approve, WEB_ADMIN, 0},
	{"/routes/reject", NULL, do_reject, WEB_ADMIN, 0},
	{"/devices", show_devices, NULL, WEB_MEMBER, 0},
	{"/devices/add", NULL, do_add_device, WEB_ADMIN, 0},
	{"/tokens", show_tokens, NULL, WEB_ADMIN, 0},
	{"/tokens/create", NULL, do_create, WEB_ADMIN, 0},
	{"/tokens/revoke", NULL, do_revoke, WEB_ADMIN, 0},
	{"/policy", show_policy, NULL, WEB_ADMIN, 0},
	{"/policy/edit", show_policy_edit, NULL, WEB_ADMIN, 0},
	{"/policy/test", NULL, do_test, WEB_ADMIN, POLICY_FORM_MAX},
	{"/policy/set", NULL, do_set, WEB_ADMIN, POLICY_FORM_MAX},
	{"/policy/rollback", NULL, do_rollback, WEB_ADMIN, 0},
	{"/live", watch, NULL, WEB_MEMBER, 0},
	{"/assets/+/+", send_asset, NULL, WEB_ANYONE, 0},
	{DASHBOARD_LOGIN, login_show, login_do, WEB_ANYONE, 0},
	{"/logout", NULL, login_out, WEB_MEMBER, 0},
};
const size_t dashboard_routes_n = ARRAY_LEN(dashboard_routes) - 2,
	     dashboard_routes_login_n = ARRAY_LEN(dashboard_routes);

int dashboard_new(const struct dashboard_config *cfg, struct dashboard **ret_dashboard)
{
	struct dashboard *d = calloc(1, sizeof(*d));

	if (!d)
		return TM_ENOMEM;
	d->cfg = *cfg;
	list_init(&d->streams);
	*ret_dashboard = d;
	return TM_OK;
}

void dashboard_free(struct dashboard *d)
{
	if (!d)
		return;
	while (!list_empty(&d->streams))
		watcher_gone(CONTAINER_OF(d->streams.next, struct watcher, in_streams));
	free(d);
}
