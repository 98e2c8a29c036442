/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/link/out.h"

#include <assert.h>

void out_init(struct out *o, struct udp *first)
{
	o->socket[0] = first;
	o->n_sockets = 1;
	o->n = 0;
	o->room = OUT_MAX;
}

int out_add_socket(struct out *o, struct udp *u)
{
	if (o->n_sockets == OUT_SOCKETS_MAX)
		return TM_EFULL;

	o->socket[o->n_sockets++] = u;
	return TM_OK;
}

static struct way_to way_of(const struct out *o, size_t i)
{
	const struct datagram *dg = &o->dg[i];

	return (struct way_to){
		.socket = o->socket_of[i],
		.remote = dg->remote,
		.local = dg->local,
		.local_ifindex = dg->local_ifindex,
	};
}

/* Sends what waits, stretch by stretch; returns whether there is something to tell. */
static bool send_all(struct out *o, size_t n)
{
	bool failed = false;

	for (size_t first = 0, end; first < n; first = end) {
		const unsigned socket = o->socket_of[first];

		end = first + 1;
		if (o->dg[first].err) {
			failed = true;
			continue;
		}
		while (end < n && o->socket_of[end] == socket && !o->dg[end].err)
			end++;
		failed |= udp_send(o->socket[socket], &o->dg[first], end - first) > 0;
		for (size_t i = first; i < end; i++)
			failed |= o->dg[i].local_refused;
	}
	return failed;
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
		const struct way_to by = way_of(o, i);

		if (o->dg[i].err || o->dg[i].local_refused)
			failed(ctx, o->tag[i], &by, &o->dg[i]);
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

int out_now(struct out *o, const struct way_to *by, struct datagram *dg, bool fragmented)
{
	struct udp *u = by->socket < o->n_sockets ? o->socket[by->socket] : NULL;

	dg->local_refused = false;
	dg->err = TM_EUNSUPPORTED;
	if (by->kind != WAY_UDP || !u)
		return dg->err;

	dg->remote = by->remote;
	dg->local = by->local;
	dg->local_ifindex = by->local_ifindex;
	if (fragmented)
		return udp_send_fragmented(u, dg);

	udp_send(u, dg, 1);
	return dg->err;
}

size_t out_payload(const struct out *o, const struct way_to *by)
{
	if (by->kind != WAY_UDP || by->socket >= o->n_sockets)
		return 0;
	return udp_path_payload(o->socket[by->socket], &by->remote);
}

unsigned out_offloads(const struct out *o)
{
	unsigned all = UDP_OFFLOAD_GSO | UDP_OFFLOAD_GRO;

	for (unsigned i = 0; i < o->n_sockets; i++)
		all &= udp_offloads(o->socket[i]);
	return all;
}
