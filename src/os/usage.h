/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What this process takes of the machine. */
#ifndef TM_OS_USAGE_H
#define TM_OS_USAGE_H

#include "base/time.h"
#include "base/util.h"

struct os_usage {
	ns_t cpu; /* all threads, in the kernel too */
	uint64_t resident_bytes, virtual_bytes;
	unsigned threads, descriptors; /* open now */
};

/* What cannot be read is 0. Any thread. */
void os_usage(struct os_usage *ret_usage);

#endif
