/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A listening TCP socket in the event loop. It can be paused: then newcomers wait in the kernel's queue
 * instead of costing anything. Control thread.
 */
#ifndef TM_NET_LISTEN_H
#define TM_NET_LISTEN_H

#include "base/addr.h"
#include "base/err.h"

struct event_base;
struct listener;

struct listener_events {
	void *ctx;
	void (*accepted)(void *ctx, int fd, const struct endpoint *from); /* fd is the callee's */
	/* Accepting failed with this errno, as when no descriptor is left; the listener has paused. */
	void (*failed)(void *ctx, int e);
};

/* *ep becomes what was bound. errno says more about a failure. */
NODISCARD int listener_new(struct event_base *base, struct endpoint *ep, uint32_t mark,
	const struct listener_events *ev, struct listener **ret_listener);
void listener_free(struct listener *l); /* NULL is fine */
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);
bool listener_is_paused(const struct listener *l);

#endif
