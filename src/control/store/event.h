/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What was done to the mesh, and by whom (mesh/event.h). See store.h for threads and transactions: an event
 * is stored with what it tells of, in one transaction, so that there is neither without the other.
 */
#ifndef TM_CONTROL_STORE_EVENT_H
#define TM_CONTROL_STORE_EVENT_H

#include "control/store/store.h"
#include "mesh/event.h"

/*
 * The newest of what members can bring about, by their links or by what happens of itself (a machine with a
 * copied identity), as many of what they report of themselves, and as many of all else, so that no member can
 * push out what the administration did, and alarms push out alarms alone. None is older than
 * STORE_EVENTS_AGE_S.
 */
enum { STORE_EVENTS_KEPT = 10000, STORE_EVENTS_SLACK = 64 };
#define STORE_EVENTS_AGE_S ((int64_t)400 * 86400)

/* e->number becomes its own. Beyond what is kept there may be STORE_EVENTS_SLACK for a while. */
NODISCARD int store_event_add(struct store *s, struct event *e);

struct store_events {
	uint64_t after; /* those with a higher number */
	int64_t since; /* and not older than that, Unix seconds */
	const char *of; /* about or by the member with this id; NULL: all */
	bool newest; /* newest first, and instead of `after`: */
	uint64_t before; /* those with a lower number; 0: all */
};
/* In their order, or the other way round. Those of kinds that this program does not know are left out. Stops
 * when fn returns an error. */
typedef int store_event_fn(void *ctx, const struct event *e);
NODISCARD int store_event_each(
	struct store *s, const struct store_events *which, store_event_fn *fn, void *ctx);

#endif
