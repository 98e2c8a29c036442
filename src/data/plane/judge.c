/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the filter says about packets, and what becomes of those that it does not let pass. */
#include "data/plane/worker.h"

static enum plane_drop drop_of_filter(enum filter_says s)
{
	static const enum plane_drop why[] = {
		[FILTER_DENIED] = DROP_FILTERED,
		[FILTER_REJECTED] = DROP_REJECTED,
		[FILTER_STRAY] = DROP_STRAY,
		[FILTER_HIDDEN] = DROP_HIDDEN,
		[FILTER_PIECE] = DROP_PIECE,
		[FILTER_FULL] = DROP_FLOWS_FULL,
	};

	return why[s];
}

/* By the bits of `refused`. Apart, since what passes would save registers for it. */
static __attribute__((noinline)) void refuse(struct worker *w, const struct judged *j,
	const struct ip_view *v, unsigned refused, const enum filter_says *says)
{
	for (unsigned left = refused; left; left &= left - 1) {
		const unsigned i = (unsigned)__builtin_ctz(left);

		worker_drop_n(w, drop_of_filter(says[i]), j->packets);
		if (says[i] == FILTER_REJECTED)
			worker_reject(w, &v[i], j->from_tun);
	}
}

unsigned worker_judge(struct worker *w, const struct judged *j, const struct ip_view *v, size_t n)
{
	const struct filter_question q = {
		.dir = j->dir,
		.peer = atomic_load_explicit(&j->peer->id, memory_order_relaxed),
		.generation = w->snap->generation,
		.now = w->now,
	};
	UNINITIALIZED enum filter_says says[FILTER_BATCH];

	w->filter.filter = w->snap->filter;
	w->filter.memory = w->snap->memory;
	const unsigned refused = filter_judge(&w->filter, &q, v, n, says);

	if (UNLIKELY(refused))
		refuse(w, j, v, refused, says);
	return refused;
}
