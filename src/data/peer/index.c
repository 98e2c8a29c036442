/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Open addressing over atomic slots. An index is random already, so its low bits are the hash. Readers probe
 * until an empty slot; removal leaves a tombstone that a later insertion may reuse, so a reader compares the
 * keypair's own index before it believes a slot. A table three quarters full (tombstones included) is
 * replaced by a rebuilt one; readers still inside the old one see it as it was, and its memory goes once the
 * caller's epoch says that they left.
 */
#include "data/peer/index.h"

#include "base/bytes.h"
#include "data/peer/keypair.h"

#include <stdatomic.h>

enum { SLOTS_MIN = 64 };

#define KEY_EMPTY UINT64_C(0)
#define KEY_TOMB (UINT64_C(1) << 33)
#define KEY_OF(index) (UINT64_C(1) << 32 | (index))

struct slot {
	_Atomic(uint64_t) key;
	_Atomic(struct keypair *) kp;
	struct peer *owner; /* control thread */
};

struct slots {
	struct slots *next_old; /* control thread */
	uint64_t retired_at;
	uint32_t mask;
	uint32_t used; /* control thread: live and tombstones */
	struct slot slot[];
};

struct index_table {
	_Atomic(struct slots *) slots;
	/* control thread */
	unsigned lanes;
	size_t live;
	struct slots *old;
	uint64_t (*epoch_now)(void *ctx);
	void *epoch_ctx;
};

static struct slots *slots_new(uint32_t n)
{
	struct slots *s = calloc(1, sizeof(*s) + n * sizeof(struct slot));

	if (s)
		s->mask = n - 1;
	return s;
}

int index_table_new(struct index_table **ret_table)
{
	struct index_table *t = calloc(1, sizeof(*t));
	struct slots *s = slots_new(SLOTS_MIN);

	if (!t || !s) {
		free(t);
		free(s);
		return TM_ENOMEM;
	}
	atomic_store_explicit(&t->slots, s, memory_order_release);
	*ret_table = t;
	return TM_OK;
}

void index_table_free(struct index_table *t)
{
	if (!t)
		return;

	index_collect(t, UINT64_MAX);
	free(atomic_load_explicit(&t->slots, memory_order_relaxed));
	free(t);
}

void index_set_epoch(struct index_table *t, uint64_t (*epoch_now)(void *ctx), void *ctx)
{
	t->epoch_now = epoch_now;
	t->epoch_ctx = ctx;
}

size_t index_collect(struct index_table *t, uint64_t safe_before)
{
	struct slots **at = &t->old;
	size_t waiting = 0;

	while (*at) {
		struct slots *s = *at;

		if (s->retired_at < safe_before) {
			*at = s->next_old;
			free(s);
		} else {
			at = &s->next_old;
			waiting++;
		}
	}
	return waiting;
}

/* The slot that holds the index, or NULL. */
static struct slot *slot_find(struct slots *s, uint32_t index)
{
	/* The table always has empty slots, so the probe ends. */
	for (uint32_t i = index & s->mask;; i = (i + 1) & s->mask) {
		struct slot *slot = &s->slot[i];
		uint64_t key = atomic_load_explicit(&slot->key, memory_order_acquire);

		if (key == KEY_OF(index))
			return slot;
		if (key == KEY_EMPTY)
			return NULL;
	}
}

/* Control thread: the index is not in the table, which has room. The key is published last. */
static void slot_insert(struct slots *s, uint32_t index, struct peer *owner, struct keypair *kp)
{
	for (uint32_t i = index & s->mask;; i = (i + 1) & s->mask) {
		struct slot *slot = &s->slot[i];
		uint64_t key = atomic_load_explicit(&slot->key, memory_order_relaxed);

		if (key != KEY_EMPTY && key != KEY_TOMB)
			continue;

		if (key == KEY_EMPTY)
			s->used++;
		slot->owner = owner;
		atomic_store_explicit(&slot->kp, kp, memory_order_release);
		atomic_store_explicit(&slot->key, KEY_OF(index), memory_order_release);
		return;
	}
}

static struct slots *current(const struct index_table *t)
{
	return atomic_load_explicit(&t->slots, memory_order_acquire);
}

static int rebuild(struct index_table *t)
{
	struct slots *old = current(t), *fresh;
	uint32_t n = SLOTS_MIN;

	while (n / 2 < t->live + 1) /* at most half full afterwards */
		n *= 2;
	fresh = slots_new(n);
	if (!fresh)
		return TM_ENOMEM;

	for (uint32_t i = 0; i <= old->mask; i++) {
		struct slot *slot = &old->slot[i];
		uint64_t key = atomic_load_explicit(&slot->key, memory_order_relaxed);

		if (key != KEY_EMPTY && key != KEY_TOMB)
			slot_insert(fresh, (uint32_t)key, slot->owner,
				atomic_load_explicit(&slot->kp, memory_order_relaxed));
	}
	atomic_store_explicit(&t->slots, fresh, memory_order_release);
	if (!t->epoch_now) {
		free(old);
		return TM_OK;
	}
	old->retired_at = t->epoch_now(t->epoch_ctx);
	old->next_old = t->old;
	t->old = old;
	return TM_OK;
}

void index_set_lanes(struct index_table *t, unsigned lanes)
{
	t->lanes = lanes;
}

/* The nearest number whose top byte names the lane. */
static uint32_t into_lane(uint32_t index, unsigned lane, unsigned lanes)
{
	unsigned top = index >> 24;

	if (lanes > 1)
		top = top - top % lanes + lane;
	if (top > UINT8_MAX)
		top -= lanes;
	return (index & 0xffffff) | (uint32_t)top << 24;
}

int index_reserve(struct index_table *t, struct peer *owner, unsigned lane,
	void (*entropy)(void *ctx, void *out, size_t n), void *ctx, uint32_t *ret_index)
{
	struct slots *s = current(t);
	uint8_t random[4];
	uint32_t index;

	if ((uint64_t)s->used + 1 > (uint64_t)(s->mask + 1) / 4 * 3) {
		int err = rebuild(t);

		if (err < 0)
			return err;
		s = current(t);
	}

	do {
		entropy(ctx, random, sizeof(random));
		index = into_lane(get_le32(random), lane, t->lanes);
	} while (slot_find(s, index));
	slot_insert(s, index, owner, NULL);
	t->live++;
	*ret_index = index;
	return TM_OK;
}

void index_bind(struct index_table *t, uint32_t index, struct keypair *kp)
{
	struct slot *slot = slot_find(current(t), index);

	if (slot)
		atomic_store_explicit(&slot->kp, kp, memory_order_release);
}

void index_release(struct index_table *t, uint32_t index)
{
	struct slot *slot = slot_find(current(t), index);

	if (!slot)
		return;

	atomic_store_explicit(&slot->key, KEY_TOMB, memory_order_release);
	atomic_store_explicit(&slot->kp, NULL, memory_order_release);
	slot->owner = NULL;
	t->live--;
}

struct peer *index_owner(const struct index_table *t, uint32_t index)
{
	const struct slot *slot = slot_find(current(t), index);

	return slot ? slot->owner : NULL;
}

bool index_known(const struct index_table *t, uint32_t index)
{
	return slot_find(current(t), index) != NULL;
}

struct keypair *index_find(const struct index_table *t, uint32_t index)
{
	const struct slot *slot = slot_find(current(t), index);
	struct keypair *kp = slot ? atomic_load_explicit(&slot->kp, memory_order_acquire) : NULL;

	/* The slot may have been given to another index meanwhile. */
	return kp && kp->local_index == index ? kp : NULL;
}
