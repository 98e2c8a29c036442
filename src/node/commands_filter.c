/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Rules of this node's own, and of its configuration: `filter.add`, `filter.list`, `filter.remove`. */
#include "node/commands_private.h"
#include "node/own_rules.h"
#include "node/rules.h"
#include "wire/msg/request.h"

#include <stdio.h>
#include <string.h>

static void refuse(struct ctl_call *call, int err, const struct diag *d)
{
	struct jsonout o = {0};

	msg_refusal_put(&o, NULL, d->code[0] ? d->code : tm_err_word(err),
		d->what[0] ? d->what : tm_strerror(err), d->hint);
	ctl_reply_text(call, jsonout_take(&o, NULL));
}

/* Nodes by the names that they have now. */
static void put_who(struct jsonout *o, const struct node *n, const char *who)
{
	struct strbuf b = {0};

	for (const char *at = who; *at;) {
		size_t len = strcspn(at, ",");
		char id[NODE_ID_LEN + 1] = "";

		if (len == NODE_ID_LEN)
			memcpy(id, at, len);
		const struct mesh_node *m = mesh_by_id(peers_mesh(n->peers), id);
		strbuf_puts(&b, at == who ? "" : ", ");
		strbuf_printf(&b, "%.*s", m ? (int)strlen(m->name) : (int)len, m ? m->name : at);
		at += len + (at[len] == ',');
	}
	jsonout_text(o, "who", b.s ? b.s : "");
	strbuf_deinit(&b);
}

/* In the configuration it has a line, and perhaps somebody is missing; else it has a time. */
static void put_rule(
	struct jsonout *o, const struct node *n, const struct policy_local *r, const char *absent, ns_t left)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "id", r->id);
	jsonout_text(o, "action", policy_action_name(r->action));
	jsonout_text(o, "services", r->services);
	put_who(o, n, r->who);
	jsonout_bool(o, "outbound", r->outbound);
	jsonout_int_or_null(o, "line", r->line);
	jsonout_text_or_null(o, "absent", absent);
	jsonout_bool(o, "granted", node_rules_granted(n, r));
	jsonout_bool(o, "in_force", node_rules_in_force(n, r));
	jsonout_int_or_null(o, "left_s", (left + SEC - 1) / SEC);
	jsonout_object_end(o);
}

static void put_rules(struct jsonout *o, const struct node *n)
{
	for (size_t i = 0; i < n->config.n_rules; i++)
		put_rule(o, n, &n->config.rules[i], n->rules.configured[i].absent, 0);
	for (size_t i = 0; i < n->rules.n_own; i++)
		put_rule(
			o, n, &n->rules.own[i].rule, "", ns_max(n->rules.own[i].until - time_monotonic(), 1));
}

static void show(struct node *n, struct ctl_call *call)
{
	struct jsonout o = {0};

	jsonout_object(&o, NULL);
	jsonout_bool(&o, "ok", true);
	jsonout_list(&o, "rules");
	put_rules(&o, n);
	jsonout_list_end(&o);
	jsonout_object_end(&o);
	ctl_reply_text(call, jsonout_take(&o, NULL));
}

void command_filter_add(struct node *n, const msg_object *req, struct ctl_call *call)
{
	struct msg_local_rule m;
	struct policy_local r = {.id = ""};
	struct diag d = {0};

	int err = msg_local_rule_get(req, &m, &d);
	if (!err) {
		while (strcmp(m.action, policy_action_name(r.action)) != 0)
			r.action++;
		r.outbound = m.outbound;
		snprintf(r.services, sizeof(r.services), "%s", m.services);
		snprintf(r.who, sizeof(r.who), "%s", m.who);
		err = policy_local_bind(&r, peers_mesh(n->peers), &d);
	}
	if (!err)
		err = node_rules_add(n, &r, m.ttl_s * SEC, &d);
	if (err)
		refuse(call, err, &d);
	else
		show(n, call);
}

void command_filter_list(struct node *n, const msg_object *req UNUSED, struct ctl_call *call)
{
	show(n, call);
}

void command_filter_remove(struct node *n, const msg_object *req, struct ctl_call *call)
{
	struct diag d = {0};
	char id[33];

	int err = msg_local_id_get(req, id, &d);
	if (!err)
		err = node_rules_remove(n, id, &d);
	if (err)
		refuse(call, err, &d);
	else
		show(n, call);
}
