/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/filter/flows.h"

#include "os/low/memory.h"

#include <stdatomic.h>

enum {
	PLACES = 8, /* of a bucket */
	/* 32-bit words of what is hashed: the key, and addresses behind it. */
	KEY_WORDS = 3,
	ROUTED_WORDS = KEY_WORDS + sizeof(struct flow_addr) / 4,
	/* Twice as much room when so many eighths are taken: two choices of eight places nearly always find
	 * one until far beyond that. */
	SHIFT_32NDS = 31,
	FULL_EIGHTHS = 7,
	MOVES_PER_ADDITION = 2, /* buckets */
	SWEEP_MOST = 64, /* buckets at once */
};
/* In which each bucket is looked at once. */
#define SWEEP_EVERY (16 * SEC)

/* A flow whose key is compressed fills an entry, one with addresses two. */
struct routed_flow {
	struct flow flow;
	struct flow_addr addr;
};
_Static_assert(sizeof(struct routed_flow) == 64, "a cache line");

struct table {
	uint32_t buckets;
	uint64_t *tags; /* a byte for each place of a bucket; 0: free */
	uint8_t *places;
};

struct flows {
	/* set once */
	bool routed;
	size_t size; /* of an entry */
	uint32_t most; /* buckets */
	uint64_t secret[2][1 + ROUTED_WORDS];
	/* moves */
	struct table now;
	struct table old; /* while it is being moved; buckets before `moved` are empty */
	uint32_t moved;
	_Atomic(uint32_t) count; /* read by others, too */
	uint32_t *held; /* by peer */
	uint32_t hand; /* the next bucket to be swept */
	ns_t swept, sweep_step; /* what has been swept, in time; what one bucket of it is */
	_Atomic(uint64_t) evicted; /* read by others, too */
};

/* --- memory --- */

static void table_deinit(struct table *t)
{
	free(t->tags);
	memory_aligned_free(t->places);
	*t = (struct table){0};
}

/* The system has memory ready for what is touched, not before. */
static int table_init(struct table *t, uint32_t buckets, size_t size)
{
	struct table made = {
		.buckets = buckets,
		.tags = calloc(buckets, sizeof(*made.tags)),
		.places = memory_aligned(64, (size_t)buckets * PLACES * size),
	};

	if (!made.tags || !made.places) {
		table_deinit(&made);
		return TM_ENOMEM;
	}
	*t = made;
	return TM_OK;
}

static void make_secret(struct flows *t, const struct siphash_key *key)
{
	uint32_t n = 0;

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < ARRAY_LEN(t->secret[k]); i++, n++)
			t->secret[k][i] = siphash(key, &n, sizeof(n));
}

int flows_new(const struct flows_config *cfg, struct flows **ret_t)
{
	_cleanup_(flows_freep) struct flows *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return TM_ENOMEM;

	t->routed = cfg->routed;
	t->size = cfg->routed ? sizeof(struct routed_flow) : sizeof(struct flow);
	t->most = cfg->most / PLACES + (cfg->most % PLACES || cfg->most < PLACES);
	make_secret(t, &cfg->key);
	t->held = calloc(FLOWS_PEERS, sizeof(*t->held));
	if (!t->held)
		return TM_ENOMEM;
	err = table_init(&t->now, MIN(t->most, (uint32_t)FLOWS_START / PLACES), t->size);
	if (err)
		return err;
	t->sweep_step = SWEEP_EVERY / t->now.buckets;

	*ret_t = TAKE(t);
	return TM_OK;
}

void flows_free(struct flows *t)
{
	if (!t)
		return;

	table_deinit(&t->now);
	table_deinit(&t->old);
	free(t->held);
	free(t);
}

/* --- where a flow is --- */

/*
 * One to one, so that nothing of the universality is lost; but the sums of flows whose ports follow each
 * other are evenly spaced, and two evenly spaced choices are hardly better than one. Appleby's, of
 * MurmurHash3.
 */
static inline uint32_t scatter(uint32_t h)
{
	h = (h ^ h >> 16) * 0x85ebca6bu;
	h = (h ^ h >> 13) * 0xc2b2ae35u;
	return h ^ h >> 16;
}

/* Of one choice of a bucket: the key, and n words of addresses. Written out, so that nothing of it goes
 * through memory. */
static inline uint32_t hash_of(
	const uint64_t *secret, const struct flow_key *k, const uint32_t *word, size_t n)
{
	uint64_t sum = secret[0] + secret[1] * k->hosts + secret[2] * k->ports +
		       secret[3] * (k->proto | (uint32_t)k->version << 8);

	for (size_t i = 0; i < n; i++)
		sum += secret[1 + KEY_WORDS + i] * word[i];
	return scatter((uint32_t)(sum >> 32)); /* the upper half is the universal one */
}

