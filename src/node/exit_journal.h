/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The names of the interfaces under which this node has led everything through another one, in a file: a line
 * each, written before the first rule is set and until all are gone (docs/decisions/0021). By these what is
 * left of it is found, also when the configuration names another interface by then, and that of another
 * tunnelmesh of this machine is told from it. Blocks: the control thread once per use of an exit node, or the
 * command line while no daemon runs.
 */
#ifndef TM_NODE_EXIT_JOURNAL_H
#define TM_NODE_EXIT_JOURNAL_H

#include "base/diag.h"
#include "base/err.h"
#include "os/os.h"

#define EXIT_JOURNAL "undo-exit" /* in the state directory */

/* The one that is not `now`; "" = there is none. */
void exit_journal_former(const char *path, const char *now, char ret_name[static 16]);
/* former: "" = none. */
NODISCARD int exit_journal_note(const char *path, const char *now, const char *former, struct diag *d);
void exit_journal_end(const char *path);

/* Without a daemon: what it says, and what there is of the interface now, is taken away. TM_EPERM and others:
 * it is not, and stays noted. */
NODISCARD int exit_journal_undo(
	const char *path, const char *now, struct os_exit_left *ret_left, struct diag *d);

#endif
