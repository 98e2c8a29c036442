/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stock WireGuard clients: node records of their own kind, reached through a node of the mesh. */
#include "base/encode.h"
#include "control/coord/coord_private.h"
#include "crypto/hash.h"

#include <string.h>

/* A gateway adds clients without asking anybody: it must not be able to use up the mesh's addresses. */
enum { GATEWAY_CLIENTS_MAX = 256 };

struct addition {
	struct job job;
	struct store_node node;
	uint32_t hosts_max;
};

static int add_body(struct store *s, struct job *j)
{
	struct addition *a = CONTAINER_OF(j, struct addition, job);
	bool taken;

	job_event_is(j, EVENT_CLIENT_ADDED, &a->node.rec);
	int err = store_node_name_taken(s, a->node.rec.name, &taken);
	if (err)
		return err;
	if (taken) {
		diag_hint(&j->d, "choose another name");
		return diag_what(
			&j->d, TM_EEXIST, "another node or client is named %s already", a->node.rec.name);
	}
	err = store_node_insert(s, &a->node, a->hosts_max);
	if (err == TM_EEXIST) {
		diag_hint(&j->d, "every client needs a key of its own, and its node must be a member");
		diag_what(&j->d, err, "this key is in use already, or the client's node has gone");
	} else if (err == TM_EFULL) {
		store_explain_full(&j->d);
	}
	return err;
}

static void add_done(struct coord *c, struct job *j, int err)
{
	struct addition *a = CONTAINER_OF(j, struct addition, job);
	struct node_rec *r = &a->node.rec;
	struct jsonout o = {0};

	if (err) {
		answer_refuse(c, &j->asker, err, &j->d);
		return;
	}
	mesh_addresses(registry_mesh(c->reg), r->host, &r->ip4, &r->ip6);
	answer_begin(&j->asker, &o);
	jsonout_object(&o, "client");
	node_rec_put_shown(&o, r);
	jsonout_object_end(&o);
	answer_end(c, &j->asker, &o);
}

static const struct job_kind add_kind = {sizeof(struct addition), add_body, add_done, NULL};

static size_t count_clients(const struct member *m)
{
	size_t n = 0;

	LIST_FOREACH (client, &m->clients, struct member, in_clients)
		n++;
	return n;
}

/* A node adds clients of its own. Administration may name the node; without a name it is the coordinator's.
 */
static struct member *client_node(struct coord *c, const struct asker *a, const char *name)
{
	struct member *m = asker_member(c, a);

	if (!m)
		m = name[0] ? registry_lookup(c->reg, name) : registry_by_key(c->reg, c->identity->x_pub);
	return m && m->s.rec.kind == NODE_MESH ? m : NULL;
}

static void fill(struct store_node *n, const struct msg_client_add *q, const struct member *via)
{
	struct hash_part part = {q->key, sizeof(q->key)};
	uint8_t hash[32];

	memcpy(n->rec.name, q->name, sizeof(n->rec.name));
	memcpy(n->rec.key, q->key, sizeof(n->rec.key));
	memcpy(n->rec.via, via->s.rec.id, sizeof(n->rec.via));
	sha256(&part, 1, hash);
	hex_encode(hash, NODE_ID_LEN / 2, n->rec.id);
	n->rec.kind = NODE_CLIENT;
}

void clients_add(struct coord *c, const struct asker *a, const union msg_request *r)
{
	const struct member *by = asker_member(c, a), *via = client_node(c, a, r->client_add.via);

	if (!via) {
		answer_refuse_text(c, a, "there is no such node for the client to be reached through",
			"`tunnelmesh node list` shows all");
		return;
	}
	if (by && !by->s.rec.coordinator && count_clients(by) >= GATEWAY_CLIENTS_MAX) {
		answer_refuse_text(c, a, "this gateway has as many clients as it may have",
			"remove some, or add it on the coordinator");
		return;
	}
	struct addition *j = job_start(c, a, &add_kind);
	if (!j)
		return;

	fill(&j->node, &r->client_add, via);
	event_set_detail(&j->job.event, "%s", via->s.rec.name);
	j->node.created = j->job.now;
	j->hosts_max = mesh_hosts_max(&registry_mesh(c->reg)->net4, &registry_mesh(c->reg)->net6);
	job_submit(&j->job);
}

/* A page of all clients, those with host numbers above `after`. */
static void put_page(struct coord *c, struct jsonout *o, uint32_t after)
{
	const struct member *m;
	uint32_t last = after;

	jsonout_list(o, "clients");
	for (unsigned n = 0; n < LIST_PAGE && (m = registry_after(c->reg, last)); last = m->s.rec.host) {
		if (m->s.rec.kind != NODE_CLIENT)
			continue;
		member_put(c, o, NULL, m, false);
		n++;
	}
	jsonout_list_end(o);
	if (registry_after(c->reg, last))
		jsonout_int(o, "next", last);
}

/*
 * A node sees its own by its link, in one answer: they are few. Whoever comes by another door sees all, in
 * pages: node.list has them, too.
 */
void clients_list(struct coord *c, const struct asker *a, const union msg_request *r)
{
	const struct member *by = a->conn ? asker_member(c, a) : NULL;
	struct jsonout o = {0};

	answer_begin(a, &o);
	if (by) {
		jsonout_list(&o, "clients");
		LIST_FOREACH (m, &by->clients, struct member, in_clients)
			member_put(c, &o, NULL, m, false);
		jsonout_list_end(&o);
	} else {
		put_page(c, &o, r->after);
	}
	answer_end(c, a, &o);
}

void clients_remove(struct coord *c, const struct asker *a, const union msg_request *r)
{
	struct member *m = registry_lookup(c->reg, r->name);
	const struct member *by = asker_member(c, a);

	if (!m || m->s.rec.kind != NODE_CLIENT ||
		(by && !by->s.rec.coordinator && strcmp(m->s.rec.via, by->s.rec.id) != 0)) {
		answer_refuse_text(c, a, "there is no such client", "`tunnelmesh client list` shows all");
		return;
	}
	nodes_remove_member(c, a, m, "the client was removed");
}
