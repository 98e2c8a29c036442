/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/tapping.h"

#include "data/offload/segment.h"
#include "data/plane/tap.h"

static const enum plane_drop reasons[TAPPED_DROPS] = {DROP_NOT_IP, DROP_SPOOF, DROP_ECN, DROP_FILTERED,
	DROP_REJECTED, DROP_STRAY, DROP_HIDDEN, DROP_PIECE, DROP_FLOWS_FULL, DROP_NOT_FOR_US, DROP_TTL,
	DROP_TOO_BIG, DROP_NO_ROUTE};

bool worker_taps(const struct worker *w, const struct peer *p)
{
	for (size_t i = 0; i < w->snap->n_taps; i++)
		if (tap_is_about(w->snap->taps[i], p->key))
			return true;
	return false;
}

void tapped_begin(const struct worker *w, struct tapped *ret_t)
{
	for (size_t i = 0; i < TAPPED_DROPS; i++)
		ret_t->drops[i] = atomic_load_explicit(&w->drops[reasons[i]], memory_order_relaxed);
}

enum plane_drop tapped_end(const struct worker *w, const struct tapped *t)
{
	for (size_t i = 0; i < TAPPED_DROPS; i++)
		if (t->drops[i] != atomic_load_explicit(&w->drops[reasons[i]], memory_order_relaxed))
			return reasons[i];
	return DROP_N;
}

void worker_tap(struct worker *w, const struct peer *p, bool out, const uint8_t *packet, size_t n,
	enum plane_drop dropped)
{
	const struct tap_packet t = {
		.at = w->now, .out = out, .dropped = dropped, .n = (uint32_t)n, .p = packet};

	for (size_t i = 0; i < w->snap->n_taps; i++)
		if (tap_is_about(w->snap->taps[i], p->key))
			tap_put(w->snap->taps[i], &t);
}

void worker_tap_segments(
	struct worker *w, const struct peer *p, const struct segmenter *s, enum plane_drop dropped)
{
	UNINITIALIZED uint8_t packet[TAP_PACKET_MAX];
	struct segmenter mine = *s; /* which moves on, while theirs does not */

	if (!worker_taps(w, p) || segment_max(s) > sizeof(packet))
		return;
	for (size_t n; (n = segment_next(&mine, packet));)
		worker_tap(w, p, true, packet, n, dropped);
}
