/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A worker's half of the streams (data/plane/stream.h). A stream has one worker, its owner: it alone reads
 * and writes it. Any thread finds a stream by its number and sends by it: the owner at once, the others
 * through a bounded ring in front of the owner. The control thread puts streams into the table and takes them
 * out, and frees them through the epoch; a worker that finds one broken only says so. The owner changes when
 * two streams have much to say to each other (mates.h).
 */
#ifndef TM_DATA_PLANE_STREAMING_H
#define TM_DATA_PLANE_STREAMING_H

#include "data/plane/frame.h"
#include "data/plane/stream.h"
#include "data/plane/worker.h"

struct stream {
	struct guest guest;
	/* set once */
	uint32_t number;
	struct plane_stream is; /* without `early` */
	struct epoch_retired retired;
	_Atomic(struct worker *) owner; /* written by the one that it was */
	/* the owner's */
	uint8_t *early;
	size_t n_early;
	struct ws_decoder in;
	struct frame *writing; /* begun, so it has to end */
	struct frames queue;
	ns_t acks; /* until then those that it has asked for are accounted for */
	bool owes_ack;
	ns_t speaks_at; /* what waits for company leaves then; 0: nothing does */
	bool is_listed; /* in w->owed of its owner, for one of these two */
	bool blocked; /* waits until it may write; at first, if it has `early`, which is then looked at */
	struct {
		uint64_t pair;
		unsigned lead, seen;
	} most; /* mates.h */
	struct worker *heir; /* its owner after this burst; NULL: it stays */
	struct stream *next_moving;
	_Atomic(uint64_t) mates; /* the pair that most of what comes is of; 0: none stands out */
	/* the control thread's */
	struct worker *home; /* its owner, or who will be */
	bool moving;
	/* the owner's, then the control thread's */
	bool broken;
	int err;
	struct stream *next_broken;
};

struct streams {
	uint32_t last; /* control thread */
	struct epoch_retired retired;
	_Atomic(struct stream *) broken, moved; /* pushed by owners, taken by the control thread */
	struct frame_pool pool;
	_Atomic(struct stream *) slot[PLANE_STREAMS_MAX]; /* by number modulo PLANE_STREAMS_MAX */
};

void streams_free(struct streams *all); /* after all frames; NULL is fine */

static inline struct stream *streams_find(const struct streams *s, uint32_t number)
{
	struct stream *st =
		s ? atomic_load_explicit(&s->slot[number % PLANE_STREAMS_MAX], memory_order_acquire) : NULL;

	return st && st->number == number ? st : NULL;
}

static inline struct worker *stream_owner(const struct stream *s)
{
	return atomic_load_explicit(&s->owner, memory_order_acquire);
}

/* NULL: there is no stream. */
static inline struct frame_pool *worker_frame_pool(const struct worker *w)
{
	struct streams *all = atomic_load_explicit(w->env->streams, memory_order_acquire);

	return all ? &all->pool : NULL;
}

/* What a worker that owns streams reads into and builds in; made by the control thread before the first. */
enum { STREAM_READ_BYTES = 64 << 10, STREAM_SLOT_BYTES = 128 << 10 };
struct stream_memory {
	uint8_t in[STREAM_READ_BYTES];
	uint8_t slot[STREAM_SLOT_BYTES];
};

/* What waits for the owner: a frame for a stream of its, or the stream is to go to another. */
struct parcel {
	uint32_t stream;
	struct frame *frame; /* NULL: */
	struct worker *heir;
};
enum { PARCELS_MAX = 256, PARCELS_URGENT_MAX = 64 };

/* The post of a worker: where other threads leave parcels. */
NODISCARD int worker_open_post(struct worker *w);
void worker_close_post(struct worker *w);
/* Any thread; what a parcel refers to is the owner's if there was room. */
NODISCARD bool worker_post(struct worker *owner, const struct parcel *p);
/* w: as many as there are, PARCELS_MAX at most. */
unsigned worker_take_parcels(struct worker *w);

/*
 * Any thread, w its own. TM_ENOENT: no such stream; TM_EFULL: its owner's post is full; TM_ENOMEM: no frame.
 * What a queue drops later is counted by the owner.
 */
NODISCARD int stream_send(struct worker *w, uint32_t stream, struct frame *f_take);

/* out_stream_fn: datagrams that leave by a stream. */
void stream_send_datagrams(void *worker, const struct way_to *by, struct datagram *v, size_t n);
/* guest.burst */
bool stream_burst(struct worker *w, struct guest *g, unsigned what);
/* As much of what waits as the stream takes. */
void stream_write(struct worker *w, struct stream *s);
void stream_free(void *stream); /* struct stream *, for the epoch; the control thread */

#endif
