/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Messages of a link. Jobs hold a conn's id, never its pointer: it may be gone when they are done. */
#include "control/coord/conn.h"

#include "base/secret.h"
#include "control/coord/coord_private.h"
#include "control/link/clink.h"

#include <stdio.h>
#include <string.h>

enum {
	MESSAGE = 1000, /* what one costs, or one link */
	STRANGERS_MAX = 64,
	/* Reconnecting: so many come per second after a restart, which costs well under a core. */
	PACE_PER_SECOND = 1300,
	PACE_MIN_MS = 250, /* a mesh that is back sooner needs none */
};

static void forget_stranger(struct conn *n)
{
	if (list_empty(&n->in_strangers))
		return;

	list_remove(&n->in_strangers);
	n->c->n_strangers--;
}

/*
 * Anybody can make a key and finish a handshake with it. A newcomer's first message is its enrolment, so who
 * has said nothing of the kind is the least likely to be one: beyond the limit the oldest of those goes.
 */
static void admit_stranger(struct conn *n)
{
	struct coord *c = n->c;

	LIST_FOREACH_SAFE (old, &c->strangers, struct conn, in_strangers) {
		if (c->n_strangers < STRANGERS_MAX)
			break;
		if (old->state == CONN_NEW)
			conn_shut(old, "too many links that do not enrol");
	}
	list_push_back(&c->strangers, &n->in_strangers);
	c->n_strangers++;
}

/* The key of a mesh node proves who it is, but not that it will say hello: one such link is enough. */
static void admit_member(struct conn *n, struct member *m)
{
	if (m->greeting)
		conn_shut(m->greeting, "this node has connected again");
	m->greeting = n;
}

static void leave_fresh(struct conn *n)
{
	struct member *m = list_empty(&n->in_fresh) ? NULL : registry_by_key(n->c->reg, n->key);

	if (m && m->greeting == n)
		m->greeting = NULL;
	list_remove(&n->in_fresh);
}

int conn_open(struct coord *c, const struct coord_conn_ops *ops, void *link, const uint8_t key[static 32],
	const struct endpoint *from, struct conn **ret_conn)
{
	struct conn *n = calloc(1, sizeof(*n));

	if (!n)
		return TM_ENOMEM;

	*n = (struct conn){.c = c,
		.id = ++c->next_conn_id,
		.ops = ops,
		.link = link,
		.from = *from,
		.opened = time_monotonic()};
	memcpy(n->key, key, sizeof(n->key));
	int err = map_put(c->conn_by_id, &n->id, n);
	if (err) {
		free(n);
		return err;
	}
	list_push_back(&c->conns, &n->in_conns);
	list_init(&n->in_strangers);
	list_init(&n->in_push);
	list_init(&n->in_charged);
	list_init(&n->in_relays);
	list_init(&n->in_policy);
	list_push_back(&c->fresh, &n->in_fresh);
	struct member *m = registry_by_key(c->reg, key);
	if (m && m->s.rec.kind == NODE_MESH)
		admit_member(n, m);
	else
		admit_stranger(n);
	*ret_conn = n;
	return TM_OK;
}

struct conn *conn_find(struct coord *c, uint64_t id)
{
	return id ? map_get(c->conn_by_id, &id) : NULL;
}

/* The member of this link, if it is its current link, has none now. */
static void detach(struct conn *n, const char *why)
{
	struct member *m = n->member;

	n->member = NULL;
	push_leave(n);
	relays_leave(n);
	policy_leave(n);
	if (!m || m->conn != n)
		return;

	m->conn = NULL;
	relays_gone(m);
	reports_link(n->c, m);
	registry_set_online(n->c->reg, m, false);
	coord_changed(n->c);
	tick_member_seen(n->c, m);
	tick_member_offline(n->c, m);
	if (!n->c->stopping)
		LOG_LIMITED(LOG_INFO, &n->c->log.presence, log_who(n->key, sizeof(n->key)),
			"coord: node has gone", KV("node", m->s.rec.name), KV("why", why));
}

void conn_closed(struct conn *n)
{
	detach(n, "its link broke");
	forget_stranger(n);
	leave_fresh(n);
	map_remove(n->c->conn_by_id, &n->id);
	list_remove(&n->in_conns);
	free(n);
}

int conn_send_text(struct conn *n, struct clink_text *t)
{
	if (n->state == CONN_CLOSING)
		return TM_ECLOSED;

	return n->ops->send(n->link, t);
}

int conn_text(struct jsonout *o, struct clink_text **ret_text)
{
	size_t len;
	char *text = jsonout_take(o, &len);

	if (!text)
		return TM_ENOMEM;

	int err = clink_text_new(text, len, ret_text);
	wipe(text, len); /* a welcome holds the mesh's secret */
	free(text);
	return err;
}

int conn_send(struct conn *n, struct jsonout *o)
{
	_cleanup_(clink_text_unrefp) struct clink_text *t = NULL;

	int err = conn_text(o, &t);
	return err ? err : conn_send_text(n, t);
}

