/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The only door to the platform for everything but the data plane (os/tun.h, os/udp.h are the workers'
 * doors). Implemented once per system in os/linux/ (os/posix/ for what all Unixes share). Control thread or
 * CLI.
 */
#ifndef TM_OS_OS_H
#define TM_OS_OS_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/time.h"

struct event_base;

/* What a node says it runs on. */
#define OS_NAME "linux"

/* --- interface configuration: os/linux/ifconf.c (libnl-route-3) --- */
/* Sets addresses (with the mesh prefixes' lengths, so the kernel adds the on-link routes) and brings the link
 * up. Everything vanishes with the TUN. */
NODISCARD int os_if_configure(const char *ifname, const struct prefix *addrs, size_t n, struct diag *d);
/* Does a route or address of this host, other than on interface `except` (may be NULL), overlap p? Default
   routes do not count. TM_EEXIST with a sentence naming the route and the interface. */
NODISCARD int os_prefix_in_use(const struct prefix *p, const char *except, struct diag *d);
/* Usable unicast addresses of this host for candidates: up, not loopback, not deprecated or tentative, not on
   `except` and not on the interface of another node of ours on this host (known by its alias, set by
   os_if_configure). */
size_t os_local_addresses(const char *except, struct ip *out, size_t max);

/* --- change notification: os/linux/netmon.c --- */
struct os_netmon;
/* Calls changed() on the control thread, debounced by 300 ms, when addresses, links or default routes change,
 * but not for `except`. */
NODISCARD int os_netmon_new(struct event_base *base, const char *except, void (*changed)(void *ctx),
	void *ctx, struct os_netmon **ret_mon);
void os_netmon_free(struct os_netmon *m);

/* --- sockets: os/linux/socket.c --- */
/* From now on the socket hears and speaks through this interface only. errno says more than the result. */
NODISCARD int os_bind_to_device(int fd, const char *ifname);
/* The firewall mark (SO_MARK) of what the socket sends; 0 = none, always permitted. errno says more. */
NODISCARD int os_mark_socket(int fd, uint32_t mark);
struct os_tcp_stats {
	uint32_t retransmits; /* segments sent again, since the connection began */
	uint32_t unacked_bytes; /* written by us and not yet confirmed by the other side */
};
/* False where the system cannot say. Any thread. */
bool os_tcp_stats(int fd, struct os_tcp_stats *ret_stats);

/* --- process, privileges, files: os/posix/ --- */
NODISCARD int os_check_privileges(struct diag *d); /* root or CAP_NET_ADMIN; TM_EPERM with a sentence */
NODISCARD int os_check_tun(struct diag *d); /* /dev/net/tun can be opened */
/* No core dumps (RLIMIT_CORE, PR_SET_DUMPABLE), umask 077; keeps the readiness socket from our children.
 * First thing in a daemon. */
void os_harden(void);
/* Raises the soft limit of open descriptors to the hard one. */
void os_raise_descriptors(void);
size_t os_descriptors(void); /* how many this process may have open */
/* Free memory goes back to the system, from between what is in use too. Walks all of it: some milliseconds.
 */
void os_return_memory(void);
/* mkdir -p with mode; an existing directory must be ours and not group- or world-writable. */
NODISCARD int os_make_dir(const char *path, unsigned mode, struct diag *d);
/* Whole file (or pipe), at most max bytes (TM_ERANGE), NUL-terminated for convenience. Caller frees (and
 * wipes) *ret_text; ret_n may be NULL. */
NODISCARD int os_read_file(const char *path, size_t max, char **ret_text, size_t *ret_n, struct diag *d);
/* PATH.tmp in the same directory, fsync, rename, fsync of the directory. The old content survives every
 * failure, also a full disk. One writer at a time: whoever holds the directory's lock. */
NODISCARD int os_write_file(const char *path, const void *p, size_t n, unsigned mode, struct diag *d);
/* Exclusive lock file, held until the descriptor closes; TM_EBUSY with the owner's pid in d. */
NODISCARD int os_lock_file(const char *path, int *ret_fd, struct diag *d);
/* This host's name made fit for a node: first label, lower case, letters, digits and inner hyphens; "node"
 * when nothing is left. */
void os_host_name(char *buf, size_t n);

/* --- service: os/linux/service.c --- */
bool os_systemd_is_init(void);
bool os_systemd_has_unit(const char *unit);
/* `systemctl VERB UNIT`, argument vector, no shell, within timeout. unit may be NULL. TM_EIO with its first
 * line of output when it fails. */
NODISCARD int os_systemctl(const char *verb, const char *unit, int timeout_ms, struct diag *d);
/*
 * Starts argv[0] as a daemon of its own session with stdin null and output appended to log_path, and waits
 * until it reports through os_daemon_ready or dies. A failure's sentence (os_daemon_failed) arrives in d.
 */
NODISCARD int os_spawn_daemon(char *const argv[], const char *log_path, int timeout_ms, struct diag *d);
void os_daemon_ready(void); /* in the daemon: also sd_notify READY=1 when NOTIFY_SOCKET is set */
void os_daemon_failed(const char *sentence);
void os_daemon_stopping(void); /* sd_notify STOPPING=1 */

#endif
