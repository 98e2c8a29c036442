/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What an exit in use goes by: what this host is in (exit_look.c), where packets are led (exit.c), and what
 * keeps those back that are led elsewhere (exit_guard.c). Control thread.
 */
#ifndef TM_OS_LINUX_EXIT_PRIVATE_H
#define TM_OS_LINUX_EXIT_PRIVATE_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"

#include <net/if.h>

struct nl_sock;

/* A network that this host is in, by that interface. */
struct exit_lan {
	char ifname[IFNAMSIZ];
	struct prefix prefix;
};

struct exit_around {
	/* Interfaces behind which there is no way out: guests of this host, and other tunnels, which go their
	 * own way. Ports of bridges are not among them, since nothing leaves by a port. */
	char (*inner)[IFNAMSIZ];
	size_t n_inner;
	/* Networks of those, from the main table. */
	struct prefix *nets;
	size_t n_nets;
	/* Networks by all other interfaces that an address of this host lies in and that are nobody's in the
	 * internet. */
	struct exit_lan *lans;
	size_t n_lans;
	/* Networks by our interface, of the mesh and behind members. */
	struct prefix *tunnel;
	size_t n_tunnel;
	struct ip own[8]; /* addresses of our interface */
	size_t n_own;
};

/* ifname: our interface. Sorted, so that the same is equal. */
NODISCARD int exit_look(
	struct nl_sock *sock, const char *ifname, struct exit_around *ret_around, struct diag *d);
void exit_around_deinit(struct exit_around *a);
bool exit_around_eq(const struct exit_around *a, const struct exit_around *b);

struct exit_guard;
struct exit_guard_config {
	const char *ifname;
	uint32_t mark, mask;
	bool lan; /* networks that this host is in are left open */
	bool hold; /* it stays when this process ends */
	const struct exit_around *around;
};
/* exit_names.c: the chains; and a rule for a chain at the output, which sees the interface from before. */
struct nf_batch;
void exit_names_build(struct nf_batch *b, const struct exit_guard_config *cfg);
void exit_names_let(struct nf_batch *b, const char *chain);

#define EXIT_INNER "inner" /* the set of these interfaces in our tables */

NODISCARD int exit_guard_new(const char *ifname, struct exit_guard **ret_guard);
void exit_guard_free(struct exit_guard *g); /* what is held stays; NULL is fine */
/* again: the same as the last time, if that is still so. */
NODISCARD int exit_guard_set(
	struct exit_guard *g, const struct exit_guard_config *cfg, bool again, struct diag *d);
/* Also what an earlier run holds; g may be NULL. */
void exit_guard_clear(struct exit_guard *g);

#endif
