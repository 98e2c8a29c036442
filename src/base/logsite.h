/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The bound behind all others of the log: a place in the program that logs in a loop, for a reason that
 * nobody foresaw, fills no disk. Places are told apart by their text, a literal; some that meet in the table
 * share a part, but debug shares with nothing else. Any thread.
 */
#ifndef TM_BASE_LOGSITE_H
#define TM_BASE_LOGSITE_H

#include "base/time.h"
#include "base/util.h"

/* Lines of one place in a window. For those who look for a fault there are more, for they asked for them. */
enum { LOG_SITE_LINES = 300, LOG_SITE_LINES_DEBUG = 2000 };
#define LOG_SITE_WINDOW (10 * SEC)

/* May this line be written? Then *ret_missed is how many of its place were not since the last one. */
bool log_site_allow(const char *text, bool debug, ns_t now, uint64_t *ret_missed);

#endif
