/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Enrolling. The token's use, the name, the host number and the record are decided in one transaction, so of
 * two joins with the same single-use token exactly one succeeds.
 */
#include "base/encode.h"
#include "base/secret.h"
#include "control/coord/coord_private.h"

#include <stdio.h>
#include <string.h>

struct enrolment_job {
	struct job job;
	struct store_node node;
	uint8_t secret[TOKEN_SECRET];
	uint32_t hosts_max;
	bool existed;
};

static void numbered(const char *base, unsigned n, char ret_name[static NODE_NAME_MAX + 1])
{
	char suffix[12];
	int len = snprintf(suffix, sizeof(suffix), "-%u", n);

	snprintf(ret_name, NODE_NAME_MAX + 1, "%.*s%s", NODE_NAME_MAX - len, base, suffix);
}

/*
 * "laptop", "laptop-2", "laptop-3" ...: one that is free while the number before it is taken. Ten thousand
 * machines may come with one name, so the number is searched by doubling and halving.
 */
static int choose_name(struct store *s, char name[static NODE_NAME_MAX + 1])
{
	char base[NODE_NAME_MAX + 1];
	unsigned taken_to = 1, free_at = 2;
	bool taken;

	memcpy(base, name, sizeof(base));
	int err = store_node_name_taken(s, name, &taken);
	if (err || !taken)
		return err;

	for (;;) {
		numbered(base, free_at, name);
		err = store_node_name_taken(s, name, &taken);
		if (err)
			return err;
		if (!taken)
			break;
		if (free_at > 4 * NETMAP_NODES_MAX)
			return TM_EEXIST;
		taken_to = free_at;
		free_at *= 2;
	}
	while (free_at - taken_to > 1) {
		unsigned middle = taken_to + (free_at - taken_to) / 2;

		numbered(base, middle, name);
		err = store_node_name_taken(s, name, &taken);
		if (err)
			return err;
		if (taken)
			taken_to = middle;
		else
			free_at = middle;
	}
	numbered(base, free_at, name);
	return TM_OK;
}

static int check_token(struct store *s, struct enrolment_job *e)
{
	struct job *j = &e->job;
	struct store_token t;

	int err = store_token_find(s, e->node.token, e->secret, &t, &j->d);
	if (!err)
		err = store_token_usable(&t, j->now, &j->d);
	if (err)
		return err;

	memcpy(e->node.rec.tags, t.tags, sizeof(t.tags));
	e->node.rec.n_tags = t.n_tags;
	e->node.ephemeral = t.ephemeral;
	return TM_OK;
}

/* Registered already: its answer was lost, or it joins again. The key of its link proves who it is, so
 * whatever has become of the token does not matter, and no further use is counted. */
static int enrol_again(struct enrolment_job *e, const struct store_node *before)
{
	if (before->rec.kind != NODE_MESH) {
		diag_hint(&e->job.d, "let the node make a key of its own");
		return diag_what(&e->job.d, TM_EEXIST, "this key belongs to a WireGuard client of the mesh");
	}
	e->existed = true;
	return TM_OK;
}

/* By nobody who is known: who has a token may join. */
static void remember(struct enrolment_job *e)
{
	char id[HEX_LEN(TOKEN_ID) + 1];

	hex_encode(e->node.token, sizeof(e->node.token), id);
	job_event_is(&e->job, EVENT_JOINED, &e->node.rec);
	event_set_detail(&e->job.event, "%s", id);
	e->job.event.door = EVENT_LINK;
}

static int enrol_body(struct store *s, struct job *j)
{
	struct enrolment_job *e = CONTAINER_OF(j, struct enrolment_job, job);
	struct store_node before;

	int err = store_node_find_key(s, e->node.rec.key, &before);
	if (!err)
		return enrol_again(e, &before);
	if (err != TM_ENOENT)
		return err;

	err = check_token(s, e);
	if (!err)
		err = store_token_spend(s, e->node.token, j->now, &j->d);
	if (!err)
		err = choose_name(s, e->node.rec.name);
	if (!err)
		err = store_node_insert(s, &e->node, e->hosts_max);
	if (!err)
		remember(e);
	if (err == TM_EFULL) {
		store_explain_full(&j->d);
	} else if (err == TM_EEXIST && !j->d.what[0]) {
		diag_hint(&j->d, "try again; if it persists let the node make a new key");
		diag_what(&j->d, err, "this node's identity clashes with another one's");
	}
	return err;
}