void conn_drained(struct conn *n)
{
	if (n->state == CONN_MEMBER)
		push_drained(n);
}

void conn_shut(struct conn *n, const char *why)
{
	if (n->state == CONN_CLOSING)
		return;

	detach(n, why);
	forget_stranger(n);
	leave_fresh(n);
	n->state = CONN_CLOSING;
	n->ops->close(n->link, why);
}

static void turn_away(struct conn *n, const char *why, bool twin)
{
	struct msg_removed m = {.twin = twin};
	struct jsonout o = {0};

	snprintf(m.why, sizeof(m.why), "%s", why);
	msg_removed_put(&o, &m);
	conn_send(n, &o);
	conn_shut(n, why);
}

void conn_removed(struct conn *n, const char *why)
{
	turn_away(n, why, false);
}

void conn_twin(struct conn *n, const char *why)
{
	turn_away(n, why, true);
}

/* --- what a member may cost, over all its links --- */

static void forget(struct spending *s, uint64_t per_minute)
{
	ns_t now = time_monotonic();
	uint64_t forgotten = (uint64_t)((now - s->at) / MS) * per_minute / 60;

	if (forgotten) {
		s->spent -= MIN(s->spent, forgotten);
		s->at = now;
	}
}

bool spend_message(struct spending *s, uint64_t per_minute, uint64_t at_once)
{
	forget(s, per_minute);
	if (s->spent + MESSAGE > at_once * MESSAGE)
		return false;

	s->spent += MESSAGE;
	return true;
}

static struct spending *spending_of(struct conn *n)
{
	return n->member ? &n->member->messages : &n->messages;
}

static struct spending *spending_now(struct conn *n)
{
	struct spending *s = spending_of(n);

	forget(s, (uint64_t)n->c->tuning.msg_rate * 60);
	return s;
}

static bool within_rate(struct conn *n)
{
	const struct coord_tuning *t = &n->c->tuning;

	return spend_message(spending_of(n), (uint64_t)t->msg_rate * 60, t->msg_burst);
}

/* Half is kept for what a node has to say: a person who lists all nodes again and again loses no link. */
bool conn_overspent(struct conn *n)
{
	return spending_now(n)->spent > (uint64_t)n->c->tuning.msg_burst * MESSAGE / 2;
}

void conn_charge(struct conn *n, size_t answer_bytes)
{
	spending_now(n)->spent += answer_bytes * MESSAGE / n->c->tuning.msg_bytes;
}

static struct member *member_of(struct coord *c, const uint8_t key[static 32])
{
	struct member *m = registry_by_key(c->reg, key);

	return m && m->s.rec.kind == NODE_MESH ? m : NULL;
}

bool conn_key_is_free(struct coord *c, const uint8_t key[static 32])
{
	struct member *m = member_of(c, key);

	if (!m)
		return false;
	forget(&m->returns, c->tuning.returns_a_minute);
	return m->returns.spent + MESSAGE <= (uint64_t)c->tuning.returns_max * MESSAGE;
}

void conn_key_came(struct coord *c, const uint8_t key[static 32])
{
	struct member *m = member_of(c, key);

	if (m)
		m->returns.spent += MESSAGE;
}

/* --- what it says --- */

/* Takes over a new list; false when it is the same as before. */
static bool take_candidates(struct conn *n, const struct candidates *got)
{
	const struct mesh_info *mesh = registry_mesh(n->c->reg);
	struct member *m = n->member;
	struct candidates kept = {.nat = got->nat}, old = {.n = m->n_candidates, .nat = m->nat};

	for (size_t i = 0; i < got->n; i++)
		if (candidate_usable(&got->v[i].ep, &mesh->net4, &mesh->net6))
			kept.v[kept.n++] = got->v[i];
	for (size_t i = 0; i < old.n; i++)
		old.v[i] = m->candidates[i];
	if (candidates_eq(&kept, &old))
		return false;

	/* As many as there are: ten thousand members with room for the most would take 6 MB. */
	struct candidate *v = malloc(MAX(kept.n, (size_t)1) * sizeof(*v));
	if (!v)
		return false;
	for (size_t i = 0; i < kept.n; i++)
		v[i] = kept.v[i];
	free(m->candidates);
	m->candidates = v;
	m->n_candidates = kept.n;
	m->nat = kept.nat;
	return true;
}

static uint32_t pace_ms(const struct coord *c)
{
	size_t ms = registry_size(c->reg) * 1000 / PACE_PER_SECOND;

	return ms < PACE_MIN_MS ? 0 : (uint32_t)ms;
}

/* Where the data socket of the coordinator's own node is reached: not where the link comes to, with a proxy
 * in between. */
static void own_candidates(const struct coord *c, struct candidates *ret_c)
{
	const struct member *self = registry_by_key(c->reg, c->identity->x_pub);

	ret_c->n = self ? self->n_candidates : 0;
	for (size_t i = 0; i < ret_c->n; i++)
		ret_c->v[i] = self->candidates[i];
}

