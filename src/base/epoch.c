/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The global epoch advances with every retirement. A worker's `seen` is the epoch it read at its last
 * quiescent point. An object retired in epoch e was unlinked before the counter became e + 1, so a worker
 * that has seen e + 1 cannot have found it since. A parked worker holds nothing.
 *
 * Orders: unpark and the reads that follow must not be overtaken by the control thread's scan (sequentially
 * consistent store + fence, the same pairing as in hazard pointers); a worker's reads before quiescent() must
 * be complete before its store (release).
 */
#include "base/epoch.h"

#define PARKED UINT64_MAX

void epoch_init(struct epoch *e, unsigned workers)
{
	*e = (struct epoch){.workers = workers};
	atomic_init(&e->global, 1);
	for (unsigned i = 0; i < EPOCH_WORKERS_MAX; i++)
		atomic_init(&e->worker[i].seen, PARKED);
	e->tail = &e->head;
}

void epoch_deinit(struct epoch *e)
{
	epoch_reclaim_before(e, UINT64_MAX);
}

void epoch_quiescent(struct epoch *e, unsigned worker)
{
	uint64_t now = atomic_load_explicit(&e->global, memory_order_acquire);

	/* The line is written only when there is news, so idle epochs cost a read. */
	if (atomic_load_explicit(&e->worker[worker].seen, memory_order_relaxed) == now)
		return;
	atomic_store_explicit(&e->worker[worker].seen, now, memory_order_seq_cst);
}

void epoch_park(struct epoch *e, unsigned worker)
{
	atomic_store_explicit(&e->worker[worker].seen, PARKED, memory_order_release);
}

void epoch_unpark(struct epoch *e, unsigned worker)
{
	/* Acquire: who has seen an epoch has seen what was unlinked before it. */
	uint64_t now = atomic_load_explicit(&e->global, memory_order_acquire);

	/* An exchange, not store + fence: a full barrier that thread sanitizers understand too. */
	atomic_exchange_explicit(&e->worker[worker].seen, now, memory_order_seq_cst);
}

void epoch_retire(struct epoch *e, struct epoch_retired *r, void *ptr, void (*free_fn)(void *ptr))
{
	*r = (struct epoch_retired){.ptr = ptr, .free_fn = free_fn};
	r->epoch = atomic_fetch_add_explicit(&e->global, 1, memory_order_seq_cst);
	*e->tail = r;
	e->tail = &r->next;
	e->waiting++;
}

uint64_t epoch_safe_before(struct epoch *e)
{
	uint64_t safe = atomic_load_explicit(&e->global, memory_order_seq_cst);

	for (unsigned i = 0; i < e->workers; i++) {
		/* A read-modify-write reads the latest value, closing the race with an unpark under way. */
		uint64_t seen = atomic_fetch_add_explicit(&e->worker[i].seen, 0, memory_order_seq_cst);
		if (seen < safe)
			safe = seen;
	}
	return safe;
}

size_t epoch_reclaim_before(struct epoch *e, uint64_t safe)
{
	while (e->head && e->head->epoch < safe) {
		struct epoch_retired *r = e->head;

		e->head = r->next;
		if (!e->head)
			e->tail = &e->head;
		e->waiting--;
		r->free_fn(r->ptr);
	}
	return e->waiting;
}

size_t epoch_reclaim(struct epoch *e)
{
	return epoch_reclaim_before(e, epoch_safe_before(e));
}
