/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Deferred freeing by quiescent states. Workers hold pointers into published structures only between two
 * calls of epoch_quiescent(); the control thread unlinks, retires, and frees once every worker has passed
 * one. A worker that sleeps in poll() is parked (epoch_park) and counts as quiescent until epoch_unpark.
 */
#ifndef TM_BASE_EPOCH_H
#define TM_BASE_EPOCH_H

#include "base/util.h"

#include <stdatomic.h>

enum { EPOCH_WORKERS_MAX = 64 };

struct epoch_retired {
	struct epoch_retired *next;
	uint64_t epoch;
	void *ptr;
	void (*free_fn)(void *ptr);
};

struct epoch {
	_Atomic(uint64_t) global;
	unsigned workers;
	struct {
		_Alignas(64) _Atomic(uint64_t) seen; /* UINT64_MAX = parked */
	} worker[EPOCH_WORKERS_MAX];
	struct epoch_retired *head, **tail; /* control thread */
	size_t waiting; /* control thread: length of the list */
};

void epoch_init(struct epoch *e, unsigned workers); /* all workers start parked */
void epoch_deinit(struct epoch *e); /* frees everything; all workers must have ended */

/* Worker side. */
void epoch_quiescent(struct epoch *e, unsigned worker);
void epoch_park(struct epoch *e, unsigned worker);
void epoch_unpark(struct epoch *e, unsigned worker);

/*
 * Control thread. Retire: ptr is already unreachable for new readers; the record `r` is embedded in or owned
 * by ptr. Reclaim: frees what is safe, returns how many are still waiting.
 */
void epoch_retire(struct epoch *e, struct epoch_retired *r, void *ptr, void (*free_fn)(void *ptr));
size_t epoch_reclaim(struct epoch *e);
/* The two halves of reclaim, for a caller that must do something between: is the oldest safe? free the safe
 * ones. */
uint64_t epoch_safe_before(struct epoch *e);
size_t epoch_reclaim_before(struct epoch *e, uint64_t safe);

#endif
