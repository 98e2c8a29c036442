/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a router answers: ICMP errors (RFC 792, 1812, 4443) about a packet that it does not carry. Pure. */
#ifndef TM_PACKET_ICMP_H
#define TM_PACKET_ICMP_H

#include "packet/ip.h"

enum icmp_error {
	ICMP_NO_ROUTE,
	ICMP_HOST_UNREACHABLE,
	ICMP_ADMIN_PROHIBITED,
	ICMP_TOO_BIG,
	ICMP_TIME_EXCEEDED
};

/* Any answer is at most so long: RFC 4443 2.4 (c), without exceeding the minimum IPv6 MTU. */
enum { ICMP_MAX = 1280 };

/*
 * Whether a packet may be answered at all (RFC 1122 3.2.2, 4.2.3.10, RFC 1812 4.3.2.7, RFC 4443 2.4 (e)): no
 * ICMP errors, no fragments but the first, no multicast or broadcast destinations, no sources that are not
 * one host; of IPv6 nothing of which the headers do not lead to an upper layer.
 */
bool icmp_may_answer(const struct ip_view *v);

/*
 * Builds the error about a packet from address `from`, which is of its family, with the quoted part cut as
 * the RFCs say. Returns the length, or 0 when none may be sent, or when out_len is too short for the least
 * quote; ICMP_MAX suffices always.
 */
size_t icmp_error_build(enum icmp_error kind, uint32_t mtu, const struct ip *from, const struct ip_view *v,
	uint8_t *out, size_t out_len);

#endif
