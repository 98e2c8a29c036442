/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What one thread sends, and by which way. Datagrams wait in the order in which they were pushed, whether
 * somebody sealed them or they need none, and leave together: out_flush hands each stretch of them that
 * leaves by the same socket to the kernel at once, where those with one destination become trains (os/udp.h).
 * What leaves through a relay gets its header (wire/relay.h) here, in the room before it.
 *
 * Each thread has its own; nothing here allocates, locks or copies what is sent. The sockets are borrowed and
 * may be shared with other threads, and the ways must stay until out_flush.
 */
#ifndef TM_DATA_LINK_OUT_H
#define TM_DATA_LINK_OUT_H

#include "data/link/sockets.h"
#include "data/link/way.h"
#include "os/udp.h"
#include "wire/relay.h"

enum { OUT_MAX = UDP_SEND_MAX };

/* Sends n datagrams that leave by one way of kind WAY_RELAY_TCP, with the relay's header before each if there
 * is one, and sets err in them. They are copied. */
typedef void out_stream_fn(void *ctx, const struct way_to *by, struct datagram *v, size_t n);

struct out {
	/* set once */
	struct udp *own; /* number 0 */
	const struct sockets *others; /* NULL: none */
	out_stream_fn *stream; /* NULL: there are none */
	void *stream_ctx;
	/* the thread's own */
	size_t n; /* that wait */
	size_t room; /* OUT_MAX; 1 while out_flush tells of failures, which it does from the same memory */
	struct datagram dg[OUT_MAX]; /* with err set: refused before it was sent */
	uint32_t tag[OUT_MAX]; /* the caller's word for it */
	const struct way *way[OUT_MAX];
};

void out_init(struct out *o, struct udp *own, const struct sockets *others);

static inline bool out_full(const struct out *o)
{
	return o->n == o->room;
}

/* Is there room for two more, at least after a flush? */
static inline bool out_takes_two(const struct out *o)
{
	return o->room >= 2;
}

/*
 * n bytes at data, where they stay until out_flush; way->headroom bytes before them are ours to write. `tag`
 * tells the caller which one it was, should it fail. Not when out_full.
 */
static inline void out_push(
	struct out *o, const struct way *way, uint8_t *data, size_t n, uint8_t tos, uint32_t tag)
{
	const size_t i = o->n++, head = way->to.relay ? RELAY_HEADER : 0;

	if (UNLIKELY(head))
		relay_put(data - head, way->to.relay);
	o->dg[i] = (struct datagram){
		.data = data - head,
		.n = n + head,
		.remote = way->to.remote,
		.local = way->to.local,
		.local_ifindex = way->to.local_ifindex,
		.tos = tos,
		.err = n > way->payload_max ? TM_ERANGE : TM_OK,
	};
	o->tag[i] = tag;
	o->way[i] = way;
}

/*
 * A train (or with segment 0 one datagram) that somebody else made and that we only hand on: n bytes which
 * leave as they are, by a way without a relay, or not at all. Nothing of ours waits for them.
 */
static inline void out_push_train(struct out *o, const struct way *way, uint8_t *data, size_t n,
	uint16_t segment, uint8_t tos, uint32_t tag)
{
	const size_t i = o->n;

	out_push(o, way, data, n, tos, tag);
	o->dg[i].segment = segment;
	o->dg[i].no_wait = true;
}

/*
 * A datagram that did not leave (dg->err), or only without the source address that its way asked for
 * (dg->local_refused), as it was pushed. `by` leads where it was to go. The call may push and flush, after it
 * is done with dg.
 */
typedef void out_failed_fn(void *ctx, uint32_t tag, const struct way_to *by, const struct datagram *dg);
/* Sends all that waits and tells of what failed, when nothing waits any more. */
void out_flush(struct out *o, out_failed_fn *failed, void *ctx);
/* Nothing of what waits leaves; returns how many those were. */
size_t out_discard(struct out *o);

/*
 * At once, past whatever waits: a datagram of a kind that comes singly. dg needs data, n and tos;
 * `fragmented`: the network may cut it. Returns dg->err; dg->local_refused as above. Needs no headroom: what
 * a relay's header goes before is copied. Slow for those.
 */
NODISCARD int out_now(struct out *o, const struct way_to *by, struct datagram *dg, bool fragmented);

/* The longest message that is known to pass; 0 = unknown. Slow. */
size_t out_payload(const struct out *o, const struct way_to *by);
/* enum udp_offload: what the kernel does for our own socket. */
unsigned out_offloads(const struct out *o);

#endif
