/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/doors.h"

#include "node/drive.h"
#include "node/node_private.h"

/* 0: none. */
static uint16_t wanted_port(const struct node *n)
{
	uint32_t next = (uint32_t)plane_port(n->plane) + NAT_SECOND_PORT;

	if (n->config.stun_port != CONFIG_PORT_AUTO)
		return (uint16_t)n->config.stun_port;
	return next <= UINT16_MAX ? (uint16_t)next : 0;
}

void doors_open(struct node *n)
{
	struct core_in in = {.kind = CORE_DOORS};
	uint16_t port = wanted_port(n);

	if (!n->coord || !port)
		return;
	int err = plane_socket_open(n->plane, port, &in.doors.second, &in.doors.second_port);
	if (!err) {
		err = plane_socket_open(n->plane, 0, &in.doors.silent, &in.doors.silent_port);
		if (err)
			plane_socket_close(n->plane, in.doors.second);
	}
	if (err) {
		log_warn("node: the second UDP port cannot be had, members learn less about their routers",
			KV_INT("port", port), KV_ERR(err));
		return;
	}
	drive_input(n, &in);
}
