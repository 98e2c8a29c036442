/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Interfaces at which guests of this host are, or that are tunnels of somebody else's. Control thread. */
#ifndef TM_OS_LINUX_GUESTS_H
#define TM_OS_LINUX_GUESTS_H

#include "base/diag.h"
#include "base/err.h"

#include <net/if.h>

struct nl_sock;

struct guests {
	char (*v)[IFNAMSIZ];
	size_t n;
};

/*
 * A bridge without a network card, and one end of a pair, is where containers and virtual machines are; or,
 * where this host is a guest itself, the way out: that is where the internet is reached by it, and for a pair
 * where there is no network card. mark: with which the internet is reached, whatever exit is used. Ports of
 * bridges are not among them, since nothing comes by a port. Sorted.
 */
NODISCARD int guests_read(
	struct nl_sock *sock, const char *own, uint32_t mark, struct guests *ret_guests, struct diag *d);
void guests_deinit(struct guests *g);
bool guests_eq(const struct guests *a, const struct guests *b);

#endif
