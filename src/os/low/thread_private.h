/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The part of a thread that POSIX leaves to each system. */
#ifndef TM_OS_LOW_THREAD_PRIVATE_H
#define TM_OS_LOW_THREAD_PRIVATE_H

#include "os/low/thread.h"

void thread_call_self(const char name[static THREAD_NAME_MAX + 1]); /* for tools like top */

#endif
