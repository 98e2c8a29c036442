/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/peers/peers_private.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

static const void *key_id(const void *record, size_t *ret_len)
{
	*ret_len = NODE_ID_LEN;
	return ((const struct contact *)record)->id;
}

/* --- contacts --- */

struct contact *peers_contact(const struct peers *p, const char *id)
{
	return node_id_valid(id) ? hashset_get(&p->contacts, id, NODE_ID_LEN) : NULL;
}

struct contact *peers_meet(struct peers *p, const char *id)
{
	struct contact *c = peers_contact(p, id);

	if (c || !mesh_by_id(p->mesh, id) || hashset_reserve(&p->contacts, 1) != TM_OK)
		return c;

	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;

	memcpy(c->id, id, sizeof(c->id));
	list_init(&c->to_ask);
	list_init(&c->to_answer);
	hashset_put(&p->contacts, c);
	return c;
}

static void contact_free(struct contact *c)
{
	if (!c)
		return;
	list_remove(&c->to_ask);
	list_remove(&c->to_answer);
	free(c->candidates);
	free(c);
}

void peers_keep(struct peers *p, struct contact *c)
{
	save_note(p, c->id, DIRTY_CONTACT);
}

void peers_remember_endpoint(struct peers *p, const char *id, const struct endpoint *ep)
{
	struct contact *c = peers_meet(p, id);

	if (!c || endpoint_eq(&c->worked, ep))
		return;

	c->worked = *ep;
	peers_keep(p, c);
}

void peers_set_candidates(struct peers *p, struct contact *c, const struct candidates *known)
{
	struct candidates had = {.n = c->n_candidates, .nat = known->nat}; /* which is not kept */
	struct candidate *copy = NULL;

	if (had.n)
		memcpy(had.v, c->candidates, had.n * sizeof(*had.v));
	if (candidates_eq(&had, known))
		return;
	if (known->n) {
		copy = malloc(known->n * sizeof(*copy));
		if (!copy)
			return;
		memcpy(copy, known->v, known->n * sizeof(*copy));
	}
	free(c->candidates);
	c->candidates = copy;
	c->n_candidates = known->n;
	peers_keep(p, c);
}

struct contact *peers_next_contact(const struct peers *p, size_t *pos)
{
	return hashset_next(&p->contacts, pos);
}

/* --- members --- */

const char *peers_failure(const struct peers *p)
{
	return p->failure;
}

const struct mesh *peers_mesh(const struct peers *p)
{
	return p->mesh;
}

/* What we know of a member goes with it; what was stamped under another key says nothing about the new one.
 */
static void follow(struct peers *p, const struct mesh_diff *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct mesh_change *change = &d->v[i];
		const char *id = change->after ? change->after->id : change->before->id;
		struct contact *c = peers_contact(p, id);
		unsigned dirty = DIRTY_MEMBER | (c ? DIRTY_CONTACT : 0);

		if (c && !change->after)
			contact_free(hashset_remove(&p->contacts, id, NODE_ID_LEN));
		else if (c && change->what & MESH_KEY)
			c->stamps = (struct stamps){.check = 0};
		save_note(p, id, dirty);
	}
	save_note_state(p);
}

int peers_update(struct peers *p, const struct netmap *update, struct mesh_diff *ret_diff)
{
	int err = mesh_apply(p->mesh, update, ret_diff);

	if (!err)
		follow(p, ret_diff);
	return err;
}

int peers_clear(struct peers *p, struct mesh_diff *ret_diff)
{
	int err = mesh_clear(p->mesh, ret_diff);

	if (!err)
		follow(p, ret_diff);
	return err;
}

void peers_forget_version(struct peers *p)
{
	mesh_set_version(p->mesh, 0);
	save_note_state(p);
}

/* --- the coordinator, and relays --- */

const struct coordinator_known *peers_known_coordinator(const struct peers *p)
{
	return &p->coordinator;
}

static bool coordinator_eq(const struct coordinator_known *a, const struct coordinator_known *b)
{
	if (!endpoint_eq(&a->at, &b->at) || a->data_port != b->data_port || a->pace_ms != b->pace_ms ||
		a->n_addresses != b->n_addresses)
		return false;
	for (size_t i = 0; i < a->n_addresses; i++)
		if (strcmp(a->addresses[i], b->addresses[i]) != 0)
			return false;
	return true;
}

void peers_set_coordinator(struct peers *p, const struct coordinator_known *known)
{
	if (coordinator_eq(&p->coordinator, known))
		return;

	p->coordinator = *known;
	save_note_state(p);
}

const struct relays *peers_relays(const struct peers *p)
{
	return &p->relays;
}

void peers_set_relays(struct peers *p, const struct relays *told)
{
	if (relays_eq(&p->relays, told))
		return;

	p->relays = *told;
	save_note_state(p);
}

/* --- the policy --- */

