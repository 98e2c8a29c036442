/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Where this node serves something to its mesh: at its own addresses there, by its own names. What names,
 * metrics and the dashboard have in common. Control thread. Private to node/.
 */
#ifndef TM_NODE_OWN_DOORS_H
#define TM_NODE_OWN_DOORS_H

#include "base/addr.h"
#include "base/util.h"

struct node;
struct web_server;

enum { OWN_DOORS_MAX = 2 };
struct own_doors {
	struct endpoint at[OWN_DOORS_MAX];
	size_t n;
};

/* By IPv4, and by IPv6 where the tunnel's interface has that: it has its addresses. */
void own_doors(const struct node *n, uint16_t port, struct own_doors *ret_doors);
/* Is this node called so, with the mesh's zone or without it? On the coordinator "this" is its name, too. */
bool own_name(const struct node *n, const char *host);

/* What is shown. */
struct own_doors_view {
	struct own_door_view {
		struct endpoint at;
		bool open;
	} doors[OWN_DOORS_MAX];
	size_t n; /* 0: it is not served */
};
/* d: what that server was told to listen at. */
void own_doors_view(
	const struct own_doors *d, const struct web_server *server, struct own_doors_view *ret_view);

#endif
