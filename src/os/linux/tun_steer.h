/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which queue of a TUN device the kernel puts a packet in. Control thread. */
#ifndef TM_OS_LINUX_TUN_STEER_H
#define TM_OS_LINUX_TUN_STEER_H

#include "base/err.h"
#include "base/util.h"

/*
 * By destination, as tun_queue_for (os/tun.h) says, for the whole device that fd is a queue of. Needs
 * Linux 4.16 and CAP_BPF in the host's user namespace (before Linux 5.8 CAP_SYS_ADMIN). The kernel's errno as
 * an error when it refuses; nothing has changed then.
 */
NODISCARD int tun_steer_by_destination(int fd);

#endif
