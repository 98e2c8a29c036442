/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Programs of this system that show how it is set up, for who is to find out from afar what is wrong. */
#ifndef TM_OS_REPORT_H
#define TM_OS_REPORT_H

#include "base/util.h"

enum os_report {
	OS_REPORT_NONE,
	OS_REPORT_SYSTEM, /* which one it is, and its kernel */
	OS_REPORT_ADDRESSES, /* interfaces, and what passed through them */
	OS_REPORT_ROUTES,
	OS_REPORT_FIREWALL,
	OS_REPORT_RESOLVER,
	OS_REPORT_N,
};

/* Argument vectors, to be run one after the other (os/run.h). Each ends with NULL, and so do they. */
const char *const *const *os_report_programs(enum os_report about);

enum { OS_REPORT_LOG_ARGS = 16 };
/* The argument vector of what shows the end of a service's log, newest first; unit is borrowed. */
void os_report_log(const char *unit, const char *ret_argv[static OS_REPORT_LOG_ARGS]);

#endif
