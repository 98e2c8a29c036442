/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Frames (wire/relay.h) on their way into a stream, and the short queue in front of it. A stream delivers
 * everything in order, late if it must; what waits in front of it for long is not wanted any more when it
 * arrives, and makes the connections inside the tunnel believe that the path is long. So little waits, not
 * for long, and the oldest goes first; what can be marked instead is marked before that (RFC 3168).
 * Handshakes and checks pass all that waits.
 *
 * Several members may send to the one at its end. Each has his own part of the queue (two share one by
 * chance), they leave in turn, by bytes, and who has most there loses when it is full. Memory: a frame each,
 * from whoever makes it to the one worker that writes it. One thread at a time.
 */
#ifndef TM_DATA_PLANE_FRAME_H
#define TM_DATA_PLANE_FRAME_H

#include "base/time.h"
#include "wire/relay.h"
#include "wire/ws.h"

#include <stdatomic.h>

struct frame {
	struct frame *next;
	ns_t since; /* in a queue */
	bool urgent, wrapped;
	bool patient; /* nobody waits for it so much that it could not wait for company */
	uint8_t flow; /* its part of a queue */
	unsigned packets; /* messages in it */
	size_t at, end; /* what is to be written of bytes */
	struct frame_pool *home; /* where its memory goes; NULL: free */
	uint8_t bytes[]; /* WS_HEADER_MAX of room, the message */
};

/*
 * Memory for frames as long as they may be, kept for the next ones: what comes by a stream is read into it
 * and leaves from it. Frames come and go faster than malloc likes to give memory of that size back to the
 * system and to fetch it again, a page fault per page. Any thread.
 */
enum {
	FRAME_POOL_MAX = 16,
	/* Shorter ones have memory of their own length: malloc keeps such itself, and what waits would hold
	 * many times what it is. */
	FRAME_LONG_BYTES = RELAY_FRAME_MAX / 4,
};
struct frame_pool {
	_Atomic(void *) slot[FRAME_POOL_MAX]; /* all zero: empty */
};
/* Before a message that becomes a frame where it lies. */
enum { FRAME_HEADROOM = offsetof(struct frame, bytes) + WS_HEADER_MAX };
/* From malloc, FRAME_HEADROOM + RELAY_FRAME_MAX bytes; NULL: there is no memory. */
void *frame_pool_take(struct frame_pool *pool);
void frame_pool_give(struct frame_pool *pool, void *memory_take);
void frame_pool_deinit(struct frame_pool *pool); /* after all frames that have it for a home */

/* Some messages of one size (the last may be shorter), `skip` bytes of other use before each. */
struct frame_source {
	const uint8_t *p;
	size_t n, step, skip; /* skip < step */
	uint64_t pair;
	uint8_t tos;
	struct frame_pool *pool; /* for long ones; NULL: none */
};

/* A whole message of n bytes, a frame already, of `packets` messages: it lies behind FRAME_HEADROOM bytes of
 * memory that goes home to `home`, or is freed. */
struct frame *frame_in(void *memory_take, size_t n, unsigned packets, struct frame_pool *home);
/* NULL: no memory, or more than a frame holds. */
struct frame *frame_of(const struct frame_source *src);
struct frame *frame_of_stun(const uint8_t *msg, size_t n);
/* A ping's answer; its payload is at most WS_CONTROL_MAX. */
struct frame *frame_of_pong(const uint8_t *payload, size_t n, const uint8_t *mask);
void frame_free(struct frame *f); /* NULL is fine */
/* Makes it a message of a WebSocket, unless it is one, masked under `mask` if there is one. */
void frame_wrap(struct frame *f, const uint8_t *mask);
/* A second one behind the first, to be written at once: both wrapped, short, and nothing of them written. It
 * stays the caller's. TM_ENOMEM: nothing was changed. */
NODISCARD int frame_append(struct frame **f, const struct frame *second);

#define FRAMES_WAIT_MAX (20 * MS)
/* Long enough for a burst to pass, and soon enough for its sender to do something about it. */
#define FRAMES_MARK_AFTER (10 * MS)
/*
 * Whoever sends can make what it sends look urgent. So only what is short passes, and not for ever: after so
 * many bytes of it one of those that wait goes.
 */
enum {
	FRAMES_BYTES_MAX = 64 << 10,
	FRAMES_LONE_BYTES_MAX = 2 * FRAMES_BYTES_MAX, /* with such that are all that their sender has there */
	FRAMES_URGENT_MAX = 32,
	FRAME_URGENT_BYTES = 4096,
	FRAMES_PASS_BYTES = 8192
};

enum { FRAMES_FLOWS = 8 };
struct frames_flow {
	struct frame *first, *last;
	size_t bytes;
	uint64_t turn; /* bytes that left, counted on from the others' when it begins to wait */
};

struct frames {
	struct frames_flow flow[FRAMES_FLOWS];
	struct frame *urgent, *last_urgent;
	size_t bytes; /* of those that are not urgent */
	uint64_t turn; /* of the one that left last */
	size_t passed; /* bytes of urgent ones that left while others waited, since one of those did */
	unsigned n_urgent;
};

void frames_deinit(struct frames *q);
/* Takes f. Returns the packets that were dropped to make room. */
unsigned frames_put(struct frames *q, struct frame *f_take, ns_t now);
/* The next to be written, which is the caller's; NULL: there is none, or it has more than `most` bytes. Adds
 * to *dropped the packets that waited too long. */
struct frame *frames_take(struct frames *q, ns_t now, size_t most, unsigned *dropped);
static inline bool frames_any(const struct frames *q)
{
	return q->bytes || q->urgent;
}

#endif
