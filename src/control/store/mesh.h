/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The one mesh of a database. See store.h for threads and transactions. */
#ifndef TM_CONTROL_STORE_MESH_H
#define TM_CONTROL_STORE_MESH_H

#include "control/store/store.h"
#include "mesh/model.h"

struct store_mesh {
	struct mesh_info info;
	int64_t created; /* Unix seconds */
};

NODISCARD int store_mesh_load(struct store *s, struct store_mesh *ret_mesh);

#endif
