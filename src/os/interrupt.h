/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Ctrl-C and SIGTERM for commands that have something to say at their end: waits return early, and the
 * command asks. */
#ifndef TM_OS_INTERRUPT_H
#define TM_OS_INTERRUPT_H

#include "base/time.h"
#include "base/util.h"

void interrupt_catch(void); /* from now on; forgets earlier ones */
bool interrupt_came(void);
void interrupt_rest(ns_t span); /* so long, or until one comes */

#endif
