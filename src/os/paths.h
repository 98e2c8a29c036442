/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Names of files, as this system writes them. Any thread. */
#ifndef TM_OS_PATHS_H
#define TM_OS_PATHS_H

/* From the root on; what is not is meant from this process's directory. To be freed; NULL: no memory, or that
 * directory is gone. */
char *os_path_absolute(const char *path);

#endif
