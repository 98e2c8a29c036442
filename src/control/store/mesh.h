/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The one mesh of a database. See store.h for threads and transactions. */
#ifndef TM_CONTROL_STORE_MESH_H
#define TM_CONTROL_STORE_MESH_H

#include "control/store/store.h"
#include "mesh/model.h"

struct store_mesh {
	struct mesh_info info;
	int64_t created; /* Unix seconds */
	uint64_t epoch; /* how often the database was opened for service: the upper half of netmap versions */
};

NODISCARD int store_mesh_load(struct store *s, struct store_mesh *ret_mesh);
/* Starts the next epoch, so that no netmap version is ever used twice. */
NODISCARD int store_epoch_next(struct store *s, uint64_t *ret_epoch);

#endif
