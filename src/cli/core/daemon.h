/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Starting and stopping this machine's daemon: by systemd where our unit is installed, else as a daemon of
 * our own. */
#ifndef TM_CLI_CORE_DAEMON_H
#define TM_CLI_CORE_DAEMON_H

#include "cli/core/cli.h"

/* The standard node on a machine with systemd and our unit. */
bool daemon_by_systemd(const struct cli *c);

/* Privileges and the TUN device. */
NODISCARD int daemon_check_host(struct diag *d);

/* Returns once it is up, or its own sentence in d. at_boot: systemd starts it at every boot from now on. */
NODISCARD int daemon_start(struct cli *c, bool at_boot, struct diag *d);

/* Asks it to stop and waits until its process is gone. TM_ENOENT when none runs. */
NODISCARD int daemon_stop(struct cli *c, struct diag *d);

/* Removes what a killed daemon left behind (its sockets), unless a live one owns it. */
void daemon_cleanup(struct cli *c);

#endif
