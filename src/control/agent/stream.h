/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Streams to relays, for when UDP does not pass: looked for by the same race as the control link (addresses,
 * TLS, a proxy), for ever, until they are not wanted any more. The coordinator's relay is where the control
 * link leads, the others where the list of relays says. There is one to each relay. Control thread; callbacks
 * come from the loop.
 */
#ifndef TM_CONTROL_AGENT_STREAM_H
#define TM_CONTROL_AGENT_STREAM_H

#include "control/agent/agent.h"
#include "net/release.h"

enum { AGENT_STREAMS_MAX = 4 };

struct agent_stream_events {
	struct stream_asker asker; /* what is said there, and whether the answer is right */
	void *ctx;
	void (*up)(void *ctx, struct net_released *r_take);
};

/* To the relay of that id, from now on; once more: nothing. ev is copied. TM_EFULL: there are so many. */
NODISCARD int agent_stream_open(struct agent *a, const char *relay, const struct agent_stream_events *ev);
/* The one that was up is gone: the next is looked for, after a moment. Nothing when none is wanted. */
void agent_stream_lost(struct agent *a, const char *relay);
void agent_stream_close(struct agent *a, const char *relay);

#endif
