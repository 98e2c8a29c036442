/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a filter that refuses a packet says to its sender. Pure. */
#ifndef TM_PACKET_REJECT_H
#define TM_PACKET_REJECT_H

#include "packet/icmp.h"

/*
 * A TCP segment is answered by a reset in the name of its destination, so that connecting fails at once
 * everywhere; all else by ICMP, "administratively prohibited" (RFC 1812 5.2.7.1, RFC 4443 3.1), from address
 * `from`. Returns the length, or 0 when nothing may be said: to a reset, to fragments but the first, where
 * icmp_error_build would not answer, or when out_len is too short; ICMP_MAX suffices always.
 */
size_t reject_build(const struct ip *from, const struct ip_view *v, uint8_t *out, size_t out_len);

#endif
