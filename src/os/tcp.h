/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * TCP sockets of the daemon: never waiting, closed in children, without Nagle's delay, and with the firewall
 * mark that keeps the daemon's own traffic out of the tunnel. Accepted connections inherit the listener's
 * mark. Any thread. After an error errno says more than the result.
 */
#ifndef TM_OS_TCP_H
#define TM_OS_TCP_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/err.h"

/* Begins to connect. Once the socket is writable, tcp_connected tells how it ended. mark: SO_MARK, 0 = none.
 */
NODISCARD int tcp_connect(const struct endpoint *to, uint32_t mark, int *ret_fd);
/* The same from that address of ours. */
NODISCARD int tcp_connect_from(const struct ip *own, const struct endpoint *to, uint32_t mark, int *ret_fd);
NODISCARD int tcp_connected(int fd);

/*
 * Listens on *ep, which becomes what was bound. The unspecified IPv6 address serves both families, and
 * becomes the IPv4 one on a host without IPv6.
 */
NODISCARD int tcp_listen(struct endpoint *ep, uint32_t mark, int backlog, int *ret_fd);
/*
 * Listens on exactly that address, which must be there, and hears only who comes by that interface (NULL: by
 * any). TM_EUNSUPPORTED: this host has no such address, or nothing of its family. TM_EBUSY: it is taken.
 */
NODISCARD int tcp_listen_at(const char *ifname, const struct endpoint *at, int backlog, int *ret_fd);
/* TM_EAGAIN: nobody waits. */
NODISCARD int tcp_accept(int listener, int *ret_fd, struct endpoint *ret_from);

/* At least one byte, or TM_EAGAIN, or TM_ECLOSED with errno 0 (the other side has said all). */
NODISCARD int tcp_recv(int fd, void *p, size_t n, size_t *ret_n);
/* Likewise, and what does not fit into the first n goes into the other m. */
NODISCARD int tcp_recv_two(int fd, void *p, size_t n, void *q, size_t m, size_t *ret_n);
/* As many of the n bytes as the socket takes now, perhaps none. */
NODISCARD int tcp_send(int fd, const void *p, size_t n, size_t *ret_n);
/* Asks the other side whether it lives when nothing was heard of it for idle_s, and ends the connection when
 * it does not confirm for dead_s: by the kernel, so that an idle connection costs no thread anything. */
void tcp_watch(int fd, unsigned idle_s, unsigned dead_s);
/* The kernel takes no more than about so many bytes that it has not sent: what waits does so where it can
 * still be dropped. */
void tcp_queue_little(int fd, int unsent_bytes);
/* From now on what is small waits for what comes after it, so that segments are full (Nagle): for whom the
 * amount counts alone. */
void tcp_bulk(int fd);
/* Says now that what came has come. The kernel waits up to 40 ms for something to go along, and whoever
 * passes our bytes on with Nagle's algorithm, as proxies do, holds the next ones back until then. */
void tcp_ack_now(int fd);
/* Has this machine lost the address that the connection comes from? Then nothing arrives at it any more. */
bool tcp_source_gone(int fd);
void tcp_finish(int fd); /* nothing more will be sent: the other side reads the end */
void tcp_close(int fd); /* errno stays */
/* The same at once and in both directions: what waits to be sent is dropped, and the other side reads an
 * error. */
void tcp_abort(int fd);

#endif
