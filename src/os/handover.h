/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A process that becomes another program in its own place (execve) keeps its number, and descriptors: those
 * that it gives by name before. The program that begins takes those that it has a use for. Nothing outlives
 * the process: what the new program holds when it dies is closed, as if it had opened that itself, and
 * whatever the kernel ties to a descriptor (a TUN device, with its addresses and routes) goes with it. Where
 * nothing was given, there is nothing to take. Control thread.
 */
#ifndef TM_OS_HANDOVER_H
#define TM_OS_HANDOVER_H

#include "base/diag.h"
#include "base/err.h"

#include <stddef.h>

enum { HANDOVER_NAME_MAX = 15 };

/* A copy of the descriptor is for the next program. The name: letters and digits, of one descriptor. */
NODISCARD int handover_give(const char *name, int fd);
/* What the program before this one gave by that name is the caller's from now on, close-on-exec; -1: nothing
 * is. */
int handover_take(const char *name);
/* What nobody took is closed, and so is what was given. */
void handover_drop(void);

/* The program that lies where ours was started from, another one by now perhaps. TM_ENOENT, TM_EPERM with a
 * sentence. */
NODISCARD int handover_program(char *ret_path, size_t n, struct diag *d);
/*
 * Becomes that program, with our arguments and what was given; where it cannot be run, our own once more.
 * Returns only when that failed, too.
 */
NODISCARD int handover_become(struct diag *d);

/* First thing in a process (os_harden): what was given to it is kept from its children, and where its program
 * lies is remembered. */
void handover_adopt(void);

#endif
