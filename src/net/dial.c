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

int dial_address_parse(const char *address, char host[static 255], uint16_t *ret_port)
{
	const char *colon = strrchr(address, ':');
	unsigned long port = 0;

	if (!colon || colon == address)
		return TM_EINVAL;

	size_t n = strspn(colon + 1, "0123456789");
	if (n == 0 || n > 5 || colon[1 + n] != '\0')
		return TM_EINVAL;
	port = strtoul(colon + 1, NULL, 10);
	if (port == 0 || port > UINT16_MAX)
		return TM_EINVAL;

	const char *from = address;
	size_t len = (size_t)(colon - address);
	if (from[0] == '[') {
		if (len < 3 || from[len - 1] != ']')
			return TM_EINVAL;
		from++;
		len -= 2;
	} else if (memchr(from, ':', len)) {
		return TM_EINVAL; /* IPv6 without brackets */
	}
	if (len >= 255 || strcspn(from, " /\t\r\n") < len)
		return TM_EINVAL;

	memcpy(host, from, len);
	host[len] = '\0';
	*ret_port = (uint16_t)port;
	return TM_OK;
}

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
