/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Datagram sockets for a few words with somebody near, beside those of the data plane (os/udp.h): never
 * waiting, closed in children, with the firewall mark that keeps the daemon's own traffic out of the tunnel.
 * Any thread. After an error errno says more than the result.
 */
#ifndef TM_OS_DGRAM_H
#define TM_OS_DGRAM_H

#include "base/addr.h"
#include "base/err.h"

/* At an address of ours and any port: what is sent, to groups as well, leaves by the interface that has it.
 */
NODISCARD int dgram_open(const struct ip *own, uint32_t mark, int *ret_fd);
/* Hears what is sent to that group and port, as others on this machine do, and nothing else. */
NODISCARD int dgram_listen(const struct endpoint *group, int *ret_fd);
/* A server's: at exactly that address, so that answers come from there; this host may get it later. */
NODISCARD int dgram_serve(const struct endpoint *at, int *ret_fd);
/*
 * The same where the address must be there, hearing only what comes by that interface (NULL: by any).
 * TM_EUNSUPPORTED: this host has no such address, or nothing of its family. TM_EBUSY: it is taken.
 */
NODISCARD int dgram_serve_at(const char *ifname, const struct endpoint *at, int *ret_fd);
/* Speaks with that one and hears nobody else, without a mark. */
NODISCARD int dgram_connect(const struct endpoint *to, int *ret_fd);
/* to: NULL when it is connected. */
NODISCARD int dgram_send(int fd, const struct endpoint *to, const void *p, size_t n);
/* TM_EAGAIN: there is none. What is longer than n is cut. */
NODISCARD int dgram_recv(int fd, void *p, size_t n, size_t *ret_n, struct endpoint *ret_from);
struct dgram_item {
	uint8_t *data;
	size_t cap, n; /* cap: room, when it is received */
	struct endpoint peer;
};
enum { DGRAM_MANY = 32 };
/* At most DGRAM_MANY at once, as many as wait; what is longer than its room is cut. */
size_t dgram_recv_many(int fd, struct dgram_item *v, size_t max);
/* Each to its peer; those without octets are left out. What cannot be sent at once is lost, as datagrams are.
 */
void dgram_send_many(int fd, const struct dgram_item *v, size_t n);
void dgram_close(int fd);

#endif