static void answer_enrolled(struct coord *c, const struct asker *a, const struct node_rec *rec, bool existed)
{
	struct msg_enrolled m = {.node = *rec,
		.mesh = *registry_mesh(c->reg),
		.addresses = c->addresses,
		.data_port = c->data_port,
		.existed = existed};
	struct jsonout o = {0};

	answer_begin(a, &o);
	msg_enrolled_put(&o, &m);
	answer_end(c, a, &o);
	wipe(m.mesh.secret, sizeof(m.mesh.secret));
}

/* A refused link is closed, so that each guess at a token costs a handshake. */
static void enrol_refused(struct coord *c, const struct enrolment_job *e, int err)
{
	const struct job *j = &e->job;

	struct conn *n = conn_find(c, j->asker.conn);
	struct ip from = n ? n->from.ip : (struct ip){.family = IP_NONE};

	LOG_LIMITED(LOG_INFO, &c->log.refused, log_who_ip(&from), "coord: enrolment refused",
		KV("name", e->node.rec.name), KV_IP("from", &from), KV("why", j->d.what), KV_ERR(err));
	answer_refuse(c, &j->asker, err, &j->d);
	n = conn_find(c, j->asker.conn);
	if (n)
		conn_shut(n, "enrolment was refused");
}

static void enrol_done(struct coord *c, struct job *j, int err)
{
	struct enrolment_job *e = CONTAINER_OF(j, struct enrolment_job, job);
	const struct member *m = e->existed ? registry_by_key(c->reg, e->node.rec.key) : NULL;
	struct conn *n = conn_find(c, j->asker.conn);
	struct node_rec *r = &e->node.rec;

	if (n && n->state == CONN_ENROLLING)
		n->state = CONN_NEW; /* it may say hello next */
	if (!err && e->existed && !m)
		err = TM_EAGAIN; /* it has been removed since */
	if (err) {
		enrol_refused(c, e, err);
		return;
	}
	mesh_addresses(registry_mesh(c->reg), r->host, &r->ip4, &r->ip6);
	answer_enrolled(c, &j->asker, m ? &m->s.rec : r, e->existed);
}

static const struct job_kind enrol_kind = {sizeof(struct enrolment_job), enrol_body, enrol_done, NULL};

/* The identity must be that of the link: its Ed25519 key maps to the static key that the handshake proved. */
static int take_identity(const struct msg_enrol *m, const struct conn *n, struct store_node *node)
{
	uint8_t x[32];

	if (identity_x_from_ed_public(m->ed, x) != TM_OK || !ct_eq(x, n->key, sizeof(x)))
		return TM_EAUTH;

	memcpy(node->ed, m->ed, sizeof(node->ed));
	memcpy(node->rec.key, x, sizeof(x));
	identity_node_id(m->ed, node->rec.id);
	return TM_OK;
}

void enrol_request(struct conn *n, const msg_object *m)
{
	struct coord *c = n->c;
	struct asker a = {.conn = n->id};
	struct msg_enrol q;
	struct diag d = {0};
	int err = msg_enrol_get(m, &q, &d);

	a.id = q.id;
	struct enrolment_job *e = job_start(c, &a, &enrol_kind);
	if (!e)
		return;

	n->state = CONN_ENROLLING;
	memcpy(e->node.rec.name, q.name, sizeof(e->node.rec.name));
	if (!err && take_identity(&q, n, &e->node) != TM_OK) {
		diag_hint(&d, "is this the newest version of the program?");
		err = diag_what(&d, TM_EAUTH, "the identity does not belong to the key of this link");
	}
	if (err) {
		e->job.d = d;
		job_fail(&e->job, err);
		return;
	}
	memcpy(e->node.token, q.token, sizeof(e->node.token));
	memcpy(e->node.os, q.os, sizeof(e->node.os));
	memcpy(e->node.version, q.version, sizeof(e->node.version));
	memcpy(e->secret, q.secret, sizeof(e->secret));
	wipe(q.secret, sizeof(q.secret));
	e->node.rec.kind = NODE_MESH;
	e->node.has_token = true;
	e->node.created = e->job.now;
	e->hosts_max = mesh_hosts_max(&registry_mesh(c->reg)->net4, &registry_mesh(c->reg)->net6);
	job_submit(&e->job);
}
