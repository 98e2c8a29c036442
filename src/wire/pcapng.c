/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/pcapng.h"

#include <string.h>

enum {
	BLOCK_HEAD = 8, /* type, length */
	BLOCK_MIN = 12, /* and the length again */
	BLOCK_MAX = 1 << 17, /* a packet of 65,535 bytes and all around it */
	MAGIC = 0x1a2b3c4d,
	LINKTYPE_RAW = 101, /* an IPv4 or IPv6 header comes first */
	DECIMAL_NS = 9, /* 10^-9 s */
	ANY_LENGTH = -1,
};

/* Options: each kind of block has numbers of its own, but for the first two. */
enum {
	OPT_END = 0,
	OPT_COMMENT = 1,
	SECTION_PROGRAM = 4,
	INTERFACE_NAME = 2,
	INTERFACE_DESCRIPTION = 3,
	INTERFACE_RESOLUTION = 9,
	PACKET_FLAGS = 2,
	PACKET_DROPS = 4,
	STATISTICS_BEGAN = 2,
	STATISTICS_ENDED = 3,
	STATISTICS_RECEIVED = 4,
	STATISTICS_DROPPED = 5,
};
enum { FLAG_IN = 1, FLAG_OUT = 2, FLAG_DIRECTION = 3 };

/* --- writing --- */

static void le16(struct wr *w, uint16_t v)
{
	wr_u8(w, (uint8_t)v);
	wr_u8(w, (uint8_t)(v >> 8));
}

static void padded(struct wr *w, const void *p, size_t n)
{
	const size_t room = (n + 3) & ~(size_t)3;
	uint8_t *to = wr_room(w, room);

	if (!to || !room)
		return;
	memset(to + room - MIN(room, (size_t)4), 0, MIN(room, (size_t)4));
	memcpy(to, p, n);
}

static void option(struct wr *w, uint16_t code, const void *p, size_t n)
{
	le16(w, code);
	le16(w, (uint16_t)n);
	padded(w, p, n);
}

static void text_option(struct wr *w, uint16_t code, const char *s)
{
	if (*s)
		option(w, code, s, MIN(strlen(s), (size_t)PCAPNG_TEXT_MAX));
}

static void u64_option(struct wr *w, uint16_t code, uint64_t v)
{
	uint8_t bytes[8];

	put_le64(bytes, v);
	option(w, code, bytes, sizeof(bytes));
}

/* Two halves, the higher first (draft-ietf-opsawg-pcapng 4.3). */
static void time_put(struct wr *w, int64_t at)
{
	wr_le32(w, (uint32_t)((uint64_t)at >> 32));
	wr_le32(w, (uint32_t)at);
}

static void time_option(struct wr *w, uint16_t code, int64_t at)
{
	le16(w, code);
	le16(w, 8);
	time_put(w, at);
}

/* Where the length goes is filled in at its end. */
static uint8_t *block_begin(struct wr *w, uint32_t type)
{
	uint8_t *at = wr_room(w, BLOCK_HEAD);

	if (at)
		put_le32(at, type);
	return at;
}

static void block_end(struct wr *w, uint8_t *at)
{
	if (!at || w->bad)
		return;

	const uint32_t n = (uint32_t)(w->at - at) + 4;
	wr_le32(w, n);
	put_le32(at + 4, n);
}

static void options_end(struct wr *w)
{
	option(w, OPT_END, "", 0);
}

void pcapng_begin(struct wr *w, const struct pcapng_about *a)
{
	const uint8_t resolution = DECIMAL_NS;
	uint8_t *at = block_begin(w, PCAPNG_SECTION);

	wr_le32(w, MAGIC);
	le16(w, 1); /* version 1.0 */
	le16(w, 0);
	wr_le64(w, (uint64_t)ANY_LENGTH);
	text_option(w, SECTION_PROGRAM, a->program);
	options_end(w);
	block_end(w, at);

	at = block_begin(w, PCAPNG_INTERFACE);
	le16(w, LINKTYPE_RAW);
	le16(w, 0);
	wr_le32(w, a->keep);
	text_option(w, INTERFACE_NAME, a->interface);
	text_option(w, INTERFACE_DESCRIPTION, a->description);
	option(w, INTERFACE_RESOLUTION, &resolution, 1);
	options_end(w);
	block_end(w, at);
}

