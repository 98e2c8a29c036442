/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Files and folders that are there, and that go away; os/os.h has what reads and writes them. Any thread.
 * After an error errno says more than the result.
 */
#ifndef TM_OS_FILES_H
#define TM_OS_FILES_H

#include "base/err.h"
#include "base/util.h"

/* Links are followed. TM_ENOENT: there is none, nor perhaps its folder. Others: that cannot be seen. */
NODISCARD int os_find(const char *path);
/* Now, as this process, and as its disk is: TM_EPERM. */
NODISCARD int os_may_write(const char *path);
int os_remove_file(const char *path); /* TM_ENOENT: there is none */
int os_remove_dir(const char *path); /* only one that nothing is in */

#endif