void flows_hash(const struct flows *t, struct flow_id *id)
{
	uint32_t word[ROUTED_WORDS - KEY_WORDS];
	size_t n = 0;

	if (UNLIKELY(t->routed)) {
		memcpy(word, &id->addr, sizeof(word));
		n = ARRAY_LEN(word);
	}
	id->hash[0] = hash_of(t->secret[0], &id->key, word, n);
	id->hash[1] = hash_of(t->secret[1], &id->key, word, n);
}

/* Scaled down, and not by the remainder: the number of buckets need not be a power of two. */
static inline uint32_t bucket_of(const struct table *t, const struct flow_id *id, unsigned choice)
{
	return (uint32_t)((uint64_t)id->hash[choice] * t->buckets >> 32);
}

/* Of bits that choose a bucket only in a table of 2^24 of them; never 0. */
static inline uint8_t tag_of(const struct flow_id *id)
{
	const uint8_t tag = (uint8_t)(id->hash[0] ^ id->hash[1]);

	return tag ? tag : 1;
}

/* The top bit of each byte of x that is 0, and no other. */
static inline uint64_t zero_bytes(uint64_t x)
{
	const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);

	return ~(((x & low) + low) | x | low);
}

static inline uint64_t places_with(uint64_t tags, uint8_t tag)
{
	return zero_bytes(tags ^ UINT64_C(0x0101010101010101) * tag);
}

static inline unsigned first_place(uint64_t found)
{
	return (unsigned)__builtin_ctzll(found) / 8;
}

static inline struct flow *at(const struct flows *t, const struct table *in, uint32_t bucket, unsigned place)
{
	return (struct flow *)(void *)(in->places + ((size_t)bucket * PLACES + place) * t->size);
}

static inline struct flow_addr *addr_of(struct flow *f)
{
	return &((struct routed_flow *)(void *)f)->addr;
}

static inline bool is_flow(const struct flows *t, struct flow *f, const struct flow_id *id)
{
	return flow_key_eq(&f->key, &id->key) &&
	       (!t->routed || memcmp(addr_of(f), &id->addr, sizeof(id->addr)) == 0);
}

static inline struct flow *find_in(const struct flows *t, const struct table *in, const struct flow_id *id)
{
	const uint8_t tag = tag_of(id);

	for (unsigned choice = 0; choice < 2; choice++) {
		const uint32_t bucket = bucket_of(in, id, choice);

		for (uint64_t found = places_with(in->tags[bucket], tag); found; found &= found - 1) {
			struct flow *f = at(t, in, bucket, first_place(found));

			if (LIKELY(is_flow(t, f, id)))
				return f;
		}
	}
	return NULL;
}

struct flow *flows_find(const struct flows *t, const struct flow_id *id, uint32_t tick)
{
	struct flow *f = find_in(t, &t->now, id);

	if (UNLIKELY(!f && t->old.buckets))
		f = find_in(t, &t->old, id);
	return f && !flow_is_over(f, tick) ? f : NULL;
}

void flows_fetch_tags(const struct flows *t, const struct flow_id *id)
{
	__builtin_prefetch(&t->now.tags[bucket_of(&t->now, id, 0)]);
	__builtin_prefetch(&t->now.tags[bucket_of(&t->now, id, 1)]);
}

void flows_fetch(const struct flows *t, const struct flow_id *id)
{
	const uint8_t tag = tag_of(id);

	for (unsigned choice = 0; choice < 2; choice++) {
		const uint32_t bucket = bucket_of(&t->now, id, choice);
		const uint64_t found = places_with(t->now.tags[bucket], tag);

		if (found)
			__builtin_prefetch(at(t, &t->now, bucket, first_place(found)), 1);
	}
}

/* --- coming and going --- */

static struct table *table_of(struct flows *t, const struct flow *f)
{
	const uintptr_t p = (uintptr_t)f, first = (uintptr_t)t->now.places;

	return p - first < (size_t)t->now.buckets * PLACES * t->size ? &t->now : &t->old;
}

/* One thread at a time writes it: no locked instruction needed. */
static void count_by(struct flows *t, int32_t more)
{
	const uint32_t n = atomic_load_explicit(&t->count, memory_order_relaxed);

	atomic_store_explicit(&t->count, n + (uint32_t)more, memory_order_relaxed);
}

