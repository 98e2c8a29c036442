/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Questions about processes, this one and others. */
#include "os/os.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COMMAND_LINE_MAX = 1 << 20 };

bool os_process_was_told(pid_t pid, const char *word)
{
	_cleanup_(freep) char *text = NULL;
	char path[64];
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	if (os_read_file(path, COMMAND_LINE_MAX, &text, &n, NULL) != TM_OK)
		return false;
	for (size_t at = 0; at < n; at += strlen(text + at) + 1)
		if (strcmp(text + at, word) == 0)
			return true;
	return false;
}

bool os_program_is_replaced(void)
{
	/* proc(5): so the kernel names a program whose file was unlinked; nobody can write into one that
	 * runs. */
	static const char mark[] = " (deleted)";
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	size_t end = n > 0 ? (size_t)n : 0, mark_len = sizeof(mark) - 1;

	path[end] = '\0';
	if (end <= mark_len || strcmp(path + end - mark_len, mark) != 0)
		return false;

	path[end - mark_len] = '\0';
	return access(path, X_OK) == 0;
}
