/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is done to this machine so that its programs ask us for names of the mesh (dns/resolv.h says which
 * way), and undone again. What outlives us stands in a journal of its own before it is done: which way,
 * where, and what was there. Everything here blocks: a helper thread, or the command line. No clock but of
 * programs that are run. Private to node/ and the command line.
 */
#ifndef TM_NODE_HOSTING_H
#define TM_NODE_HOSTING_H

#include "base/diag.h"
#include "dns/resolv.h"

enum { HOSTING_ZONES = 160, HOSTING_PATH = 512 };

struct hosting {
	/* what is wanted */
	enum resolv_wish wish;
	char ifname[16];
	struct ip server;
	char journal[HOSTING_PATH];
	const char *search; /* that of the names, where it is to be searched; NULL: it is not; borrowed */
	const char *const *zones; /* "~mesh", ..., that of the names first; ends with NULL; borrowed */
	/* what came of it */
	enum resolv_mode mode;
	const char *why; /* of the mode; static */
	const char *doubt; /* static; NULL = none */
	bool changed; /* something was done: it was not so before */
	char target[HOSTING_PATH]; /* where resolv.conf is, links followed */
	struct diag problem; /* of an error */
};

/* Looks, and does what is missing; may_write false: what somebody else took away in resolv.conf stays away
 * (TM_EBUSY). */
NODISCARD int hosting_apply(struct hosting *h, bool may_write);
/* Undoes what the journal says, which is removed; TM_ENOENT: there is none, nothing was to be done. */
NODISCARD int hosting_undo(const char *journal, struct diag *d);

#define HOSTING_JOURNAL "undo-names" /* in the state directory */

#endif
