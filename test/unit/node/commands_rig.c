/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "commands_rig.h"

#include "control/policy/counts.h"
#include "crypto/init.h"
#include "fake/quiet.h"
#include "node/names.h"
#include "node/offers.h"
#include "node/routing.h"
#include "node/view.h"

#include <unistd.h>

const struct routed *__wrap_routing_look(const struct node *n, size_t *ret_n);
void __wrap_offers_approved(const struct node *n, struct route_settings *ret_s);
const struct dns_counters *__wrap_names_counters(const struct node *n, size_t *ret_connections);
bool __wrap_names_failing(const struct node *n);
bool __wrap_names_resolver_failing(const struct node *n);
void __wrap_plane_figures(const struct plane *p, struct plane_figures *ret_figures);

static struct rig *rig;

/* --- stand-ins --- */

void __wrap_ctl_reply(struct ctl_call *call, json_t *reply_take);
void __wrap_ctl_reply_text(struct ctl_call *call, char *text_take);
bool __wrap_ctl_waits(const struct ctl_call *call);
const char *__wrap_plane_aead_provider(const struct plane *p);
void __wrap_plane_nudge(struct plane *p, const uint8_t key[static 32]);
void __wrap_node_kick_plane(struct node *n);
void __wrap_node_stop_soon(struct node *n);
int __wrap_node_reload(struct node *n, struct diag *d, char *restart_keys, size_t restart_len);
int __wrap_node_view_take(
	const struct node *n, const struct presence *presence, bool brief, struct node_view *ret_view);
void __wrap_peer_view_take(const struct node *n, const struct mesh_node *member,
	const struct presence *presence, struct peer_view *ret_view);
void __wrap_reach_view_take(const struct node *n, const struct mesh_node *member,
	const struct presence *presence, struct reach_view *ret_view);
void __wrap_agent_request(
	struct agent *a, const json_t *req, agent_reply_fn *reply, void *ctx, int timeout_ms);
void __wrap_coord_ask(
	struct coord *c, const struct coord_who *who, const json_t *req, coord_reply_fn *reply, void *ctx);
int __wrap_ctl_user(const struct ctl_call *call, uint32_t *ret_uid);
const struct candidates *__wrap_core_mine(const struct core *c);

void __wrap_ctl_reply(struct ctl_call *call, json_t *reply_take)
{
	assert_ptr_equal(call, rig);
	json_decref(rig->answer);
	rig->answer = reply_take;
	rig->answers++;
}

void __wrap_ctl_reply_text(struct ctl_call *call, char *text_take)
{
	__wrap_ctl_reply(call, text_take ? json_loads(text_take, JSON_REJECT_DUPLICATES, NULL) : NULL);
	free(text_take);
}

bool __wrap_ctl_waits(const struct ctl_call *call)
{
	assert_ptr_equal(call, rig);
	return !rig->left;
}

const char *__wrap_plane_aead_provider(const struct plane *p UNUSED)
{
	return "some provider";
}

void __wrap_plane_nudge(struct plane *p UNUSED, const uint8_t key[static 32] UNUSED)
{
	rig->nudges++;
}

void __wrap_node_kick_plane(struct node *n UNUSED)
{
}

void __wrap_node_stop_soon(struct node *n UNUSED)
{
	rig->stops++;
}

int __wrap_node_reload(struct node *n UNUSED, struct diag *d, char *restart_keys, size_t restart_len)
{
	snprintf(restart_keys, restart_len, "mtu, tun");
	return rig->reload_err ? diag_what(d, rig->reload_err, "line 3 makes no sense") : TM_OK;
}

int __wrap_node_view_take(const struct node *n UNUSED, const struct presence *presence UNUSED,
	bool brief UNUSED, struct node_view *ret_view)
{
	rig->views++;
	*ret_view = (struct node_view){0};
	return rig->viewable ? TM_OK : TM_ENOMEM;
}

void __wrap_peer_view_take(const struct node *n UNUSED, const struct mesh_node *member,
	const struct presence *presence, struct peer_view *ret_view)
{
	rig->views++;
	*ret_view = (struct peer_view){.member = member,
		.candidate = "",
		.via_name = "",
		.relay_name = "",
		.online_known = presence != NULL,
		.online = presence && presence_has(presence, member->host)};
}

void __wrap_reach_view_take(const struct node *n, const struct mesh_node *member,
	const struct presence *presence, struct reach_view *ret_view)
{
	*ret_view = (struct reach_view){.mine = &rig->mine, .link = {.error = "", .proxy = ""}};
	__wrap_peer_view_take(n, member, presence, &ret_view->peer);
}

