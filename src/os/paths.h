/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Where things of ours are on this system when nobody put them elsewhere, and names of files as it writes
 * them. Any thread.
 */
#ifndef TM_OS_PATHS_H
#define TM_OS_PATHS_H

#include "base/util.h"

/* Without a separator at the end; they live as long as the process. os/words has them as people are told. */
const char *os_dir_config(void);
const char *os_dir_state(void); /* keys, the database, the log */
const char *os_dir_run(void); /* what is gone after a start of the machine: the control socket */

/* From the root on. */
bool os_path_is_absolute(const char *path);
/* The same file by such a name; what has none is meant from this process's directory. To be freed; NULL: no
 * memory, or that directory is gone. */
char *os_path_absolute(const char *path);
/* NAME in a folder. To be freed; NULL: no memory. */
char *os_path_join(const char *folder, const char *name);
/* Likewise, in a place that is there; cut where it does not fit. */
void os_path_in(char *buf, size_t n, const char *folder, const char *name);
void os_path_trim(char *path); /* of separators at the end: the same folder */
/* From now on the folder that it is in; false, and as it was: it is a root, or a name alone. */
bool os_path_up(char *path);

#endif
