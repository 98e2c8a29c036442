/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One entry per mesh peer: its path core, the key of its checks, the stamps that it used. Two timers: one for
 * the earliest deadline of all paths, one that samples traffic counters while any path is up.
 */
#include "control/path/prober.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/secret.h"
#include "control/path/gather.h"
#include "control/path/replied.h"
#include "crypto/dh.h"
#include "crypto/init.h"
#include "crypto/kdf.h"
#include "wire/stun.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

enum { LOCAL_ADDRESSES_MAX = 32, ADVERTISE_MAX = 8, SERVER_TRIES = 5 };
#define SAMPLE_BUSY (250 * MS) /* while traffic flows */
#define SAMPLE_IDLE (1 * SEC)
/* Keeps a translator's UDP mapping: RFC 4787 REQ-5 asks for two minutes, many give half a minute. */
#define MAPPING_EVERY (25 * SEC)
#define MAPPING_RTO (500 * MS) /* RFC 8489 6.2.1 */

struct entry {
	struct node_rec rec;
	struct path path;
	struct heap_node due;
	struct list all;
	uint8_t stun_key[STUN_KEY];
	bool has_key, keep;
	struct replied replied;
	uint64_t tx_bytes; /* at the last sample */
};

/* The coordinator as STUN server: what address does it see us under? */
struct server {
	uint8_t key[32], stun_key[STUN_KEY], txid[SERVER_TRIES][STUN_TXID];
	char id[NODE_ID_LEN + 1];
	struct endpoint ep;
	unsigned tries;
};

struct prober {
	const struct identity *identity;
	struct prober_ops ops;
	char self_id[NODE_ID_LEN + 1];
	uint16_t port;
	struct prefix net4, net6;
	struct endpoint advertise[ADVERTISE_MAX];
	size_t n_advertise;
	struct event *due_timer, *sample_timer, *server_timer;
	struct map *by_key, *by_id;
	struct list entries;
	struct heap heap;
	struct server server;
	struct endpoint reflexive;
	struct candidates mine;
	uint64_t last_stamp, refused;
};

/* --- stamps and keys --- */

static void new_txid(void *ctx, uint8_t txid[static STUN_TXID])
{
	struct prober *p = ctx;
	uint64_t stamp = (uint64_t)p->ops.real_time(p->ops.ctx);

	if (stamp <= p->last_stamp)
		stamp = p->last_stamp + 1;
	p->last_stamp = stamp;
	put_be64(txid, stamp);
	put_be32(txid + 8, random_u32());
}

static int derive_stun_key(
	const struct prober *p, const uint8_t remote[static 32], uint8_t ret_key[static STUN_KEY])
{
	uint8_t shared[DH_KEY];
	int err = dh(p->identity->x_priv, remote, shared);

	if (!err)
		err = hkdf_sha256(shared, sizeof(shared), "", 0, "tunnelmesh stun 1", ret_key, STUN_KEY);
	wipe(shared, sizeof(shared));
	return err;
}

/* Computed at first use: a node of a large mesh talks to few of its peers. */
static bool entry_key(const struct prober *p, struct entry *e)
{
	if (!e->has_key)
		e->has_key = derive_stun_key(p, e->rec.key, e->stun_key) == TM_OK;
	return e->has_key;
}

/* --- sending --- */

static void send_request(struct prober *p, const struct endpoint *to, const char *id, const uint8_t *key,
	const uint8_t txid[static STUN_TXID], enum candidate_type type)
{
	struct stun_msg m = {.class = STUN_REQUEST, .method = 1};
	uint8_t buf[STUN_MAX];

	memcpy(m.txid, txid, STUN_TXID);
	snprintf(m.username, sizeof(m.username), "%s:%s", id, p->self_id);
	/* A check carries a priority (RFC 8445 7.1.1), a mere question for our address does not. */
	m.priority = type == CAND_TYPE_N ? 0 : (uint32_t)(CAND_TYPE_N - type) << 24;
	size_t n = stun_encode(&m, key, buf, sizeof(buf));
	/* A check that cannot be sent is a check that is not answered. */
	if (n)
		(void)!p->ops.send(p->ops.ctx, &(struct way_to){.remote = *to}, buf, n);
}

