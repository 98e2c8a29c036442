/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Interfaces at which guests of this host are, or that are tunnels of somebody else's. Control thread. */
#ifndef TM_OS_LINUX_GUESTS_H
#define TM_OS_LINUX_GUESTS_H

#include "base/diag.h"
#include "base/err.h"

#include <net/if.h>

struct nl_sock;

struct ifnames {
	char (*v)[IFNAMSIZ]; /* sorted */
	size_t n;
};

struct guests {
	struct ifnames inner;
	struct ifnames bridges; /* that are not among these */
	struct ifnames meshes; /* of these, the TUNs of other meshes */
};

/*
 * A bridge without a network card, and one end of a pair, is where containers and virtual machines are; or,
 * where this host is a guest itself, the way out: that is where the internet is reached by it, and for a pair
 * where there is no network card. PPP is a tunnel unless the internet is reached by it, as by DSL. mark: with
 * which that is, whatever exit is used. Ports of bridges are not among them, since nothing comes by a port.
 */
NODISCARD int guests_read(
	struct nl_sock *sock, const char *own, uint32_t mark, struct guests *ret_guests, struct diag *d);
void guests_deinit(struct guests *g);
bool guests_eq(const struct guests *a, const struct guests *b);

#endif
