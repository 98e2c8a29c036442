/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/data/filter/pkt.h"

#include "base/bytes.h"

static size_t put_addr(uint8_t *out, uint8_t version, uint32_t host)
{
	const bool outside = host >= PKT_OUTSIDE;

	if (version == 4) {
		put_be32(out, (outside ? 0xc0000200 : 0x0a4d0000) + host % PKT_OUTSIDE);
		return 4;
	}
	memset(out, 0, 16);
	put_be32(out, outside ? 0x20010db8 : 0xfd770000);
	put_be32(out + 12, host % PKT_OUTSIDE);
	return 16;
}

static size_t put_tcp(const struct pkt *p, uint8_t *out)
{
	const size_t header = p->scale ? 24 : 20;

	put_be16(out, p->sport);
	put_be16(out + 2, p->dport);
	put_be32(out + 4, p->seq);
	put_be32(out + 8, p->ack);
	out[12] = (uint8_t)(header / 4 << 4);
	out[13] = p->flags;
	put_be16(out + 14, p->window);
	put_be32(out + 16, 0);
	if (p->scale)
		put_be32(out + 20, 0x01030300u | (p->scale - 1u));
	return header;
}

static size_t put_icmp(const struct pkt *p, uint8_t version, uint8_t *out)
{
	static uint8_t quoted[PKT_MAX];

	out[0] = p->type;
	out[1] = p->code;
	put_be16(out + 2, 0);
	put_be16(out + 4, p->echo);
	put_be16(out + 6, 0);
	if (!p->about)
		return 8;

	const size_t n = pkt_write(p->about, quoted);
	const size_t quote =
		MIN(n, (version == 4 ? 20 + 4 * (size_t)p->about->extensions
				     : 40 + 8 * (size_t)p->about->extensions + 8 * p->about->piece) +
				8);
	memcpy(out + 8, quoted, quote);
	return 8 + quote;
}

static uint8_t proto_of(const struct pkt *p)
{
	if (p->proto)
		return p->proto;
	return p->flags ? PROTO_TCP : PROTO_UDP;
}

static size_t put_upper(const struct pkt *p, uint8_t version, uint8_t *out)
{
	size_t n;

	switch (proto_of(p)) {
	case PROTO_TCP:
		n = put_tcp(p, out);
		break;
	case PROTO_ICMP:
	case PROTO_ICMP6:
		n = put_icmp(p, version, out);
		break;
	case PROTO_UDP:
		put_be16(out, p->sport);
		put_be16(out + 2, p->dport);
		put_be16(out + 4, (uint16_t)(8 + p->payload));
		put_be16(out + 6, 0);
		n = 8;
		break;
	default:
		put_be32(out, 0);
		n = 4;
		break;
	}
	memset(out + n, 0x55, p->payload);
	return n + p->payload;
}

static size_t write4(const struct pkt *p, const uint8_t *data, size_t n, uint8_t *out)
{
	const size_t header = 20 + 4 * (size_t)p->extensions;

	memset(out, 1, header); /* options: nothing */
	out[0] = (uint8_t)(0x40 | header / 4);
	out[1] = 0;
	put_be16(out + 2, (uint16_t)(header + n));
	put_be16(out + 4, (uint16_t)p->id);
	put_be16(out + 6, (uint16_t)((p->more ? 0x2000 : 0) | p->at / 8));
	out[8] = 64;
	out[9] = proto_of(p);
	put_be16(out + 10, 0);
	put_addr(out + 12, 4, p->from);
	put_addr(out + 16, 4, p->to);
	memcpy(out + header, data, n);
	return header + n;
}

static size_t write6(const struct pkt *p, const uint8_t *data, size_t n, uint8_t *out)
{
	size_t at = 40, next = 6;

	put_be32(out, 0x60000000);
	out[7] = 64;
	put_addr(out + 8, 6, p->from);
	put_addr(out + 24, 6, p->to);
	for (unsigned i = 0; i < p->extensions; i++) {
		out[next] = PROTO_DESTINATION;
		next = at;
		memset(out + at, 0, 8);
		at += 8;
	}
	if (p->piece) {
		out[next] = PROTO_FRAGMENT;
		next = at;
		out[at + 1] = 0;
		put_be16(out + at + 2, (uint16_t)(p->at | (p->more ? 1 : 0)));
		put_be32(out + at + 4, p->id);
		at += 8;
	}
	out[next] = proto_of(p);
	memcpy(out + at, data, n);
	put_be16(out + 4, (uint16_t)(at - 40 + n));
	return at + n;
}

size_t pkt_write(const struct pkt *p, uint8_t *out)
{
	const uint8_t version = p->version ? p->version : 4;
	uint8_t upper[PKT_MAX];
	size_t n = put_upper(p, version, upper);
	const uint8_t *data = upper;

	if (p->piece) {
		/* What it has no bytes for is made up. */
		if (n < (size_t)p->at + p->len)
			memset(upper + n, 0xaa, (size_t)p->at + p->len - n);
		data = upper + p->at;
		n = p->len;
	}
	return version == 4 ? write4(p, data, n, out) : write6(p, data, n, out);
}
