/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "packet/fragment.h"

#include "base/bytes.h"
#include "packet/csum.h"

enum {
	FRAGMENT_HEADER = 8, /* of IPv6 */
	UNIT = 8, /* of offsets */
	MORE4 = 0x2000,
	OFFSET4 = 0x1fff,
	OPTION_COPIED = 0x80, /* into every piece (RFC 791 3.1) */
	OPTION_END = 0,
	OPTION_NOTHING = 1,
};

static void begin4(struct fragmenter *f)
{
	const uint16_t field = get_be16(f->packet + 6);

	f->head = ip_header_len(f->packet);
	f->first = (uint16_t)((field & OFFSET4) * UNIT);
	f->more = field & MORE4;
}

/*
 * The head is what every router on the way looks at: all up to the last routing header, or hop-by-hop options
 * alone. What is a piece already has its fragment header behind that.
 */
static int begin6(struct fragmenter *f)
{
	uint8_t type = f->packet[6];
	size_t at = IP6_HEADER, link = 6;

	f->head = IP6_HEADER;
	f->link = link;
	f->next = type;
	for (unsigned k = 0; k < IP_CHAIN_MAX; k++) {
		if (type != PROTO_HOP_BY_HOP && type != PROTO_ROUTING && type != PROTO_DESTINATION &&
			type != PROTO_FRAGMENT)
			return TM_OK;
		if (f->end - at < UNIT)
			return TM_EBADMSG;
		if (type == PROTO_FRAGMENT) {
			const uint16_t field = get_be16(f->packet + at + 2);

			f->head = at;
			f->link = link;
			f->next = f->packet[at];
			f->first = field & 0xfff8;
			f->more = field & 1;
			f->id = get_be32(f->packet + at + 4);
			f->body = at + FRAGMENT_HEADER;
			return TM_OK;
		}
		const size_t len = ((size_t)f->packet[at + 1] + 1) * UNIT;

		if (len > f->end - at)
			return TM_EBADMSG;
		link = at;
		at += len;
		if (type != PROTO_DESTINATION) {
			f->head = at;
			f->link = link;
			f->next = f->packet[link];
		}
		type = f->packet[link];
	}
	return TM_EBADMSG;
}

int fragment_begin(struct fragmenter *f, const struct ip_view *v, size_t max, uint32_t id)
{
	struct fragmenter begun = {.packet = v->p, .end = v->total, .v6 = v->version == 6, .id = id};
	int err = TM_OK;

	if (begun.v6)
		err = begin6(&begun);
	else
		begin4(&begun);
	if (err)
		return err;

	const size_t head = begun.head + (begun.v6 ? FRAGMENT_HEADER : 0);

	begun.body = MAX(begun.body, begun.head);
	/* A piece that ends behind all that a packet can be: its offsets would begin again. */
	if (begun.first + (begun.end - begun.body) > UINT16_MAX)
		return TM_EBADMSG;
	if (max < head + UNIT)
		return TM_ERANGE;
	begun.room = max - head;
	begun.at = begun.body;
	*f = begun;
	return TM_OK;
}

/* Options that are not for every piece become nothing. */
static void clear_options(uint8_t *header, size_t len)
{
	for (size_t at = IP4_HEADER; at < len && header[at] != OPTION_END;) {
		const size_t n = header[at] == OPTION_NOTHING ? 1
				 : at + 1 < len               ? MAX(header[at + 1], (size_t)2)
							      : len - at;

		if (!(header[at] & OPTION_COPIED))
			memset(header + at, OPTION_NOTHING, MIN(n, len - at));
		at += n;
	}
}

static size_t put_head4(const struct fragmenter *f, uint8_t *out, size_t offset, size_t n, bool more)
{
	memcpy(out, f->packet, f->head);
	if (offset)
		clear_options(out, f->head);
	put_be16(out + 2, (uint16_t)(f->head + n));
	put_be16(out + 6, (uint16_t)((more ? MORE4 : 0) | offset / UNIT));
	put_be16(out + 10, 0);
	put_be16(out + 10, csum_finish(csum_add(out, f->head, 0)));
	return f->head;
}

static size_t put_head6(const struct fragmenter *f, uint8_t *out, size_t offset, size_t n, bool more)
{
	uint8_t *fragment = out + f->head;

	memcpy(out, f->packet, f->head);
	put_be16(out + 4, (uint16_t)(f->head - IP6_HEADER + FRAGMENT_HEADER + n));
	out[f->link] = PROTO_FRAGMENT;
	fragment[0] = f->next;
	fragment[1] = 0;
	put_be16(fragment + 2, (uint16_t)(offset | (more ? 1 : 0)));
	put_be32(fragment + 4, f->id);
	return f->head + FRAGMENT_HEADER;
}

size_t fragment_next(struct fragmenter *f, uint8_t *out)
{
	const size_t left = f->end - f->at, n = left <= f->room ? left : f->room / UNIT * UNIT;
	const size_t offset = f->first + (f->at - f->body);

	if (!n)
		return 0;

	const bool more = f->more || n < left;
	const size_t head = f->v6 ? put_head6(f, out, offset, n, more) : put_head4(f, out, offset, n, more);

	memcpy(out + head, f->packet + f->at, n);
	f->at += n;
	return head + n;
}
