/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whose an address is, as logs of services have them. A member has its own two and no others: what comes from
 * a network behind a router, or from the internet by an exit, is nobody's. */
#include <string.h>

#include "node/commands_private.h"

/* "100.101.0.2:443" and "[fd5c::2]:443" are asked without the port. */
static const char *without_port(const char *text, char buf[static IP_STR_LEN])
{
	struct endpoint at;

	return endpoint_parse(text, &at) == TM_OK ? ip_format(&at.ip, buf) : text;
}

static void put_tags(struct jsonout *o, const struct mesh_node *m)
{
	jsonout_list(o, "tags");
	for (const char *tag = m->tags; *tag; tag += strlen(tag) + 1)
		jsonout_text(o, NULL, tag);
	jsonout_list_end(o);
}

static void answer(struct node *n, const struct mesh_node *m, struct ctl_call *call)
{
	const struct mesh *mesh = peers_mesh(n->peers);
	const struct mesh_node *via = m->kind == NODE_CLIENT ? mesh_by_id(mesh, m->via) : NULL;
	struct ip ip4, ip6;
	char text[IP_STR_LEN], dns[NODE_REF_MAX + 1];
	struct jsonout o = {0};

	mesh_node_addresses(mesh, m, &ip4, &ip6);
	snprintf(dns, sizeof(dns), "%s.%s", m->name, mesh_zone(&n->mesh));
	jsonout_object(&o, NULL);
	jsonout_bool(&o, "ok", true);
	jsonout_text(&o, "name", m->name);
	jsonout_text(&o, "dns_name", dns);
	jsonout_text(&o, "id", m->id);
	jsonout_text(&o, "kind", m->kind == NODE_CLIENT ? "client" : "node");
	jsonout_bool(&o, "coordinator", m->coordinator);
	jsonout_bool(&o, "self", strcmp(m->id, n->enrolment.self.id) == 0);
	put_tags(&o, m);
	jsonout_text_or_null(&o, "via_name", via ? via->name : "");
	jsonout_text(&o, "ip4", ip_format(&ip4, text));
	jsonout_text(&o, "ip6", ip_format(&ip6, text));
	jsonout_object_end(&o);
	ctl_reply_text(call, jsonout_take(&o, NULL));
}

void command_whois(struct node *n, const msg_object *req, struct ctl_call *call)
{
	char buf[IP_STR_LEN], error[NODE_REF_MAX + 96];
	const char *who = without_port(command_field(req, "who"), buf);
	const struct mesh_node *m;
	struct ip ip;

	if (ip_parse(who, &ip) != TM_OK) {
		m = command_find_node(n, req, "who", call);
		if (m)
			answer(n, m, call);
		return;
	}
	m = mesh_by_ip(peers_mesh(n->peers), &ip);
	if (m) {
		answer(n, m, call);
		return;
	}
	if (command_refuse_when_removed(n, call))
		return;
	snprintf(error, sizeof(error), "%s is no member's address in this mesh", ip_format(&ip, buf));
	ctl_reply(call,
		msg_refusal("not_found", error, "`tunnelmesh route list` tells of networks behind members"));
}
