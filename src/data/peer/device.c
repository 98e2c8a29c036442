/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The device's peers: adding, removing, settings, ways. */
#include "data/peer/device.h"

#include "base/secret.h"
#include "crypto/dh.h"
#include "data/peer/peer_private.h"

#include <string.h>

DEFINE_CLEANUP(struct device, device_free)

static const void *peer_key(const void *peer, size_t *ret_len)
{
	*ret_len = WG_KEY;
	return ((const struct peer *)peer)->key;
}

int device_new(const struct device_config *cfg, const struct device_ops *ops, struct device **ret_dev)
{
	_cleanup_(device_freep) struct device *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return TM_ENOMEM;

	list_init(&d->peers);
	d->ops = *ops;
	d->limits = cfg->limits.rekey_timeout ? cfg->limits : wg_limits_default;
	d->load_threshold = cfg->load_threshold ? cfg->load_threshold : DEVICE_LOAD_THRESHOLD;
	err = hs_self_init(&d->self, cfg->private_key);
	if (err == TM_OK)
		err = aead_new_with(AEAD_LIBCRYPTO, &d->aead);
	if (err == TM_OK)
		err = index_table_new(&d->index);
	if (err == TM_OK)
		err = hashset_init(&d->by_key, peer_key);
	if (err == TM_OK)
		err = ratelimit_new(&d->ratelimit);
	if (err < 0)
		return err;

	cookie_oven_init(&d->oven, d->self.pub);
	index_set_lanes(d->index, cfg->lanes ? cfg->lanes : 1);
	*ret_dev = TAKE(d);
	return TM_OK;
}

void device_free(struct device *d)
{
	if (!d)
		return;

	LIST_FOREACH_SAFE (p, &d->peers, struct peer, all)
		device_peer_remove(d, p);
	ratelimit_free(d->ratelimit);
	hashset_deinit(&d->by_key);
	index_table_free(d->index);
	aead_free(d->aead);
	hs_self_deinit(&d->self);
	heap_deinit(&d->due);
	wipe(d, sizeof(*d));
	free(d);
}

struct index_table *device_index(struct device *d)
{
	return d->index;
}

struct list *device_peers(struct device *d)
{
	return &d->peers;
}

size_t device_peer_count(const struct device *d)
{
	return d->by_key.size;
}

struct peer *device_peer_find(struct device *d, const uint8_t key[static 32])
{
	return hashset_get(&d->by_key, key, WG_KEY);
}

uint32_t device_random(struct device *d)
{
	uint32_t r;

	d->ops.entropy(d->ops.ctx, &r, sizeof(r));
	return r;
}

int device_peer_add(
	struct device *d, const uint8_t key[static 32], const uint8_t psk[static 32], struct peer **ret_peer)
{
	struct peer *p;
	int err;

	if (device_peer_find(d, key))
		return TM_EEXIST;
	if (ct_eq(key, d->self.pub, WG_KEY) || !dh_public_usable(key))
		return TM_EINVAL;
	if (d->by_key.size >= DEVICE_PEERS_MAX)
		return TM_EFULL;

	/* Idle peers are not in the heap, yet each may enter it. */
	err = heap_reserve(&d->due, d->by_key.size + 1);
	if (err == TM_OK)
		err = hashset_reserve(&d->by_key, 1);
	if (err < 0)
		return err;

	p = calloc(1, sizeof(*p));
	if (!p)
		return TM_ENOMEM;

	memcpy(p->key, key, sizeof(p->key));
	list_init(&p->all);
	handshake_init(&p->hs, p->key, psk);
	hashset_put(&d->by_key, p);
	list_push_back(&d->peers, &p->all);
	*ret_peer = p;
	return TM_OK;
}

int peer_reserve_index(struct device *d, struct peer *p, uint32_t *ret_index)
{
	return index_reserve(d->index, p, p->lane, d->ops.entropy, d->ops.ctx, ret_index);
}

void device_peer_free(void *peer)
{
	struct peer *p = peer;

	if (!p)
		return;

	handshake_deinit(&p->hs);
	wipe(p, sizeof(*p));
	free(p);
}

void device_peer_remove(struct device *d, struct peer *p)
{
	atomic_store_explicit(&p->dead, true, memory_order_release);
	peer_drop_attempt(d, p);
	session_drop_all(d, p);
	heap_remove(&d->due, &p->due);
	list_remove(&p->all);
	hashset_remove(&d->by_key, p->key, WG_KEY);
	d->ops.drop_staged(d->ops.ctx, p);
	(void)!peer_set_way(d, p, NULL); /* takes away only, so needs no memory */
	d->ops.retire_peer(d->ops.ctx, p);
}

bool device_peer_stamp(const struct peer *p, uint8_t ret_stamp[static WG_TAI64N])
{
	if (ct_is_zero(p->hs.received_stamp, WG_TAI64N))
		return false;

	memcpy(ret_stamp, p->hs.received_stamp, WG_TAI64N);
	return true;
}

void device_peer_seed_stamp(struct peer *p, const uint8_t stamp[static WG_TAI64N])
{
	if (memcmp(stamp, p->hs.received_stamp, WG_TAI64N) > 0)
		memcpy(p->hs.received_stamp, stamp, WG_TAI64N);
}

