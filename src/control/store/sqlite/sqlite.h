/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The store in SQLite 3: one file (mode 0600) with a write-ahead log, synced at every commit. One process at
 * a time: the file stays locked while it is open, so that no second coordinator can serve the same mesh.
 */
#ifndef TM_CONTROL_STORE_SQLITE_H
#define TM_CONTROL_STORE_SQLITE_H

struct store_ops;

extern const struct store_ops store_sqlite; /* where = the path of the file */

#endif
