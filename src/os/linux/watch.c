/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/watch.h"

#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "loop/timer.h"

enum { FILES_MAX = 4, EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MOVED_FROM };

struct os_watch {
	int fd;
	struct event *readable;
	struct loop_timer *settled;
	ns_t settle;
	size_t n;
	struct watched {
		int wd; /* of the directory */
		int file_wd; /* of the file: what is mounted there lies in another directory; -1: there is
				none */
		char name[NAME_MAX + 1];
	} files[FILES_MAX];
};

static bool is_ours(const struct os_watch *w, const struct inotify_event *e)
{
	for (size_t i = 0; i < w->n; i++)
		if (e->wd == w->files[i].file_wd ||
			(e->wd == w->files[i].wd && e->len && strcmp(e->name, w->files[i].name) == 0))
			return true;
	return e->mask & IN_Q_OVERFLOW;
}

static void on_readable(evutil_socket_t fd, short what UNUSED, void *ctx)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct os_watch *w = ctx;
	const ssize_t n = read(fd, buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const struct inotify_event *)(const void *)(buf + at);

		if (is_ours(w, e))
			loop_timer_in(w->settled, w->settle);
		at += (ssize_t)(sizeof(*e) + e->len);
	}
}

int os_watch_new(struct event_base *base, ns_t settle, void (*changed)(void *ctx), void *ctx,
	struct os_watch **ret_watch)
{
	struct os_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return TM_ENOMEM;
	w->settle = settle;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int err = w->fd < 0 ? TM_EFILES : loop_timer_new(base, changed, ctx, &w->settled);
	if (!err) {
		w->readable = event_new(base, w->fd, EV_READ | EV_PERSIST, on_readable, w);
		err = w->readable && event_add(w->readable, NULL) == 0 ? TM_OK : TM_ENOMEM;
	}
	if (err) {
		os_watch_free(w);
		return err;
	}
	*ret_watch = w;
	return TM_OK;
}

void os_watch_free(struct os_watch *w)
{
	if (!w)
		return;
	if (w->readable)
		event_free(w->readable);
	loop_timer_free(w->settled);
	closep(&w->fd);
	free(w);
}

static void add_file(struct os_watch *w, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct watched *f = &w->files[w->n];
	char dir[PATH_MAX];

	if (!slash || w->n == FILES_MAX || strlen(slash + 1) > NAME_MAX)
		return;
	snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	f->wd = inotify_add_watch(w->fd, dir, EVENTS);
	f->file_wd = inotify_add_watch(w->fd, path, IN_CLOSE_WRITE | IN_ATTRIB);
	snprintf(f->name, sizeof(f->name), "%s", slash + 1);
	w->n += f->wd >= 0;
}

static bool has_wd(const struct os_watch *w, int wd)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->files[i].wd == wd || w->files[i].file_wd == wd)
			return true;
	return false;
}

/* What is watched already keeps its number: it goes when nobody wants it any more. */
static void drop(const struct os_watch *w, int wd)
{
	if (wd >= 0 && !has_wd(w, wd))
		(void)inotify_rm_watch(w->fd, wd);
}

bool os_watch_set(struct os_watch *w, const char *const *paths, size_t n)
{
	const struct os_watch before = *w;
	bool anew = false;

	w->n = 0;
	for (size_t i = 0; i < n; i++)
		add_file(w, paths[i]);
	for (size_t i = 0; i < before.n; i++) {
		drop(w, before.files[i].wd);
		drop(w, before.files[i].file_wd);
	}
	for (size_t i = 0; i < w->n; i++)
		anew |= !has_wd(&before, w->files[i].wd);
	return anew;
}
