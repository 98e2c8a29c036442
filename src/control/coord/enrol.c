/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Enrolling. The address is taken in memory first (and given back on failure); the token's use, the name and
 * the record are decided in one transaction, so of two joins with the same single-use token exactly one
 * succeeds.
 */
#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"
#include "control/coord/coord_private.h"

#include <stdio.h>
#include <string.h>

/* "laptop", "laptop-2", "laptop-3" ...: the first that is free. */
static int choose_name(struct store *s, char name[static NODE_NAME_MAX + 1])
{
	char base[NODE_NAME_MAX + 1];
	bool taken;

	memcpy(base, name, sizeof(base));
	for (unsigned n = 2;; n++) {
		int err = store_node_name_taken(s, name, &taken);
		if (err)
			return err;
		if (!taken)
			return TM_OK;
		if (n > NETMAP_NODES_MAX + 1)
			return TM_EEXIST;

		char suffix[12];
		int len = snprintf(suffix, sizeof(suffix), "-%u", n);
		snprintf(name, NODE_NAME_MAX + 1, "%.*s%s", NODE_NAME_MAX - len, base, suffix);
	}
}

static int check_token(struct store *s, struct job *j, bool same_as_before)
{
	struct store_token t;

	int err = store_token_find(s, j->node.token, j->secret, &t, &j->d);
	if (err || same_as_before)
		return err;

	err = store_token_usable(&t, j->now, &j->d);
	if (err)
		return err;

	memcpy(j->node.rec.tags, t.tags, sizeof(t.tags));
	j->node.rec.n_tags = t.n_tags;
	j->node.ephemeral = t.ephemeral;
	return TM_OK;
}

static int enrol_body(struct store *s, struct job *j)
{
	struct store_node before;

	int err = store_node_find_key(s, j->node.rec.key, &before);
	if (err && err != TM_ENOENT)
		return err;
	if (!err) {
		/* Registered already: its answer was lost, or it joins again. No further use is counted. */
		bool same = before.has_token && ct_eq(before.token, j->node.token, TOKEN_ID);

		if (before.rec.kind != NODE_MESH) {
			diag_hint(&j->d, "let the node make a key of its own");
			return diag_what(
				&j->d, TM_EEXIST, "this key belongs to a WireGuard client of the mesh");
		}
		err = check_token(s, j, same);
		if (err)
			return err;
		j->existed = true;
		return TM_OK;
	}
	err = check_token(s, j, false);
	if (!err)
		err = store_token_spend(s, j->node.token, j->now, &j->d);
	if (!err)
		err = choose_name(s, j->node.rec.name);
	if (!err)
		err = store_node_insert(s, &j->node);
	if (err == TM_EEXIST && !j->d.what[0]) {
		diag_hint(&j->d, "try again; if it persists let the node make a new key");
		diag_what(&j->d, err, "this node's identity clashes with another one's");
	}
	return err;
}

static json_t *enrol_answer(const struct coord *c, const struct member *m)
{
	return json_pack("{s:b, s:o, s:o, s:o, s:i}", "ok", 1, "node", node_rec_to_json(&m->s.rec), "mesh",
		mesh_info_to_json(registry_mesh(c->reg)), "addresses", coord_addresses_json(c), "data_port",
		(int)c->data_port);
}

/* A refused link is closed, so that each guess at a token costs a handshake. */
static void enrol_refused(struct coord *c, const struct job *j, int err)
{
	if (log_allow(&c->log_limit, time_monotonic()))
		log_info("coord: enrolment refused", KV("name", j->node.rec.name), KV("why", j->d.what),
			KV_ERR(err));
	ask_refuse(c, &j->asker, err, &j->d);
	struct conn *n = conn_find(c, j->asker.conn);
	if (n)
		conn_shut(n, "enrolment was refused");
}

