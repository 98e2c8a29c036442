/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Messages of a link. A transport may close a link from within `send` or `close`, so a conn is never freed
 * while its functions are on the stack: conn_closed moves it to the dead, a timer buries them. Jobs hold a
 * conn's id, never its pointer.
 */
#include "control/coord/conn.h"

#include "base/log.h"
#include "control/coord/coord_private.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

enum { REQUESTS_MAX = 16, CREDIT = 1000, STRANGERS_MAX = 64 };

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
	n->credit_at = (uint64_t)c->tuning.msg_burst * CREDIT;
	n->credit_time = n->opened;
	int err = map_put(c->conn_by_id, &n->id, n);
	if (err) {
		free(n);
		return err;
	}
	list_push_back(&c->conns, &n->in_conns);
	list_init(&n->in_strangers);
	if (!registry_by_key(c->reg, key))
		admit_stranger(n);
	*ret_conn = n;
	return TM_OK;
}

struct conn *conn_find(struct coord *c, uint64_t id)
{
	return id ? map_get(c->conn_by_id, &id) : NULL;
}

/* The member of this link, if it is its current link, has none now. */
static void detach(struct conn *n)
{
	struct member *m = n->member;

	n->member = NULL;
	if (!m || m->conn != n)
		return;

	m->conn = NULL;
	registry_set_online(n->c->reg, m, false);
	tick_member_seen(n->c, m);
	tick_member_offline(n->c, m);
}

void conn_closed(struct conn *n)
{
	struct coord *c = n->c;
	static const struct timeval now = {0};

	if (n->state == CONN_DEAD)
		return;

	detach(n);
	forget_stranger(n);
	n->state = CONN_DEAD;
	map_remove(c->conn_by_id, &n->id);
	list_remove(&n->in_conns);
	list_push_back(&c->dead_conns, &n->in_conns);
	event_add(c->bury_timer, &now);
}

void conn_bury(struct coord *c)
{
	struct list *l;

	while ((l = list_pop_front(&c->dead_conns)))
		free(CONTAINER_OF(l, struct conn, in_conns));
}

int conn_send(struct conn *n, const json_t *m)
{
	if (!m)
		return TM_ENOMEM;
	if (n->state == CONN_DEAD || n->state == CONN_CLOSING)
		return TM_ECLOSED;

	return n->ops->send(n->link, m);
}

int conn_send_new(struct conn *n, json_t *m_take)
{
	int err = conn_send(n, m_take);

	json_decref(m_take);
	return err;
}

void conn_shut(struct conn *n, const char *why)
{
	if (n->state == CONN_DEAD || n->state == CONN_CLOSING)
		return;

	detach(n);
	forget_stranger(n);
	n->state = CONN_CLOSING;
	n->ops->close(n->link, why);
}

void conn_removed(struct conn *n, const char *why)
{
	conn_send_new(n, json_pack("{s:s, s:s}", "t", "removed", "why", why));
	conn_shut(n, why);
}

static bool within_rate(struct conn *n)
{
	const struct coord_tuning *t = &n->c->tuning;
	ns_t now = time_monotonic();
	uint64_t gained = (uint64_t)((now - n->credit_time) / MS) * t->msg_rate;

	if (gained) {
		n->credit_at = MIN(n->credit_at + gained, (uint64_t)t->msg_burst * CREDIT);
		n->credit_time = now;
	}
	if (n->credit_at < CREDIT)
		return false;

	n->credit_at -= CREDIT;
	return true;
}

/* Never: nowhere, everybody, or inside the mesh (a tunnel in itself). */
static bool candidate_usable(const struct coord *c, const struct candidate *x)
{
	const struct mesh_info *mesh = registry_mesh(c->reg);

	return x->ep.port && !ip_is_unspecified(&x->ep.ip) && !ip_is_multicast(&x->ep.ip) &&
	       !prefix_contains(&mesh->net4, &x->ep.ip) && !prefix_contains(&mesh->net6, &x->ep.ip);
}

/* Takes over a new list; false when it is the same as before or no list. */
static bool take_candidates(struct conn *n, const json_t *m)
{
	struct candidates got, kept = {0};
	struct candidates *old = &n->member->candidates;

	if (candidates_from_json(json_object_get(m, "candidates"), &got) != TM_OK)
		return false;

	for (size_t i = 0; i < got.n; i++)
		if (candidate_usable(n->c, &got.v[i]))
			kept.v[kept.n++] = got.v[i];
	bool changed = !candidates_eq(&kept, old);
	*old = kept;
	return changed;
}

static int send_welcome(struct conn *n)
{
	struct coord *c = n->c;
	char observed[IP_STR_LEN];
	json_t *m = json_pack("{s:s, s:o, s:o, s:i, s:o, s:s, s:I}", "t", "welcome", "node",
		node_rec_to_json(&n->member->s.rec), "mesh", mesh_info_to_json(registry_mesh(c->reg)),
		"data_port", (int)c->data_port, "addresses", coord_addresses_json(c), "observed",
		ip_format(&n->from.ip, observed), "time", (json_int_t)c->tuning.unix_now());

	return conn_send_new(n, m);
}

static void copy_text(const json_t *m, const char *field, char out[static STORE_TEXT_MAX + 1])
{
	const char *s = field_text(m, field, STORE_TEXT_MAX);

	snprintf(out, STORE_TEXT_MAX + 1, "%s", s ? s : "");
}

