/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The control socket's commands: a table of handlers, each of which replies once, now or later. */
#include "base/suggest.h"
#include "base/text.h"
#include "mesh/jsonin.h"
#include "node/commands_private.h"
#include "node/exits.h"
#include "node/metrics.h"
#include "node/names.h"
#include "node/view.h"
#include "os/words/words.h"
#include "wire/msg/msg.h"

#include <string.h>

enum {
	REQUEST_TIMEOUT_MS = 10000,
	PRESENCE_TIMEOUT_MS = 1500, /* what is shown without it is worth more than the wait */
};

static json_t *success(void)
{
	return json_pack("{s:b}", "ok", 1);
}

const char *command_field(const json_t *req, const char *key)
{
	const char *s = json_string_value(json_object_get(req, key));

	return s ? s : "";
}

static void cmd_version(struct node *n, const json_t *req UNUSED, struct ctl_call *call)
{
	ctl_reply(call, json_pack("{s:b, s:s, s:s, s:I}", "ok", 1, "version", TM_VERSION, "aead",
				plane_aead_provider(n->plane), "run", (json_int_t)n->started));
}

/* A node that was removed, or whose place another machine has, knows of nobody, which is no answer. */
bool command_refuse_when_removed(struct node *n, struct ctl_call *call)
{
	if (!n->removed[0])
		return false;
	ctl_reply(call, msg_refusal("no_link", n->removed, n->twin ? "" : "join again with a new token"));
	return true;
}

const struct mesh_node *command_find_node(
	struct node *n, const json_t *req, const char *key, struct ctl_call *call)
{
	const char *text = command_field(req, key);
	const struct mesh *mesh = peers_mesh(n->peers);
	const struct mesh_node *r = mesh_lookup(mesh, text);
	struct suggest s = suggest_for(text);
	char error[NODE_REF_MAX + 64], hint[160] = "see `tunnelmesh peers`";

	if (r)
		return r;
	if (command_refuse_when_removed(n, call))
		return NULL;
	for (size_t i = 0; (r = mesh_next(mesh, &i));)
		suggest_offer(&s, r->name);
	if (s.best)
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", s.best);
	if (strlen(text) > NODE_REF_MAX) /* and might be cut inside of a character */
		snprintf(error, sizeof(error), "there is no node with so long a name in this mesh");
	else
		snprintf(error, sizeof(error), "there is no node \"%s\" in this mesh", text);
	ctl_reply(call, msg_refusal("not_found", error, hint));
	return NULL;
}

static void cmd_resolve(struct node *n, const json_t *req, struct ctl_call *call)
{
	struct ip ip4, ip6;
	char text4[IP_STR_LEN], text6[IP_STR_LEN], dns[NODE_REF_MAX + 1];
	const struct mesh_node *r = command_find_node(n, req, "name", call);

	if (!r)
		return;
	mesh_node_addresses(peers_mesh(n->peers), r, &ip4, &ip6);
	snprintf(dns, sizeof(dns), "%s.%s", r->name, mesh_zone(&n->mesh));
	ctl_reply(call, json_pack("{s:b, s:s, s:s, s:s, s:s, s:s}", "ok", 1, "name", r->name, "dns_name", dns,
				"id", r->id, "ip4", ip_format(&ip4, text4), "ip6", ip_format(&ip6, text6)));
}

/* --- what is shown with who is online, which the coordinator is asked for --- */

/* The answer as text; NULL = no memory. */
typedef char *shown_fn(struct node *n, const char *subject, const struct presence *presence);

struct shown {
	struct node *node;
	struct ctl_call *call;
	shown_fn *show;
	char subject[]; /* id of a node, or "" */
};

static void show(void *ctx, json_t *reply_take)
{
	struct shown *s = ctx;
	struct presence p;
	bool known = presence_from_json(json_object_get(reply_take, "online"), &p) == TM_OK;

	json_decref(reply_take);
	/* The agent fails what was asked of it when it ends: what would be shown is half taken down by then.
	 */
	ctl_reply_text(s->call, s->node->agent ? s->show(s->node, s->subject, known ? &p : NULL) : NULL);
	free(s);
}