void pcapng_packet_put(struct wr *w, const struct pcapng_packet *p)
{
	uint8_t *at = block_begin(w, PCAPNG_PACKET);
	uint8_t flags[4];

	wr_le32(w, 0); /* the one interface */
	time_put(w, p->at);
	wr_le32(w, p->kept);
	wr_le32(w, p->n);
	padded(w, p->p, p->kept);
	put_le32(flags, p->out ? FLAG_OUT : FLAG_IN);
	option(w, PACKET_FLAGS, flags, sizeof(flags));
	if (p->lost)
		u64_option(w, PACKET_DROPS, p->lost);
	text_option(w, OPT_COMMENT, p->comment);
	options_end(w);
	block_end(w, at);
}

void pcapng_end_put(struct wr *w, const struct pcapng_end *e)
{
	uint8_t *at = block_begin(w, PCAPNG_STATISTICS);

	wr_le32(w, 0);
	time_put(w, e->ended);
	time_option(w, STATISTICS_BEGAN, e->began);
	time_option(w, STATISTICS_ENDED, e->ended);
	u64_option(w, STATISTICS_RECEIVED, e->received);
	u64_option(w, STATISTICS_DROPPED, e->lost);
	options_end(w);
	block_end(w, at);
}

/* --- reading --- */

int pcapng_next(const uint8_t *p, size_t n, struct pcapng_block *ret_block, size_t *ret_len)
{
	if (n < BLOCK_HEAD)
		return TM_ESHORT;

	const uint32_t len = get_le32(p + 4);
	if (len < BLOCK_MIN || len > BLOCK_MAX || len % 4)
		return TM_EBADMSG;
	if (n < len)
		return TM_ESHORT;
	if (get_le32(p + len - 4) != len)
		return TM_EBADMSG;

	*ret_block = (struct pcapng_block){
		.type = get_le32(p), .body = p + BLOCK_HEAD, .n = (size_t)len - BLOCK_MIN};
	*ret_len = len;
	return TM_OK;
}

static uint16_t rd_le16(struct rd *r)
{
	const uint16_t low = rd_u8(r);

	return (uint16_t)(low | rd_u8(r) << 8);
}

static int64_t rd_time(struct rd *r)
{
	const uint64_t high = rd_le32(r);

	return (int64_t)(high << 32 | rd_le32(r));
}

/* False: there are no more, or r went bad. */
static bool next_option(struct rd *r, uint16_t *ret_code, struct rd *ret_value)
{
	*ret_code = rd_le16(r);

	const size_t n = rd_le16(r);
	const uint8_t *p = rd_bytes(r, (n + 3) & ~(size_t)3);

	if (!p || *ret_code == OPT_END)
		return false;
	*ret_value = rd_over(p, n);
	return true;
}

int pcapng_packet_get(const struct pcapng_block *b, struct pcapng_packet *ret_packet)
{
	struct rd r = rd_over(b->body, b->n), value;
	struct pcapng_packet p = {.comment = ""};
	uint16_t code;

	(void)rd_le32(&r); /* the one interface */
	p.at = rd_time(&r);
	p.kept = rd_le32(&r);
	p.n = rd_le32(&r);
	p.p = rd_bytes(&r, ((size_t)p.kept + 3) & ~(size_t)3);
	if (b->type != PCAPNG_PACKET || r.bad)
		return TM_EBADMSG;
	while (rd_left(&r) && next_option(&r, &code, &value)) {
		if (code == PACKET_FLAGS)
			p.out = (rd_le32(&value) & FLAG_DIRECTION) == FLAG_OUT;
		else if (code == PACKET_DROPS)
			p.lost = rd_le64(&value);
		else if (code == OPT_COMMENT) {
			p.comment = (const char *)value.at;
			p.comment_n = rd_left(&value);
		}
	}
	if (r.bad)
		return TM_EBADMSG;
	*ret_packet = p;
	return TM_OK;
}

int pcapng_end_get(const struct pcapng_block *b, struct pcapng_end *ret_end)
{
	struct rd r = rd_over(b->body, b->n), value;
	struct pcapng_end e = {0};
	uint16_t code;

	(void)rd_le32(&r);
	(void)rd_time(&r);
	if (b->type != PCAPNG_STATISTICS || r.bad)
		return TM_EBADMSG;
	while (rd_left(&r) && next_option(&r, &code, &value)) {
		if (code == STATISTICS_BEGAN)
			e.began = rd_time(&value);
		else if (code == STATISTICS_ENDED)
			e.ended = rd_time(&value);
		else if (code == STATISTICS_RECEIVED)
			e.received = rd_le64(&value);
		else if (code == STATISTICS_DROPPED)
			e.lost = rd_le64(&value);
	}
	if (r.bad)
		return TM_EBADMSG;
	*ret_end = e;
	return TM_OK;
}