static void release(struct flows *t, struct table *in, uint32_t bucket, unsigned place)
{
	const struct flow *f = at(t, in, bucket, place);

	in->tags[bucket] &= ~(UINT64_C(0xff) << 8 * place);
	t->held[f->peer]--;
	count_by(t, -1);
}

void flows_remove(struct flows *t, struct flow *f)
{
	struct table *in = table_of(t, f);
	const size_t n = (size_t)((uint8_t *)f - in->places) / t->size;

	release(t, in, (uint32_t)(n / PLACES), n % PLACES);
}

void flows_move(struct flows *t, struct flow *f, uint16_t peer)
{
	t->held[f->peer]--;
	t->held[peer]++;
	f->peer = peer;
}

/* A place of a flow in table `now`. */
struct place {
	uint32_t bucket;
	unsigned n;
};

static bool free_place(const struct flows *t, const struct flow_id *id, struct place *ret_place)
{
	const uint32_t a = bucket_of(&t->now, id, 0), b = bucket_of(&t->now, id, 1);
	const uint64_t free_a = places_with(t->now.tags[a], 0), free_b = places_with(t->now.tags[b], 0);
	const bool take_b = __builtin_popcountll(free_b) > __builtin_popcountll(free_a);
	const uint64_t found = take_b ? free_b : free_a;

	if (!found)
		return false;

	*ret_place = (struct place){.bucket = take_b ? b : a, .n = first_place(found)};
	return true;
}

static struct flow *take_place(struct flows *t, const struct flow_id *id, struct place p, uint16_t peer)
{
	t->now.tags[p.bucket] |= (uint64_t)tag_of(id) << 8 * p.n;
	t->held[peer]++;
	count_by(t, 1);
	return at(t, &t->now, p.bucket, p.n);
}

static void name_again(const struct flows *t, struct flow *f, struct flow_id *ret_id)
{
	ret_id->key = f->key;
	ret_id->routed = t->routed;
	if (t->routed)
		ret_id->addr = *addr_of(f);
	flows_hash(t, ret_id);
}

/* Somebody there who could be in another bucket goes there. Not where nearly all are full: the search would
 * be in vain, and dear while somebody floods us. */
static bool shift_place(struct flows *t, const struct flow_id *id, struct place *ret_place)
{
	if (flows_count(t) >= (uint64_t)t->now.buckets * PLACES * SHIFT_32NDS / 32)
		return false;

	for (unsigned i = 0; i < 2 * PLACES; i++) {
		const struct place p = {.bucket = bucket_of(&t->now, id, i / PLACES), .n = i % PLACES};
		struct flow *f = at(t, &t->now, p.bucket, p.n);
		struct flow_id other;
		struct place to;

		name_again(t, f, &other);
		if (!free_place(t, &other, &to))
			continue;
		memcpy(take_place(t, &other, to, f->peer), f, t->size);
		release(t, &t->now, p.bucket, p.n);
		*ret_place = p;
		return true;
	}
	return false;
}

/* Whether x is rather to be lost than y. */
static bool loses_before(const struct flows *t, const struct flow *x, const struct flow *y)
{
	const uint32_t held_x = t->held[x->peer], held_y = t->held[y->peer];

	return held_x != held_y ? held_x > held_y : (int32_t)(x->until - y->until) < 0;
}

/* All places of the flow are taken: one that is over, or that may be lost for one of this peer's. */
static bool make_place(
	struct flows *t, const struct flow_id *id, uint16_t peer, uint32_t tick, struct place *ret_place)
{
	struct place worst = {0}, own = {0};
	const struct flow *loser = NULL, *of_own = NULL;

	for (unsigned i = 0; i < 2 * PLACES; i++) {
		const struct place p = {.bucket = bucket_of(&t->now, id, i / PLACES), .n = i % PLACES};
		const struct flow *f = at(t, &t->now, p.bucket, p.n);

		if (flow_is_over(f, tick)) {
			release(t, &t->now, p.bucket, p.n);
			*ret_place = p;
			return true;
		}
		if (!loser || loses_before(t, f, loser)) {
			loser = f;
			worst = p;
		}
		if (f->peer == peer && (!of_own || loses_before(t, f, of_own))) {
			of_own = f;
			own = p;
		}
	}
	if (t->held[loser->peer] <= t->held[peer]) {
		if (!of_own)
			return false;
		worst = own;
	}
	release(t, &t->now, worst.bucket, worst.n);
	atomic_store_explicit(&t->evicted, flows_evicted(t) + 1, memory_order_relaxed);
	*ret_place = worst;
	return true;
}