static void enrol_done(struct coord *c, struct job *j, int err)
{
	struct conn *n = conn_find(c, j->asker.conn);
	struct member *m = NULL;

	if (n && n->state == CONN_ENROLLING)
		n->state = CONN_NEW; /* it may say hello next */
	if (err || j->existed)
		ipam_release(c->ipam, j->node.rec.host);
	if (!err && j->existed)
		m = registry_by_key(c->reg, j->node.rec.key);
	else if (!err)
		err = registry_add(c->reg, &j->node, &m);
	if (err || !m) {
		enrol_refused(c, j, err ? err : TM_EAGAIN);
		return;
	}
	if (!j->existed) {
		char ip[IP_STR_LEN];

		log_info("coord: node enrolled", KV("node", m->s.rec.name),
			KV("address", ip_format(&m->s.rec.ip4, ip)));
		if (m->s.ephemeral)
			tick_member_offline(c, m);
		push_structure(c);
	}
	ask_answer(c, &j->asker, enrol_answer(c, m));
}

/* The token's two parts. */
static bool read_token(const json_t *m, struct job *j)
{
	const json_t *t = json_object_get(m, "token");
	const char *id = field_text(t, "id", HEX_LEN(TOKEN_ID));
	const char *secret = field_text(t, "secret", HEX_LEN(TOKEN_SECRET));

	return id && secret && hex_decode(id, strlen(id), j->node.token, TOKEN_ID) == TM_OK &&
	       hex_decode(secret, strlen(secret), j->secret, TOKEN_SECRET) == TM_OK;
}

/* The identity must be that of the link: its Ed25519 key maps to the static key that the handshake proved. */
static bool read_identity(const json_t *m, const struct conn *n, struct store_node *node)
{
	const char *text = field_text(m, "ed", BASE64_LEN(ED_KEY));
	uint8_t x[32];
	size_t len;

	if (!text || base64_decode(text, strlen(text), node->ed, sizeof(node->ed), &len) != TM_OK ||
		len != sizeof(node->ed))
		return false;
	if (identity_x_from_ed_public(node->ed, x) != TM_OK || !ct_eq(x, n->key, sizeof(x)))
		return false;

	memcpy(node->rec.key, x, sizeof(x));
	identity_node_id(node->ed, node->rec.id);
	return true;
}

static void read_texts(const json_t *m, struct store_node *node)
{
	const char *name = field_text(m, "name", 255), *os = field_text(m, "os", STORE_TEXT_MAX),
		   *version = field_text(m, "version", STORE_TEXT_MAX);

	if (name && node_name_valid(name))
		snprintf(node->rec.name, sizeof(node->rec.name), "%s", name);
	else
		node_name_sanitize(name ? name : "", node->rec.name);
	snprintf(node->os, sizeof(node->os), "%s", os ? os : "");
	snprintf(node->version, sizeof(node->version), "%s", version ? version : "");
}

void enrol_request(struct coord *c, struct conn *n, const json_t *m)
{
	struct asker a = {.conn = n->id, .id = json_integer_value(json_object_get(m, "id"))};

	struct job *j = job_start(c, &a, enrol_body, enrol_done);
	if (!j)
		return;

	n->state = CONN_ENROLLING;
	if (!read_token(m, j)) {
		diag_hint(&j->d, "copy the whole token, it starts with tm1_");
		job_fail(j, diag_what(&j->d, TM_EBADMSG, "the join token is malformed"));
		return;
	}
	if (!read_identity(m, n, &j->node)) {
		diag_hint(&j->d, "is this the newest version of the program?");
		job_fail(j,
			diag_what(&j->d, TM_EAUTH, "the identity does not belong to the key of this link"));
		return;
	}
	read_texts(m, &j->node);
	j->node.rec.kind = NODE_MESH;
	j->node.has_token = true;
	j->node.created = j->now;
	int err = ipam_take_lowest(c->ipam, &j->node.rec.host);
	if (err) {
		diag_hint(&j->d, "remove nodes that are not used any more with `tunnelmesh node remove`");
		job_fail(j, diag_what(&j->d, err, "every address of the mesh is taken"));
		return;
	}
	job_submit(j);
}
