/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the daemon finds out of the network, waited for. Private to cli/cmd. */
#ifndef TM_CLI_CMD_NETCHECK_H
#define TM_CLI_CMD_NETCHECK_H

#include "cli/core/cli.h"

/* Some seconds, with progress. */
NODISCARD int netcheck_fetch(struct cli *c, bool full, json_t **ret_reply, struct diag *d);

#endif
