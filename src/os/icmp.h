/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* ICMP and ICMPv6 echo (RFC 792, RFC 4443 4). CLI. */
#ifndef TM_OS_ICMP_H
#define TM_OS_ICMP_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/time.h"

enum { ICMP_COOKIE = 16, ICMP_ECHO_LEN = 8 + ICMP_COOKIE };

struct icmp {
	int fd;
	bool raw; /* replies to others arrive as well, and IPv4 with its header */
	struct ip to;
	uint16_t ident;
	uint8_t cookie[ICMP_COOKIE]; /* random: whose reply it is */
};

/* An unprivileged ping socket where the system allows it, else a raw one. */
NODISCARD int icmp_open(
	const struct ip *to, const uint8_t cookie[static ICMP_COOKIE], struct icmp *ret_icmp, struct diag *d);
void icmp_close(struct icmp *i);

NODISCARD int icmp_send(const struct icmp *i, uint16_t seq, struct diag *d);
/* Waits for the reply to any request. TM_ETIMEOUT at the deadline, TM_EAGAIN when a signal came. */
NODISCARD int icmp_wait(const struct icmp *i, ns_t deadline, uint16_t *ret_seq);

/* Pure: the message to send, and whether a received packet answers one of ours, and which. */
void icmp_build(const struct icmp *i, uint16_t seq, uint8_t out[static ICMP_ECHO_LEN]);
bool icmp_is_reply(const struct icmp *i, const uint8_t *p, size_t n, uint16_t *ret_seq);

#endif
