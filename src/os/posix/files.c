/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Files of the state directory: read whole, replaced whole. Blocking, for the control thread at
 * start-up, the helpers and the CLI.
 */
#include "os/os.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/secret.h"
#include "os/files.h"

enum {
	PATH_MAX_LEN = 4096,
	READ_FIRST = 4096, /* first buffer for what has no size of its own: pipes, /proc */
	READ_WAIT_MS = 10000, /* for the next bytes of a pipe */
};

static int failed(struct diag *d, int errno_value, const char *verb, const char *path)
{
	if (errno_value == ENOSPC || errno_value == EDQUOT)
		diag_hint(d, "free some space; what the file held before is untouched");
	if (errno_value == EROFS)
		diag_hint(d, "make it writable, or choose another place");
	return diag_what(
		d, tm_err_from_errno(errno_value), "cannot %s %s: %s", verb, path, strerror(errno_value));
}

/* ---- directories ---- */

static int check_dir(const char *path, struct diag *d)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return failed(d, errno, "open the directory", path);
	if (fstat(fd, &st) < 0)
		return failed(d, errno, "examine", path);
	if (st.st_uid != geteuid()) {
		diag_hint(d, "choose another directory or correct its owner");
		return diag_what(d, TM_EPERM, "the directory %s belongs to user %u, and user %u runs this",
			path, st.st_uid, geteuid());
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		diag_hint(d, "run: chmod go-w %s", path);
		return diag_what(d, TM_EPERM, "others may write to the directory %s", path);
	}
	return TM_OK;
}

/* mkdir and the exact mode in spite of the umask. *ret_made tells whether it was us. */
static int make_one(const char *path, unsigned mode, bool *ret_made)
{
	*ret_made = false;
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : errno;

	*ret_made = true;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, mode) < 0)
		return errno;
	return 0;
}

int os_make_dir(const char *path, unsigned mode, struct diag *d)
{
	char part[PATH_MAX_LEN];
	size_t n = strlen(path);
	bool made;
	int err;

	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n == 0 || n >= sizeof(part))
		return diag_what(d, TM_EINVAL, "\"%s\" is not a usable directory name", path);

	memcpy(part, path, n);
	part[n] = '\0';
	for (size_t i = 1; i < n; i++) {
		if (part[i] != '/')
			continue;
		part[i] = '\0';
		err = make_one(part, 0755, &made);
		if (err)
			return failed(d, err, "create the directory", part);
		part[i] = '/';
	}
	err = make_one(part, mode, &made);
	if (err)
		return failed(d, err, "create the directory", part);
	return made ? TM_OK : check_dir(part, d);
}

/* ---- reading ---- */

struct text {
	char *s;
	size_t len, cap; /* cap counts the terminating NUL */
};

static void text_deinit(struct text *t)
{
	if (t->s)
		wipe(t->s, t->cap);
	free(t->s);
}

/* Not realloc: it would leave a copy of a private key behind. */
static int text_grow(struct text *t, size_t cap)
{
	char *s = malloc(cap);

	if (!s)
		return TM_ENOMEM;

	if (t->s) {
		memcpy(s, t->s, t->len);
		text_deinit(t);
	}
	t->s = s;
	t->cap = cap;
	return TM_OK;
}

/* One read, waiting a bounded time where it is a pipe. 0 at the end of the file, -1 with errno. */
static ssize_t read_some(int fd, char *p, size_t n)
{
	for (;;) {
		ssize_t got = read(fd, p, n);
		if (got >= 0 || (errno != EAGAIN && errno != EINTR))
			return got;
		if (errno == EINTR)
			continue;

		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		int ready = poll(&pfd, 1, READ_WAIT_MS);
		if (ready == 0)
			errno = ETIMEDOUT;
		if (ready == 0 || (ready < 0 && errno != EINTR))
			return -1;
	}
}

