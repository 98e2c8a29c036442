/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From the netmap to the data plane's peers: who they are, under which pre-shared key, and which inner
 * addresses are theirs. Pure; control thread or CLI.
 */
#ifndef TM_CONTROL_POLICY_POLICY_H
#define TM_CONTROL_POLICY_POLICY_H

#include "data/plane/plane.h"
#include "mesh/model.h"

struct policy_peers {
	struct plane_peer *v; /* each borrows its prefixes from `prefixes` */
	size_t n;
	struct prefix *prefixes;
};

/* The pre-shared key of two nodes: HKDF-SHA256(mesh secret, salt = lower key || higher key, "tunnelmesh psk
 * 1"). */
NODISCARD int policy_pair_psk(const uint8_t secret[static 32], const uint8_t key_a[static 32],
	const uint8_t key_b[static 32], uint8_t ret_psk[static 32]);

/*
 * Every mesh node but ourselves owns its two addresses and those of the clients behind it; clients behind
 * ourselves are peers of their own, whose packets may be forwarded. A client whose gateway is unknown is left
 * out, as is a record with our own key.
 */
NODISCARD int policy_peers(const struct netmap *map, const struct mesh_info *mesh, const char *self_id,
	const uint8_t self_key[static 32], struct policy_peers *ret_peers);
void policy_peers_deinit(struct policy_peers *p); /* wipes the keys */

#endif
