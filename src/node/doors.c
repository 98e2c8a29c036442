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

/* What others ask us by. */
static void open_for_others(struct node *n, struct core_in *in)
{
	uint16_t port = wanted_port(n);
	struct core_in more = *in;

	if ((!n->coord && n->config.relay != RELAY_OFFER) || !port)
		return;
	int err = plane_socket_open(n->plane, port, &more.doors.second, &more.doors.second_port);
	if (!err) {
		err = plane_socket_open(n->plane, 0, &more.doors.silent, &more.doors.silent_port);
		if (err)
			plane_socket_close(n->plane, more.doors.second);
	}
	if (err)
		log_warn("node: the second UDP port cannot be had, members learn less about their routers",
			KV_INT("port", port), KV_ERR(err));
	else
		*in = more;
}

void doors_open(struct node *n)
{
	struct core_in in = {.kind = CORE_DOORS};
	uint16_t any;

	if (plane_socket_open(n->plane, 0, &in.doors.aside, &any) != TM_OK)
		in.doors.aside = 0; /* then a little less is found out */
	open_for_others(n, &in);
	drive_input(n, &in);
}