static void show_with_presence(struct node *n, struct ctl_call *call, shown_fn *fn, const char *subject)
{
	size_t len = strlen(subject) + 1;
	struct shown *s = malloc(sizeof(*s) + len);
	json_t *ask = json_pack("{s:s}", "t", "presence");

	if (!s || !ask) {
		free(s);
		json_decref(ask);
		ctl_reply(call, NULL);
		return;
	}
	*s = (struct shown){.node = n, .call = call, .show = fn};
	memcpy(s->subject, subject, len);
	agent_request(n->agent, ask, show, s, PRESENCE_TIMEOUT_MS);
	json_decref(ask);
}

/* subject: "brief" or "". */
static char *show_status(struct node *n, const char *subject, const struct presence *presence)
{
	struct node_view v;
	struct jsonout out = {0};

	if (node_view_take(n, presence, subject[0], &v) != TM_OK)
		return NULL;
	view_print_status(&v, &out);
	node_view_deinit(&v);
	return jsonout_take(&out, NULL);
}

static void cmd_status(struct node *n, const json_t *req, struct ctl_call *call)
{
	bool brief = json_is_true(json_object_get(req, "brief"));

	show_with_presence(n, call, show_status, brief ? "brief" : "");
}

static void print_one_peer(
	struct node *n, const struct mesh_node *member, const struct presence *presence, struct jsonout *out)
{
	struct peer_view v;

	peer_view_take(n, member, presence, &v);
	view_print_peer(&v, NULL, out);
}

/* subject: the id of one peer, "" = all. */
static char *show_peers(struct node *n, const char *subject, const struct presence *presence)
{
	const struct mesh_node *one = mesh_by_id(peers_mesh(n->peers), subject);
	_cleanup_(freep) const struct mesh_node **members = NULL;
	struct jsonout out = {0};
	size_t count = 0;

	if (!subject[0] && view_members(n, &members, &count) != TM_OK)
		return NULL;
	jsonout_object(&out, NULL);
	jsonout_bool(&out, "ok", true);
	jsonout_list(&out, "peers");
	if (one && strcmp(one->id, n->enrolment.self.id) != 0)
		print_one_peer(n, one, presence, &out);
	for (size_t i = 0; i < count; i++)
		print_one_peer(n, members[i], presence, &out);
	jsonout_list_end(&out);
	jsonout_object_end(&out);
	return jsonout_take(&out, NULL);
}

static void cmd_peers(struct node *n, const json_t *req, struct ctl_call *call)
{
	const char *only = command_field(req, "node");

	/* "node" narrows it to one id: `ping` asks after every reply, for the path alone. */
	if (only[0])
		ctl_reply_text(call, show_peers(n, only, NULL));
	else if (!command_refuse_when_removed(n, call))
		show_with_presence(n, call, show_peers, "");
}

static char *show_reach(struct node *n, const char *id, const struct presence *presence)
{
	const struct mesh_node *member = mesh_by_id(peers_mesh(n->peers), id);
	struct jsonout out = {0};
	struct reach_view v;

	if (member) {
		reach_view_take(n, member, presence, &v);
		view_print_reach(&v, &out);
	} else {
		msg_refusal_put(&out, NULL, "not_found", "this node has just left the mesh", NULL);
	}
	return jsonout_take(&out, NULL);
}

static void cmd_peer(struct node *n, const json_t *req, struct ctl_call *call)
{
	const struct mesh_node *r = command_find_node(n, req, "node", call);

	if (r && strcmp(r->id, n->enrolment.self.id) == 0)
		ctl_reply(call, msg_refusal("not_found", "that is this machine itself",
					"`tunnelmesh status` shows it"));
	else if (r)
		show_with_presence(n, call, show_reach, r->id);
}

