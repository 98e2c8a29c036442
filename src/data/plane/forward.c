/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/forward.h"

#include "data/peer/cookie.h"
#include "data/plane/legs.h"

static const struct leg *leg_of(const struct account *a)
{
	return a ? atomic_load_explicit(&a->leg, memory_order_acquire) : NULL;
}

/* The address is proved, not the one of ours that it writes to: of that there may be several. */
static bool came_by_leg(const struct worker *w, const struct leg *leg, const struct datagram *from)
{
	return leg && leg->way.to.kind == WAY_UDP && leg->way.to.socket == w->rx_socket &&
	       endpoint_eq(&leg->way.to.remote, &from->remote);
}

bool forward_is_from(const struct worker *w, uint32_t host, const struct datagram *from)
{
	const struct legs *l = atomic_load_explicit(w->env->legs, memory_order_acquire);

	return l && host && host <= RELAY_HOST_MAX && came_by_leg(w, leg_of(legs_account(l, host)), from);
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
		const size_t n = MIN(run->step, run->n - at) - RELAY_HEADER;
		enum plane_drop why = judge(to, run->p + at + RELAY_HEADER, n);

		if (why != DROP_N)
			return why;
	}
	return DROP_N;
}

static void push(struct worker *w, const struct leg *to, uint8_t *p, size_t n, uint16_t segment, uint8_t tos)
{
	if (out_full(&w->out))
		worker_flush(w);
	out_push_train(&w->out, &to->way, p, n, segment, tos, WORKER_FOREIGN);
}

/* As it came, but that the kernel takes less at once than it gives. */
static void send_on(struct worker *w, const struct leg *to, const struct relayed_run *run, uint8_t tos)
{
	const size_t fit = MIN((size_t)UDP_SEND_TRAIN_DATAGRAMS, UDP_SEND_TRAIN_BYTES / run->step);
	const size_t most = MAX(fit, (size_t)1) * run->step;

	for (size_t at = 0; at < run->n; at += most) {
		const size_t n = MIN(most, run->n - at);

		push(w, to, run->p + at, n, n > run->step ? (uint16_t)run->step : 0, tos);
	}
}

static void enter_in_books(struct worker *w, struct account *a, const struct relayed_run *run)
{
	atomic_fetch_add_explicit(&a->packets, run->count, memory_order_relaxed);
	atomic_fetch_add_explicit(&a->bytes, run->n, memory_order_relaxed);
	/* One writer. */
	atomic_store_explicit(&w->relayed.packets,
		atomic_load_explicit(&w->relayed.packets, memory_order_relaxed) + run->count,
		memory_order_relaxed);
	atomic_store_explicit(&w->relayed.bytes,
		atomic_load_explicit(&w->relayed.bytes, memory_order_relaxed) + run->n, memory_order_relaxed);
}

void forward_run(struct worker *w, const struct datagram *from, const struct relayed_run *run)
{
	const struct legs *l = atomic_load_explicit(w->env->legs, memory_order_acquire);

	if (!l) {
		worker_drop_n(w, DROP_RELAY_OTHERS, run->count);
		return;
	}

	struct account *sender = legs_account(l, relay_lower(run->pair));
	struct account *receiver = legs_account(l, relay_higher(run->pair));
	if (!came_by_leg(w, leg_of(sender), from)) {
		struct account *other = receiver;

		receiver = sender;
		sender = other;
		if (!came_by_leg(w, leg_of(sender), from)) {
			worker_drop_n(w, DROP_RELAY_UNPROVEN, run->count);
			return;
		}
	}

	const struct leg *to = leg_of(receiver);
	if (!to) {
		worker_drop_n(w, DROP_RELAY_UNBOUND, run->count);
		return;
	}
	enum plane_drop why = judge_run(to, run);
	if (why == DROP_N && !account_pay(sender, run->n, w->now)) {
		atomic_fetch_add_explicit(&sender->over_limit, run->count, memory_order_relaxed);
		why = DROP_RELAY_LIMIT;
	}
	if (why != DROP_N) {
		worker_drop_n(w, why, run->count);
		return;
	}
	send_on(w, to, run, from->tos);
	enter_in_books(w, sender, run);
}
