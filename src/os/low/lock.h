/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What threads wait for each other by. Locks held for some hundred instructions are base/spin.h's.
 * The memory is the caller's, and stays where it is; what is in it is the system's. Never fails: what could
 * not be made or taken ends the program.
 */
#ifndef TM_OS_LOW_LOCK_H
#define TM_OS_LOW_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

struct mutex {
	uint64_t own[8];
};

void mutex_init(struct mutex *m);
void mutex_deinit(struct mutex *m); /* nobody holds it */
void mutex_lock(struct mutex *m); /* not twice by one thread */
void mutex_unlock(struct mutex *m);

/* Something has changed that others wait for, and that one mutex guards. */
struct condition {
	uint64_t own[8];
};

void condition_init(struct condition *c);
void condition_deinit(struct condition *c); /* nobody waits */
/* With m held; free while it waits, held again when it returns. It may return with nothing changed. */
void condition_wait(struct condition *c, struct mutex *m);
void condition_signal(struct condition *c); /* wakes one */
void condition_broadcast(struct condition *c); /* wakes all */

/* Something that is done once in the life of the program, by whichever thread comes first. All zero: not yet.
 * It is done when this returns. `fn` does not call it again, for another one neither. */
struct once {
	_Atomic(int) done;
};

void once_run(struct once *o, void (*fn)(void));

#endif
