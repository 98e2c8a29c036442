/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What one thread sends, and by which way. Datagrams wait in the order in which they were pushed, whether
 * somebody sealed them or they need none, and leave together: out_flush hands each stretch of them that
 * leaves by the same socket to the kernel at once, where those with one destination become trains (os/udp.h).
 *
 * Each thread has its own; nothing here allocates, locks or copies what is sent. The sockets are borrowed and
 * may be shared with other threads.
 */
#ifndef TM_DATA_LINK_OUT_H
#define TM_DATA_LINK_OUT_H

#include "data/link/way.h"
#include "os/udp.h"

enum { OUT_MAX = UDP_SEND_MAX, OUT_SOCKETS_MAX = 8 };

struct out {
	/* set once */
	struct udp *socket[OUT_SOCKETS_MAX];
	unsigned n_sockets;
	/* the thread's own */
	size_t n; /* that wait */
	size_t room; /* OUT_MAX; 1 while out_flush tells of failures, which it does from the same memory */
	struct datagram dg[OUT_MAX]; /* with err set: refused before it was sent */
	uint32_t tag[OUT_MAX]; /* the caller's word for it */
	uint8_t socket_of[OUT_MAX];
};

void out_init(struct out *o, struct udp *first);
/* For ways whose `socket` is the number of those added before it. TM_EFULL: there are OUT_SOCKETS_MAX. */
NODISCARD int out_add_socket(struct out *o, struct udp *u);

/* TM_OK, or why nothing (or nothing of n bytes) can leave so. */
static inline int out_refusal(const struct out *o, const struct way *way, size_t n)
{
	if (way->to.kind != WAY_UDP || way->to.socket >= o->n_sockets)
		return TM_EUNSUPPORTED; /* a relay, or a socket that we do not have */
	return n > way->payload_max ? TM_ERANGE : TM_OK;
}

static inline bool out_full(const struct out *o)
{
	return o->n == o->room;
}

/*
 * n bytes at data, where they stay until out_flush; way->headroom bytes before them are ours to write. `tag`
 * tells the caller which one it was, should it fail. Not when out_full.
 */
static inline void out_push(
	struct out *o, const struct way *way, uint8_t *data, size_t n, uint8_t tos, uint32_t tag)
{
	const size_t i = o->n++;

	o->dg[i] = (struct datagram){
		.data = data,
		.n = n,
		.remote = way->to.remote,
		.local = way->to.local,
		.local_ifindex = way->to.local_ifindex,
		.tos = tos,
		.err = out_refusal(o, way, n),
	};
	o->tag[i] = tag;
	o->socket_of[i] = (uint8_t)way->to.socket;
}

/*
 * A datagram that did not leave (dg->err), or only without the source address that its way asked for
 * (dg->local_refused). `by` leads where it was to go. The call may push and flush, after it is done with dg.
 */
typedef void out_failed_fn(void *ctx, uint32_t tag, const struct way_to *by, const struct datagram *dg);
/* Sends all that waits and tells of what failed, when nothing waits any more. */
void out_flush(struct out *o, out_failed_fn *failed, void *ctx);
/* Nothing of what waits leaves; returns how many those were. */
size_t out_discard(struct out *o);

/*
 * At once, past whatever waits: a datagram of a kind that comes singly. dg needs data, n and tos;
 * `fragmented`: the network may cut it. Returns dg->err; dg->local_refused as above. Needs no headroom.
 */
NODISCARD int out_now(struct out *o, const struct way_to *by, struct datagram *dg, bool fragmented);

/* The longest datagram that is known to pass; 0 = unknown. Slow. */
size_t out_payload(const struct out *o, const struct way_to *by);
/* enum udp_offload: what the kernel does for all sockets. */
unsigned out_offloads(const struct out *o);

#endif
