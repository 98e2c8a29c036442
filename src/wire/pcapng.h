/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Captured IP packets as Wireshark and others read them: the blocks of pcapng that it takes
 * (draft-ietf-opsawg-pcapng), little-endian, of one interface without a link layer (LINKTYPE_RAW). A file is
 * what pcapng_begin writes, any number of packets, and at its proper end what pcapng_end does. Pure.
 */
#ifndef TM_WIRE_PCAPNG_H
#define TM_WIRE_PCAPNG_H

#include "base/bytes.h"
#include "base/err.h"

enum {
	PCAPNG_TEXT_MAX = 256, /* of each text; what is longer is cut */
	PCAPNG_HEAD_MAX = 128 + 4 * (PCAPNG_TEXT_MAX + 8), /* what begin writes, at most */
	PCAPNG_OVER = 80 + PCAPNG_TEXT_MAX + 8, /* and a packet beside its bytes, or the end */
};

enum pcapng_type {
	PCAPNG_SECTION = 0x0a0d0d0a,
	PCAPNG_INTERFACE = 1,
	PCAPNG_STATISTICS = 5,
	PCAPNG_PACKET = 6,
};

/* Texts may be "". */
struct pcapng_about {
	const char *program, *interface, *description;
	uint32_t keep; /* bytes of each packet at most; 0 = all */
};
void pcapng_begin(struct wr *w, const struct pcapng_about *a);

struct pcapng_packet {
	int64_t at; /* ns since 1970 */
	bool out; /* else it came in */
	uint32_t n, kept; /* bytes; of those that are here */
	uint64_t lost; /* packets, since the one before */
	const char *comment; /* get: not ended by NUL, comment_n bytes */
	size_t comment_n; /* put: not looked at */
	const uint8_t *p;
};
void pcapng_packet_put(struct wr *w, const struct pcapng_packet *p);

struct pcapng_end {
	int64_t began, ended; /* ns since 1970 */
	uint64_t received, lost; /* packets: that there were; of those that are not in the file */
};
void pcapng_end_put(struct wr *w, const struct pcapng_end *e);

/* --- reading, what is written above --- */

struct pcapng_block {
	uint32_t type; /* enum pcapng_type, or another */
	const uint8_t *body; /* borrowed */
	size_t n;
};
/*
 * The block that begins at p, and its whole length. TM_ESHORT: more is to come; TM_EBADMSG: it is none, or
 * longer than any that is written.
 */
NODISCARD int pcapng_next(const uint8_t *p, size_t n, struct pcapng_block *ret_block, size_t *ret_len);
NODISCARD int pcapng_packet_get(const struct pcapng_block *b, struct pcapng_packet *ret_packet);
NODISCARD int pcapng_end_get(const struct pcapng_block *b, struct pcapng_end *ret_end);

#endif
