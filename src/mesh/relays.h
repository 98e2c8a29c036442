/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The members that hand on the datagrams of others, and where they are reached, as the coordinator tells
 * (wire/msg, struct msg_relays). Pure.
 */
#ifndef TM_MESH_RELAYS_H
#define TM_MESH_RELAYS_H

#include "mesh/mesh.h"

/* The tag without which a node other than the coordinator's is nobody's relay: who may see, delay and drop
 * the (sealed) traffic of others is for the administrator to say. */
#define RELAY_TAG "relay"

enum {
	RELAYS_MAX = 16,
	RELAY_ADDRS_MAX = 8,
	RELAY_TCP_MAX = 8,
	RELAY_PORTS_MAX = 4,
	RELAY_TCP_LEN = 254 + 7
};

struct relay_rec {
	char node[NODE_ID_LEN + 1];
	struct endpoint addrs[RELAY_ADDRS_MAX]; /* of its data socket, likeliest first */
	size_t n_addrs;
	char tcp[RELAY_TCP_MAX][RELAY_TCP_LEN]; /* host:port, where it takes streams */
	size_t n_tcp;
};

struct relays {
	struct relay_rec v[RELAYS_MAX];
	size_t n;
};

bool relay_rec_eq(const struct relay_rec *a, const struct relay_rec *b); /* in the same order */
bool relays_eq(const struct relays *a, const struct relays *b);
struct relay_rec *relays_find(struct relays *r, const char *node); /* NULL: not there */
/* May it be a relay, by its record? */
bool relay_allowed(const struct node_rec *r);
bool relay_is_allowed(const struct mesh_node *m);

#endif
