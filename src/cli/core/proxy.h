/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The proxy that leads to the coordinator, for commands that ask it themselves. */
#ifndef TM_CLI_CORE_PROXY_H
#define TM_CLI_CORE_PROXY_H

#include "cli/core/cli.h"
#include "node/config.h"

/*
 * The configured one, the environment's, or the one that `join` remembered (""; = none). One that cannot be
 * used is said, and then there is none. The name of the variable that it came from, or NULL.
 */
const char *cli_proxy(
	struct cli *c, const struct config *cfg, const char *remembered, struct proxy_choice *ret_choice);

#endif
