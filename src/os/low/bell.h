/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A bell: what other threads wake one with that waits for descriptors (os/wait.h, or libevent). */
#ifndef TM_OS_LOW_BELL_H
#define TM_OS_LOW_BELL_H

struct bell {
	int hear, ring; /* descriptors, of which one may be both */
};
#define BELL_NONE ((struct bell){.hear = -1, .ring = -1})

/* 0, or the errno value that says why there is none: then it is BELL_NONE. */
__attribute__((warn_unused_result)) int bell_init(struct bell *b);
void bell_deinit(struct bell *b); /* BELL_NONE is fine, and what is left */
int bell_fd(const struct bell *b); /* readable while it rings */
void bell_ring(const struct bell *b); /* any thread; until somebody stops it */
void bell_stop(const struct bell *b);

#endif
