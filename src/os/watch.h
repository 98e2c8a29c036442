/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Told when one of a few files was written, replaced, made or removed, by its directory: what replaces a file
 * by renaming is seen, too. Control thread. */
#ifndef TM_OS_WATCH_H
#define TM_OS_WATCH_H

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

struct event_base;
struct os_watch;

/* `settle` after the last change. */
NODISCARD int os_watch_new(struct event_base *base, ns_t settle, void (*changed)(void *ctx), void *ctx,
	struct os_watch **ret_watch);
void os_watch_free(struct os_watch *w); /* NULL is fine */
/* These files from now on, instead of what was watched; those whose directory is not there are left out.
 * True: in one of these nothing was watched before, so that what has happened to them may not have been told.
 */
bool os_watch_set(struct os_watch *w, const char *const *paths, size_t n);

#endif
