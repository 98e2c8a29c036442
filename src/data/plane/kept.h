/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The last messages that a worker sent to those to whom little goes: sealed, as they left, so that they can
 * leave once more when it turns out that their way was dead (plane_send_again). The other side's replay
 * window drops those that had arrived.
 *
 * Little, because what fills a line finds losses and repairs them itself, and a copy of it would cost: who
 * is sent more than KEPT_SHARE in KEPT_SPELL has nothing kept in that spell nor in the next. One per worker,
 * of a fixed size; the oldest go first. No locks.
 */
#ifndef TM_DATA_PLANE_KEPT_H
#define TM_DATA_PLANE_KEPT_H

#include "data/peer/peer.h"

enum { KEPT_BYTES = 256 << 10, KEPT_MESSAGES = 1024 };
enum { KEPT_HEADROOM = 16 }; /* before each, for a relay's header */
enum { KEPT_SHARE = 64 << 10 }; /* bytes */
#define KEPT_SPELL (100 * MS)

struct kept_message {
	const struct peer *peer; /* a name: it may be gone */
	ns_t at;
	uint32_t place;
	uint16_t n;
	uint8_t tos;
};

struct kept {
	unsigned first, n; /* of v, a ring */
	size_t end; /* of the newest, in bytes */
	struct kept_message v[KEPT_MESSAGES];
	uint8_t bytes[KEPT_BYTES];
};

NODISCARD int kept_new(struct kept **ret_kept);

/* So many bytes go to the peer now: is it one to whom little goes? */
static inline bool kept_is_little(struct peer *p, uint64_t bytes, ns_t now)
{
	const ns_t since = atomic_load_explicit(&p->spell_since, memory_order_relaxed);
	uint64_t sent = atomic_load_explicit(&p->spell_bytes, memory_order_relaxed);

	if (UNLIKELY(now - since >= KEPT_SPELL)) {
		atomic_store_explicit(&p->spell_since, now, memory_order_relaxed);
		atomic_store_explicit(&p->spell_much, now - since < 2 * KEPT_SPELL && sent > KEPT_SHARE,
			memory_order_relaxed);
		sent = 0;
	}
	sent += bytes;
	atomic_store_explicit(&p->spell_bytes, sent, memory_order_relaxed);
	return sent <= KEPT_SHARE && !atomic_load_explicit(&p->spell_much, memory_order_relaxed);
}
/* Copies it. One that is longer than any datagram is not kept. */
void kept_put(
	struct kept *k, const struct peer *peer, const uint8_t *message, size_t n, uint8_t tos, ns_t now);
/* The next message for the peer that left since then, the oldest first; *i is 0 at first. NULL: no more. */
const struct kept_message *kept_next(const struct kept *k, const struct peer *peer, ns_t since, unsigned *i);
/* Its bytes, with KEPT_HEADROOM before them; good until the next kept_put. */
static inline uint8_t *kept_bytes(struct kept *k, const struct kept_message *m)
{
	return k->bytes + m->place + KEPT_HEADROOM;
}

#endif
