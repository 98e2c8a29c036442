/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How the command line reaches the daemon on the same machine: a stream socket with a path (AF_UNIX, which
 * Windows has as well). Who may connect is the file's mode: root alone (0600), root and a group (0660), or
 * everybody on this machine (0666).
 * Descriptors are non-blocking and closed on exec. Control thread or CLI.
 */
#ifndef TM_OS_LOCAL_H
#define TM_OS_LOCAL_H

#include "base/diag.h"
#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "os/process.h"

struct os_local; /* a listening end */

struct os_local_access {
	bool everybody;
	const char *group; /* NULL or "", and not everybody: root alone */
};

/*
 * Listens on path; its directory is made when missing. A dead daemon's socket is replaced; TM_EBUSY when a
 * live one answers, TM_EEXIST when path is something else than a socket, each with a sentence in d.
 */
NODISCARD int os_local_listen(
	const char *path, const struct os_local_access *access, struct os_local **ret_local, struct diag *d);
void os_local_free(struct os_local *l); /* also unlinks path, if it is still ours; NULL is fine */
DEFINE_CLEANUP(struct os_local, os_local_free)

/* Is there such a group on this system? TM_ENOENT with a sentence. */
NODISCARD int os_local_group(const char *name, struct diag *d);

/* Is there such a socket, whether or not anybody listens? */
bool os_local_at(const char *path);

int os_local_fd(const struct os_local *l); /* readable: somebody waits to be accepted */
bool os_local_is_there(const struct os_local *l); /* path is still ours: who connects there comes to us */
/* TM_EAGAIN: nobody (any more), or one who may not. TM_EFULL: out of descriptors or memory, who waits stays
 * waiting. */
NODISCARD int os_local_accept(const struct os_local *l, int *ret_fd);

/* TM_ENOENT when nobody answers there, TM_EPERM when we may not; while the other side's backlog is full it is
 * tried again until the deadline, or until an interrupt (os/interrupt.h; TM_EAGAIN). Blocks. */
NODISCARD int os_local_connect(const char *path, ns_t deadline, int *ret_fd, struct diag *d);
/* The process at the other end, and its user's number. TM_EUNSUPPORTED when the system cannot say. */
NODISCARD int os_local_peer(int fd, os_pid *ret_pid, uint32_t *ret_uid);

/* Never block and never raise SIGPIPE. TM_EAGAIN: not now. TM_ECLOSED: the other side has gone (for recv: or
 * has said all). *ret_n bytes were taken or came. */
NODISCARD int os_local_send(int fd, const void *p, size_t n, size_t *ret_n);
NODISCARD int os_local_recv(int fd, void *p, size_t n, size_t *ret_n);
void os_local_finish(int fd); /* we have said all, and still listen */
void os_local_close(int fd);
/* Waits until the descriptor can be read (or written); TM_ETIMEOUT, TM_EAGAIN when an interrupt came
 * (os/interrupt.h). */
NODISCARD int os_local_wait(int fd, bool to_write, ns_t deadline);

#endif