/* Who that is, and by what port we would be asked: a mesh uses the same everywhere. */
static json_t *bench_target(struct node *n, const char *id, const struct presence *presence)
{
	const struct mesh_node *r = mesh_by_id(peers_mesh(n->peers), id);
	struct ip ip4, ip6;
	char text4[IP_STR_LEN], text6[IP_STR_LEN];

	if (!r)
		return msg_refusal("not_found", "this node has just left the mesh", "see `tunnelmesh peers`");
	mesh_node_addresses(peers_mesh(n->peers), r, &ip4, &ip6);
	return json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:i}", "ok", 1, "name", r->name, "id",
		r->id, "ip4", ip_format(&ip4, text4), "ip6", ip_format(&ip6, text6), "kind",
		r->kind == NODE_CLIENT ? "client" : "node", "online",
		presence ? json_boolean(presence_has(presence, r->host)) : json_null(), "self",
		strcmp(r->id, n->enrolment.self.id) == 0, "bench_port", (int)n->config.bench_port);
}

static char *show_bench_target(struct node *n, const char *id, const struct presence *presence)
{
	json_t *j = bench_target(n, id, presence);
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	return text;
}

static void cmd_bench_resolve(struct node *n, const json_t *req, struct ctl_call *call)
{
	const struct mesh_node *r = command_find_node(n, req, "name", call);

	if (r)
		show_with_presence(n, call, show_bench_target, r->id);
}

static void cmd_nudge(struct node *n, const json_t *req, struct ctl_call *call)
{
	const struct mesh_node *r = command_find_node(n, req, "node", call);

	if (!r)
		return;
	plane_nudge(n->plane, r->key);
	node_kick_plane(n);
	ctl_reply(call, success());
}

static void cmd_down(struct node *n, const json_t *req UNUSED, struct ctl_call *call)
{
	node_replace_never(n);
	exits_end(n);
	ctl_reply(call, success());
	node_stop_soon(n);
}

/* Of "mtu, tun". */
static json_t *words_of(char *list)
{
	json_t *words = json_array();

	for (char *at = list, *word; (word = text_split(&at, ", "));)
		if (*word)
			json_array_append_new(words, json_string(word));
	return words;
}

static void refuse_reload(struct ctl_call *call, const struct diag *d, int err)
{
	char what[sizeof(*d) + 16], hint[sizeof(d->hint) + 64];
	struct diag bare = *d;

	bare.hint[0] = '\0';
	snprintf(hint, sizeof(hint), "%s%sthe running configuration was kept", d->hint,
		d->hint[0] ? "; " : "");
	ctl_reply(call, msg_refusal("bad_configuration", diag_format(&bare, err, what, sizeof(what)), hint));
}

static void cmd_reload(struct node *n, const json_t *req UNUSED, struct ctl_call *call)
{
	struct diag d = {0};
	char keys[256];

	int err = node_reload(n, &d, keys, sizeof(keys));
	if (err)
		refuse_reload(call, &d, err);
	else
		ctl_reply(call, json_pack("{s:b, s:o}", "ok", 1, "restart_needed", words_of(keys)));
}

static void reply_through(void *ctx, json_t *reply_take)
{
	ctl_reply(ctx, reply_take);
}

static void reply_text_through(void *ctx, char *reply_take)
{
	ctl_reply_text(ctx, reply_take);
}

static void cmd_leave(struct node *n, const json_t *req UNUSED, struct ctl_call *call)
{
	if (n->coord) {
		ctl_reply(call, msg_refusal("is_coordinator",
					"this machine is the mesh's coordinator and cannot leave it",
					"`tunnelmesh down` stops it; the mesh lives in its state directory"));
		return;
	}
	if (n->removed[0]) { /* what is asked for is so, or the membership is another machine's */
		ctl_reply(call, success());
		return;
	}
	json_t *leave = json_pack("{s:s}", "t", "leave");
	agent_request(n->agent, leave, reply_through, call, REQUEST_TIMEOUT_MS);
	json_decref(leave);
}

void command_not_coordinator(struct node *n, struct ctl_call *call)
{
	const struct mesh *mesh = peers_mesh(n->peers);
	const struct mesh_node *m;
	struct ip ip4, ip6;
	char text[IP_STR_LEN], hint[160] = "run this command there";

	for (size_t i = 0; (m = mesh_next(mesh, &i));)
		if (m->coordinator) {
			mesh_node_addresses(mesh, m, &ip4, &ip6);
			snprintf(hint, sizeof(hint), "run this command on %s, %s", m->name,
				ip_format(&ip4, text));
		}
	ctl_reply(call, msg_refusal("not_coordinator", "this machine is not the mesh's coordinator", hint));
}

