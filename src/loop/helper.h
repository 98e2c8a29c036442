/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A helper thread for work that may block (SQL, name resolution): jobs run one at a time in
 * order; `done` then runs on the control thread. The only way blocking work is done after start-up.
 */
#ifndef TM_LOOP_HELPER_H
#define TM_LOOP_HELPER_H

#include "base/err.h"
#include "base/util.h"

struct event_base;
struct helper;

NODISCARD int helper_new(struct event_base *base, const char *thread_name, struct helper **ret_helper);
/* Waits for the job that runs now; those still queued get done(TM_ECLOSED) without a run. NULL is fine. */
void helper_free(struct helper *h);
/*
 * The same without waiting, for jobs that nobody can hurry: the one that runs now is left to its thread,
 * which calls `drop` when it is through (and not `done`), and ends. The process need not wait for it either.
 */
void helper_abandon(struct helper *h, void (*drop)(void *job));

typedef int helper_run_fn(void *job); /* helper thread */
typedef void helper_done_fn(void *job, int result); /* control thread; owns and frees the job */
NODISCARD int helper_submit(
	struct helper *h, helper_run_fn *run, helper_done_fn *done, void *job); /* TM_EFULL at 4096 waiting */

#endif
