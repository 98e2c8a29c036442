/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The stream to the coordinator's relay, for when UDP does not pass: looked for where the control link is, by
 * the same race (addresses, TLS, a proxy), for ever, until it is not wanted any more. There is one. Control
 * thread; callbacks come from the loop.
 */
#ifndef TM_CONTROL_AGENT_STREAM_H
#define TM_CONTROL_AGENT_STREAM_H

#include "control/agent/agent.h"
#include "net/release.h"

struct agent_stream_events {
	struct stream_asker asker; /* what is said there, and whether the answer is right */
	void *ctx;
	void (*up)(void *ctx, struct net_released *r_take);
};

/* From now on; once more: nothing. ev is copied. */
void agent_stream_open(struct agent *a, const struct agent_stream_events *ev);
/* The one that was up is gone: the next is looked for, after a moment. Nothing when none is wanted. */
void agent_stream_lost(struct agent *a);
void agent_stream_close(struct agent *a);

#endif
