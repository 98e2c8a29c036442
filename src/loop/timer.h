/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One-shot timers of the control thread's event loop, in the time of base/time.h: nobody else builds a
 * timeval. A timer is set to a moment or to a wait and can be moved or stopped at any time, also from its own
 * callback. Control thread.
 */
#ifndef TM_LOOP_TIMER_H
#define TM_LOOP_TIMER_H

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

struct event_base;
struct loop_timer;

typedef void loop_timer_fn(void *ctx);

NODISCARD int loop_timer_new(
	struct event_base *base, loop_timer_fn *fn, void *ctx, struct loop_timer **ret_timer);
void loop_timer_free(struct loop_timer *t); /* NULL is fine; also from its own callback */
DEFINE_CLEANUP(struct loop_timer, loop_timer_free)

/* Never early. Monotonic; a moment that has passed means the next turn of the loop, NS_NEVER stops the timer.
 */
void loop_timer_at(struct loop_timer *t, ns_t at);
void loop_timer_in(struct loop_timer *t, ns_t wait);
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_is_set(const struct loop_timer *t);

#endif
