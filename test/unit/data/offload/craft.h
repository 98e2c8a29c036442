/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * TCP segments and UDP datagrams made to order, with right checksums that are computed two bytes at a time
 * (not by the code under test). The payload is a function of flow and sequence number, so that whatever
 * comes out shows where in the stream it belongs.
 */
#ifndef TM_TEST_CRAFT_H
#define TM_TEST_CRAFT_H

#include "base/bytes.h"

enum { CRAFT_IP4 = 20, CRAFT_IP6 = 40, CRAFT_MAX = 65535 };
enum { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10, URG = 0x20, ECE = 0x40, CWR = 0x80 };
enum { FRAG_DF = 0x4000, FRAG_MF = 0x2000 };

struct craft {
	bool v6, udp;
	unsigned flow; /* addresses and ports */
	uint8_t tos, ttl, flags;
	uint16_t id, frag, window, urgent;
	uint32_t label, seq, ack; /* UDP: seq chooses the payload only */
	size_t ip_options; /* bytes of no-operation behind the IPv4 header, or of an IPv6 destination header
			    */
	size_t options; /* bytes of TCP options, timestamps first */
	size_t payload;
};

/* A data segment of an established connection, or a datagram. */
struct craft craft_data(bool v6, bool udp, uint32_t seq, size_t payload);
/* Length of the packet in out, which holds it. */
size_t craft_packet(const struct craft *c, uint8_t *out);

/* Where TCP or UDP starts, past options and extension headers. */
size_t craft_l4(const uint8_t *p);
bool craft_is_udp(const uint8_t *p);
/* Sets the checksums of IPv4 and of TCP or UDP to what they have to be. */
void craft_sums(uint8_t *p, size_t n);
/* The sum of 16-bit big-endian words, folded, the plain way. */
uint16_t slow_sum(const uint8_t *p, size_t n, uint32_t sum);
uint16_t slow_pseudo(const uint8_t *p, size_t l4_len);

#endif
