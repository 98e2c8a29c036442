/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/orders.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const int stop_signals[] = {SIGINT, SIGTERM};

struct os_orders {
	struct os_orders_events ev;
	struct event *stop[ARRAY_LEN(stop_signals)], *reload;
};

static void on_stop(evutil_socket_t sig, short what UNUSED, void *ctx)
{
	const struct os_orders *o = ctx;

	o->ev.stop(o->ev.ctx, sigabbrev_np((int)sig));
}

static void on_reload(evutil_socket_t sig UNUSED, short what UNUSED, void *ctx)
{
	const struct os_orders *o = ctx;

	o->ev.reload(o->ev.ctx);
}

static bool hear(struct event *e)
{
	return e && event_add(e, NULL) == 0;
}

int os_orders_new(struct event_base *base, const struct os_orders_events *ev, struct os_orders **ret_orders)
{
	struct os_orders *o = calloc(1, sizeof(*o));
	bool all = o != NULL;

	if (!all)
		return TM_ENOMEM;
	o->ev = *ev;
	for (size_t i = 0; i < ARRAY_LEN(stop_signals); i++) {
		o->stop[i] = evsignal_new(base, stop_signals[i], on_stop, o);
		all &= hear(o->stop[i]);
	}
	o->reload = evsignal_new(base, SIGHUP, on_reload, o);
	all &= hear(o->reload);
	if (!all) {
		os_orders_free(o);
		return TM_ENOMEM;
	}
	signal(SIGPIPE, SIG_IGN);
	*ret_orders = o;
	return TM_OK;
}

void os_orders_free(struct os_orders *o)
{
	if (!o)
		return;

	for (size_t i = 0; i < ARRAY_LEN(stop_signals); i++)
		if (o->stop[i])
			event_free(o->stop[i]);
	if (o->reload)
		event_free(o->reload);
	free(o);
}
