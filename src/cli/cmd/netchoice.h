/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The mesh's address ranges: chosen at random or checked when given. Pure apart from the two callbacks. */
#ifndef TM_CLI_CMD_NETCHOICE_H
#define TM_CLI_CMD_NETCHOICE_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"

struct netchoice {
	void *ctx;
	/* TM_EEXIST with a sentence when something on this host uses part of p (os_prefix_in_use) */
	int (*in_use)(void *ctx, const struct prefix *p, struct diag *d);
	void (*random)(void *ctx, void *p, size_t n);
	bool force; /* a range given by hand may be outside those for private use */
};

/*
 * A free /16 of 100.64.0.0/10 (RFC 6598), which no LAN has; where anything of that is in use,
 * of 10.128.0.0/10: who else uses it, another VPN or a provider, may drop what it does not know there. All
 * are tried in random order. TM_EFULL with a sentence when none is free.
 */
NODISCARD int netchoice_v4(const struct netchoice *c, struct prefix *ret_net, struct diag *d);
/* A free /64: fd00::/8, 40 random bits, subnet 0 (RFC 4193 3.2). */
NODISCARD int netchoice_v6(const struct netchoice *c, struct prefix *ret_net, struct diag *d);

/*
 * Whether a mesh may have that range: of a sensible size, of unicast addresses, and for private use, unless
 * `force` says that hiding addresses of others from this machine is meant. `what` names it in the sentence.
 */
NODISCARD int netchoice_fits(const struct prefix *net, const char *what, bool force, struct diag *d);
/* A range given by hand: right family, no host bits, fit, free. */
NODISCARD int netchoice_given(const struct netchoice *c, enum ip_family family, const char *text,
	struct prefix *ret_net, struct diag *d);

#endif