static char *asked(const json_t *req)
{
	json_decref(rig->asked);
	rig->asked = json_deep_copy(req);
	return strdup(rig->reply);
}

void __wrap_agent_request(
	struct agent *a UNUSED, const json_t *req, agent_reply_fn *reply, void *ctx, int timeout_ms)
{
	char *text = asked(req);

	assert_true(timeout_ms > 0);
	rig->asked_link++;
	if (rig->ends)
		rig->n.agent = NULL;
	reply(ctx, json_loads(text, 0, NULL));
	free(text);
}

int __wrap_ctl_user(const struct ctl_call *call, uint32_t *ret_uid)
{
	assert_ptr_equal(call, rig);
	*ret_uid = rig->uid;
	return TM_OK;
}

void __wrap_coord_ask(struct coord *c UNUSED, const struct coord_who *who, const json_t *req,
	coord_reply_fn *reply, void *ctx)
{
	rig->who = *who;
	rig->asked_here++;
	reply(ctx, asked(req));
}

const struct candidates *__wrap_core_mine(const struct core *c UNUSED)
{
	return &rig->mine;
}

/* --- the rig --- */

int rig_setup(void **state)
{
	struct node_rec nodes[] = {
		{.id = "00000000000000aa", .name = "laptop", .host = 1, .key = {1}},
		{.id = "00000000000000bb", .name = "hub", .host = 2, .key = {2}, .coordinator = true},
		{.id = "00000000000000cc",
			.name = "phone",
			.host = 3,
			.key = {3},
			.kind = NODE_CLIENT,
			.via = "00000000000000bb"},
	};
	struct netmap update = {.version = 1, .nodes = nodes, .n_nodes = ARRAY_LEN(nodes)};
	struct rig *r = calloc(1, sizeof(*r));
	struct mesh_diff d;

	assert_non_null(r);
	rig = r;
	assert_int_equal(crypto_init(NULL), TM_OK);
	log_set_sink(quiet_log, NULL);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-commands-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/netmap.db", r->dir);
	r->reply = "{\"ok\":true}";
	r->n.base = event_base_new();
	r->n.agent = (struct agent *)r; /* only their stand-ins look at these */
	r->n.routing = (struct routing *)r;
	r->n.offers = (struct offers *)r;
	r->n.enrolment.self = nodes[0];
	r->n.config.bench_port = 5209;
	assert_int_equal(counts_new(1, &r->n.rules.counts), TM_OK);
	assert_int_equal(prefix_parse("100.101.0.0/16", &r->n.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &r->n.mesh.net6), TM_OK);
	const struct peers_config peers = {.path = r->path,
		.mesh = &r->n.mesh,
		.self_id = nodes[0].id,
		.coordinator_key = nodes[1].key,
		.save_delay = SEC};
	assert_int_equal(peers_new(r->n.base, &peers, &r->n.peers), TM_OK);
	assert_int_equal(peers_update(r->n.peers, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
	*state = r;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *r = *state;

	counts_free(r->n.rules.counts);
	peers_free(r->n.peers);
	event_base_free(r->n.base);
	json_decref(r->answer);
	json_decref(r->asked);
	(void)unlink(r->path);
	assert_int_equal(rmdir(r->dir), 0);
	log_set_sink(NULL, NULL);
	free(r);
	return 0;
}

const json_t *say(struct rig *r, command_fn *how, json_t *req_take)
{
	assert_non_null(req_take);
	r->answers = 0;
	how(&r->n, req_take, (struct ctl_call *)r);
	json_decref(req_take);
	assert_int_equal(r->answers, 1);
	return r->answer;
}

json_t *cmd(const char *name)
{
	return json_pack("{s:s}", "cmd", name);
}

const char *text(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

bool ok(const json_t *j)
{
	return json_is_true(json_object_get(j, "ok"));
}

const struct routed *__wrap_routing_look(const struct node *n UNUSED, size_t *ret_n)
{
	*ret_n = 0;
	return NULL;
}

void __wrap_offers_approved(const struct node *n UNUSED, struct route_settings *ret_s)
{
	*ret_s = rig->approved;
}

const struct dns_counters *__wrap_names_counters(const struct node *n UNUSED, size_t *ret_connections)
{
	*ret_connections = 0;
	return NULL;
}

bool __wrap_names_failing(const struct node *n UNUSED)
{
	return false;
}

bool __wrap_names_resolver_failing(const struct node *n UNUSED)
{
	return false;
}

void __wrap_plane_figures(const struct plane *p UNUSED, struct plane_figures *ret_figures)
{
	*ret_figures = (struct plane_figures){0};
}
