/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who the peers are and which inner addresses are theirs: changes, one or many, published at once or not at
 * all. Until then workers see nothing of them, and what each will make of its peer waits in a struct change.
 * All that may fail comes before the publication; what comes after it cannot.
 */
#include "data/plane/plane_private.h"

#include "base/secret.h"
#include "os/tun.h"

/* A peer's prefixes, in the set of routes. */
struct allowed {
	struct allowed *next; /* in changes.replaced */
	size_t n;
	struct route routes[];
};

/* What commit will make of a peer. */
struct change {
	struct change *next;
	struct peer *peer;
	bool fresh; /* added since begin */
	bool leaves;
	bool reroutes; /* `allowed` is in the set of routes, the peer's is not */
	struct allowed *allowed;
	/* as in struct plane_peer, unless it leaves */
	uint8_t psk[32];
	uint16_t keepalive_s;
	uint32_t id;
	bool forwards, follows;
};

/* Room for changes, each time twice as much: the many of a first map go back to the system in one piece. */
struct change_chunk {
	struct change_chunk *next;
	size_t n, cap;
	struct change v[];
};

void side_free(struct peer_side *side)
{
	free(side->allowed);
	free(side);
}

static struct allowed *allowed_now(const struct change *c)
{
	return c->reroutes ? c->allowed : side_of(c->peer)->allowed;
}

static bool same_prefixes(const struct allowed *a, const struct plane_peer *record)
{
	if ((a ? a->n : 0) != record->n_allowed)
		return false;

	for (size_t i = 0; i < record->n_allowed; i++)
		if (!prefix_eq(&a->routes[i].prefix, &record->allowed[i]))
			return false;
	return true;
}

static bool prefixes_usable(const struct plane_peer *record)
{
	for (size_t i = 0; i < record->n_allowed; i++)
		if (!route_prefix_usable(&record->allowed[i]))
			return false;
	return true;
}

/* Puts the record's prefixes (none: NULL) in the place of the present ones, which stay in memory until all is
 * over: a rollback needs them. */
static int reroute(struct plane *p, struct change *c, const struct plane_peer *record)
{
	size_t n = record ? record->n_allowed : 0;
	struct allowed *old = allowed_now(c);
	struct allowed *a = calloc(1, sizeof(*a) + n * sizeof(a->routes[0]));
	int err = a ? TM_OK : TM_ENOMEM;

	if (!a)
		return err;

	if (c->reroutes) {
		old->next = p->changes.replaced;
		p->changes.replaced = old;
	}
	c->allowed = a;
	c->reroutes = true;
	p->changes.routes = true;
	a->n = n;
	for (size_t i = 0; i < n && !err; i++) {
		a->routes[i] = (struct route){.prefix = record->allowed[i], .peer = c->peer};
		err = route_put(p->routes, &a->routes[i]);
	}
	for (size_t i = 0; old && i < old->n && !err; i++)
		err = route_remove(p->routes, &old->routes[i]);
	return err;
}

static int change_new(struct plane *p, struct peer *peer, struct change **ret_c)
{
	struct change_chunk *chunk = p->changes.chunks;
	struct change *c;

	if (!chunk || chunk->n == chunk->cap) {
		size_t cap = chunk ? 2 * chunk->cap : 1;

		chunk = calloc(1, sizeof(*chunk) + cap * sizeof(chunk->v[0]));
		if (!chunk)
			return TM_ENOMEM;

		chunk->cap = cap;
		chunk->next = p->changes.chunks;
		p->changes.chunks = chunk;
	}
	c = &chunk->v[chunk->n++];
	c->peer = peer;
	c->next = p->changes.first;
	p->changes.first = c;
	side_of(peer)->change = c;
	*ret_c = c;
	return TM_OK;
}

static int add(struct plane *p, const struct plane_peer *record, struct change **ret_c)
{
	struct peer_side *side = calloc(1, sizeof(*side));
	struct peer *peer;
	int err = side ? device_peer_add(p->device, record->key, record->psk, &peer) : TM_ENOMEM;

	if (err) {
		free(side);
		return err;
	}
	staged_queue_init(&side->staged);
	peer->owner = side;
	err = change_new(p, peer, ret_c);
	if (err)
		device_peer_remove(p->device, peer);
	else
		(*ret_c)->fresh = true;
	return err;
}

static int put(struct plane *p, const struct plane_peer *record)
{
	struct peer *peer = device_peer_find(p->device, record->key);
	struct change *c = peer ? side_of(peer)->change : NULL;
	int err = TM_OK;

	if (!prefixes_usable(record))
		return TM_EINVAL;

	if (!peer)
		err = add(p, record, &c);
	else if (!c)
		err = change_new(p, peer, &c);
	if (err)
		return err;

	c->leaves = false;
	c->forwards = record->forwards;
	c->follows = record->follows;
	c->keepalive_s = record->keepalive_s;
	c->id = record->id;
	p->changes.facts |= c->id != atomic_load_explicit(&c->peer->id, memory_order_relaxed);
	memcpy(c->psk, record->psk, sizeof(c->psk));
	return same_prefixes(allowed_now(c), record) ? TM_OK : reroute(p, c, record);
}