static void set_timer(struct event *timer, ns_t now, ns_t at)
{
	if (at == NS_NEVER) {
		event_del(timer);
		return;
	}
	ns_t wait = at > now ? at - now : 0;
	event_add(timer, &(struct timeval){.tv_sec = wait / SEC, .tv_usec = wait % SEC / US});
}

static void step_entry(struct prober *p, struct entry *e, ns_t now)
{
	struct path_out out;

	path_step(&e->path, now, new_txid, p, &out);
	heap_set(&p->heap, &e->due, out.next);
	for (size_t i = 0; i < out.n_send && entry_key(p, e); i++)
		send_request(p, &out.send[i].to, e->rec.id, e->stun_key, out.send[i].txid, CAND_PRFLX);
	if (out.chosen_changed) {
		const struct path_pair *chosen = path_chosen(&e->path);

		/* An endpoint that the plane refuses stays unused; its check will not be repeated. */
		struct way_to way = {.kind = WAY_UDP};
		if (chosen)
			way.remote = chosen->remote.ep;
		(void)!p->ops.set_way(p->ops.ctx, e->rec.key, chosen ? &way : NULL);
		if (chosen)
			p->ops.path_works(p->ops.ctx, e->rec.id, &chosen->remote.ep);
	}
	if (out.ask_candidates)
		p->ops.want_candidates(p->ops.ctx, e->rec.id);
	if (e->path.state == PATH_UP && !event_pending(p->sample_timer, EV_TIMEOUT, NULL))
		set_timer(p->sample_timer, 0, SAMPLE_IDLE);
	set_timer(p->due_timer, now, heap_next(&p->heap));
}

static void on_due(evutil_socket_t fd, short what, void *ctx)
{
	struct prober *p = ctx;
	ns_t now = time_monotonic();

	(void)fd, (void)what;
	for (struct heap_node *top; (top = heap_top(&p->heap)) && top->at <= now;)
		step_entry(p, CONTAINER_OF(top, struct entry, due), now);
	set_timer(p->due_timer, now, heap_next(&p->heap));
}

static void on_sample(evutil_socket_t fd, short what, void *ctx)
{
	struct prober *p = ctx;
	ns_t now = time_monotonic();
	bool any = false, busy = false;

	(void)fd, (void)what;
	LIST_FOREACH (e, &p->entries, struct entry, all) {
		uint64_t tx_bytes;
		ns_t last_recv;

		if (e->path.state != PATH_UP)
			continue;
		any = true;
		p->ops.activity(p->ops.ctx, e->rec.key, &last_recv, &tx_bytes);
		path_heard(&e->path, last_recv);
		if (tx_bytes != e->tx_bytes) {
			path_sending(&e->path, now);
			busy = true;
		}
		e->tx_bytes = tx_bytes;
		step_entry(p, e, now);
	}
	if (any)
		set_timer(p->sample_timer, 0, busy ? SAMPLE_BUSY : SAMPLE_IDLE);
}

/* --- our own candidates --- */

static void refresh_mine(struct prober *p)
{
	struct ip local[LOCAL_ADDRESSES_MAX];
	struct gather_in in = {
		.local = local,
		.port = p->port,
		.advertise = p->advertise,
		.n_advertise = p->n_advertise,
		.reflexive = p->reflexive,
		.net4 = p->net4,
		.net6 = p->net6,
	};
	struct candidates next;

	in.n_local = p->ops.local_addresses(p->ops.ctx, local, ARRAY_LEN(local));
	gather(&in, &next);
	if (candidates_eq(&next, &p->mine))
		return;
	p->mine = next;
	p->ops.my_candidates(p->ops.ctx, &p->mine);
}

