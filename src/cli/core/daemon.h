/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Starting and stopping this machine's daemon: by systemd where our unit is installed, else as a daemon of
 * our own. */
#ifndef TM_CLI_CORE_DAEMON_H
#define TM_CLI_CORE_DAEMON_H

#include "cli/core/cli.h"
#include "os/os.h"

/* The standard node on a machine with systemd and our unit. */
bool daemon_by_systemd(const struct cli *c);

/* Privileges and the TUN device. */
NODISCARD int daemon_check_host(struct diag *d);

/* Returns once it is up, or its own sentence in d. at_boot: systemd starts it at every boot from now on. */
NODISCARD int daemon_start(struct cli *c, bool at_boot, struct diag *d);

/*
 * The process of this node's daemon, 0 when there is none: who answers on the control socket, else who holds
 * the lock of the state directory, as far as we may look into that. ret_deaf (may be NULL): its socket is
 * gone.
 */
os_pid daemon_pid(const struct cli *c, bool *ret_deaf);

/* Asks it to stop, or tells its process where it does not hear, and waits until that is gone. TM_ENOENT when
 * none runs. */
NODISCARD int daemon_stop(struct cli *c, struct diag *d);

#define DAEMON_LEFT_EXIT "  removed what a killed tunnelmesh held back for its exit node\n"

/*
 * Removes what a killed daemon left behind, unless a live one owns it: its sockets, its lines in the
 * resolver's files, the kernel's settings that it changed, and the rules of an exit node. Those of one with a
 * kill switch only where `whole`: else they hold until the next start. Was there anything, and was it rules
 * of an exit node?
 */
bool daemon_cleanup(struct cli *c, bool whole, bool *ret_exit);

/* The name of the interface that it has, or would have; what cannot be read says nothing. */
void daemon_interface(const struct cli *c, char ret_name[static 16]);

/* How it is learnt why a running daemon has no control socket: part of a sentence. */
const char *daemon_why_deaf(const struct cli *c);

#endif
