/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A TUN device with several queues: the workers' door to the kernel's IP stack. Opened and closed by the
 * control thread; each queue is then used by one worker (writing is safe from any thread). It vanishes when
 * it is closed.
 */
#ifndef TM_OS_TUN_H
#define TM_OS_TUN_H

#include "base/diag.h"
#include "base/err.h"
#include "base/util.h"

struct tun;

enum { TUN_NAME_MAX = 15, TUN_QUEUES_MAX = 64 };

/* Creates the device in this thread's network namespace and sets its MTU. d says what is missing: device
 * file, right, name. */
NODISCARD int tun_open(const char *name, unsigned queues, uint16_t mtu, struct tun **ret_tun, struct diag *d);
void tun_close(struct tun *t); /* NULL is fine */

const char *tun_name(const struct tun *t);
int tun_fd(const struct tun *t, unsigned queue); /* for poll */

/* One packet, never waiting. TM_EAGAIN: none now. TM_ECLOSED: the device was deleted. */
NODISCARD int tun_read(const struct tun *t, unsigned queue, uint8_t *buf, size_t cap, size_t *ret_n);
/* TM_EAGAIN: full. TM_EIO: the device is down or refuses the packet. */
NODISCARD int tun_write(const struct tun *t, unsigned queue, const uint8_t *p, size_t n);

#endif
