/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The daemon's log where no service manager keeps one: the file that standard error was opened on. It is
 * bounded: before it grows too large it is moved aside and begun anew. Nothing about it ever stops the
 * daemon: a line for which the disk has no room is lost.
 */
#include "os/logfile.h"

#include "base/log.h"
#include "os/low/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_PATH_MAX = 4096 };

struct os_logfile {
	char path[LOG_PATH_MAX], old[LOG_PATH_MAX + 4];
	off_t max;
	struct mutex lock; /* lines of several threads: what is looked at is what is moved */
};

static bool stderr_is(const char *path)
{
	struct stat ours, there;

	return fstat(STDERR_FILENO, &ours) == 0 && lstat(path, &there) == 0 && S_ISREG(there.st_mode) &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* Standard error, and standard output where it is the same file, as it is in a daemon. */
static void write_to(int fd)
{
	struct stat out, err;

	bool same = fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
		    out.st_dev == err.st_dev && out.st_ino == err.st_ino;
	(void)!dup2(fd, STDERR_FILENO);
	if (same)
		(void)!dup2(fd, STDOUT_FILENO);
}

static void begin_anew(struct os_logfile *f)
{
	/* Somebody else may have moved it aside already. */
	bool moved = stderr_is(f->path) && rename(f->path, f->old) == 0;
	int fd = open(f->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	struct stat st;

	if (fd >= 0 && !(fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < f->max)) {
		close(fd); /* it could not be moved */
		fd = -1;
	}
	if (fd >= 0) {
		write_to(fd);
		close(fd);
		return;
	}
	if (moved)
		(void)!rename(f->old, f->path);
	/* Without room for a second one the bound is kept all the same. */
	(void)!ftruncate(STDERR_FILENO, 0);
}

static void write_line(void *ctx, const char *line, size_t n)
{
	struct os_logfile *f = ctx;
	struct stat st;

	mutex_lock(&f->lock);
	if (fstat(STDERR_FILENO, &st) == 0 && st.st_size + (off_t)n > f->max)
		begin_anew(f);
	(void)!write(STDERR_FILENO, line, n);
	mutex_unlock(&f->lock);
}

int os_logfile_open(const char *path, size_t max, struct os_logfile **ret_log)
{
	struct os_logfile *f;

	if (!stderr_is(path))
		return TM_ENOENT;
	f = calloc(1, sizeof(*f));
	if (!f)
		return TM_ENOMEM;

	snprintf(f->path, sizeof(f->path), "%s", path);
	snprintf(f->old, sizeof(f->old), "%s.1", f->path);
	f->max = (off_t)max;
	mutex_init(&f->lock);
	log_set_sink(write_line, f);
	*ret_log = f;
	return TM_OK;
}

void os_logfile_close(struct os_logfile *f)
{
	if (!f)
		return;

	log_set_sink(NULL, NULL);
	mutex_deinit(&f->lock);
	free(f);
}

/* systemd.exec(5), JOURNAL_STREAM: "device:inode". A descriptor that was redirected since is none of it. */
bool os_stderr_is_journal(void)
{
	const char *s = getenv("JOURNAL_STREAM");
	uintmax_t dev, inode;
	struct stat st;
	char *end;

	if (!s || fstat(STDERR_FILENO, &st) < 0)
		return false;
	errno = 0;
	dev = strtoumax(s, &end, 10);
	if (errno || end == s || *end != ':')
		return false;
	s = end + 1;
	inode = strtoumax(s, &end, 10);
	return !errno && end != s && *end == '\0' && dev == (uintmax_t)st.st_dev &&
	       inode == (uintmax_t)st.st_ino;
}
