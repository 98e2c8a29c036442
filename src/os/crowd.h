/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Many sources of which few have something at a time: hundreds of sockets, thousands of streams. One
 * descriptor stands for all of them in a wait set (os/wait.h), and asking who is ready costs what they are,
 * not what all are.
 *
 * Any thread may let somebody in, out, or change what is waited for; one asks who is ready. Whoever is let
 * out is not named again by questions that begin afterwards: what an earlier one answered must be done with
 * before its memory goes (base/epoch.h).
 */
#ifndef TM_OS_CROWD_H
#define TM_OS_CROWD_H

#include "base/err.h"
#include "base/util.h"

struct crowd;

NODISCARD int crowd_new(struct crowd **ret_crowd);
void crowd_free(struct crowd *c); /* not who is in it; NULL is fine */
int crowd_fd(const struct crowd *c); /* readable while somebody is ready */

/* `what` of enum wait_what; whoever is broken is named as well. */
NODISCARD int crowd_add(struct crowd *c, int fd, unsigned what, void *who);
void crowd_change(struct crowd *c, int fd, unsigned what, void *who);
void crowd_remove(struct crowd *c, int fd); /* before the descriptor is closed */

struct crowd_ready {
	void *who;
	unsigned what;
};
enum { CROWD_READY_MAX = 64 };
/* Up to n (<= CROWD_READY_MAX) of those that are ready now; those left out come first the next time. */
size_t crowd_ready(struct crowd *c, struct crowd_ready *v, size_t n);

#endif