/* As the events of the mesh say it: the kernel knows who holds the other end of the socket. */
struct coord_who command_who(const struct ctl_call *call)
{
	struct coord_who who = {.role = COORD_ADMIN, .door = EVENT_SOCKET};
	uint32_t uid;

	if (ctl_user(call, &uid) != TM_OK)
		snprintf(who.by, sizeof(who.by), "a user of the coordinator's machine");
	else if (uid)
		snprintf(who.by, sizeof(who.by), "user %u of the coordinator's machine", uid);
	else
		snprintf(who.by, sizeof(who.by), "root");
	return who;
}

static void ask_coordinator(struct node *n, const json_t *req, coord_reply_fn *reply, struct ctl_call *call)
{
	const struct coord_who who = command_who(call);

	coord_ask(n->coord, &who, req, reply, call);
}

static void cmd_admin(struct node *n, const json_t *req, struct ctl_call *call)
{
	if (n->coord)
		ask_coordinator(n, req, reply_text_through, call);
	else
		command_not_coordinator(n, call);
}

/* Who asked removes the copy; where nobody waits for it any more, nobody else would. */
static void backup_made(void *ctx, char *reply_take)
{
	json_t *reply = reply_take ? json_loads(reply_take, 0, NULL) : NULL;
	const char *copy = json_string_value(json_object_get(reply, "database"));

	if (copy && !ctl_waits(ctx))
		remove(copy);
	json_decref(reply);
	ctl_reply_text(ctx, reply_take);
}

static void cmd_backup(struct node *n, const json_t *req, struct ctl_call *call)
{
	if (n->coord)
		ask_coordinator(n, req, backup_made, call);
	else
		command_not_coordinator(n, call);
}

void command_ask_through_link(struct node *n, const json_t *req, agent_reply_fn *reply, void *ctx)
{
	json_t *forwarded = json_copy((json_t *)(uintptr_t)req);

	if (forwarded) {
		json_object_set(forwarded, "t", json_object_get(req, "cmd"));
		json_object_del(forwarded, "cmd");
	}
	agent_request(n->agent, forwarded, reply, ctx, REQUEST_TIMEOUT_MS);
	json_decref(forwarded);
}

/* Asked on the coordinator it is answered here, elsewhere through the control link. */
static void cmd_ask(struct node *n, const json_t *req, struct ctl_call *call)
{
	if (n->coord)
		ask_coordinator(n, req, reply_text_through, call);
	else
		command_ask_through_link(n, req, reply_through, call);
}

/* A further `join` knows where the coordinator is now. It is kept first: the link may take a while. */
static void cmd_addresses(struct node *n, const json_t *req, struct ctl_call *call)
{
	struct enrolment *e = &n->enrolment;
	struct msg_addresses a;
	struct diag d = {0};

	msg_addresses_get(req, &a);
	if (n->coord || !a.n) {
		ctl_reply(call,
			msg_refusal("invalid", "no address of another machine's coordinator is given", ""));
		return;
	}
	memcpy(e->addresses, a.v, sizeof(e->addresses));
	e->n_addresses = a.n;
	int err = enrolment_save(n->paths.enrolment, e, &d);
	agent_set_addresses(n->agent, &a);
	ctl_reply(call, err ? msg_refusal("failed", d.what, d.hint) : success());
}

static void cmd_netcheck(struct node *n, const json_t *req, struct ctl_call *call)
{
	int64_t after = -1;

	(void)!jsonin_int(req, "after", 0, INT64_MAX, &after);
	if (!command_refuse_when_removed(n, call))
		netcheck_ask(n->netcheck, json_is_true(json_object_get(req, "full")), after, call);
}

static void cmd_dns_status(struct node *n, const json_t *req UNUSED, struct ctl_call *call)
{
	ctl_reply_text(call, names_status(n));
}

