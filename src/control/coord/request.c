/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * All requests, from wherever they come: who may ask, what they carry, who answers. The rights are checked
 * here and nowhere else.
 */
#include "control/coord/coord_private.h"

#include <string.h>

/* Who asks. A link has those of its node. */
enum {
	BY_ADMIN = 1, /* the control socket, or an administrator by another door */
	BY_NODE = 2,
	BY_GATEWAY = 4, /* a node with the tag, or the coordinator's own */
	BY_MEMBER = 8, /* by another door than its link */
};

enum { REQUESTS_MAX = 16 }; /* of one link, not answered yet */

static const struct request {
	const char *name;
	unsigned by;
	msg_request_get_fn *get;
	request_run_fn *run;
} requests[] = {
	{"presence", BY_ADMIN | BY_NODE, msg_nothing_get, nodes_presence},
	{"leave", BY_NODE, msg_leave_get, nodes_leave},
	{"node.list", BY_ADMIN | BY_NODE | BY_MEMBER, msg_node_list_get, nodes_list},
	{"node.rename", BY_ADMIN, msg_node_rename_get, names_rename},
	{"node.alias", BY_ADMIN, msg_node_alias_get, names_alias},
	{"node.tag", BY_ADMIN, msg_node_tag_get, nodes_tag},
	{"node.remove", BY_ADMIN, msg_node_remove_get, nodes_remove},
	{"route.offer", BY_NODE, msg_route_offer_get, routes_offer},
	{"route.approve", BY_ADMIN, msg_route_get, routes_approve},
	{"route.reject", BY_ADMIN, msg_route_get, routes_reject},
	{"route.list", BY_ADMIN | BY_NODE | BY_MEMBER, msg_list_get, routes_list},
	{"client.add", BY_ADMIN | BY_GATEWAY, msg_client_add_get, clients_add},
	{"client.list", BY_ADMIN | BY_GATEWAY | BY_MEMBER, msg_list_get, clients_list},
	{"client.remove", BY_ADMIN | BY_GATEWAY, msg_client_remove_get, clients_remove},
	{"policy.get", BY_ADMIN, msg_policy_version_get, policy_get},
	{"policy.set", BY_ADMIN, msg_policy_text_get, policy_set},
	{"policy.add", BY_ADMIN, msg_policy_add_get, policy_add},
	{"policy.remove", BY_ADMIN, msg_policy_remove_get, policy_remove},
	{"policy.history", BY_ADMIN, msg_nothing_get, policy_history},
	{"policy.rollback", BY_ADMIN, msg_policy_version_get, policy_rollback},
	{"policy.test", BY_ADMIN, msg_policy_text_get, policy_test},
	{"policy.explain", BY_ADMIN, msg_policy_explain_get, policy_explained},
	{"policy.diff", BY_ADMIN, msg_policy_text_get, policy_compared},
	{"policy.prove", BY_ADMIN, msg_policy_prove_get, policy_proved},
	{"event.list", BY_ADMIN | BY_NODE | BY_MEMBER, msg_event_list_get, events_list},
	{"report.list", BY_ADMIN | BY_NODE | BY_MEMBER, msg_report_list_get, reports_list},
	{"report.node", BY_ADMIN | BY_NODE | BY_MEMBER, msg_report_node_get, reports_node},
	{"backup", BY_ADMIN, msg_nothing_get, backup_copy},
	{"token.create", BY_ADMIN, msg_token_create_get, tokens_create},
	{"token.list", BY_ADMIN, msg_nothing_get, tokens_list},
	{"token.revoke", BY_ADMIN, msg_token_revoke_get, tokens_revoke},
};

static const struct request *request_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		if (strcmp(name, requests[i].name) == 0)
			return &requests[i];
	return NULL;
}

const char *request_name(size_t i)
{
	return i < ARRAY_LEN(requests) ? requests[i].name : NULL;
}

static void not_allowed(struct coord *c, const struct asker *a, const struct request *q)
{
	if (!a->conn && a->who.role == COORD_MEMBER)
		answer_refuse_text(c, a, "this is for those who administer the mesh",
			"the coordinator's configuration says who they are (dashboard.admins)");
	else if (q->by & BY_GATEWAY)
		answer_refuse_text(c, a, "this node may not have clients",
			"on the coordinator, `tunnelmesh node tag NODE --add gateway` allows it");
	else
		answer_refuse_text(c, a, "this is for the coordinator's administration alone",
			"run the command on the coordinator's machine");
}

static void request_run(
	struct coord *c, const struct asker *a, unsigned by, const struct request *q, const msg_object *m)
{
	union msg_request r;
	struct diag d = {0};

	if (!(q->by & by)) {
		not_allowed(c, a, q);
		return;
	}
	int err = q->get(m, &r, &d);
	if (err)
		answer_refuse(c, a, err, &d);
	else
		q->run(c, a, &r);
}

