/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/dial.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "net/lookup.h"
#include "os/tcp.h"

enum { DIAL_TARGETS = LOOKUP_MAX + 2 };

struct dial;

struct target {
	struct dial *dial;
	struct endpoint ep;
	int fd;
	struct event *ready; /* while connecting */
};

struct dial {
	struct event_base *base;
	dial_done_fn *done;
	void *ctx;
	unsigned stagger_ms;
	uint32_t mark;
	struct lookup *lookup; /* NULL: not needed, or through */
	struct event *next; /* time for the next attempt */
	struct target targets[DIAL_TARGETS];
	size_t n, begun, open; /* known, tried, under way */
	int err;
	char why[160];
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

static void target_close(struct target *t)
{
	if (t->ready)
		event_free(t->ready);
	if (t->fd >= 0)
		tcp_close(t->fd);
	t->ready = NULL;
	t->fd = -1;
}

static void targets_close(struct dial *d)
{
	for (size_t i = 0; i < d->n; i++)
		target_close(&d->targets[i]);
	d->open = 0;
}

static void target_add(struct dial *d, const struct endpoint *ep)
{
	for (size_t i = 0; i < d->n; i++)
		if (endpoint_eq(&d->targets[i].ep, ep))
			return;
	if (d->n < DIAL_TARGETS)
		d->targets[d->n++] = (struct target){.dial = d, .ep = *ep, .fd = -1};
}

/* The first failure names the cause best: the later addresses are the less preferred ones. */
static void note_failure(struct dial *d, int err, const char *why)
{
	if (d->err)
		return;
	d->err = err;
	snprintf(d->why, sizeof(d->why), "%s", why);
}

static void note_errno(struct dial *d, int e)
{
	note_failure(d, tm_err_from_errno(e), e == ECONNREFUSED ? "connection refused" : strerror(e));
}

static void step(struct dial *d);

static void on_ready(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct target *t = arg;
	struct dial *d = t->dial;

	if (tcp_connected(fd) == TM_OK) {
		struct endpoint peer = t->ep;

		t->fd = -1;
		targets_close(d);
		event_del(d->next);
		lookup_cancel(TAKE(d->lookup));
		d->done(d->ctx, TM_OK, fd, &peer, "");
		return;
	}
	note_errno(d, errno);
	target_close(t);
	d->open--;
	step(d);
}

/* 0 when the attempt is under way, else an errno. */
static int target_begin(struct dial *d, struct target *t)
{
	if (tcp_connect(&t->ep, d->mark, &t->fd) != TM_OK)
		return errno;

	t->ready = event_new(d->base, t->fd, EV_WRITE, on_ready, t);
	if (!t->ready || event_add(t->ready, NULL) != 0)
		return ENOMEM;
	d->open++;
	return 0;
}

/* Begins the next attempt, if any is left; tells the owner when there is nothing to wait for any more. */
static void step(struct dial *d)
{
	while (d->begun < d->n) {
		struct target *t = &d->targets[d->begun++];
		int e = target_begin(d, t);
		if (e == 0)
			break;

		target_close(t);
		note_errno(d, e);
	}
	if (d->begun < d->n) {
		struct timeval tv = {
			.tv_sec = d->stagger_ms / 1000, .tv_usec = (suseconds_t)d->stagger_ms % 1000 * 1000};

		event_add(d->next, &tv);
		return;
	}
	if (d->open == 0 && !d->lookup) {
		event_del(d->next);
		d->done(d->ctx, d->err ? d->err : TM_EUNREACH, -1, NULL, d->err ? d->why : "no address");
	}
}

static void on_next(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	step(arg);
}

static void on_looked_up(void *ctx, int err, const struct endpoint *found, size_t n, const char *why)
{
	struct dial *d = ctx;
	bool waiting = event_pending(d->next, EV_TIMEOUT, NULL);

	d->lookup = NULL;
	if (err)
		note_failure(d, err, why);
	for (size_t i = 0; i < n; i++)
		target_add(d, &found[i]);
	if (!waiting)
		step(d);
}

int dial_new(struct event_base *base, const struct dial_config *cfg, dial_done_fn *done, void *ctx,
	struct dial **ret_dial)
{
	struct endpoint ep;
	char host[255];
	uint16_t port;
	int err = dial_address_parse(cfg->address, host, &port);

	if (err)
		return err;

	struct dial *d = calloc(1, sizeof(*d));
	if (!d)
		return TM_ENOMEM;
	d->base = base;
	d->done = done;
	d->ctx = ctx;
	d->stagger_ms = cfg->stagger_ms;
	d->mark = cfg->mark;
	d->next = event_new(base, -1, EV_TIMEOUT, on_next, d);
	if (!d->next) {
		dial_free(d);
		return TM_ENOMEM;
	}
	if (cfg->first && endpoint_is_set(cfg->first))
		target_add(d, cfg->first);
	if (endpoint_parse(cfg->address, &ep) == TM_OK)
		target_add(d, &ep);
	else
		err = lookup_new(base, host, port, cfg->mark, on_looked_up, d, &d->lookup);
	if (err) {
		dial_free(d);
		return err;
	}
	event_active(d->next, EV_TIMEOUT, 0);
	*ret_dial = d;
	return TM_OK;
}

void dial_free(struct dial *d)
{
	if (!d)
		return;

	targets_close(d);
	lookup_cancel(d->lookup);
	if (d->next)
		event_free(d->next);
	free(d);
}

bool dial_is_resolving(const struct dial *d)
{
	return d->lookup && d->open == 0;
}