static int leave(struct plane *p, struct peer *peer)
{
	struct change *c = side_of(peer)->change;
	int err = c ? TM_OK : change_new(p, peer, &c);

	if (err)
		return err;

	c->leaves = true;
	return allowed_now(c) ? reroute(p, c, NULL) : TM_OK;
}

/* --- the end of it --- */

static int publish_routes(struct plane *p)
{
	struct snapshot *live = plane_live(p), *next;
	int err = snapshot_new(live, &next);

	if (err)
		return err;

	err = route_commit(p->routes, &next->routes, &live->unused);
	if (err)
		snapshot_free(next);
	else
		plane_publish(p, next);
	return err;
}

/* Old for new, and back: what the filter knows of the peer. */
static void swap_facts(struct change *c)
{
	if (c->leaves)
		return;
	c->id = atomic_exchange_explicit(&c->peer->id, c->id, memory_order_relaxed);
}

/* Facts first: what is judged with the old ones belongs to the generation before (data/filter/filter.h). */
static int publish(struct plane *p)
{
	for (struct change *c = p->changes.first; c; c = c->next)
		swap_facts(c);

	int err = p->changes.routes || p->changes.facts ? publish_routes(p) : TM_OK;
	for (struct change *c = p->changes.first; err && c; c = c->next)
		swap_facts(c);
	return err;
}

static void configure(struct plane *p, const struct change *c)
{
	const struct allowed *a = side_of(c->peer)->allowed;

	atomic_store_explicit(&c->peer->forwards, c->forwards, memory_order_relaxed);
	/* One worker for both directions of its own address, so that acknowledgements need wake no other. */
	if (a && a->n)
		c->peer->lane = (uint8_t)tun_queue_for(&a->routes[0].prefix.ip, p->n_workers);
	c->peer->follows = c->follows;
	device_peer_set_psk(p->device, c->peer, c->psk);
	if (c->peer->persistent_keepalive_s != c->keepalive_s)
		device_peer_set_keepalive(p->device, c->peer, c->keepalive_s, p->self.now);
}

static void apply(struct plane *p, struct change *c)
{
	struct peer_side *side = side_of(c->peer);

	if (c->reroutes) {
		free(side->allowed);
		side->allowed = TAKE(c->allowed);
	}
	side->change = NULL;
	if (c->leaves)
		device_peer_remove(p->device, c->peer);
	else
		configure(p, c);
}

static void forget(struct plane *p, struct change *c)
{
	side_of(c->peer)->change = NULL;
	if (c->fresh)
		device_peer_remove(p->device, c->peer);
}

void plane_peers_begin(struct plane *p)
{
	ON_CONTROL(p);
	assert(!p->changes.open);
	p->changes.open = true;
}

int plane_peers_commit(struct plane *p)
{
	int err = p->changes.failed;

	plane_enter(p, time_monotonic());
	if (!err)
		err = publish(p);
	if (err)
		route_rollback(p->routes);

	/* Out of the routes, then out of the device: whoever looks now does not find the removed any more. */
	for (struct change *c = p->changes.first; c; c = c->next) {
		if (err)
			forget(p, c);
		else
			apply(p, c);
		free(c->allowed);
	}
	for (struct change_chunk *chunk; (chunk = p->changes.chunks);) {
		p->changes.chunks = chunk->next;
		wipe(chunk->v, chunk->n * sizeof(chunk->v[0]));
		free(chunk);
	}
	for (struct allowed *a; (a = p->changes.replaced);) {
		p->changes.replaced = a->next;
		free(a);
	}
	p->changes = (struct changes){0};
	event_wake(&p->events); /* timers may have moved */
	return err;
}

/* Does one thing, as a batch of its own or as part of the one that is open. */
static int in_batch(struct plane *p, int (*one)(struct plane *p, const void *what), const void *what)
{
	bool alone = !p->changes.open;
	int err;

	if (alone)
		plane_peers_begin(p);
	err = p->changes.failed ? p->changes.failed : one(p, what);
	if (err && err != TM_EINVAL)
		p->changes.failed = err;
	if (alone) {
		int committed = plane_peers_commit(p);

		err = err ? err : committed;
	}
	return err;
}

static int put_one(struct plane *p, const void *record)
{
	return put(p, record);
}

static int leave_one(struct plane *p, const void *key)
{
	struct peer *peer = device_peer_find(p->device, key);

	return peer ? leave(p, peer) : TM_OK;
}

static int leave_all(struct plane *p, const void *nothing)
{
	int err = TM_OK;

	(void)nothing;
	DEVICE_FOREACH_PEER(peer, p->device)
	if (!err)
		err = leave(p, peer);
	return err;
}

int plane_peer_put(struct plane *p, const struct plane_peer *peer)
{
	return in_batch(p, put_one, peer);
}

int plane_peer_remove(struct plane *p, const uint8_t key[static 32])
{
	return in_batch(p, leave_one, key);
}

int plane_peers_clear(struct plane *p)
{
	return in_batch(p, leave_all, NULL);
}
