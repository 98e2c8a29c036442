/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Host names as this system resolves them (getaddrinfo(3)): the hosts file, DNS, multicast DNS, or whatever
 * else it has been set up with. Any thread.
 */
#ifndef TM_OS_NAMES_H
#define TM_OS_NAMES_H

#include "base/addr.h"
#include "base/err.h"

/*
 * The addresses of a host, at most max, in the system's order of preference, with port 0. One that holds on a
 * network interface only (fe80::) comes with it, or not at all. Blocks, with a dead server for half a minute
 * and more. TM_ENOENT: it has none; TM_EAGAIN: the system could not find out.
 */
NODISCARD int os_names_find(const char *host, struct endpoint *found, size_t max, size_t *ret_n);

#endif