void policy_kept_deinit(struct policy_kept *k)
{
	free(k->text);
	free(k->nodes);
	*k = (struct policy_kept){.version = 0};
}

int policy_kept_copy(const struct policy_kept *k, struct policy_kept *ret_copy)
{
	struct policy_kept copy = *k;

	copy.text = k->text ? strdup(k->text) : NULL;
	copy.nodes = k->nodes ? strdup(k->nodes) : NULL;
	if ((k->text && !copy.text) || (k->nodes && !copy.nodes)) {
		policy_kept_deinit(&copy);
		return TM_ENOMEM;
	}
	*ret_copy = copy;
	return TM_OK;
}

const struct policy_kept *peers_policy(const struct peers *p)
{
	return &p->policy;
}

int peers_set_policy(struct peers *p, const struct policy_kept *told)
{
	struct policy_kept copy;

	int err = policy_kept_copy(told, &copy);
	if (err)
		return err;
	policy_kept_deinit(&p->policy);
	p->policy = copy;
	p->policy_dirty = true;
	save_note_state(p);
	return TM_OK;
}

/* --- life --- */

static void on_member(void *ctx, const struct node_rec *r)
{
	struct peers *p = ctx;

	/* One that is missing shows in the number of members. */
	(void)!mesh_add(p->mesh, r);
}

static void on_contact(void *ctx, const struct db_contact *read)
{
	struct peers *p = ctx;
	struct contact *c = peers_meet(p, read->id);
	size_t size = read->candidates.n * sizeof(*c->candidates);

	if (!c)
		return;
	c->worked = read->worked;
	c->stamps = read->stamps;
	c->candidates = size ? malloc(size) : NULL;
	if (!c->candidates)
		return;
	memcpy(c->candidates, read->candidates.v, size);
	c->n_candidates = read->candidates.n;
}

/* Half of a file is none. */
static void forget(struct peers *p)
{
	struct mesh_diff gone;

	if (mesh_clear(p->mesh, &gone) != TM_OK)
		return;
	for (size_t i = 0; i < gone.n; i++)
		contact_free(hashset_remove(&p->contacts, gone.v[i].before->id, NODE_ID_LEN));
	mesh_diff_deinit(&gone);
}

/* The file is a help, never a condition. */
static void load(struct peers *p)
{
	const struct db_reader reader = {.ctx = p, .member = on_member, .contact = on_contact};
	struct db_state s = {.version = 0};
	struct diag d = {0};
	int err = db_load(p->db, &reader, &s, &d);

	if (!err) {
		p->coordinator = s.coordinator;
		p->relays = s.relays;
		p->policy = s.policy;
		if (p->policy.lost)
			log_warn(
				"peers: the policy of the mesh cannot be read in the file of the network map",
				KV("file", p->path));
		mesh_set_version(p->mesh, s.version);
		if (mesh_size(p->mesh) == s.n_members)
			return;
		/* Differences alone would not bring back what is missing; what is there serves until then. */
		log_warn("peers: the file of the network map has bad rows, making a new one",
			KV("file", p->path));
		mesh_set_version(p->mesh, 0);
		db_distrust(p->db);
		return;
	}
	forget(p);
	if (err == TM_ECORRUPT || err == TM_EVERSION)
		log_warn("peers: the file of the network map is unusable, making a new one",
			KV("file", p->path), KV("why", d.what));
	else if (err != TM_ENOENT)
		log_warn("peers: the file of the network map cannot be used, going on without it",
			KV("file", p->path), KV_ERR(err), KV("why", d.what));
	if (err != TM_ENOENT && err != TM_ECORRUPT && err != TM_EVERSION)
		snprintf(p->failure, sizeof(p->failure), "%s", d.what);
}

int peers_new(struct event_base *base, const struct peers_config *cfg, struct peers **ret_peers)
{
	const struct db_config file = {.path = cfg->path,
		.mesh = cfg->mesh,
		.self_id = cfg->self_id,
		.coordinator_key = cfg->coordinator_key};
	struct peers *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return TM_ENOMEM;

	p->path = strdup(cfg->path);
	err = p->path ? mesh_new(cfg->mesh, &p->mesh) : TM_ENOMEM;
	if (!err)
		err = hashset_init(&p->contacts, key_id);
	if (!err)
		err = db_new(&file, &p->db);
	if (!err)
		err = save_open(base, p, cfg->save_delay);
	if (err) {
		peers_free(p);
		return err;
	}
	load(p);
	*ret_peers = p;
	return TM_OK;
}

void peers_free(struct peers *p)
{
	struct contact *c;

	if (!p)
		return;

	save_close(p);
	db_free(p->db);
	for (size_t i = 0; (c = hashset_next(&p->contacts, &i));)
		contact_free(c);
	hashset_deinit(&p->contacts);
	mesh_free(p->mesh);
	policy_kept_deinit(&p->policy);
	free(p->path);
	free(p);
}