static int send_welcome(struct conn *n)
{
	struct coord *c = n->c;
	struct msg_welcome m = {
		.node = n->member->s.rec,
		.mesh = *registry_mesh(c->reg),
		.addresses = c->addresses,
		.data_port = c->data_port,
		.observed = n->from.ip,
		.time = c->tuning.unix_now(),
		.pace_ms = pace_ms(c),
	};
	struct jsonout o = {0};

	own_candidates(c, &m.data);
	msg_welcome_put(&o, &m);
	wipe(m.mesh.secret, sizeof(m.mesh.secret));
	return conn_send(n, &o);
}

/* False when the member had a link already. */
static bool attach(struct conn *n, struct member *m)
{
	struct conn *old = m->conn;

	forget_stranger(n);
	leave_fresh(n);
	n->state = CONN_MEMBER;
	n->member = m;
	m->conn = n;
	reports_link(n->c, m);
	m->seen_at = n->from.ip;
	list_remove(&m->in_expiry);
	registry_set_online(n->c->reg, m, true);
	coord_changed(n->c);
	if (old) /* it is not the current link any more: the member stays online */
		conn_shut(old, "this node has connected again");
	return !old;
}

static void log_linked(struct conn *n, bool back)
{
	struct coord_log *log = &n->c->log;
	const struct store_node *s = &n->member->s;

	LOG_LIMITED(back ? LOG_INFO : LOG_DEBUG, back ? &log->presence : &log->links,
		log_who(n->key, sizeof(n->key)),
		back ? "coord: node is there" : "coord: node has linked again", KV("node", s->rec.name),
		KV_IP("from", &n->from.ip), KV("version", s->version));
}

static void on_hello(struct conn *n, const msg_object *json)
{
	struct coord *c = n->c;
	struct member *member = registry_by_key(c->reg, n->key);
	struct msg_hello m;

	if (!member || member->s.rec.kind != NODE_MESH) {
		conn_removed(n, "this node is not (or no longer) a member of the mesh");
		return;
	}
	msg_hello_get(json, &m);
	if (!twin_admit(n, member, m.run))
		return;
	bool back = attach(n, member);
	memcpy(member->s.os, m.os, sizeof(member->s.os));
	memcpy(member->s.version, m.version, sizeof(member->s.version));
	tick_member_seen(c, member);
	n->known = m.netmap;
	bool moved = m.has_candidates && take_candidates(n, &m.candidates);
	relays_hello(c, member, &m);
	if (send_welcome(n) != TM_OK)
		return;

	relays_welcome(n);
	policy_welcome(n, m.policy);
	log_linked(n, back);
	push_join(c, n);
	if ((moved || back) && n->member)
		watch_changed(c, n->member);
}

static void on_candidates(struct conn *n, const msg_object *m)
{
	struct candidates got;

	if (msg_own_candidates_get(m, &got) != TM_OK || !take_candidates(n, &got))
		return;
	watch_changed(n->c, n->member);
	relays_changed(n->c, n->member);
}

static void on_want(struct conn *n, const msg_object *m)
{
	char id[NODE_ID_LEN + 1];
	struct member *target = msg_want_get(m, id) == TM_OK ? registry_by_id(n->c->reg, id) : NULL;
	struct member *asker = n->member;

	/* Not an error: its netmap may be older than a removal. */
	if (!target || target == asker || target->s.rec.kind != NODE_MESH)
		return;

	watch_add(n->c, asker, target);
}

static const struct {
	const char *type;
	bool first; /* the first message of a link, else it comes later */
	void (*run)(struct conn *n, const msg_object *m);
} messages[] = {
	{"hello", true, on_hello},
	{"enrol", true, enrol_request},
	{"candidates", false, on_candidates},
	{"want", false, on_want},
	{"policy_held", false, policy_held},
	{"report", false, reports_told},
};

static void dispatch(struct conn *n, const char *type, const msg_object *m)
{
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		if (strcmp(type, messages[i].type) != 0)
			continue;
		if (messages[i].first == (n->state == CONN_NEW))
			messages[i].run(n, m);
		else
			conn_shut(n, messages[i].first ? "hello came twice"
						       : "the first message must be hello or enrol");
		return;
	}
	/* What is no request either is of a later version: ignored. */
	(void)request_from_link(n, type, m);
}

void conn_message(struct conn *n, const msg_object *m)
{
	if (n->state == CONN_CLOSING)
		return;
	if (!within_rate(n)) {
		LOG_LIMITED(LOG_WARN, &n->c->log.flood,
			n->member ? log_who(n->key, sizeof(n->key)) : log_who_ip(&n->from.ip),
			"coord: closing a link that sends too much",
			KV("node", n->member ? n->member->s.rec.name : "-"), KV_EP("from", &n->from));
		conn_shut(n, "too many messages");
		return;
	}
	struct msg_type type = msg_type(m);
	if (!type.text[0])
		conn_shut(n, "a message came without a type");
	else if (n->state != CONN_ENROLLING) /* until it is answered nothing else is heard */
		dispatch(n, type.text, m);
}
