/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What nobody can guess: from the system, as keys want it. Any thread. */
#ifndef TM_OS_LOW_ENTROPY_H
#define TM_OS_LOW_ENTROPY_H

#include <stdbool.h>
#include <stddef.h>

/* Any n. False: there is none, and nothing of what is in p may be used. Waits only while a machine that has
 * just started has too little. */
__attribute__((warn_unused_result)) bool entropy_read(void *p, size_t n);

#endif