static void ask_server(struct prober *p)
{
	struct server *s = &p->server;

	if (!endpoint_is_set(&s->ep))
		return;
	if (s->tries == SERVER_TRIES) {
		/* No answer: what we knew of our outer address is no longer true. */
		p->reflexive = (struct endpoint){0};
		refresh_mine(p);
		s->tries = 0;
		set_timer(p->server_timer, 0, MAPPING_EVERY);
		return;
	}
	new_txid(p, s->txid[s->tries]);
	send_request(p, &s->ep, s->id, s->stun_key, s->txid[s->tries], CAND_TYPE_N);
	set_timer(p->server_timer, 0, MAPPING_RTO << s->tries++);
}

static void on_server(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	ask_server(ctx);
}

static bool server_answered(struct prober *p, const struct stun_msg *m)
{
	bool ours = false;

	for (unsigned i = 0; i < p->server.tries; i++)
		ours |= memcmp(m->txid, p->server.txid[i], STUN_TXID) == 0;
	if (!ours)
		return false;

	p->server.tries = 0;
	p->reflexive = m->mapped;
	refresh_mine(p);
	set_timer(p->server_timer, 0, MAPPING_EVERY);
	return true;
}

/* --- receiving --- */

static struct entry *entry_by_id(const struct prober *p, const char *id)
{
	return node_id_valid(id) ? map_get(p->by_id, id) : NULL;
}

/* USERNAME is "<receiver>:<sender>"; gives the sender when we are the receiver. */
static const char *username_sender(const struct prober *p, const char *username)
{
	size_t n = strlen(p->self_id);

	return strncmp(username, p->self_id, n) == 0 && username[n] == ':' ? username + n + 1 : "";
}

static void answer_request(
	struct prober *p, struct entry *e, const struct stun_msg *req, const struct way_to *by)
{
	struct stun_msg m = {.class = STUN_SUCCESS, .method = 1, .mapped = by->remote};
	uint8_t buf[STUN_MAX];

	memcpy(m.txid, req->txid, STUN_TXID);
	snprintf(m.username, sizeof(m.username), "%s:%s", e->rec.id, p->self_id);
	size_t n = stun_encode(&m, e->stun_key, buf, sizeof(buf));
	if (n)
		(void)!p->ops.send(p->ops.ctx, by, buf, n);
}

void prober_stun(struct prober *p, const struct way_to *by, const uint8_t *msg, size_t n)
{
	const struct endpoint *from = &by->remote;
	ns_t now = time_monotonic();
	struct stun_msg m;
	struct entry *e = NULL;

	if (stun_decode(msg, n, &m) == TM_OK && m.method == 1 && m.has_fingerprint &&
		(m.class == STUN_REQUEST || m.class == STUN_SUCCESS))
		e = entry_by_id(p, username_sender(p, m.username));
	if (!e || !entry_key(p, e) || stun_verify(msg, n, &m, e->stun_key) != TM_OK) {
		p->refused++;
		return;
	}
	if (m.class == STUN_SUCCESS) {
		if (server_answered(p, &m))
			return;
		if (path_check_answered(&e->path, m.txid, from, now))
			step_entry(p, e, now);
		else
			p->refused++; /* an answer to nothing that we asked, or a second one */
		return;
	}
	if (m.n_unknown || !replied_accept(&e->replied, get_be64(m.txid))) {
		p->refused++;
		return;
	}
	answer_request(p, e, &m, by);
	if (m.priority && candidate_usable(from, &p->net4, &p->net6)) {
		/* A peer that kept a session which we lost in a restart sends into the void. */
		if (e->path.state == PATH_UP)
			p->ops.peer_waits(p->ops.ctx, e->rec.key);
		path_check_received(&e->path, from, now);
		step_entry(p, e, now);
	}
}

