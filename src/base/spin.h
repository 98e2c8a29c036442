/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A lock to be held for some hundred instructions, by threads that seldom meet. All zero is free. */
#ifndef TM_BASE_SPIN_H
#define TM_BASE_SPIN_H

#include "base/util.h"

#include <stdatomic.h>

struct spin {
	_Atomic(bool) held;
};

static inline void spin_lock(struct spin *s)
{
	/* Waiting only reads, so that the one who holds it keeps the cache line. */
	while (UNLIKELY(atomic_exchange_explicit(&s->held, true, memory_order_acquire)))
		while (atomic_load_explicit(&s->held, memory_order_relaxed)) {
#if defined(__x86_64__)
			__builtin_ia32_pause();
#endif
		}
}

static inline void spin_unlock(struct spin *s)
{
	atomic_store_explicit(&s->held, false, memory_order_release);
}

#endif
