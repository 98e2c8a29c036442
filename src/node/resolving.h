/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keeps this machine's programs asking us for names of the mesh: does it at the start and again when somebody
 * undid it (hosting.h, on a helper thread), and undoes it at the end. What fails is said once, shown by `dns
 * status`, and never in the way. Control thread. Private to node/.
 */
#ifndef TM_NODE_RESOLVING_H
#define TM_NODE_RESOLVING_H

#include "base/err.h"
#include "node/hosting.h"

struct event_base;
struct jsonout;
struct resolving;

struct resolving_config {
	unsigned wish; /* a way of os/resolv.h */
	const char *ifname, *journal;
	struct ip server;
	const char *const *zones; /* as in struct os_resolv; borrowed for as long as it lives */
	bool search; /* as there */
};

/* Undoes what a run before this one left, blocking; changes nothing else yet. */
NODISCARD int resolving_new(
	struct event_base *base, const struct resolving_config *cfg, struct resolving **ret_resolving);
void resolving_free(struct resolving *r); /* undoes it, blocking some seconds at most; NULL is fine */
/* The server answers at that address from now on. */
void resolving_begin(struct resolving *r);
bool resolving_failing(const struct resolving *r); /* there is a problem */
void resolving_put(const struct resolving *r, struct jsonout *out); /* as "resolver" */

#endif
