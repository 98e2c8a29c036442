/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Small meshes and documents in one line each. */
#ifndef TM_TEST_UNIT_POLICY_RIG_H
#define TM_TEST_UNIT_POLICY_RIG_H

#include "policy/bind.h"

/*
 * Words are members, by host number from 1 on: "laptop:ops,dev" has two tags, "phone@hub" is a client behind
 * hub. Ids are made of names: rig_id.
 */
struct mesh *rig_mesh(const char *members);
void rig_id(const char *name, char ret_id[static NODE_ID_LEN + 1]);
const struct mesh_node *rig_node(const struct mesh *m, const char *name);

/* Read, and bound to the mesh unless that is NULL; a mistake fails the test. */
struct policy_doc *rig_doc(const struct mesh *m, const char *text);

#endif
