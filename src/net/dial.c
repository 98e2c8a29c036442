/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/dial.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "os/tcp.h"

struct dial {
	dial_done_fn *done;
	void *ctx;
	int fd; /* -1: connecting failed at once with errno `e`, or it is the owner's */
	int e;
	struct event *ready;
};

static void on_ready(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct dial *d = arg;

	if (fd >= 0 && tcp_connected(fd) == TM_OK) {
		d->fd = -1;
		d->done(d->ctx, TM_OK, fd, "");
		return;
	}

	int e = fd >= 0 ? errno : d->e;
	d->done(d->ctx, tm_err_from_errno(e), -1, e == ECONNREFUSED ? "connection refused" : strerror(e));
}

int dial_new(struct event_base *base, const struct endpoint *to, uint32_t mark, dial_done_fn *done, void *ctx,
	struct dial **ret_dial)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (!d)
		return TM_ENOMEM;
	d->done = done;
	d->ctx = ctx;
	if (tcp_connect(to, mark, &d->fd) != TM_OK) {
		d->e = errno;
		d->fd = -1;
	}
	d->ready = event_new(base, d->fd, d->fd >= 0 ? EV_WRITE : EV_TIMEOUT, on_ready, d);
	if (!d->ready || event_add(d->ready, NULL) != 0) {
		dial_free(d);
		return TM_ENOMEM;
	}
	if (d->fd < 0)
		event_active(d->ready, EV_TIMEOUT, 0);
	*ret_dial = d;
	return TM_OK;
}

void dial_free(struct dial *d)
{
	if (!d)
		return;

	if (d->ready)
		event_free(d->ready);
	if (d->fd >= 0)
		tcp_close(d->fd);
	free(d);
}
