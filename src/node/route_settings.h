/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What `route advertise` and `exit-node` were told, in a file of the state directory, so that it is so again
 * after a restart. One line each:
 *
 *   advertise 192.168.1.0/24 [ha] [plain]       plain: without the address of this machine
 *   offer                                       the way to the internet
 *   use ID [lan] [kill]                         another node's
 *
 * Control thread, or the command line while no daemon runs; both calls block.
 */
#ifndef TM_NODE_ROUTE_SETTINGS_H
#define TM_NODE_ROUTE_SETTINGS_H

#include "mesh/model.h"

#define ROUTE_SETTINGS_FILE "routes" /* in the state directory */

struct own_net {
	struct prefix prefix;
	bool ha, snat;
};

struct route_settings {
	struct own_net nets[NODE_ROUTES_MAX];
	size_t n;
	bool exit_offer;
	unsigned exit_families; /* of what is approved: EXIT_ */
	char exit_use[NODE_ID_LEN + 1]; /* "" = none */
	bool exit_lan; /* the networks that this machine is in are reached without it */
	bool exit_kill; /* nothing leaves without it, also after a crash */
};

/* No file: nothing was told. TM_ECORRUPT: lines that make no sense are left out; any other error: it cannot
 * be read, and nothing counts as told. */
NODISCARD int route_settings_load(const char *path, struct route_settings *ret_s, struct diag *d);
NODISCARD int route_settings_save(const char *path, const struct route_settings *s, struct diag *d);

/* The net of that prefix; NULL = there is none. */
struct own_net *route_settings_net(struct route_settings *s, const struct prefix *p);

#endif
