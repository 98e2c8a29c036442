/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The undo journal: what we changed outside of this machine and what outlives us, in a file, written before
 * the change and until it is taken back (docs/decisions/0021). Today that is what gateways map to us. One
 * line each:
 *
 *   PROTOCOL GATEWAY OWN-ADDRESS INTERNAL-PORT EXTERNAL-PORT
 *
 * Control thread; the write itself, in steps as node/clock.h has them, may be another's.
 */
#ifndef TM_NODE_UNDO_H
#define TM_NODE_UNDO_H

#include "base/diag.h"
#include "control/portmap/portmap.h"

enum { UNDO_LINE_MAX = 128, UNDO_TEXT_MAX = PORTMAP_OWED_MAX * UNDO_LINE_MAX };

/* None where there is no file. TM_ECORRUPT: lines that make no sense are left out; any other error: there are
 * none, for it cannot be read. *ret_n is how many there are in each case. Blocks. */
NODISCARD int undo_load(const char *path, struct portmap_owed ret_v[static PORTMAP_OWED_MAX], size_t *ret_n);
/* The file's whole content. */
void undo_format(const struct portmap_owed *v, size_t n, char ret_text[static UNDO_TEXT_MAX]);

#endif
