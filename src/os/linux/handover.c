/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * os/handover.h by a variable of the environment, "PID NAME:FD NAME:FD ...": with the process's own number,
 * which stays the same, so that one that leaked to a child is never taken for its.
 */
#include "os/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "base/util.h"

#define KEPT_ENV "TUNNELMESH_KEPT"
/* proc(5): so the kernel names a program whose file was unlinked. */
#define GONE " (deleted)"

enum {
	KEPT_MAX = 160, /* two descriptors of each queue of a TUN device, and some */
	FIRST_FD = 10, /* nothing that somebody takes for a standard stream, or for systemd's */
	ARGUMENTS_MAX = 1 << 20,
};

struct kept {
	char name[HANDOVER_NAME_MAX + 1];
	int fd;
};

/* Of the process: what it was given and has not taken, and what it gives. */
static struct {
	struct kept v[KEPT_MAX];
	size_t n;
} given, giving;

/* And where its program lay when it began: who moves that away means the one that takes its place. */
static char started_from[PATH_MAX];

/* --- the program that begins --- */

static void adopt_one(const char *word)
{
	struct kept k;
	char after;

	_Static_assert(HANDOVER_NAME_MAX == 15, "as below");
	if (sscanf(word, "%15[a-z0-9]:%d%c", k.name, &k.fd, &after) != 2 || k.fd < FIRST_FD ||
		given.n == KEPT_MAX || fcntl(k.fd, F_SETFD, FD_CLOEXEC) < 0)
		return;
	given.v[given.n++] = k;
}

/* Where it is, or where the one is that took its place: packages put theirs there and unlink the old one. */
static void remember_program(void)
{
	const ssize_t got = readlink("/proc/self/exe", started_from, sizeof(started_from) - 1);
	const size_t n = got < 0 ? 0 : (size_t)got, gone = sizeof(GONE) - 1;

	started_from[n] = '\0';
	if (n > gone && strcmp(started_from + n - gone, GONE) == 0)
		started_from[n - gone] = '\0';
}

void handover_adopt(void)
{
	const char *text = getenv(KEPT_ENV);
	char *end;

	remember_program();
	if (!text)
		return;
	_cleanup_(freep) char *copy = strdup(text);
	unsetenv(KEPT_ENV);
	if (!copy || strtol(copy, &end, 10) != getpid())
		return;
	for (char *word; (word = strsep(&end, " "));)
		adopt_one(word);
}

int handover_take(const char *name)
{
	for (size_t i = 0; i < given.n; i++)
		if (strcmp(given.v[i].name, name) == 0) {
			int fd = given.v[i].fd;

			given.v[i] = given.v[--given.n];
			return fd;
		}
	return -1;
}

void handover_drop(void)
{
	while (given.n)
		close(given.v[--given.n].fd);
	while (giving.n)
		close(giving.v[--giving.n].fd);
}

/* --- the one that ends --- */

int handover_give(const char *name, int fd)
{
	struct kept k = {.fd = -1};

	if (giving.n == KEPT_MAX || strlen(name) > HANDOVER_NAME_MAX)
		return TM_EFULL;
	k.fd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD);
	if (k.fd < 0)
		return tm_err_from_errno(errno);
	snprintf(k.name, sizeof(k.name), "%s", name);
	giving.v[giving.n++] = k;
	return TM_OK;
}

int handover_program(char *ret_path, size_t n, struct diag *d)
{
	struct stat st;

	if (!started_from[0] || strlen(started_from) >= n)
		return diag_what(d, TM_ENOENT, "our own program file cannot be found");
	if (stat(started_from, &st) < 0 || access(started_from, X_OK) < 0) {
		const int err = tm_err_from_errno(errno);

		return diag_what(d, err, "the program %s cannot be run: %s", started_from, strerror(errno));
	}
	if (!S_ISREG(st.st_mode))
		return diag_what(d, TM_EINVAL, "%s is not a program", started_from);
	memcpy(ret_path, started_from, strlen(started_from) + 1);
	return TM_OK;
}

/* NUL after NUL, as the kernel has them. The text and the list live until the process is another one. */
static char **own_arguments(void)
{
	FILE *f = fopen("/proc/self/cmdline", "re");
	_cleanup_(freep) char *text = calloc(1, ARGUMENTS_MAX);
	size_t n = f && text ? fread(text, 1, ARGUMENTS_MAX - 1, f) : 0, count = 0;

	if (f)
		fclose(f);
	for (size_t i = 0; i < n; i++)
		count += text[i] == '\0';
	char **argv = count ? calloc(count + 1, sizeof(*argv)) : NULL;
	if (!argv)
		return NULL;
	count = 0;
	for (char *at = text; at < text + n; at += strlen(at) + 1)
		argv[count++] = at;
	(void)TAKE(text);
	return argv;
}

static int tell_next(void)
{
	struct strbuf b = {0};

	strbuf_printf(&b, "%d", (int)getpid());
	for (size_t i = 0; i < giving.n; i++)
		strbuf_printf(&b, " %s:%d", giving.v[i].name, giving.v[i].fd);
	_cleanup_(freep) char *text = strbuf_take(&b);
	if (!text || setenv(KEPT_ENV, text, 1) < 0)
		return TM_ENOMEM;
	for (size_t i = 0; i < giving.n; i++)
		(void)fcntl(giving.v[i].fd, F_SETFD, 0);
	return TM_OK;
}

int handover_become(struct diag *d)
{
	char **argv = own_arguments();
	int err = argv ? tell_next() : TM_ENOMEM;

	if (!err) {
		if (started_from[0])
			execv(started_from, argv);
		/* What was looked at a moment ago is gone or no program: better the old one than none. */
		execv("/proc/self/exe", argv);
		err = tm_err_from_errno(errno);
	}
	unsetenv(KEPT_ENV);
	handover_drop();
	return diag_what(d, err, "the program cannot be started again: %s", tm_strerror(err));
}
