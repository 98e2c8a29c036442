/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/thread_private.h"

#include <pthread.h>

void thread_call_self(const char name[static THREAD_NAME_MAX + 1])
{
	pthread_setname_np(pthread_self(), name);
}
