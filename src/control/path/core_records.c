/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/map.h"
#include "base/secret.h"
#include "control/path/core_private.h"
#include "wire/relay.h"
#include "wire/wg.h"

#include <string.h>

static int record_new(struct core *c, const struct core_member *m, struct record **ret_rec)
{
	struct record *rec = calloc(1, sizeof(*rec));

	if (!rec)
		return TM_ENOMEM;
	rec->member = *m;
	int err = map_put(c->by_key, m->key, rec);
	if (err) {
		free(rec);
		return err;
	}
	*ret_rec = rec;
	return TM_OK;
}

void live_free(struct core *c, struct record *rec)
{
	struct live *l = TAKE(rec->live);

	if (!l)
		return;
	core_birthday_forget(c, l);
	rec->stamp = stun_window_newest(&l->window);
	rec->last = l->path.last;
	heap_remove(&c->heap, &l->due);
	list_remove(&l->all);
	c->n_live--;
	path_deinit(&l->path);
	wipe(l, sizeof(*l));
	free(l);
}

void record_free(struct core *c, struct record *rec)
{
	live_free(c, rec);
	map_remove(c->by_key, rec->member.key);
	wipe(rec, sizeof(*rec));
	free(rec);
}

static struct live *live_new(struct core *c, struct record *rec, ns_t now)
{
	struct live *l;

	/* The relays, the prober and the attempts are in the heap or not. */
	if (heap_reserve(&c->heap, c->n_live + 4) != TM_OK || !(l = calloc(1, sizeof(*l))))
		return NULL;
	l->record = rec;
	l->window.floor = rec->stamp;
	path_init(&l->path, &rec->last);
	list_push_back(&c->live, &l->all);
	heap_set(&c->heap, &l->due, now);
	c->n_live++;
	rec->live = l;
	return l;
}

struct record *record_by_key(const struct core *c, const uint8_t key[static 32])
{
	return map_get(c->by_key, key);
}

struct live *live_of(struct core *c, const struct core_member *m, ns_t now)
{
	struct record *rec = map_get(c->by_key, m->key);

	if (!rec && record_new(c, m, &rec) != TM_OK)
		return NULL;
	struct live *l = rec->live ? rec->live : live_new(c, rec, now);
	if (l)
		l->used_at = now;
	return l;
}

struct live *live_by_key(struct core *c, const uint8_t key[static 32], ns_t now)
{
	const struct record *rec = map_get(c->by_key, key);
	struct core_member m;

	if (rec)
		m = rec->member;
	else if (!c->ops.find(c->ops.ctx, NULL, key, &m))
		return NULL;
	return live_of(c, &m, now);
}

struct live *live_by_id(struct core *c, const char *id, ns_t now)
{
	struct core_member m;

	return node_id_valid(id) && c->ops.find(c->ops.ctx, id, NULL, &m) ? live_of(c, &m, now) : NULL;
}

const uint8_t *record_check_key(const struct core *c, struct record *rec)
{
	if (!rec->has_key)
		rec->has_key = stun_pair_key(c->key, rec->member.key, rec->check_key) == TM_OK;
	return rec->has_key ? rec->check_key : NULL;
}

void record_set_key(struct record *rec, const uint8_t key[static STUN_KEY])
{
	memcpy(rec->check_key, key, STUN_KEY);
	rec->has_key = true;
}

static bool may_claim(struct core *c, ns_t now)
{
	if (now - c->claims_since >= SEC) {
		c->claims_since = now;
		c->claims = 0;
	}
	return c->claims < CORE_CLAIMS_MAX && ++c->claims;
}

const uint8_t *claimed_check_key(struct core *c, struct record *rec, const struct core_member *m,
	uint8_t room[static STUN_KEY], ns_t now)
{
	if (rec && rec->has_key)
		return rec->check_key;
	if (!may_claim(c, now))
		return NULL;
	if (rec)
		return record_check_key(c, rec);
	return stun_pair_key(c->key, m->key, room) == TM_OK ? room : NULL;
}

struct turn live_turn(struct core *c, struct live *l, ns_t now)
{
	return (struct turn){
		.out = &c->queue,
		.self = &c->self,
		.ops = &c->ops,
		.peer = &l->record->member,
		.legs = &c->legs,
		.pair = relay_pair(c->self_host, l->record->member.host),
		.told = l->told,
		.n_told = l->n_told,
		.longest = c->mtu ? (uint16_t)MIN(c->mtu + WG_DATA_OVERHEAD, STUN_MAX) : 0,
		.now = now,
	};
}

uint64_t core_stamp(const struct core *c, const uint8_t key[static 32])
{
	const struct record *rec = map_get(c->by_key, key);

	if (!rec)
		return 0;
	return rec->live ? stun_window_newest(&rec->live->window) : rec->stamp;
}

void core_seed_stamp(struct core *c, const uint8_t key[static 32], uint64_t stamp)
{
	struct record *rec = map_get(c->by_key, key);
	struct core_member m;

	if (!stamp || (!rec && (!c->ops.find(c->ops.ctx, NULL, key, &m) || record_new(c, &m, &rec) != TM_OK)))
		return;
	if (!rec->live)
		rec->stamp = MAX(rec->stamp, stamp);
	else if (!stun_window_newest(&rec->live->window))
		rec->live->window.floor = stamp;
}