/* --- the owner's calls --- */

int prober_new(struct event_base *base, const struct prober_config *cfg, const struct prober_ops *ops,
	struct prober **ret_prober)
{
	struct prober *p = calloc(1, sizeof(*p));

	if (!p)
		return TM_ENOMEM;
	list_init(&p->entries);
	p->identity = cfg->identity;
	p->ops = *ops;
	snprintf(p->self_id, sizeof(p->self_id), "%s", cfg->self_id);
	p->port = cfg->data_port;
	p->net4 = cfg->net4;
	p->net6 = cfg->net6;
	p->due_timer = evtimer_new(base, on_due, p);
	p->sample_timer = evtimer_new(base, on_sample, p);
	p->server_timer = evtimer_new(base, on_server, p);
	int err = map_new(32, &p->by_key);
	if (!err)
		err = map_new(NODE_ID_LEN, &p->by_id);
	if (!err && (!p->due_timer || !p->sample_timer || !p->server_timer))
		err = TM_ENOMEM;
	if (err) {
		prober_free(p);
		return err;
	}
	prober_set_advertise(p, cfg->advertise, cfg->n_advertise);
	*ret_prober = p;
	return TM_OK;
}

static void free_timer(struct event *timer)
{
	if (timer)
		event_free(timer);
}

static void entry_free(struct prober *p, struct entry *e)
{
	map_remove(p->by_key, e->rec.key);
	map_remove(p->by_id, e->rec.id);
	heap_remove(&p->heap, &e->due);
	list_remove(&e->all);
	wipe(e, sizeof(*e));
	free(e);
}

void prober_free(struct prober *p)
{
	if (!p)
		return;
	LIST_FOREACH_SAFE (e, &p->entries, struct entry, all)
		entry_free(p, e);
	free_timer(p->due_timer);
	free_timer(p->sample_timer);
	free_timer(p->server_timer);
	map_free(p->by_key);
	map_free(p->by_id);
	heap_deinit(&p->heap);
	wipe(p, sizeof(*p));
	free(p);
}

static int entry_add(struct prober *p, const struct node_rec *rec)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return TM_ENOMEM;
	e->rec = *rec;
	e->keep = true;
	path_init(&e->path);
	list_push_back(&p->entries, &e->all);
	int err = heap_reserve(&p->heap, map_size(p->by_id) + 1);
	if (!err)
		err = map_put(p->by_id, e->rec.id, e);
	if (!err)
		err = map_put(p->by_key, e->rec.key, e);
	if (err)
		entry_free(p, e);
	return err;
}

int prober_set_peers(struct prober *p, const struct node_rec *nodes, size_t n)
{
	LIST_FOREACH (e, &p->entries, struct entry, all)
		e->keep = false;
	for (size_t i = 0; i < n; i++) {
		struct entry *e = map_get(p->by_id, nodes[i].id);

		if (nodes[i].kind != NODE_MESH || strcmp(nodes[i].id, p->self_id) == 0)
			continue;
		if (e && !ct_eq(e->rec.key, nodes[i].key, 32)) {
			entry_free(p, e);
			e = NULL;
		}
		if (!e) {
			int err = entry_add(p, &nodes[i]);
			if (err)
				return err;
			continue;
		}
		e->keep = true;
		e->rec = nodes[i];
	}
	LIST_FOREACH_SAFE (e, &p->entries, struct entry, all)
		if (!e->keep)
			entry_free(p, e);
	return TM_OK;
}

void prober_set_coordinator(
	struct prober *p, const uint8_t key[static 32], const char *id, const struct endpoint *data_ep)
{
	struct server *s = &p->server;

	if (strcmp(s->id, id) == 0 && endpoint_eq(&s->ep, data_ep))
		return;

