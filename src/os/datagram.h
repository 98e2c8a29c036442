/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A datagram socket that speaks with one other, for a question and its answer. Never waits, closed in
 * children, marked. Any thread. Closed with tcp_close.
 */
#ifndef TM_OS_DATAGRAM_H
#define TM_OS_DATAGRAM_H

#include "base/addr.h"
#include "base/err.h"

NODISCARD int datagram_open(const struct endpoint *with, uint32_t mark, int *ret_fd); /* from a random port */
NODISCARD int datagram_send(int fd, const void *p, size_t n);
/* TM_EAGAIN: nothing has come. Other errors tell what came instead, as that nobody listens there. */
NODISCARD int datagram_recv(int fd, void *p, size_t size, size_t *ret_n);

#endif
