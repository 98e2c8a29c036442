/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * `capture`: what goes inside of one peer's tunnel, as pcapng, to root who asked by the control socket. It
 * ends with the connection, or when the client has said all (shut down its sending half), after so many
 * packets or so long, or with the node; but for the first, with the counts. Of what the client does not read
 * the tap holds TAP_BYTES (data/plane/tap.h); what finds no room there is counted. Control thread.
 */
#ifndef TM_NODE_CAPTURE_H
#define TM_NODE_CAPTURE_H

#include "mesh/mesh.h"
#include "node/ctl.h"
#include "wire/msg/request.h"

struct captures;
struct node;

NODISCARD int captures_open(struct node *n);
void captures_close(struct node *n); /* those under way end */

/* Answers. */
void captures_begin(
	struct node *n, const struct mesh_node *peer, const struct msg_capture *how, struct ctl_call *call);

#endif
