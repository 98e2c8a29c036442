/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a node remembers of what happened lately, the newest EVENTS_KEPT of it, until it stops: peers that
 * came, moved and went, warnings and errors of its log, and on a coordinator what was done to the mesh, whose
 * store keeps that for good. Who follows waits for the next one. Control thread, but for events_alarm.
 */
#ifndef TM_NODE_EVENTS_H
#define TM_NODE_EVENTS_H

#include "base/time.h"
#include "mesh/event.h"
#include "node/ctl.h"

enum { EVENTS_KEPT = 512, EVENTS_FOLLOWERS = 8 };
#define EVENTS_PATIENCE (20 * SEC) /* then who follows is answered, though nothing happened */

struct events;
struct event_base;

NODISCARD int events_new(struct event_base *base, struct events **ret_events);
void events_free(struct events *e); /* NULL is fine; who waits still is answered */

/* at and number are given here. e NULL: forgotten. */
void events_add(struct events *e, const struct event *x);
/* Stored by this coordinator, as it is. */
void events_add_mesh(struct events *e, const struct event *x);
/* A line of the log. Any thread; who follows hears of another thread's within a second. */
void events_alarm(struct events *e, enum log_level level, const char *line);

struct events_query {
	int64_t after; /* those behind this one, as `last` of an answer says */
	int64_t since; /* Unix seconds */
	bool wait; /* for one, when there is none; refused to who is one too many */
	ns_t patience; /* for so long, 0 or more than EVENTS_PATIENCE: for that */
	bool mesh; /* what is done to the mesh is among them, as the answer says */
};
void events_ask(struct events *e, const struct events_query *q, struct ctl_call *call);

#endif
