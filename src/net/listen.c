/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/listen.h"

#include <errno.h>
#include <event2/event.h>

#include "os/tcp.h"

enum {
	BACKLOG = 4096, /* as far as net.core.somaxconn allows */
	TURN_MAX = 64, /* accepted before others get their turn: they finish what makes room */
};

struct listener {
	int fd;
	struct event *readable;
	struct listener_events events;
	bool paused;
};

static void on_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct listener *l = arg;

	for (unsigned i = 0; i < TURN_MAX && !l->paused; i++) {
		struct endpoint from;
		int conn;
		int err = tcp_accept(l->fd, &conn, &from);

		if (err == TM_EAGAIN)
			return;
		if (err) {
			int e = errno;

			listener_pause(l);
			l->events.failed(l->events.ctx, e);
			return;
		}
		l->events.accepted(l->events.ctx, conn, &from);
	}
}

int listener_new(struct event_base *base, struct endpoint *ep, uint32_t mark,
	const struct listener_events *ev, struct listener **ret_listener)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return TM_ENOMEM;

	l->events = *ev;
	l->fd = -1;
	int err = tcp_listen(ep, mark, BACKLOG, &l->fd);
	if (err) {
		free(l); /* keeps errno */
		return err;
	}
	l->readable = event_new(base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
	if (!l->readable || event_add(l->readable, NULL) != 0) {
		listener_free(l);
		errno = ENOMEM;
		return TM_ENOMEM;
	}
	*ret_listener = l;
	return TM_OK;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;

	if (l->readable)
		event_free(l->readable);
	tcp_close(l->fd);
	free(l);
}

void listener_pause(struct listener *l)
{
	l->paused = true;
	event_del(l->readable);
}

void listener_resume(struct listener *l)
{
	l->paused = false;
	event_add(l->readable, NULL);
}

bool listener_is_paused(const struct listener *l)
{
	return l->paused;
}
