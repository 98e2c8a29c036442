/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A wall clock that never goes back, not even across restarts or when somebody sets the date: WireGuard peers
 * refuse handshakes whose timestamp is not newer than the last one they saw, so a clock set back a year would
 * lock us out for a year.
 *
 * The file holds two numbers: the time when it was written and a time up to which readings may be handed out
 * before it is written again. A start whose system clock is behind the first number continues from the
 * second.
 */
#ifndef TM_NODE_CLOCK_H
#define TM_NODE_CLOCK_H

#include "base/diag.h"
#include "base/time.h"

struct node_clock {
	const char *path;
	ns_t last, last_mono; /* the last reading, and when it was taken */
	ns_t reserved; /* written to the file: readings stay below it */
};

#define CLOCK_RESERVE (20 * 60 * SEC)

/* An unreadable file counts as none. Returns by how much the system clock is behind (0 = it is not). */
ns_t node_clock_init(struct node_clock *c, const char *path, ns_t real, ns_t mono);
ns_t node_clock_read(struct node_clock *c, ns_t real, ns_t mono);
/* How far the readings are ahead of the system's clock, which somebody set back. */
ns_t node_clock_ahead(const struct node_clock *c, ns_t real, ns_t mono);
/* Time to write a new reservation? */
bool node_clock_is_due(const struct node_clock *c);
/*
 * The file's next content, in two steps so that another thread can write it: format, write, and once it is on
 * disk tell which reservation is now in force (what node_clock_format returned).
 */
enum { CLOCK_TEXT_MAX = 64 };
ns_t node_clock_format(const struct node_clock *c, char ret_text[static CLOCK_TEXT_MAX]);
void node_clock_saved(struct node_clock *c, ns_t reserved);
NODISCARD int node_clock_save(struct node_clock *c, struct diag *d); /* all at once; blocks */

#endif
