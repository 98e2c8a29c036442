/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The TCP ports of this node as they are configured: of the coordinator, or, where we relay without being it,
 * for streams of members. Private to node/.
 */
#ifndef TM_NODE_PORTS_H
#define TM_NODE_PORTS_H

#include "control/coord/coord.h"
#include "mesh/relays.h"
#include "node/config.h"
#include "wire/address.h"

struct clink_server;
struct node;

struct ports {
	struct endpoint listen, also[CONFIG_LIST_MAX];
	size_t n_also;
	struct coord_tls tls;
	/* what tls points to */
	const char *hosts[CONFIG_LIST_MAX];
	struct address addresses[CONFIG_LIST_MAX];
};

/* Points into itself and into n. */
NODISCARD int ports_configured(const struct node *n, struct ports *ret_p, struct diag *d);
/* The bare numbers, without those that we have twice. */
size_t ports_numbers(const struct config *c, uint16_t ret_ports[static RELAY_PORTS_MAX]);
/* Listens for streams alone, which go to relaying_taker; what of it can be opened (clink_server_listen). */
NODISCARD int ports_open_for_streams(struct node *n, struct clink_server **ret_server, struct diag *d);

#endif
