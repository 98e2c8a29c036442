/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What this process has open. */
#ifndef TM_TEST_PROC_H
#define TM_TEST_PROC_H

#include "unit/unit.h"

#include <dirent.h>

/* Entries of a folder like /proc/self/fd; more than there are by a constant. */
static inline size_t proc_count(const char *dir)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#endif
