/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Writes to disk what changed: a change is noted, a moment later what is due by then is copied and written by
 * a helper thread of the saver's own, one write at a time. What could not be written stays due and is tried
 * again, soon after the next change, now and then without one; what is due at the end is written by
 * saver_free. Control thread.
 */
#ifndef TM_LOOP_SAVER_H
#define TM_LOOP_SAVER_H

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

struct event_base;
struct saver;

struct saver_config {
	const char *thread; /* its name */
	ns_t delay; /* from the first note to the write: what comes in between goes with it */
	ns_t again; /* from a write that failed to the next attempt, if nothing changes */
	void *ctx;
	/* A copy of all that is due, to be handed to `write` and `done`; an error when there is none. */
	int (*take)(void *ctx, void **ret_job);
	int (*write)(void *job); /* helper thread; may block */
	/*
	 * How it ended; owns the job, which is NULL when `take` failed. TM_ECLOSED: not tried, because the
	 * end has come, which tries it. May note what is due now; a failed job is due again by itself.
	 */
	void (*done)(void *ctx, void *job, int result);
};

NODISCARD int saver_new(struct event_base *base, const struct saver_config *cfg, struct saver **ret_saver);
void saver_note(struct saver *s); /* something is due */
bool saver_is_idle(const struct saver *s); /* nothing is due, and nothing being written */
/* Waits for the write that runs, then writes what is due, blocking. NULL is fine. */
void saver_free(struct saver *s);

#endif