static int read_all(int fd, const char *path, size_t max, struct text *t, struct diag *d)
{
	for (;;) {
		if (t->len + 1 == t->cap && text_grow(t, t->cap * 2) != TM_OK)
			return diag_what(d, TM_ENOMEM, "out of memory while reading %s", path);

		ssize_t got = read_some(fd, t->s + t->len, t->cap - 1 - t->len);
		if (got < 0)
			return failed(d, errno, "read", path);
		if (got == 0)
			break;
		t->len += (size_t)got;
		if (t->len > max)
			return diag_what(
				d, TM_ERANGE, "%s is larger than the %zu bytes it may have", path, max);
	}
	t->s[t->len] = '\0';
	return TM_OK;
}

int os_read_file(const char *path, size_t max, char **ret_text, size_t *ret_n, struct diag *d)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_(text_deinit) struct text t = {0};
	struct stat st;

	if (fd < 0)
		return failed(d, errno, "open", path);
	if (fstat(fd, &st) < 0)
		return failed(d, errno, "examine", path);
	if (S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		return diag_what(d, TM_EINVAL, "%s is not a file", path);
	if (S_ISREG(st.st_mode) && (uintmax_t)st.st_size > max)
		return diag_what(d, TM_ERANGE, "%s is larger than the %zu bytes it may have", path, max);

	/* One byte more than the size, so that the end is seen without growing. */
	int err = text_grow(&t, st.st_size > 0 ? (size_t)st.st_size + 2 : READ_FIRST);
	if (err)
		return diag_what(d, err, "out of memory while reading %s", path);

	err = read_all(fd, path, max, &t, d);
	if (err)
		return err;

	if (ret_n)
		*ret_n = t.len;
	*ret_text = TAKE(t.s);
	return TM_OK;
}

int os_read_input(size_t max, char **ret_text, size_t *ret_n, struct diag *d)
{
	return os_read_file("/dev/stdin", max, ret_text, ret_n, d);
}

/* ---- writing ---- */

static int sync_dir_of(const char *path)
{
	char dir[PATH_MAX_LEN];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (!slash)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s/", (int)n, path);

	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (fsync(fd) < 0 && errno != EINVAL && errno != ENOTSUP) /* some file systems have no such thing */
		return errno;
	return 0;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, p, n);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno;
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

/* Closes fd. Returns an errno value. */
static int write_whole(int fd, const void *p, size_t n, unsigned mode)
{
	int err = write_all(fd, p, n);

	if (!err && fchmod(fd, mode) < 0)
		err = errno;
	if (!err && fsync(fd) < 0)
		err = errno;
	if (close(fd) < 0 && !err)
		err = errno;
	return err;
}

int os_write_file(const char *path, const void *p, size_t n, unsigned mode, struct diag *d)
{
	char tmp[PATH_MAX_LEN];
	struct stat st;
	int err;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= sizeof(tmp))
		return diag_what(d, TM_EINVAL, "the name %.64s... is too long", path);
	/* rename() would replace a device or say something cryptic about a directory. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return diag_what(d, TM_EINVAL, "%s is not a regular file", path);

	(void)unlink(tmp); /* of a writer that was killed */
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(d, errno, "write", path);

	/* Everything that can fail for want of space or rights happens on the temporary file. */
	err = write_whole(fd, p, n, mode);
	if (!err && rename(tmp, path) < 0)
		err = errno;
	if (err) {
		(void)unlink(tmp);
		return failed(d, err, "write", path);
	}

	err = sync_dir_of(path);
	if (err)
		return failed(d, err, "flush the directory of", path);
	return TM_OK;
}

int os_create_file(const char *path, const void *p, size_t n, unsigned mode, struct diag *d)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST)
		return diag_what(d, TM_EEXIST, "%s is there already", path);
	if (fd < 0)
		return failed(d, errno, "write", path);

	int err = write_whole(fd, p, n, mode);
	if (!err)
		err = sync_dir_of(path);
	if (err) {
		(void)unlink(path);
		const int failure = failed(d, err, "write", path);

		errno = err;
		return failure;
	}
	return TM_OK;
}

int os_rewrite_file(const char *path, const void *p, size_t n, struct diag *d)
{
	const bool is_new = access(path, F_OK) < 0;
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	const char *at = p, *end = at + n;

	if (fd < 0)
		return failed(d, errno, "write", path);
	while (at < end) {
		const ssize_t wrote = write(fd, at, (size_t)(end - at));

		if (wrote < 0 && errno != EINTR)
			return failed(d, errno, "write", path);
		at += wrote > 0 ? wrote : 0;
	}
	/* What was longer is cut after it, so that a reader finds something at all times. */
	if (ftruncate(fd, (off_t)n) < 0 || (is_new && fchmod(fd, 0644) < 0))
		return failed(d, errno, "write", path);
	return TM_OK;
}

