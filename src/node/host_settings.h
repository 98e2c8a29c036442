/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Settings of the kernel that this node has changed, and what they were before, in a file: a line each,
 * written before the change and until it is taken back (docs/decisions/0021). What a run that crashed has
 * left is taken back by the next. A setting that somebody else changed since stays as that one wants it, and
 * so does an interface's after somebody changed that of all interfaces, which writes to each: Docker switches
 * forwarding on for all.
 *
 *   NAME BEFORE OURS ALL
 *
 * ALL: what the setting of all interfaces held at that time, "-" where there is none. OURS "-": it is not
 * changed by itself, but by changing that of all, and is put back after that.
 *
 * Control thread; writes a small file now and then, when this machine begins or ends to be a router.
 */
#ifndef TM_NODE_HOST_SETTINGS_H
#define TM_NODE_HOST_SETTINGS_H

#include "base/diag.h"
#include "base/err.h"
#include "base/util.h"

#define HOST_SETTINGS_FILE "settings" /* in the state directory */

struct host_settings;

/* Takes back what the file says. Its errors are logged and harm nothing. */
NODISCARD int host_settings_new(const char *path, struct host_settings **ret_s);
void host_settings_free(struct host_settings *s); /* takes everything back; NULL is fine */
/* Without a daemon: takes back what the file says. Was there anything? */
bool host_settings_undo(const char *path);

/* Which are wanted from now on: begin, each with its value, end. Those that are not any more are taken back;
 * those that somebody undid meanwhile are set again. */
void host_settings_begin(struct host_settings *s);
/* value NULL: it is to be as it is now, after that of all interfaces, which is said later, was taken back. */
void host_settings_want(void *s, const char *name, const char *value);
/* Is it so because of us, or would it be? Somebody else may have had it so before, or made all so since. */
bool host_settings_ours(const struct host_settings *s, const char *name, const char *value);
/* TM_EPERM, TM_EIO and others: the first that could not be set, with a sentence; the others are, and it is
 * tried again at each end. */
NODISCARD int host_settings_end(struct host_settings *s, struct diag *d);

#endif