static void cmd_dns_query(struct node *n, const json_t *req, struct ctl_call *call)
{
	ctl_reply_text(call, names_query(n, command_field(req, "name"), command_field(req, "type")));
}

static void cmd_metrics(struct node *n, const json_t *req UNUSED, struct ctl_call *call)
{
	_cleanup_(freep) char *text = metrics_text(n, NULL);
	struct jsonout reply = {0};

	if (!text) {
		ctl_reply(call, NULL);
		return;
	}
	jsonout_object(&reply, NULL);
	jsonout_bool(&reply, "ok", true);
	jsonout_text(&reply, "text", text);
	jsonout_object_end(&reply);
	ctl_reply_text(call, jsonout_take(&reply, NULL));
}

static const struct command {
	const char *name;
	void (*run)(struct node *n, const json_t *req, struct ctl_call *call);
	bool question; /* shows, and changes nothing: every user of this machine may ask */
} commands[] = {
	{"status", cmd_status, true},
	{"peers", cmd_peers, true},
	{"peer", cmd_peer, true},
	{"version", cmd_version, true},
	{"ping.resolve", cmd_resolve, true},
	{"whois", command_whois, true},
	{"bench.resolve", cmd_bench_resolve, true},
	{"netcheck", cmd_netcheck, true},
	{"metrics", cmd_metrics, true},
	{"dns.status", cmd_dns_status, true},
	{"dns.query", cmd_dns_query, true},
	{"nudge", cmd_nudge, false},
	{"down", cmd_down, false},
	{"reload", cmd_reload, false},
	{"replace", command_replace, false},
	{"leave", cmd_leave, false},
	{"coordinator.addresses", cmd_addresses, false},
	{"backup", cmd_backup, false},
	{"events", command_events, false},
	{"event.list", cmd_ask, false},
	{"report.", cmd_ask, false},
	{"log.level", command_log_level, false},
	{"dashboard.password", command_dashboard_password, false},
	{"paths", command_paths, false},
	{"capture", command_capture, false},
	{"token.", cmd_admin, false}, /* whatever the coordinator knows that begins so */
	{"policy.", cmd_admin, false},
	{"filter.add", command_filter_add, false},
	{"filter.list", command_filter_list, false},
	{"filter.remove", command_filter_remove, false},
	{"node.list", cmd_ask, true},
	{"node.", cmd_admin, false},
	{"route.advertise", command_route_advertise, false},
	{"route.withdraw", command_route_withdraw, false},
	{"route.approve", cmd_admin, false},
	{"route.reject", cmd_admin, false},
	{"route.list", cmd_ask, true},
	{"exit.offer", command_exit_offer, false},
	{"exit.use", command_exit_use, false},
	{"exit.off", command_exit_off, false},
	{"exit.pause", command_exit_pause, false},
	{"client.add", command_client_add, false},
	{"client.list", cmd_ask, false},
	{"client.remove", cmd_ask, false},
};

static const struct command *command_of(const json_t *req)
{
	const char *name = command_field(req, "cmd");

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		size_t n = strlen(commands[i].name);
		bool all = commands[i].name[n - 1] == '.';

		if (strncmp(commands[i].name, name, n) == 0 && (all || !name[n]))
			return &commands[i];
	}
	return NULL;
}

static void unknown_command(struct ctl_call *call)
{
	ctl_reply(call, msg_refusal("unknown_command", "this daemon does not know that command",
				"is it an older version than the command line tool?"));
}

void node_command(void *ctx, const json_t *req, struct ctl_call *call)
{
	const struct command *c = command_of(req);

	if (c)
		c->run(ctx, req, call);
	else
		unknown_command(call);
}

void node_question(void *ctx, const json_t *req, struct ctl_call *call)
{
	const struct command *c = command_of(req);

	if (!c)
		unknown_command(call);
	else if (c->question)
		c->run(ctx, req, call);
	else
		ctl_reply(call, msg_refusal("no_permission",
					"this command needs root, or the group that the configuration names",
					OS_SUDO_HINT));
}
