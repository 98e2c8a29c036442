/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where a node's identity is kept: STATE_DIR/identity, as crypto/identity.h writes it. Blocking, for the
 * control thread at start-up and the CLI. */
#ifndef TM_CONTROL_AGENT_IDENTITY_FILE_H
#define TM_CONTROL_AGENT_IDENTITY_FILE_H

#include "crypto/identity.h"

/* TM_ENOENT when there is no such file. d says where it was, even when all went well. */
NODISCARD int identity_load(const char *path, struct identity *ret_id, struct diag *d);
/*
 * Only for its owner to read, whole or not at all, and on the disk when this returns; never over a file that
 * is there (TM_EEXIST).
 */
NODISCARD int identity_save(const struct identity *id, const char *path, struct diag *d);

#endif
