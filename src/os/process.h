/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Questions about processes, this one and others. */
#ifndef TM_OS_PROCESS_H
#define TM_OS_PROCESS_H

#include "base/err.h"
#include "base/util.h"

typedef int64_t os_pid; /* as large as the largest of any system; 0: none */

os_pid os_process(void); /* this one */
bool os_process_lives(os_pid pid); /* true also when that cannot be seen */
/* Asks it to end. TM_ENOENT: there is none. errno says more. */
NODISCARD int os_process_stop(os_pid pid);
/* The file of the program that this process runs, also when it was started by a relative path. errno says
 * more. */
NODISCARD int os_own_program(char *buf, size_t n);
/* Does another process have that word on its command line? */
bool os_process_was_told(os_pid pid, const char *word);
/*
 * Is this file perhaps that of the machine, although our network is not the machine's? Then it is about
 * another network than ours. What is mounted over the machine's file is ours; and where we cannot see the
 * first process, only what systemd starts is sure to be in its network.
 */
bool os_is_machines_own(const char *path);
/* Is there another program by now in the place of the one that this process runs? */
bool os_program_is_replaced(void);

#endif