	if (derive_stun_key(p, key, s->stun_key) != TM_OK)
		return;
	memcpy(s->key, key, sizeof(s->key));
	snprintf(s->id, sizeof(s->id), "%s", id);
	s->ep = *data_ep;
	s->tries = 0;
	ask_server(p);
}

void prober_want(struct prober *p, const uint8_t key[static 32])
{
	ns_t now = time_monotonic();
	struct entry *e = map_get(p->by_key, key);

	if (!e)
		return;
	path_want(&e->path, now);
	step_entry(p, e, now);
}

void prober_candidates(struct prober *p, const char *id, const struct candidates *c)
{
	ns_t now = time_monotonic();
	struct entry *e = entry_by_id(p, id);
	struct candidates usable = {.n = 0};

	if (!e)
		return;
	for (size_t i = 0; i < c->n; i++)
		if (candidate_usable(&c->v[i].ep, &p->net4, &p->net6))
			usable.v[usable.n++] = c->v[i];
	path_candidates(&e->path, &usable, now);
	step_entry(p, e, now);
}

void prober_heard(struct prober *p, const uint8_t key[static 32], const struct way_to *by)
{
	ns_t now = time_monotonic();
	struct entry *e = map_get(p->by_key, key);
	const struct path_pair *chosen = e ? path_chosen(&e->path) : NULL;
	bool works = chosen && e->path.state == PATH_UP;

	if (!e || !candidate_usable(&by->remote, &p->net4, &p->net6))
		return;

	if (works && !endpoint_eq(&chosen->remote.ep, &by->remote)) {
		path_heard_elsewhere(&e->path, &by->remote, now);
	} else {
		/* Nothing else works: what just came is proof enough. Or only our own address is news. */
		if (!works)
			path_authentic(&e->path, &by->remote, now);
		(void)!p->ops.set_way(p->ops.ctx, e->rec.key, by);
		p->ops.path_works(p->ops.ctx, e->rec.id, &by->remote);
	}
	step_entry(p, e, now);
}

void prober_set_advertise(struct prober *p, const struct endpoint *advertise, size_t n)
{
	p->n_advertise = MIN(n, (size_t)ADVERTISE_MAX);
	if (p->n_advertise)
		memcpy(p->advertise, advertise, p->n_advertise * sizeof(*advertise));
	refresh_mine(p);
}

void prober_network_changed(struct prober *p)
{
	ns_t now = time_monotonic();

	refresh_mine(p);
	p->server.tries = 0;
	ask_server(p);
	LIST_FOREACH (e, &p->entries, struct entry, all) {
		if (e->path.state == PATH_IDLE)
			continue;
		path_restart(&e->path, now);
		step_entry(p, e, now);
	}
}

uint64_t prober_check_stamp(const struct prober *p, const uint8_t key[static 32])
{
	const struct entry *e = map_get(p->by_key, key);

	return e ? replied_newest(&e->replied) : 0;
}

void prober_seed_check_stamp(struct prober *p, const uint8_t key[static 32], uint64_t stamp)
{
	struct entry *e = map_get(p->by_key, key);

	/* Only what was kept from before the start: a live entry knows better which late ones it may still
	 * accept. */
	if (e && !replied_newest(&e->replied))
		replied_seed(&e->replied, stamp);
}

uint64_t prober_refused(const struct prober *p)
{
	return p->refused;
}

bool prober_view(const struct prober *p, const uint8_t key[static 32], struct prober_view *ret_view)
{
	const struct entry *e = map_get(p->by_key, key);
	const struct path_pair *chosen = e ? path_chosen(&e->path) : NULL;

	if (!e)
		return false;
	*ret_view = (struct prober_view){.state = e->path.state};
	if (chosen) {
		ret_view->type = chosen->remote.type;
		ret_view->ep = chosen->remote.ep;
		ret_view->rtt = chosen->rtt;
	}
	return true;
}

const struct candidates *prober_my_candidates(const struct prober *p)
{
	return &p->mine;
}