/* False when the member had a link already. */
static bool attach(struct conn *n, struct member *m)
{
	struct conn *old = m->conn;

	forget_stranger(n);
	n->state = CONN_MEMBER;
	n->member = m;
	m->conn = n;
	m->seen_at = n->from.ip;
	list_remove(&m->in_expiry);
	registry_set_online(n->c->reg, m, true);
	if (old) /* it is not the current link any more: the member stays online */
		conn_shut(old, "this node has connected again");
	return !old;
}

static void on_hello(struct conn *n, const json_t *m)
{
	struct member *member = registry_by_key(n->c->reg, n->key);
	const json_t *known = json_object_get(m, "netmap");

	if (!member || member->s.rec.kind != NODE_MESH) {
		conn_removed(n, "this node is not (or no longer) a member of the mesh");
		return;
	}
	bool back = attach(n, member);
	copy_text(m, "os", member->s.os);
	copy_text(m, "version", member->s.version);
	tick_member_seen(n->c, member);
	n->known = json_is_integer(known) && json_integer_value(known) > 0
			   ? (uint64_t)json_integer_value(known)
			   : 0;
	bool moved = take_candidates(n, m);
	if (send_welcome(n) != TM_OK)
		return;

	if (n->state == CONN_MEMBER && n->known != registry_version(n->c->reg) && push_to(n->c, n) != TM_OK)
		return;

	if ((moved || back) && n->member)
		watch_tell(n->c, n->member);
	log_info("coord: node connected", KV("node", member->s.rec.name), KV_IP("from", &n->from.ip));
}

static void on_candidates(struct conn *n, const json_t *m)
{
	if (take_candidates(n, m))
		watch_tell(n->c, n->member);
}

static void on_want(struct conn *n, const json_t *m)
{
	const char *id = field_text(m, "node", NODE_ID_LEN);
	struct member *target = id ? registry_by_id(n->c->reg, id) : NULL;
	struct member *asker = n->member;

	/* Not an error: its netmap may be older than a removal. */
	if (!target || target == asker || target->s.rec.kind != NODE_MESH)
		return;

	watch_add(n->c, asker, target);
	watch_send_candidates(asker, target);
	watch_send_candidates(target, asker);
}

/* Requests of a member; each gets one reply. */
static void on_request(struct conn *n, const char *type, const json_t *m)
{
	struct coord *c = n->c;
	struct asker a = {.conn = n->id};

	if (!json_is_integer(json_object_get(m, "id"))) {
		conn_shut(n, "a request came without an id");
		return;
	}
	a.id = json_integer_value(json_object_get(m, "id"));
	n->n_requests++;
	if (n->n_requests > REQUESTS_MAX) {
		ask_refuse_text(c, &a, "too many requests at once", "wait for the answers");
		return;
	}
	if (strcmp(type, "leave") == 0) {
		nodes_remove(c, &a, n->member, "this node has left the mesh");
		return;
	}
	if (strcmp(type, "node.list") == 0) {
		nodes_list(c, &a, n->member->s.rec.coordinator);
		return;
	}
	if (strcmp(type, "presence") == 0) {
		ask_answer(c, &a,
			json_pack("{s:b, s:o}", "ok", 1, "online",
				presence_to_json(registry_presence(c->reg))));
		return;
	}
	bool gateway = n->member->s.rec.coordinator;
	for (size_t i = 0; i < n->member->s.rec.n_tags; i++)
		gateway |= strcmp(n->member->s.rec.tags[i], "gateway") == 0;
	if (!gateway) {
		ask_refuse_text(c, &a, "this node may not have clients",
			"add them on the coordinator, or let the node join with a token that has the tag "
			"gateway");
		return;
	}
	if (strcmp(type, "client.add") == 0)
		clients_add(c, &a, m, n->member);
	else if (strcmp(type, "client.list") == 0)
		clients_list(c, &a, n->member);
	else
		clients_remove(c, &a, m, n->member);
}

static bool is_request(const char *type)
{
	static const char *const requests[] = {
		"leave", "node.list", "presence", "client.add", "client.list", "client.remove"};

	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		if (strcmp(type, requests[i]) == 0)
			return true;
	return false;
}

static void first_message(struct conn *n, const char *type, const json_t *m)
{
	if (strcmp(type, "hello") == 0)
		on_hello(n, m);
	else if (strcmp(type, "enrol") == 0)
		enrol_request(n->c, n, m);
	else if (is_request(type) || strcmp(type, "candidates") == 0 || strcmp(type, "want") == 0)
		conn_shut(n, "the first message must be hello or enrol");
}

void conn_message(struct conn *n, const json_t *m)
{
	if (n->state == CONN_CLOSING || n->state == CONN_DEAD)
		return;
	if (!within_rate(n)) {
		if (log_allow(&n->c->log_limit, time_monotonic()))
			log_warn("coord: closing a link that sends too much",
				KV("node", n->member ? n->member->s.rec.name : "-"), KV_EP("from", &n->from));
		conn_shut(n, "too many messages");
		return;
	}
	const char *type = field_text(m, "t", 32);
	if (!type) {
		conn_shut(n, "a message came without a type");
		return;
	}
	if (n->state != CONN_MEMBER) {
		if (n->state == CONN_NEW)
			first_message(n, type, m);
		return;
	}
	if (strcmp(type, "hello") == 0 || strcmp(type, "enrol") == 0)
		conn_shut(n, "hello came twice");
	else if (strcmp(type, "candidates") == 0)
		on_candidates(n, m);
	else if (strcmp(type, "want") == 0)
		on_want(n, m);
	else if (is_request(type))
		on_request(n, type, m);
	/* Anything else is of a later version: ignored. */
}
