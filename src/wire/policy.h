/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which policy somebody holds, in few digits: the version alone could be that of a database from before a
 * backup. It tells damage from what was meant, too; it is no proof against whoever makes up texts.
 */
#ifndef TM_WIRE_POLICY_H
#define TM_WIRE_POLICY_H

enum { POLICY_DIGEST_LEN = 16 }; /* hexadecimal digits */

/* Of no policy: who says that it holds this, held one that it cannot read any more. */
#define POLICY_DIGEST_LOST "0000000000000000"

/* text: as it was accepted; nodes: whom its names meant then. */
void policy_digest(const char *text, const char *nodes, char ret_digest[static POLICY_DIGEST_LEN + 1]);

#endif
