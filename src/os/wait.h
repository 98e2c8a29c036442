/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What one thread waits for: any number of sources at once (a socket, a TUN queue, a stream, a bell), each
 * named by the descriptor that its own header gives for it. A set belongs to one thread; what others wake it
 * with is a bell (os/low/bell.h).
 */
#ifndef TM_OS_WAIT_H
#define TM_OS_WAIT_H

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

struct wait_set;

/* WAIT_BROKEN is never asked for: the source is gone or in error. */
enum wait_what { WAIT_READ = 1, WAIT_WRITE = 2, WAIT_BROKEN = 4 };

NODISCARD int wait_set_new(struct wait_set **ret_set);
void wait_set_free(struct wait_set *s); /* not what it waited for; NULL is fine */

/* `what` of enum wait_what; the place is its name from now on, until wait_remove. */
NODISCARD int wait_add(struct wait_set *s, int fd, unsigned what, size_t *ret_place);
void wait_change(struct wait_set *s, size_t place, unsigned what); /* 0: not even whether it is broken */
void wait_remove(struct wait_set *s, size_t place); /* before its descriptor is closed */

/* Until one of them is ready, at most for `timeout` (NS_NEVER: for ever). May return early, with none ready.
 */
void wait_until_ready(struct wait_set *s, ns_t timeout);
/* What the last wait found: enum wait_what. */
unsigned wait_ready(const struct wait_set *s, size_t place);

#endif
