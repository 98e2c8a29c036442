/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Questions about processes, this one and others. */
#include "os/process.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"

enum { COMMAND_LINE_MAX = 1 << 20 };

os_pid os_process(void)
{
	return getpid();
}

bool os_process_lives(os_pid pid)
{
	return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

int os_process_stop(os_pid pid)
{
	return kill((pid_t)pid, SIGTERM) == 0 ? TM_OK : tm_err_from_errno(errno);
}

int os_own_program(char *buf, size_t n)
{
	ssize_t length = readlink("/proc/self/exe", buf, n - 1);

	if (length < 0)
		return tm_err_from_errno(errno);
	buf[length] = '\0';
	return TM_OK;
}

bool os_process_was_told(os_pid pid, const char *word)
{
	_cleanup_(freep) char *text = NULL;
	char path[64];
	size_t n;

	snprintf(path, sizeof(path), "/proc/%" PRId64 "/cmdline", pid);
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

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Is something mounted there, or on its directory? proc(5), mountinfo: the fifth word is where. */
static bool is_mounted_over(const char *path)
{
	_cleanup_(freep) char *text = NULL;
	const size_t dir_len = (size_t)(strrchr(path, '/') - path);

	if (os_read_file("/proc/self/mountinfo", COMMAND_LINE_MAX, &text, NULL, NULL) != TM_OK)
		return false;
	for (char *at = text, *line; (line = strsep(&at, "\n"));) {
		char where[PATH_MAX];
		_Static_assert(PATH_MAX == 4096, "as below");
		if (sscanf(line, "%*s %*s %*s %*s %4095s", where) == 1 &&
			(strcmp(where, path) == 0 ||
				(strlen(where) == dir_len && memcmp(where, path, dir_len) == 0)))
			return true;
	}
	return false;
}

bool os_is_machines_own(const char *path)
{
	struct stat ours, its, here, there;
	char its_path[PATH_MAX];

	/* As containers have it, and `ip netns exec` where there is one for the namespace. */
	if (is_mounted_over(path))
		return false;
	/* A root with fewer rights than the machine's may not look. What systemd runs is in its network. */
	if (stat("/proc/self/ns/net", &ours) < 0 || stat("/proc/1/ns/net", &its) < 0)
		return !getenv("INVOCATION_ID");
	snprintf(its_path, sizeof(its_path), "/proc/1/root%s", path);
	return !is_same(&ours, &its) && stat(path, &here) == 0 && stat(its_path, &there) == 0 &&
	       is_same(&here, &there);
}
