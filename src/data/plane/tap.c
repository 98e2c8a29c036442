/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/tap.h"

#include "base/spin.h"
#include "os/low/bell.h"

#include <string.h>

_Static_assert((TAP_BYTES & (TAP_BYTES - 1)) == 0, "places are found by a mask");

/* Before each packet in the ring; both counted from the beginning of time. */
struct head {
	ns_t at;
	uint64_t lost; /* in all, until it came */
	uint32_t n, kept;
	uint8_t dropped;
	bool out;
};

struct tap {
	/* set once */
	uint8_t key[32];
	uint32_t keep;
	uint8_t *ring;
	struct bell bell;
	/* whoever puts */
	struct spin lock; /* for `lost` and what is written up to `end` */
	_Atomic(uint64_t) lost;
	_Atomic(size_t) end; /* published when a packet is whole */
	_Atomic(bool) woken;
	/* control thread */
	_Atomic(size_t) begin;
	uint64_t lost_told;
	struct epoch_retired retired;
};

int tap_new(const uint8_t key[static 32], uint32_t keep, struct tap **ret_tap)
{
	struct tap *t = calloc(1, sizeof(*t));

	if (!t)
		return TM_ENOMEM;

	t->bell = BELL_NONE;
	memcpy(t->key, key, sizeof(t->key));
	t->keep = MIN(keep, (uint32_t)TAP_PACKET_MAX);
	t->ring = malloc(TAP_BYTES);
	int err = t->ring ? tm_err_from_errno(bell_init(&t->bell)) : TM_ENOMEM;
	if (err) {
		tap_free(t);
		return err;
	}
	*ret_tap = t;
	return TM_OK;
}

void tap_free(void *tap)
{
	struct tap *t = tap;

	if (!t)
		return;
	bell_deinit(&t->bell);
	free(t->ring);
	free(t);
}

struct epoch_retired *tap_retired(struct tap *t)
{
	return &t->retired;
}

bool tap_is_about(const struct tap *t, const uint8_t key[static 32])
{
	return memcmp(t->key, key, sizeof(t->key)) == 0;
}

/* Places count on; the ring wraps. */
static void ring_write(struct tap *t, size_t at, const void *p, size_t n)
{
	const size_t from = at & (TAP_BYTES - 1), first = MIN(n, TAP_BYTES - from);

	memcpy(t->ring + from, p, first);
	memcpy(t->ring, (const uint8_t *)p + first, n - first);
}

static void ring_read(const struct tap *t, size_t at, void *out, size_t n)
{
	const size_t from = at & (TAP_BYTES - 1), first = MIN(n, TAP_BYTES - from);

	memcpy(out, t->ring + from, first);
	memcpy((uint8_t *)out + first, t->ring, n - first);
}

static bool put_locked(struct tap *t, struct head *h, const uint8_t *p)
{
	const size_t end = atomic_load_explicit(&t->end, memory_order_relaxed);
	const size_t used = end - atomic_load_explicit(&t->begin, memory_order_acquire);
	const uint64_t lost = atomic_load_explicit(&t->lost, memory_order_relaxed);

	if (TAP_BYTES - used < sizeof(*h) + h->kept) {
		atomic_store_explicit(&t->lost, lost + 1, memory_order_relaxed);
		return false;
	}
	h->lost = lost;
	ring_write(t, end, h, sizeof(*h));
	ring_write(t, end + sizeof(*h), p, h->kept);
	atomic_store_explicit(&t->end, end + sizeof(*h) + h->kept, memory_order_release);
	return true;
}

void tap_put(struct tap *t, const struct tap_packet *packet)
{
	struct head h = {.at = packet->at,
		.n = packet->n,
		.kept = MIN(packet->n, t->keep),
		.dropped = (uint8_t)packet->dropped,
		.out = packet->out};

	spin_lock(&t->lock);
	const bool is_in = put_locked(t, &h, packet->p);
	spin_unlock(&t->lock);
	/* Sequentially consistent: the control thread clears `woken` before it looks. */
	if (is_in && !atomic_exchange(&t->woken, true))
		bell_ring(&t->bell);
}

int tap_fd(const struct tap *t)
{
	return bell_fd(&t->bell);
}

void tap_acknowledge(struct tap *t)
{
	bell_stop(&t->bell);
	atomic_exchange(&t->woken, false);
}

bool tap_take(struct tap *t, uint8_t *buf, struct tap_packet *ret_packet)
{
	const size_t begin = atomic_load_explicit(&t->begin, memory_order_relaxed);
	struct head h;

	if (begin == atomic_load_explicit(&t->end, memory_order_acquire))
		return false;

	ring_read(t, begin, &h, sizeof(h));
	ring_read(t, begin + sizeof(h), buf, h.kept);
	atomic_store_explicit(&t->begin, begin + sizeof(h) + h.kept, memory_order_release);
	*ret_packet = (struct tap_packet){.at = h.at,
		.out = h.out,
		.dropped = h.dropped,
		.n = h.n,
		.kept = h.kept,
		.lost = h.lost - t->lost_told,
		.p = buf};
	t->lost_told = h.lost;
	return true;
}

uint64_t tap_lost(const struct tap *t)
{
	return atomic_load_explicit(&t->lost, memory_order_relaxed);
}
