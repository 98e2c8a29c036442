/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stock WireGuard clients: node records of their own kind, reached through a node of the mesh. */
#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"
#include "control/coord/coord_private.h"
#include "crypto/hash.h"

#include <stdio.h>
#include <string.h>

/* A gateway adds clients without asking anybody: it must not be able to use up the mesh's addresses. */
enum { GATEWAY_CLIENTS_MAX = 256 };

static size_t count_clients(const struct member *m)
{
	size_t n = 0;

	LIST_FOREACH (client, &m->clients, struct member, in_clients)
		n++;
	return n;
}

static int add_body(struct store *s, struct job *j)
{
	bool taken;

	int err = store_node_name_taken(s, j->node.rec.name, &taken);
	if (err)
		return err;
	if (taken) {
		diag_hint(&j->d, "choose another name");
		return diag_what(
			&j->d, TM_EEXIST, "another node or client is named %s already", j->node.rec.name);
	}
	err = store_node_insert(s, &j->node);
	if (err == TM_EEXIST) {
		diag_hint(&j->d, "every client needs a key of its own, and its node must be a member");
		diag_what(&j->d, err, "this key is in use already, or the client's node has gone");
	}
	return err;
}

static void add_done(struct coord *c, struct job *j, int err)
{
	struct member *m;

	if (!err)
		err = registry_add(c->reg, &j->node, &m);
	else
		ipam_release(c->ipam, j->node.rec.host);
	if (err) {
		ask_refuse(c, &j->asker, err, &j->d);
		return;
	}
	log_info("coord: client added", KV("client", m->s.rec.name), KV("via", m->s.rec.via));
	push_structure(c);
	ask_answer(c, &j->asker, json_pack("{s:b, s:o}", "ok", 1, "client", node_rec_describe(&m->s.rec)));
}

/* NULL, or what is wrong. */
static const char *read_client(const json_t *req, struct store_node *n)
{
	const char *name = field_text(req, "name", NODE_NAME_MAX),
		   *key = field_text(req, "key", BASE64_LEN(32));
	uint8_t hash[32];
	size_t len;

	if (!name || !node_name_valid(name))
		return "a client's name is 1 to 63 of the characters a-z, 0-9 and -, without - at its ends";
	if (!key || base64_decode(key, strlen(key), n->rec.key, sizeof(n->rec.key), &len) != TM_OK ||
		len != 32 || ct_is_zero(n->rec.key, 32))
		return "a client's key is a WireGuard public key: 44 characters of base64";

	memcpy(n->rec.name, name, strlen(name) + 1);
	struct hash_part part = {n->rec.key, sizeof(n->rec.key)};
	sha256(&part, 1, hash);
	hex_encode(hash, NODE_ID_LEN / 2, n->rec.id);
	n->rec.kind = NODE_CLIENT;
	return NULL;
}

/* Administration may name the node; without a name it is the coordinator's own. */
static struct member *named_node(struct coord *c, const json_t *req)
{
	const char *via = field_text(req, "via", NODE_NAME_MAX);
	struct member *m = NULL;

	if (!json_object_get(req, "via"))
		m = registry_by_key(c->reg, c->identity->x_pub);
	else if (via)
		m = registry_lookup(c->reg, via);
	return m && m->s.rec.kind == NODE_MESH ? m : NULL;
}

void clients_add(struct coord *c, const struct asker *a, const json_t *req, struct member *via)
{
	struct store_node n = {.created = c->tuning.unix_now()};

	const char *wrong = read_client(req, &n);
	if (wrong) {
		ask_refuse_text(c, a, wrong, "see `tunnelmesh help client`");
		return;
	}
	if (via && !via->s.rec.coordinator && count_clients(via) >= GATEWAY_CLIENTS_MAX) {
		ask_refuse_text(c, a, "this gateway has as many clients as it may have",
			"remove some, or add it on the coordinator");
		return;
	}
	if (!via)
		via = named_node(c, req);
	if (!via) {
		ask_refuse_text(c, a, "there is no such node for the client to be reached through",
			"`tunnelmesh node list` shows all");
		return;
	}
	memcpy(n.rec.via, via->s.rec.id, sizeof(n.rec.via));
	struct job *j = job_start(c, a, add_body, add_done);
	if (!j)
		return;

	j->node = n;
	int err = ipam_take_lowest(c->ipam, &j->node.rec.host);
	if (err) {
		diag_hint(&j->d, "remove nodes that are not used any more with `tunnelmesh node remove`");
		job_fail(j, diag_what(&j->d, err, "every address of the mesh is taken"));
		return;
	}
	job_submit(j);
}

void clients_list(struct coord *c, const struct asker *a, const struct member *via)
{
	json_t *list = json_array();
	struct member *m;

	for (size_t i = 0; list && (m = registry_next(c->reg, &i));) {
		if (m->s.rec.kind != NODE_CLIENT || (via && strcmp(m->s.rec.via, via->s.rec.id) != 0))
			continue;
		json_t *one = member_to_json(c, m, false);
		const struct member *node = registry_by_id(c->reg, m->s.rec.via);
		if (one && node)
			json_object_set_new(one, "via_name", json_string(node->s.rec.name));
		json_array_append_new(list, one);
	}
	ask_answer(c, a, list ? json_pack("{s:b, s:o}", "ok", 1, "clients", list) : NULL);
}

void clients_remove(struct coord *c, const struct asker *a, const json_t *req, const struct member *via)
{
	const char *name = field_text(req, "name", NODE_NAME_MAX);
	struct member *m = name ? registry_lookup(c->reg, name) : NULL;

	if (!m || m->s.rec.kind != NODE_CLIENT ||
		(via && !via->s.rec.coordinator && strcmp(m->s.rec.via, via->s.rec.id) != 0)) {
		ask_refuse_text(c, a, "there is no such client", "`tunnelmesh client list` shows all");
		return;
	}
	nodes_remove(c, a, m, "the client was removed");
}
