/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the filter says about a packet, and what becomes of those that it does not let pass. */
#include "data/plane/worker.h"

bool worker_judge(
	struct worker *w, enum filter_dir dir, struct peer *p, const struct ip_view *v, unsigned packets)
{
	const struct filter *f = w->snap->filter;
	const struct filter_question q = {
		.dir = dir,
		.packet = v,
		.peer = atomic_load_explicit(&p->id, memory_order_relaxed),
		.tags = atomic_load_explicit(&p->tags, memory_order_relaxed),
		.generation = w->snap->generation,
		.now = w->now,
	};

	switch (f->judge(f, &q)) {
	case VERDICT_PASS:
		return true;
	case VERDICT_REJECT:
		worker_drop_n(w, DROP_REJECTED, packets);
		worker_reject(w, v, dir == FILTER_EGRESS);
		return false;
	case VERDICT_DROP:
	default:
		worker_drop_n(w, DROP_FILTERED, packets);
		return false;
	}
}
