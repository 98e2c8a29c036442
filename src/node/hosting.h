/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is done to this machine so that its programs ask us for names of the mesh (os/resolv.h), with the
 * journal of it: what outlives us stands there before it is done, and until it is undone. Blocks, as that
 * does. Private to node/ and the command line.
 */
#ifndef TM_NODE_HOSTING_H
#define TM_NODE_HOSTING_H

#include "os/resolv.h"

enum { HOSTING_ZONES = 160, HOSTING_PATH = 512 };

struct hosting {
	struct os_resolv host; /* what is wanted, and what came of it; note and ctx are ours */
	char journal[HOSTING_PATH];
};

/* Looks, and does what is missing; may_write as there. The problem of an error is there, too. */
NODISCARD int hosting_apply(struct hosting *h, bool may_write);
/* Undoes what the journal says, which is removed; TM_ENOENT: there is none, nothing was to be done. */
NODISCARD int hosting_undo(const char *journal, struct diag *d);

#define HOSTING_JOURNAL "undo-names" /* in the state directory */

#endif