void device_peer_set_psk(struct device *d, struct peer *p, const uint8_t psk[static 32])
{
	(void)d;
	memcpy(p->hs.psk, psk, NOISE_PSK);
}

void device_peer_set_keepalive(struct device *d, struct peer *p, uint16_t seconds, ns_t now)
{
	bool starts = seconds && !p->persistent_keepalive_s;

	p->persistent_keepalive_s = seconds;
	/* Whoever asks for an open way through a NAT wants it open now and not one interval later. */
	if (starts && !session_usable(p->keys_current, now))
		timers_handshake_wanted(&p->timers, &d->limits, now);
	peer_service(d, p, now);
}

static bool same(const struct way *way, const struct way_to *to)
{
	return way && way_to_eq(&way->to, to) && way->to.payload == to->payload;
}

/* In the place of what is there; NULL or without remote: nothing. */
static int replace_way(struct device *d, _Atomic(struct way *) *place, const struct way_to *to)
{
	struct way *old = atomic_load_explicit(place, memory_order_relaxed), *way = NULL;

	if (to && endpoint_is_set(&to->remote)) {
		if (same(old, to))
			return TM_OK;

		int err = way_new(to, &way);
		if (err < 0)
			return err;
	}
	atomic_store_explicit(place, way, memory_order_release);
	if (old)
		d->ops.retire_way(d->ops.ctx, old);
	return TM_OK;
}

int peer_set_way(struct device *d, struct peer *p, const struct way_to *to)
{
	const struct way *way = atomic_load_explicit(&p->way, memory_order_relaxed);
	const struct endpoint before = way ? way->to.remote : (struct endpoint){0};
	int err = replace_way(d, &p->way, to);

	if (err < 0)
		return err;

	way = atomic_load_explicit(&p->way, memory_order_relaxed);
	if (!way)
		(void)!replace_way(d, &p->also, NULL); /* takes away only, so needs no memory */
	/* Leading elsewhere now, the next other way is news. A new source address alone opens no door:
	 * whoever wrote to two addresses of ours in turn could have one event, and one way, for each packet.
	 */
	if (!way || !endpoint_eq(&before, &way->to.remote))
		atomic_store_explicit(&p->heard_again, 0, memory_order_relaxed);
	return TM_OK;
}

int device_peer_set_also(struct device *d, struct peer *p, const struct way_to *to)
{
	return replace_way(d, &p->also, to);
}

int device_peer_set_way(struct device *d, struct peer *p, const struct way_to *to, ns_t now)
{
	bool had_way = atomic_load_explicit(&p->way, memory_order_relaxed) != NULL;
	int err = peer_set_way(d, p, to);

	if (err < 0)
		return err;
	if (!atomic_load_explicit(&p->way, memory_order_relaxed))
		return TM_OK;

	/* What was held up for want of a way, not of a session, goes now. */
	if (!had_way && session_usable(p->keys_current, now))
		session_speak(d, p, now);
	timers_endpoint_arrived(&p->timers, &d->limits, now);
	peer_service(d, p, now);
	return TM_OK;
}

void device_way_lives(struct device *d, struct peer *p, ns_t rtt, ns_t now)
{
	timers_way_lives(&p->timers, rtt, now);
	peer_service(d, p, now);
}

/* Where the way leads is not ours to change, but a source address that fails helps nobody. */
static void forget_source(struct device *d, _Atomic(struct way *) *place)
{
	const struct way *way = atomic_load_explicit(place, memory_order_relaxed);
	struct way_to to;

	if (!way || way->to.local.family == IP_NONE)
		return;

	to = way->to; /* the way is retired by the call; without memory it stays */
	to.local = (struct ip){0};
	to.local_ifindex = 0;
	(void)!replace_way(d, place, &to);
}

void peer_forget_source(struct device *d, struct peer *p)
{
	forget_source(d, &p->way);
	forget_source(d, &p->also);
}

void device_peer_unstick(struct device *d, struct peer *p, ns_t now)
{
	atomic_store_explicit(&p->heard_pending, false, memory_order_release);
	if (atomic_load_explicit(&p->dead, memory_order_relaxed))
		return;

	peer_forget_source(d, p);
	peer_service(d, p, now);
}

void peer_heard(struct device *d, struct peer *p, const struct way_to *by, ns_t now)
{
	const struct way *way = atomic_load_explicit(&p->way, memory_order_relaxed);

	if (way && way_to_eq(&way->to, by)) {
		atomic_store_explicit(&p->last_way_recv, now, memory_order_relaxed);
	} else if (p->follows) {
		/* Without memory the old way stays; the next authentic packet asks again. */
		(void)!peer_set_way(d, p, by);
	} else {
		atomic_store_explicit(&p->heard_again, now + DEVICE_HEARD_EVERY, memory_order_relaxed);
		d->ops.heard(d->ops.ctx, p, by);
	}
}

void device_heard(struct device *d, struct peer *p, const struct way_to *by, ns_t now)
{
	if (!atomic_load_explicit(&p->dead, memory_order_relaxed)) {
		if (p->follows)
			(void)!device_peer_set_way(d, p, by, now);
		else
			peer_heard(d, p, by, now);
	}
	/* Last: until then a worker would only report the same again. */
	atomic_store_explicit(&p->heard_pending, false, memory_order_release);
}
