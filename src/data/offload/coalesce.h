/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The way back: packets that arrived together are merged into super-packets for the TUN, so that the kernel's
 * stack runs once for many. Nothing is merged that a receiver could tell apart: cutting a super-packet again
 * (segment.h, or the kernel) gives the packets that went in, byte for byte. (One exception: the
 * identification of an IPv4 packet with DF, which RFC 6864 4.1 forbids everybody to look at.)
 *
 * TCP is merged when all of this holds: same addresses, ports, IP version, TOS, TTL, flow label, DF,
 * acknowledgement number, window, flags and options; no IP options or extension headers, no fragment; flags
 * are ACK, and PSH and ECE at most; sequence numbers are consecutive; each payload is as long as the first,
 * only the last may be shorter; identifications count up by one, or DF is set; every checksum, of IP and
 * TCP, was right. PSH ends a super-packet. UDP (where the TUN takes it) likewise: same ports, equal lengths,
 * only the last shorter, a checksum that is there and right.
 *
 * Order within a flow (addresses, protocol, ports) is kept; a packet whose flow cannot be told keeps its
 * place among all others. Buffers are borrowed from coalesce_add until coalesce_flush returns; headers may be
 * rewritten in place. One thread; no allocation after coalescer_new.
 */
#ifndef TM_DATA_OFFLOAD_COALESCE_H
#define TM_DATA_OFFLOAD_COALESCE_H

#include "base/err.h"
#include "base/part.h"
#include "packet/ip.h"
#include "packet/vnet.h"

/* Packets of one batch, and parts of one super-packet. */
enum { COALESCE_MAX = 512, COALESCE_PARTS_MAX = 64 };

struct coalescer;

NODISCARD int coalescer_new(struct coalescer **ret_c);
void coalescer_free(struct coalescer *c); /* NULL is fine */

/* What may be merged from now on (the TUN's abilities); nothing at first. Only while empty. */
void coalesce_allow(struct coalescer *c, bool tcp, bool udp);

/* Takes up the packet that v is a view of, to be written to as `packet`. TM_EFULL: flush first. */
NODISCARD int coalesce_add(struct coalescer *c, uint8_t *packet, const struct ip_view *v);

/*
 * Hands each packet or super-packet to write, in order, and is empty again. parts: header and payloads, to be
 * written one after the other (parts[0].p is the IP header); packets: how many it stands for.
 */
typedef void coalesce_write(
	void *ctx, const struct vnet *v, const struct part *parts, size_t n_parts, unsigned packets);
void coalesce_flush(struct coalescer *c, coalesce_write *write, void *ctx);

#endif
