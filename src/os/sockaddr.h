/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Endpoints as the sockets of this system want them. The structs have the same names everywhere; whoever has
 * one includes the header of its own system that says what is in them. Pure; any thread.
 */
#ifndef TM_OS_SOCKADDR_H
#define TM_OS_SOCKADDR_H

#include "base/addr.h"
#include "base/err.h"

struct sockaddr;
struct sockaddr_in6;
struct sockaddr_storage;

/* To a sockaddr of the address's own family; returns its length, 0 for IP_NONE. */
unsigned endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *ret_ss);
/* To an AF_INET6 sockaddr, IPv4 as v4-mapped: for dual-stack sockets. */
void endpoint_to_sockaddr6(const struct endpoint *ep, struct sockaddr_in6 *ret_sa);
/* From AF_INET or AF_INET6 (v4-mapped becomes IPv4). TM_EINVAL for other families. */
NODISCARD int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *ret_ep);

#endif
