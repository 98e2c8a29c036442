/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Ctrl-C and SIGTERM for commands that have something to say at their end: waits return early, and the
 * command asks. */
#ifndef TM_OS_INTERRUPT_H
#define TM_OS_INTERRUPT_H

#include "base/time.h"
#include "base/util.h"

void interrupt_catch(void); /* from now on; forgets earlier ones */
/* The same for who writes what must not be cut: what is being written is written whole, however long its
 * reader takes. Each of the two signals ends the process at once when it comes again. */
void interrupt_catch_first(void);
bool interrupt_came(void);
void interrupt_rest(ns_t span); /* so long, or until one comes */

/* Until they are let through again, these two and SIGHUP wait: for what must be done as a whole or undone,
 * with a deadline in every step. */
void interrupt_hold(void);
void interrupt_release(void); /* fine when none are held */

/* Waits return early, too, when one of the two can be read; -1: none, as at first. For who has handlers of
 * his own, which write to one of them, and a person at the other (os/terminal.h). */
enum { INTERRUPT_FDS = 2 };
void interrupt_listen(int fd, int other);
int interrupt_fd(size_t i);

#endif
