/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Packets made to order: of a mesh that is 10.77.0.0/16 and fd77::/112, and of the world. Checksums are 0. */
#ifndef TM_TEST_FILTER_PKT_H
#define TM_TEST_FILTER_PKT_H

#include "packet/ip.h"

enum { PKT_OUTSIDE = 1 << 16 /* + n: 192.0.2.n, 2001:db8::n */ };

struct pkt {
	uint8_t version; /* 0: 4 */
	uint32_t from, to; /* host numbers, or outside */
	uint8_t proto; /* 0: TCP, if `flags` says something, else UDP */
	uint16_t sport, dport;
	/* TCP */
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t window;
	uint8_t scale; /* + 1; 0: no such option */
	/* ICMP */
	uint8_t type, code;
	uint16_t echo;
	const struct pkt *about; /* an error, quoting 8 bytes of the upper layer */
	size_t payload;
	/* a piece: of the whole with this identification, `len` bytes from `at` on (of both, multiples of 8)
	 */
	bool piece, more;
	uint32_t id;
	uint16_t at, len;
	unsigned extensions; /* IPv4: words of options; IPv6: destination headers of 8 bytes */
};
/* Its length; out has room for PKT_MAX. */
enum { PKT_MAX = 4096 };
size_t pkt_write(const struct pkt *p, uint8_t *out);

#endif
