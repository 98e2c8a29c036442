/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A TUN device with several queues: the workers' door to the kernel's IP stack. Opened and closed by the
 * control thread; each queue is then used by one worker (writing is safe from any thread). It vanishes when
 * it is closed.
 */
#ifndef TM_OS_TUN_H
#define TM_OS_TUN_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/part.h"
#include "packet/vnet.h"

struct tun;

enum { TUN_NAME_MAX = 15, TUN_QUEUES_MAX = 64 };
/* The longest packet or super-packet. */
enum { TUN_PACKET_MAX = 65535 };

/* What may cross the queue whole, for the reader or the kernel to cut: checksums and TCP, UDP. */
enum tun_offload { TUN_OFFLOAD_TCP = 1, TUN_OFFLOAD_UDP = 2 };

/*
 * Creates the device in this thread's network namespace and sets its MTU. d says what is missing: device
 * file, right, name. offloads: which are wanted; the kernel may have fewer (UDP: Linux 6.2).
 */
NODISCARD int tun_open(const char *name, unsigned queues, uint16_t mtu, unsigned offloads,
	struct tun **ret_tun, struct diag *d);
void tun_close(struct tun *t); /* NULL is fine */
/*
 * The program that this process becomes (os/handover.h) has the device, with its addresses and routes, if it
 * opens one like it: the same name, as many queues, offloads or none. What comes meanwhile waits in the
 * queues. Before tun_close.
 */
NODISCARD int tun_keep(const struct tun *t);

const char *tun_name(const struct tun *t);
int tun_fd(const struct tun *t, unsigned queue); /* for poll */
unsigned tun_offloads(const struct tun *t); /* those that are on, both ways */
/*
 * Packets of one flow all come by the same queue, in their order. True: all packets to one destination do,
 * and tun_queue_for says which queue, so that whoever reads it can be the one who writes what comes back.
 * False: the kernel could not be told so and chooses by a hash of its own over addresses and ports, without
 * the ports for fragments.
 */
bool tun_steered(const struct tun *t);
static inline unsigned tun_queue_for(const struct ip *dst, unsigned queues)
{
	return get_be16(dst->bytes + (dst->family == IP_V4 ? 2 : 14)) % queues;
}
/* Packets and super-packets that the kernel dropped because nobody read them in time. Slow: reads a file. */
uint64_t tun_overflows(const struct tun *t);

/*
 * One packet or super-packet, never waiting. Without offloads *ret_v says that there is nothing to do.
 * TM_EAGAIN: none now. TM_EBADMSG: one is lost that the kernel could not describe, go on. TM_ECLOSED: the
 * device was deleted.
 */
NODISCARD int tun_read(
	const struct tun *t, unsigned queue, uint8_t *buf, size_t cap, struct vnet *ret_v, size_t *ret_n);
/*
 * One packet or, as far as offloads are on, super-packet in up to TUN_PARTS_MAX parts. TM_EAGAIN: full.
 * TM_EINVAL: the kernel does not take such a super-packet. TM_EIO: the device is down or refuses the packet.
 */
enum { TUN_PARTS_MAX = 128 };
NODISCARD int tun_write(
	const struct tun *t, unsigned queue, const struct vnet *v, const struct part *parts, size_t n_parts);

#endif
