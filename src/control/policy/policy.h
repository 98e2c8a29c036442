/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From the mesh to the data plane's peers: who they are, under which pre-shared key, and which inner
 * addresses are theirs. Every mesh node but ourselves owns its two addresses and those of the clients behind
 * it, and the networks that are reached through it (owners.h); clients behind ourselves are peers of their
 * own, whose packets may be forwarded. A client whose gateway is unknown belongs to nobody until that one
 * appears; a record with our own key or addresses is left out.
 *
 * A change of the mesh becomes the changes of those peers that it concerns: a rename concerns none. Pure;
 * control thread or CLI.
 */
#ifndef TM_CONTROL_POLICY_POLICY_H
#define TM_CONTROL_POLICY_POLICY_H

#include "control/policy/owners.h"
#include "data/plane/plane.h"
#include "mesh/diff.h"

/* Ourselves. All borrowed. */
struct policy {
	const uint8_t *secret; /* of the mesh, 32 bytes */
	const uint8_t *self_key;
	const char *self_id;
	uint32_t self_host;
	const struct owners *owners; /* of networks behind nodes; NULL: there are none */
};

/* In this order: all that go, then those that come or change. An error ends the work and is returned. */
struct policy_ops {
	void *ctx;
	int (*remove)(void *ctx, const uint8_t key[32]);
	int (*put)(void *ctx, const struct plane_peer *peer); /* borrowed; wiped afterwards */
};

/* `m` is the mesh as it is after `d`. */
NODISCARD int policy_apply(const struct policy *p, const struct mesh *m, const struct mesh_diff *d,
	const struct policy_ops *ops);

/* Once more those with these host numbers, whose networks are others now. Who is no peer is left out. */
NODISCARD int policy_again(const struct policy *p, const struct mesh *m, const uint32_t *hosts, size_t n,
	const struct policy_ops *ops);

/* The pre-shared key of two nodes: HKDF-SHA256(mesh secret, salt = lower key || higher key, "tunnelmesh psk
 * 1"). */
NODISCARD int policy_pair_psk(const uint8_t secret[static 32], const uint8_t key_a[static 32],
	const uint8_t key_b[static 32], uint8_t ret_psk[static 32]);

#endif
