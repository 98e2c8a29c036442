/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/link/ports.h"

#include <errno.h>
#include <string.h>

struct ports {
	/* set once */
	struct event_base *base;
	struct listener_events events;
	uint32_t mark;
	size_t n;
	/* changes */
	struct endpoint at[PORTS_MAX]; /* a port that was 0 is what it came to be */
	struct listener *listeners[PORTS_MAX]; /* NULL: it is not open */
};

static int listen_failed(int e, const struct endpoint *ep, bool first, struct diag *d)
{
	char text[ENDPOINT_STR_LEN];

	switch (e) {
	case EADDRINUSE:
		diag_hint(d,
			first ? "stop the program that uses it (`ss -ltnp` shows which), or choose another "
				"port: with --api-port for `init`, later with api_port in the configuration"
			      : "stop the program that uses it (`ss -ltnp` shows which), or take it out of "
				"listen in the configuration");
		return diag_what(d, TM_EBUSY, "TCP port %u is already in use", ep->port);
	case EACCES:
	case EPERM:
		diag_hint(d,
			first ? "run as root, or choose a port above 1023: with --api-port for `init`, later "
				"with api_port in the configuration"
			      : "run as root, or take it out of listen in the configuration");
		return diag_what(d, TM_EPERM, "listening on TCP port %u is not permitted", ep->port);
	default:
		return diag_what(d, tm_err_from_errno(e), "cannot listen on TCP %s: %s",
			endpoint_format(ep, text), strerror(e));
	}
}

int ports_new(struct event_base *base, const struct endpoint *at, size_t n, uint32_t mark,
	const struct listener_events *ev, struct ports **ret_ports)
{
	struct ports *p = calloc(1, sizeof(*p));

	if (!p)
		return TM_ENOMEM;
	p->base = base;
	p->events = *ev;
	p->mark = mark;
	for (; p->n < n && p->n < PORTS_MAX; p->n++)
		p->at[p->n] = at[p->n];
	*ret_ports = p;
	return TM_OK;
}

int ports_open(struct ports *p, struct diag *d)
{
	int err = TM_OK;

	for (size_t i = 0; i < p->n; i++) {
		if (p->listeners[i] ||
			listener_new(p->base, &p->at[i], p->mark, &p->events, &p->listeners[i]) == TM_OK)
			continue;
		if (!err)
			err = listen_failed(errno, &p->at[i], i == 0, d);
	}
	return err;
}

void ports_free(struct ports *p)
{
	if (!p)
		return;

	for (size_t i = 0; i < p->n; i++)
		listener_free(p->listeners[i]);
	free(p);
}

uint16_t ports_first(const struct ports *p)
{
	return p->at[0].port;
}

void ports_pause(struct ports *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->listeners[i])
			listener_pause(p->listeners[i]);
}

void ports_resume(struct ports *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->listeners[i])
			listener_resume(p->listeners[i]);
}

bool ports_paused(const struct ports *p)
{
	bool paused = false;

	for (size_t i = 0; i < p->n; i++)
		paused |= p->listeners[i] && listener_is_paused(p->listeners[i]);
	return paused;
}
