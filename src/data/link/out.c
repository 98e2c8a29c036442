/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/link/out.h"

#include <assert.h>

void out_init(struct out *o, struct udp *own, const struct sockets *others)
{
	o->stream = NULL;
	o->own = own;
	o->others = others;
	o->n = 0;
	o->room = OUT_MAX;
}

/* NULL: a stream, or a socket that we do not have. */
static struct udp *socket_of(const struct out *o, const struct way_to *to)
{
	if (UNLIKELY(to->kind == WAY_RELAY_TCP))
		return NULL;
	if (LIKELY(to->socket == 0))
		return o->own;
	return o->others ? sockets_find(o->others, to->socket) : NULL;
}

static bool same_socket(const struct way *a, const struct way *b)
{
	return a == b || (a->to.socket == b->to.socket &&
				 (a->to.kind == WAY_RELAY_TCP) == (b->to.kind == WAY_RELAY_TCP));
}

/* Those that have one way, from `first` on, which are in a stream's hands then; returns how many. */
static size_t send_by_stream(struct out *o, size_t first, size_t n)
{
	const struct way *way = o->way[first];
	size_t end = first + 1;

	while (end < n && o->way[end] == way && !o->dg[end].err)
		end++;
	o->stream(o->stream_ctx, &way->to, &o->dg[first], end - first);
	return end - first;
}

/* Sends what waits, stretch by stretch; returns whether there is something to tell. */
static bool send_all(struct out *o, size_t n)
{
	bool failed = false;

	for (size_t first = 0, end; first < n; first = end) {
		const struct way *way = o->way[first];
		struct udp *u = socket_of(o, &way->to);

		end = first + 1;
		if (UNLIKELY(!u) && way->to.kind == WAY_RELAY_TCP && o->stream && !o->dg[first].err) {
			end = first + send_by_stream(o, first, n);
			for (size_t i = first; i < end; i++)
				failed |= o->dg[i].err != TM_OK;
			continue;
		}
		if (!u && !o->dg[first].err)
			o->dg[first].err = TM_EUNSUPPORTED;
		if (o->dg[first].err) {
			failed = true;
			continue;
		}
		while (end < n && same_socket(o->way[end], way) && !o->dg[end].err)
			end++;
		failed |= udp_send(u, &o->dg[first], end - first) > 0;
		for (size_t i = first; i < end; i++)
			failed |= o->dg[i].local_refused;
	}
	return failed;
}

/* As it was pushed: without the header that we wrote before it. */
static void take_off_header(const struct way_to *by, struct datagram *dg)
{
	if (!by->relay)
		return;
	dg->data += RELAY_HEADER;
	dg->n -= RELAY_HEADER;
}

void out_flush(struct out *o, out_failed_fn *failed, void *ctx)
{
	const size_t n = o->n, room = o->room;
	bool any;

	if (!n)
		return;

	any = send_all(o, n);
	o->n = 0;
	if (LIKELY(!any))
		return;

	o->room = 1;
	for (size_t i = 0; i < n; i++) {
		const struct way_to by = o->way[i]->to;

		if (o->dg[i].err || o->dg[i].local_refused) {
			take_off_header(&by, &o->dg[i]);
			failed(ctx, o->tag[i], &by, &o->dg[i]);
		}
		assert(o->n == 0);
	}
	o->room = room;
}

size_t out_discard(struct out *o)
{
	size_t n = o->n;

	o->n = 0;
	return n;
}

static int send_now(struct out *o, const struct way_to *by, struct datagram *dg, bool fragmented)
{
	struct udp *u = socket_of(o, by);

	if (!u) {
		o->stream(o->stream_ctx, by, dg, 1);
		return dg->err;
	}
	dg->remote = by->remote;
	dg->local = by->local;
	dg->local_ifindex = by->local_ifindex;
	if (fragmented)
		return udp_send_fragmented(u, dg);

	udp_send(u, dg, 1);
	return dg->err;
}

int out_now(struct out *o, const struct way_to *by, struct datagram *dg, bool fragmented)
{
	UNINITIALIZED uint8_t relayed[UDP_TRAIN_MAX];

	dg->local_refused = false;
	dg->err = TM_EUNSUPPORTED;
	if (!socket_of(o, by) && !(by->kind == WAY_RELAY_TCP && o->stream))
		return dg->err;
	if (LIKELY(!by->relay))
		return send_now(o, by, dg, fragmented);

	struct datagram whole = *dg;
	whole.data = relayed;
	whole.n = RELAY_HEADER + dg->n;
	dg->err = TM_ERANGE;
	if (whole.n > sizeof(relayed))
		return dg->err;

	relay_put(relayed, by->relay);
	memcpy(relayed + RELAY_HEADER, dg->data, dg->n);
	dg->err = send_now(o, by, &whole, fragmented);
	dg->local_refused = whole.local_refused;
	return dg->err;
}

size_t out_payload(const struct out *o, const struct way_to *by)
{
	const struct udp *u = socket_of(o, by);
	const size_t head = by->relay ? RELAY_HEADER : 0;
	size_t known = u ? udp_path_payload(u, &by->remote) : 0; /* a stream takes everything */

	known = known > head ? known - head : 0;
	return by->payload && (!known || by->payload < known) ? by->payload : known;
}

unsigned out_offloads(const struct out *o)
{
	return udp_offloads(o->own);
}
