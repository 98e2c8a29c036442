/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where this process's log goes: standard error, and what that is. Start and end of a process, before it has
 * threads and after. */
#ifndef TM_OS_LOGFILE_H
#define TM_OS_LOGFILE_H

#include "base/err.h"
#include "base/util.h"

struct os_logfile;

/*
 * When standard error is the regular file `path`: lines of the log go there through us from now on, and the
 * file is moved to PATH.1, whose content goes, before a line would bring it beyond max bytes. Where that
 * cannot be done it is emptied. TM_ENOENT: standard error is something else.
 */
NODISCARD int os_logfile_open(const char *path, size_t max, struct os_logfile **ret_log);
void os_logfile_close(struct os_logfile *f); /* NULL is fine */

/* Does systemd's journal read our standard error? Then lines may begin with a priority, sd-daemon(3). */
bool os_stderr_is_journal(void);

#endif
