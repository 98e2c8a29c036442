/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/forward.h"

#include "data/peer/cookie.h"
#include "data/plane/legs.h"
#include "data/plane/streaming.h"

#include <string.h>

/* The address is proved, not the one of ours that it writes to: of that there may be several. */
static bool came_by_leg(const struct leg *leg, const struct relay_source *from)
{
	return leg && leg->way.to.kind == from->kind && leg->way.to.socket == from->socket &&
	       (from->kind == WAY_RELAY_TCP || endpoint_eq(&leg->way.to.remote, from->remote));
}

bool forward_is_from(const struct worker *w, uint32_t host, const struct relay_source *from)
{
	const struct legs *l = atomic_load_explicit(w->env->legs, memory_order_acquire);

	return l && host && host <= RELAY_HOST_MAX && came_by_leg(legs_find(l, host), from);
}

/* DROP_N: nothing is wrong with the message. */
static enum plane_drop judge(const struct leg *to, const uint8_t *p, size_t n)
{
	/* Most are data; then the length is all that is left to look at. */
	if (LIKELY(n >= WG_DATA_MIN && get_le32(p) == WG_DATA))
		return DROP_N;
	if (!relay_carries(p, n))
		return DROP_RELAY_SHAPE;

	const enum wg_type type = wg_classify(p, n);
	if ((type == WG_INIT || type == WG_RESPONSE) && !cookie_mac1_under(to->mac1_key, p, n))
		return DROP_RELAY_MAC1;
	return DROP_N;
}

/* One message that may not pass takes those of its run along: whoever sent it sent them. */
static enum plane_drop judge_run(const struct leg *to, const struct relayed_run *run)
{
	for (size_t at = 0; at < run->n; at += run->step) {
		const size_t n = MIN(run->step, run->n - at) - run->skip;
		enum plane_drop why = judge(to, run->p + at + run->skip, n);

		if (why != DROP_N)
			return why;
	}
	return DROP_N;
}

/* --- onwards --- */

static void push(struct worker *w, const struct leg *to, uint8_t *p, size_t n, uint16_t segment, uint8_t tos)
{
	if (out_full(&w->out))
		worker_flush(w);
	out_push_train(&w->out, &to->way, p, n, segment, tos, WORKER_FOREIGN);
}

/* As it came, but that the kernel takes less at once than it gives. */
static void send_train(struct worker *w, const struct leg *to, uint8_t *p, size_t n, size_t step, uint8_t tos)
{
	const size_t fit = MIN((size_t)UDP_SEND_TRAIN_DATAGRAMS, UDP_SEND_TRAIN_BYTES / step);
	const size_t most = MAX(fit, (size_t)1) * step;

	for (size_t at = 0; at < n; at += most) {
		const size_t piece = MIN(most, n - at);

		push(w, to, p + at, piece, piece > step ? (uint16_t)step : 0, tos);
	}
}

/* The shortest message that passes is a STUN header. */
_Static_assert((int)RELAY_FRAME_MAX + (int)RELAY_FRAME_MAX / (int)STUN_HEADER * (int)RELAY_HEADER <=
		       (int)STREAM_SLOT_BYTES,
	"a frame, taken apart, fits");

/* Out of a frame: each message gets the header that the frame had once. */
static void send_apart(struct worker *w, const struct leg *to, const struct relayed_run *run)
{
	uint8_t *out = w->streams->slot;
	size_t n = 0;

	for (size_t at = 0; at < run->n; at += run->step) {
		const size_t one = MIN(run->step, run->n - at);

		relay_put(out + n, run->pair);
		memcpy(out + n + RELAY_HEADER, run->p + at, one);
		n += RELAY_HEADER + one;
	}
	send_train(w, to, out, n, RELAY_HEADER + run->step, run->tos);
}

static void send_by_stream(struct worker *w, const struct leg *to, const struct relayed_run *run)
{
	const struct frame_source src = {
		.p = run->p,
		.n = run->n,
		.step = run->step,
		.skip = run->skip,
		.pair = run->pair,
		.tos = run->tos,
		.pool = worker_frame_pool(w),
	};
	/* The frame that it came in says the same on both sides. */
	struct frame *f = run->whole ? TAKE(*run->whole) : frame_of(&src);

	if (stream_send(w, to->way.to.socket, f) != TM_OK)
		worker_drop_n(w, DROP_RELAY_SEND, run->count);
}

static void send_on(struct worker *w, const struct leg *to, const struct relayed_run *run)
{
	if (UNLIKELY(to->way.to.kind == WAY_RELAY_TCP))
		send_by_stream(w, to, run);
	else if (run->skip)
		send_train(w, to, run->p, run->n, run->step, run->tos);
	else
		send_apart(w, to, run);
}

/* One writer. */
static void add_to(_Atomic(uint64_t) *sum, uint64_t n)
{
	atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + n, memory_order_relaxed);
}

static void enter_in_books(struct worker *w, const struct relayed_run *run)
{
	add_to(&w->relayed.packets, run->count);
	add_to(&w->relayed.bytes, run->n);
}

/* Is it from that member? What it sends may come by its leg, and by a stream of its that only stands by:
 * whose that is was proved when it was made. */
static bool is_from(uint32_t host, const struct leg *leg, const struct relay_source *from)
{
	return from->host ? from->host == host : came_by_leg(leg, from);
}

/* Who is to receive; DROP_N: that is known, and it comes from the other. */
static enum plane_drop find_receiver(
	const struct legs *l, const struct relay_source *from, uint64_t pair, const struct leg **ret_to)
{
	const struct leg *at_lower = legs_find(l, relay_lower(pair)),
			 *at_higher = legs_find(l, relay_higher(pair));

	if (is_from(relay_lower(pair), at_lower, from))
		*ret_to = at_higher;
	else if (is_from(relay_higher(pair), at_higher, from))
		*ret_to = at_lower;
	else
		return DROP_RELAY_UNPROVEN;
	return *ret_to ? DROP_N : DROP_RELAY_UNBOUND;
}

bool forward_run(struct worker *w, const struct relay_source *from, const struct relayed_run *run)
{
	const struct legs *l = atomic_load_explicit(w->env->legs, memory_order_acquire);
	enum plane_drop why = DROP_RELAY_OTHERS;
	const struct leg *to = NULL;

	if (l)
		why = find_receiver(l, from, run->pair, &to);
	if (why == DROP_N)
		why = judge_run(to, run);
	if (why != DROP_N) {
		worker_drop_n(w, why, run->count);
		return false;
	}
	send_on(w, to, run);
	enter_in_books(w, run);
	return true;
}