static bool find_place(
	struct flows *t, const struct flow_id *id, uint16_t peer, uint32_t tick, struct place *ret_place)
{
	return free_place(t, id, ret_place) || shift_place(t, id, ret_place) ||
	       make_place(t, id, peer, tick, ret_place);
}

/* --- growing --- */

/* Who is in the old table comes into the new one as a new flow does. */
static void move_flow(struct flows *t, struct flow *f, uint32_t tick)
{
	struct flow_id id;
	struct place p;

	name_again(t, f, &id);
	if (find_place(t, &id, f->peer, tick, &p))
		memcpy(take_place(t, &id, p, f->peer), f, t->size);
}

static void move_bucket(struct flows *t, uint32_t tick)
{
	const uint32_t bucket = t->moved++;

	for (uint64_t taken = ~places_with(t->old.tags[bucket], 0) & UINT64_C(0x8080808080808080); taken;
		taken &= taken - 1) {
		struct flow *f = at(t, &t->old, bucket, first_place(taken));

		release(t, &t->old, bucket, first_place(taken));
		if (!flow_is_over(f, tick))
			move_flow(t, f, tick);
	}
	if (t->moved == t->old.buckets)
		table_deinit(&t->old);
}

static void move_some(struct flows *t, uint32_t tick, unsigned buckets)
{
	for (unsigned i = 0; i < buckets && t->old.buckets; i++)
		move_bucket(t, tick);
}

/* Without memory for it the table stays as it is, and the next one who comes tries again. */
static void grow(struct flows *t)
{
	const uint64_t places = (uint64_t)t->now.buckets * PLACES;
	struct table twice;

	if (t->old.buckets || t->now.buckets >= t->most ||
		flows_count(t) * UINT64_C(8) < places * FULL_EIGHTHS)
		return;
	if (table_init(&twice, MIN(2 * t->now.buckets, t->most), t->size) != TM_OK)
		return;

	t->old = t->now;
	t->now = twice;
	t->moved = 0;
	t->hand = 0;
	t->sweep_step = SWEEP_EVERY / t->now.buckets;
}

struct flow *flows_add(struct flows *t, const struct flow_id *id, uint16_t peer, uint32_t tick)
{
	struct place p;
	struct flow *f = find_in(t, &t->now, id);

	/* Its former life is over. */
	if (!f && t->old.buckets)
		f = find_in(t, &t->old, id);
	if (f)
		flows_remove(t, f);
	grow(t);
	move_some(t, tick, MOVES_PER_ADDITION);
	if (!find_place(t, id, peer, tick, &p))
		return NULL;

	f = take_place(t, id, p, peer);
	*f = (struct flow){.key = id->key, .peer = peer, .until = tick};
	if (t->routed)
		*addr_of(f) = id->addr;
	return f;
}

/* --- what is over --- */

static void sweep_bucket(struct flows *t, uint32_t bucket, uint32_t tick)
{
	for (uint64_t taken = ~places_with(t->now.tags[bucket], 0) & UINT64_C(0x8080808080808080); taken;
		taken &= taken - 1) {
		const unsigned place = first_place(taken);

		if (flow_is_over(at(t, &t->now, bucket, place), tick))
			release(t, &t->now, bucket, place);
	}
}

void flows_sweep(struct flows *t, ns_t now)
{
	const uint32_t tick = flow_tick(now);
	unsigned n = 0;

	for (; t->swept + t->sweep_step <= now && n < SWEEP_MOST; n++, t->swept += t->sweep_step) {
		t->hand = t->hand + 1 < t->now.buckets ? t->hand + 1 : 0;
		sweep_bucket(t, t->hand, tick);
	}
	if (n == SWEEP_MOST)
		t->swept = now; /* after a long silence */
	move_some(t, tick, n);
}

/* --- figures --- */

uint32_t flows_count(const struct flows *t)
{
	return atomic_load_explicit(&t->count, memory_order_relaxed);
}

uint32_t flows_count_of(const struct flows *t, uint16_t peer)
{
	return t->held[peer];
}

uint32_t flows_room(const struct flows *t)
{
	return t->now.buckets * PLACES;
}

uint32_t flows_most(const struct flows *t)
{
	return t->most * PLACES;
}

uint64_t flows_evicted(const struct flows *t)
{
	return atomic_load_explicit(&t->evicted, memory_order_relaxed);
}

size_t flows_bytes(const struct flows *t)
{
	return ((size_t)t->now.buckets + t->old.buckets) * (PLACES * t->size + sizeof(*t->now.tags));
}
