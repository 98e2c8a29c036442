/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/usage.h"

#include "base/err.h"
#include "os/os.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { STATM_MAX = 256 };

static unsigned entries(const char *path)
{
	unsigned n = 0;
	DIR *d = opendir(path);

	for (const struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static ns_t of_timeval(const struct timeval *t)
{
	return t->tv_sec * SEC + t->tv_usec * US;
}

void os_usage(struct os_usage *ret_usage)
{
	_cleanup_(freep) char *text = NULL;
	struct os_usage u = {.threads = entries("/proc/self/task"), .descriptors = entries("/proc/self/fd")};
	const long page = sysconf(_SC_PAGESIZE);
	uint64_t all, resident;
	struct rusage r;

	if (u.descriptors)
		u.descriptors--; /* the one that it was counted by */
	/* proc(5): in pages. */
	if (page > 0 && os_read_file("/proc/self/statm", STATM_MAX, &text, NULL, NULL) == TM_OK &&
		sscanf(text, "%" SCNu64 " %" SCNu64, &all, &resident) == 2) {
		u.virtual_bytes = all * (uint64_t)page;
		u.resident_bytes = resident * (uint64_t)page;
	}
	if (getrusage(RUSAGE_SELF, &r) == 0)
		u.cpu = of_timeval(&r.ru_utime) + of_timeval(&r.ru_stime);
	*ret_usage = u;
}