bool os_can_rewrite(const char *path)
{
	struct stat st;
	char dir[PATH_MAX_LEN];
	const char *slash = strrchr(path, '/');

	/* Without a name it is mounted here, and another has its place on the machine. */
	if (lstat(path, &st) == 0)
		return access(path, W_OK) == 0 && stat(path, &st) == 0 && st.st_nlink > 0;
	if (!slash || slash == path)
		return false;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	return access(dir, W_OK) == 0;
}

void os_real_path(const char *path, char *buf, size_t n)
{
	_cleanup_(freep) char *real = realpath(path, NULL);

	snprintf(buf, n, "%s", real ? real : path);
}

unsigned os_exposed(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == EACCES ? OS_UNSEEN : 0;
	return (st.st_mode & (S_IRGRP | S_IROTH) ? OS_OTHERS_READ : 0U) |
	       (st.st_mode & (S_IWGRP | S_IWOTH) ? OS_OTHERS_WRITE : 0U) |
	       (st.st_uid != 0 && st.st_uid != geteuid() ? OS_FOREIGN : 0U);
}

uint64_t os_file_stamp(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	uint64_t time = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
	uint64_t stamp = (time * 31 + (uint64_t)st.st_size) * 31 + (uint64_t)st.st_ino;
	return stamp ? stamp : 1;
}

int os_look(const char *path, struct os_look *ret_look)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOTDIR ? TM_ENOENT : tm_err_from_errno(errno);
	*ret_look = (struct os_look){.is_file = S_ISREG(st.st_mode), .size = (uint64_t)st.st_size};
	return TM_OK;
}

uint64_t os_room(const char *path)
{
	struct statvfs fs;

	return statvfs(path, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
}

int os_find(const char *path)
{
	struct os_look ignored;

	return os_look(path, &ignored);
}

int os_may_write(const char *path)
{
	/* No descriptor of our own: closing one would drop the locks that SQLite holds on the same file
	 * (POSIX advisory locks). */
	return faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0 ? TM_OK : tm_err_from_errno(errno);
}

int os_make_file(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? tm_err_from_errno(errno) : TM_OK;
}

void os_keep_private(const char *path)
{
	(void)chmod(path, 0600);
}

int os_sync_file(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? tm_err_from_errno(errno) : TM_OK;
}

int os_name_file(const char *path, const char *name)
{
	if (link(path, name) < 0 && (errno == EEXIST || rename(path, name) < 0))
		return tm_err_from_errno(errno);
	return tm_err_from_errno(sync_dir_of(name));
}

int os_remove_file(const char *path)
{
	return unlink(path) == 0 ? TM_OK : tm_err_from_errno(errno);
}

int os_remove_dir(const char *path)
{
	return rmdir(path) == 0 ? TM_OK : tm_err_from_errno(errno);
}

bool os_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

int os_move_file(const char *from, const char *to, struct diag *d)
{
	if (rename(from, to) < 0)
		return failed(d, errno, "write", to);

	int err = sync_dir_of(to);
	return err ? failed(d, err, "flush the directory of", to) : TM_OK;
}

/* ---- host name ---- */

/*
 * The first label as a node name: lower case, letters, digits and inner hyphens; "node" when nothing is left.
 */
void os_host_name(char *buf, size_t n)
{
	char host[256] = "";
	size_t len = 0;

	if (n == 0)
		return;
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';

	for (const char *p = host; *p && *p != '.' && len + 1 < n && len < 63; p++) {
		unsigned char c = (unsigned char)tolower((unsigned char)*p);
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (plain)
			buf[len++] = (char)c;
		else if (len > 0 && buf[len - 1] != '-')
			buf[len++] = '-';
	}
	while (len > 0 && buf[len - 1] == '-')
		len--;
	buf[len] = '\0';
	if (len == 0 || strcmp(buf, "localhost") == 0)
		snprintf(buf, n, "node");
}
