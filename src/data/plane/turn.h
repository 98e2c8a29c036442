/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How those that one worker reads share its time: deficit round robin (Shreedhar and Varghese 1995), in time
 * and not in bytes or packets, since time is what is short, and what a batch costs depends on what becomes of
 * it. Who has much to be read has a turn; a batch ends when it ends, and what that took too long is missing
 * the next time. Who is dry owes nothing: he has left the time to others. Pure.
 */
#ifndef TM_DATA_PLANE_TURN_H
#define TM_DATA_PLANE_TURN_H

#include "base/time.h"

#include <stdbool.h>

/* Some batches of single datagrams, or most of one of full trains. */
#define TURN (200 * US)

/* Of whom nothing is of use. */
#define TURN_SHORT (TURN / 8)

struct turn {
	ns_t owes; /* more than 0, if he had more when his last turn was over */
	bool is_short;
};

/*
 * Who was dry the last time is so again after one batch, mostly, and then nobody need know what that took: to
 * ask takes two system calls. If he is not, his turn begins behind it.
 */
static inline bool turn_has_batch_first(const struct turn *t)
{
	return t->owes == 0;
}

/* When the turn that begins now is over; a time that has come: it is let pass. */
static inline ns_t turn_ends(const struct turn *t, ns_t now)
{
	return now + (t->is_short ? TURN_SHORT : TURN) - t->owes;
}

/* It was, at `now`; more: something is left to be read. */
static inline void turn_over(struct turn *t, ns_t ends, ns_t now, bool more)
{
	t->owes = more ? now - ends : 0;
}

#endif
