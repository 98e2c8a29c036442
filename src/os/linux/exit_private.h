/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What an exit in use goes by: what this host is in (exit_look.c), where packets are led (exit.c, by
 * exit_rules.c), and what keeps those back that are led elsewhere (exit_guard.c). Control thread.
 */
#ifndef TM_OS_LINUX_EXIT_PRIVATE_H
#define TM_OS_LINUX_EXIT_PRIVATE_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"

#include <net/if.h>

struct nl_sock;

enum { EXIT_TABLE_ALL = 8484, EXIT_TABLE_REST = 8485 };

/* A network that this host is in, by that interface. */
struct exit_lan {
	char ifname[IFNAMSIZ];
	struct prefix prefix;
};

/* What sockets carry whose packets somebody's rule leads out ahead of ours: another tunnel's own. */
struct exit_mark {
	uint32_t mark, mask;
};

struct exit_around {
	/* Interfaces behind which there is no way out: guests of this host, and other tunnels, which go their
	 * own way. Ports of bridges are not among them, since nothing leaves by a port. */
	char (*inner)[IFNAMSIZ];
	size_t n_inner;
	char (*bridges)[IFNAMSIZ]; /* that are not among these */
	size_t n_bridges;
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
	struct exit_mark marks[8];
	size_t n_marks;
};

/* ifname: our interface. Sorted, so that the same is equal. */
NODISCARD int exit_look(
	struct nl_sock *sock, const char *ifname, struct exit_around *ret_around, struct diag *d);
void exit_around_deinit(struct exit_around *a);
bool exit_around_eq(const struct exit_around *a, const struct exit_around *b);

bool exit_has_ip6(void); /* this host */

struct exit_rules_config {
	const char *ifname;
	uint32_t mark, mask;
};
NODISCARD int exit_rules_set(struct nl_sock *sock, const struct exit_rules_config *cfg, struct diag *d);
NODISCARD int exit_rules_clear(struct nl_sock *sock, bool *ret_removed, struct diag *d);
/* The interface of the run whose rules are there, which may be gone; "" = there are none, or it is unknown.
 */
NODISCARD int exit_rules_owner(struct nl_sock *sock, char ret_ifname[static IFNAMSIZ], struct diag *d);
NODISCARD int exit_rules_marks(struct nl_sock *sock, struct exit_around *a, struct diag *d);

struct exit_guard;
struct exit_guard_config {
	const char *ifname;
	uint32_t mark, mask;
	bool lan; /* networks that this host is in are left open */
	bool hold; /* it stays when this process ends */
	bool ipsec; /* what came by it is told apart; the guard's to say */
	const struct exit_around *around;
};
/* exit_names.c: the chains; rules for a chain at the output, which sees the interface from before, and for
 * one behind it. */
struct nf_batch;
void exit_names_build(struct nf_batch *b, const struct exit_guard_config *cfg);
void exit_names_let(struct nf_batch *b, const char *chain);
void exit_names_keep(struct nf_batch *b, const struct exit_guard_config *cfg, const char *chain);
/* Questions of another tunnel's own sockets: led as everybody's are, by a chain of type route; and refused
 * where they leave otherwise. */
void exit_names_unmark(struct nf_batch *b, const struct exit_guard_config *cfg, const char *chain);
void exit_names_refuse(struct nf_batch *b, const char *chain, const struct exit_mark *m);

#define EXIT_INNER "inner" /* the set of these interfaces in our tables */

NODISCARD int exit_guard_new(const char *ifname, struct exit_guard **ret_guard);
void exit_guard_free(struct exit_guard *g); /* what is held stays; NULL is fine */
/* again: the same as the last time, if that is still so. */
NODISCARD int exit_guard_set(
	struct exit_guard *g, const struct exit_guard_config *cfg, bool again, struct diag *d);
/* Also what an earlier run of that interface has left. True: there was anything. */
bool exit_guard_clear(struct exit_guard *g);

#endif