static unsigned rights_of(const struct member *m)
{
	bool gateway = m->s.rec.coordinator;

	for (size_t i = 0; i < m->s.rec.n_tags; i++)
		gateway |= strcmp(m->s.rec.tags[i], "gateway") == 0;
	return gateway ? BY_NODE | BY_GATEWAY : BY_NODE;
}

static void answer_busy(struct coord *c, const struct asker *a, const char *what, const char *hint)
{
	struct diag d = {0};

	diag_hint(&d, "%s", hint);
	answer_refuse(c, a, diag_what(&d, TM_EBUSY, "%s", what), &d);
}

bool request_from_link(struct conn *n, const char *name, const msg_object *m)
{
	const struct request *q = request_find(name);
	struct asker a = {.conn = n->id};

	if (!q)
		return false;

	if (n->state != CONN_MEMBER) {
		conn_shut(n, "the first message must be hello or enrol");
	} else if (!msg_request_id(m, &a.id)) {
		conn_shut(n, "a request came without an id");
	} else if (++n->n_requests > REQUESTS_MAX) {
		answer_busy(n->c, &a, "too many requests at once", "wait for the answers");
	} else if (conn_overspent(n)) {
		answer_busy(n->c, &a, "this node has asked the coordinator for too much lately",
			"try again in some seconds");
	} else {
		request_run(n->c, &a, rights_of(n->member), q, m);
	}
	return true;
}

/* Whoever came as a member is one still. */
static bool is_there(const struct coord *c, const struct coord_who *who)
{
	return who->id[0] ? registry_by_id(c->reg, who->id) != NULL : who->role == COORD_ADMIN;
}

void coord_ask(
	struct coord *c, const struct coord_who *who, const msg_object *req, coord_reply_fn *reply, void *ctx)
{
	struct asker a = {.reply = reply, .ctx = ctx, .who = *who};
	const struct request *q = request_find(msg_command(req).text);

	if (!is_there(c, who))
		answer_refuse_text(
			c, &a, "you are no member of this mesh any more", "join again with a new token");
	else if (q)
		request_run(c, &a, who->role == COORD_ADMIN ? BY_ADMIN : BY_MEMBER, q, req);
	else
		answer_refuse_text(c, &a, "the coordinator does not know this command",
			"is the daemon older than the command line?");
}

struct member *asker_member(struct coord *c, const struct asker *a)
{
	struct conn *n = conn_find(c, a->conn);

	if (!a->conn && a->who.role == COORD_MEMBER)
		return registry_by_id(c->reg, a->who.id);
	return n ? n->member : NULL;
}

bool asker_sees_all(struct coord *c, const struct asker *a)
{
	const struct member *m = asker_member(c, a);

	return a->conn ? m && m->s.rec.coordinator : a->who.role == COORD_ADMIN;
}

void answer_begin(const struct asker *a, struct jsonout *o)
{
	msg_reply_begin(o, a->conn ? &a->id : NULL, true);
}

static void deliver(struct coord *c, const struct asker *a, struct jsonout *o)
{
	if (a->reply) {
		a->reply(a->ctx, jsonout_take(o, NULL));
		return;
	}
	struct conn *n = conn_find(c, a->conn);
	if (!n) {
		jsonout_deinit(o);
		return;
	}
	if (n->n_requests)
		n->n_requests--;
	conn_send(n, o);
}

void answer_end(struct coord *c, const struct asker *a, struct jsonout *o)
{
	struct conn *n = conn_find(c, a->conn);

	jsonout_object_end(o);
	if (n)
		conn_charge(n, o->b.len);
	deliver(c, a, o);
}

void answer_ok(struct coord *c, const struct asker *a)
{
	struct jsonout o = {0};

	answer_begin(a, &o);
	answer_end(c, a, &o);
}

static void refuse(
	struct coord *c, const struct asker *a, const char *code, const char *error, const char *hint)
{
	struct jsonout o = {0};

	msg_refusal_put(&o, a->conn ? &a->id : NULL, code, error, hint);
	deliver(c, a, &o);
}

void answer_refuse_text(struct coord *c, const struct asker *a, const char *error, const char *hint)
{
	refuse(c, a, "refused", error, hint);
}

void answer_refuse(struct coord *c, const struct asker *a, int err, const struct diag *d)
{
	struct diag own = d ? *d : (struct diag){0};

	if (!own.what[0] && err == TM_ECLOSED) {
		diag_what(&own, err, "the coordinator is stopping");
		diag_hint(&own, "try again when it is up");
	} else if (!own.what[0] && err == TM_EFULL) {
		diag_what(&own, err, "the coordinator has too much to do");
		diag_hint(&own, "try again in a moment");
	} else if (!own.what[0] && err == TM_ENOMEM) {
		diag_what(&own, err, "the coordinator is out of memory");
		diag_hint(&own, "try again later");
	}
	store_explain(err, &own);
	refuse(c, a, own.code[0] ? own.code : tm_err_word(err), own.what, own.hint);
}
