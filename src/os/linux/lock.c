/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The lock of a directory that one process works in: flock(2), which ends with its process however that ends,
 * and the kernel's own list of who holds what. The pid in the file is for people, and for where that list
 * says too little.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "os/handover.h"

#define LOCK_NAME "lock" /* of what is handed over */

static int failed(struct diag *d, int errno_value, const char *verb, const char *path)
{
	return diag_what(
		d, tm_err_from_errno(errno_value), "cannot %s %s: %s", verb, path, strerror(errno_value));
}

/* Neither room for a file nor leave to write one. */
static bool is_no_place(int errno_value)
{
	return errno_value == EROFS || errno_value == ENOSPC || errno_value == EDQUOT;
}

static int open_directory_of(const char *path)
{
	_cleanup_(freep) char *copy = strdup(path);

	return copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

/* The file as it is, or where there is none its directory, lock as well as a file that could be made. */
static int open_lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int why = errno;

	if (fd >= 0 || !is_no_place(why))
		return fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		fd = open_directory_of(path);
	if (fd < 0)
		errno = why;
	return fd;
}

/* --- who holds it --- */

static pid_t noted_pid(int fd)
{
	char text[16] = "";
	long pid = pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;

	return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/*
 * A line like "1: FLOCK  ADVISORY  WRITE 712 fd:01:131075 0 EOF". Some file systems (btrfs, overlays) show
 * stat() another device than the kernel has: then the pid in the file must agree.
 */
static pid_t holder_in(const char *line, const struct stat *st, pid_t noted)
{
	unsigned major_no, minor_no;
	uintmax_t inode;
	int pid;

	if (sscanf(line, "%*u: FLOCK %*s WRITE %d %x:%x:%ju", &pid, &major_no, &minor_no, &inode) != 4)
		return 0;
	if (pid <= 0 || inode != st->st_ino)
		return 0;
	if (pid != noted && (major_no != major(st->st_dev) || minor_no != minor(st->st_dev)))
		return 0;
	return pid;
}

static pid_t holder_of(int fd)
{
	FILE *f = fopen("/proc/locks", "re");
	pid_t noted = noted_pid(fd), pid = 0;
	struct stat st;
	char line[256];

	if (!f)
		return 0;
	if (fstat(fd, &st) == 0)
		while (!pid && fgets(line, sizeof(line), f))
			pid = holder_in(line, &st, noted);
	fclose(f);
	return pid;
}

os_pid os_lock_holder(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	pid_t pid = fd < 0 ? 0 : holder_of(fd);

	if (pid || (fd < 0 && errno != ENOENT))
		return pid;
	_cleanup_(closep) int dir = open_directory_of(path);
	return dir < 0 ? 0 : holder_of(dir);
}

/* --- taking it --- */

/* Somebody who found no place for the file has its directory's lock instead, and keeps it when there is room
 * again: whoever has the file looks there too. */
static int look_at_directory(int lock, const char *path, int *ret_fd)
{
	struct stat of_lock;
	int fd;

	*ret_fd = -1;
	if (fstat(lock, &of_lock) < 0 || S_ISDIR(of_lock.st_mode))
		return TM_OK; /* that is the one that we have */
	fd = open_directory_of(path);
	if (fd < 0)
		return TM_OK; /* nor could anybody else lock it */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
		close(fd);
		return TM_OK;
	}
	*ret_fd = fd;
	return TM_EBUSY;
}

static int refused(int fd, const char *path, struct diag *d)
{
	pid_t pid = holder_of(fd);

	diag_hint(d, "another tunnelmesh works in this directory; `tunnelmesh down` stops one that runs");
	if (!pid)
		return diag_what(d, TM_EBUSY, "%s is locked by another process", path);
	return diag_what(d, TM_EBUSY, "%s is locked by process %d", path, (int)pid);
}

void os_unlock_file(int fd)
{
	closep(&fd);
}

/* The one that the program had which was this process before (os/handover.h): held all along. */
static int take_over(const char *path)
{
	_cleanup_(closep) int fd = handover_take(LOCK_NAME);
	struct stat ours, there;

	if (fd < 0 || fstat(fd, &ours) < 0)
		return -1;
	if (!S_ISDIR(ours.st_mode) &&
		(stat(path, &there) < 0 || ours.st_dev != there.st_dev || ours.st_ino != there.st_ino))
		return -1;
	const int taken = fd;
	fd = -1;
	return taken;
}

int os_lock_keep(int fd)
{
	return handover_give(LOCK_NAME, fd);
}

int os_lock_file(const char *path, int *ret_fd, struct diag *d)
{
	_cleanup_(closep) int fd = take_over(path), dir = -1;
	char pid[16];

	if (fd < 0)
		fd = open_lock(path);
	if (fd < 0)
		return failed(d, errno, "open the lock", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? refused(fd, path, d) : failed(d, errno, "lock", path);
	if (look_at_directory(fd, path, &dir) != TM_OK)
		return refused(dir, path, d);

	/* Where it cannot be written the lock is held all the same. */
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) < 0)
		(void)0;

	*ret_fd = fd;
	fd = -1;
	return TM_OK;
}
