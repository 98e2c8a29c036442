/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/link/ports.h"

#include <errno.h>
#include <string.h>

struct ports {
	struct listener *listeners[PORTS_MAX];
	size_t n;
	uint16_t first;
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
	const struct listener_events *ev, struct ports **ret_ports, struct diag *d)
{
	struct ports *p = calloc(1, sizeof(*p));

	if (!p)
		return diag_what(d, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));
	for (size_t i = 0; i < n && i < PORTS_MAX; i++) {
		struct endpoint ep = at[i];

		if (listener_new(base, &ep, mark, ev, &p->listeners[i]) != TM_OK) {
			int e = errno;

			ports_free(p);
			return listen_failed(e, &ep, i == 0, d);
		}
		p->n++;
		if (i == 0)
			p->first = ep.port;
	}
	*ret_ports = p;
	return TM_OK;
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
	return p->first;
}

void ports_pause(struct ports *p)
{
	for (size_t i = 0; i < p->n; i++)
		listener_pause(p->listeners[i]);
}

void ports_resume(struct ports *p)
{
	for (size_t i = 0; i < p->n; i++)
		listener_resume(p->listeners[i]);
}

bool ports_paused(const struct ports *p)
{
	bool paused = false;

	for (size_t i = 0; i < p->n; i++)
		paused |= listener_is_paused(p->listeners[i]);
	return paused;
}
