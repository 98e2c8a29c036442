/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What os/linux/privileges.c needs of the readiness protocol between a daemon and the command that started
 * it. */
#ifndef TM_OS_POSIX_DAEMON_H
#define TM_OS_POSIX_DAEMON_H

/* Keeps the readiness descriptor from the daemon's own children. Called first thing, by os_harden. */
void daemon_adopt(void);

/*
 * One datagram to the service manager that NOTIFY_SOCKET names; nothing when there is none. See sd_notify(3).
 */
void daemon_notify(const char *state);

#endif
