/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/data/offload/craft.h"

#include <netinet/in.h>

struct craft craft_data(bool v6, bool udp, uint32_t seq, size_t payload)
{
	return (struct craft){
		.v6 = v6,
		.udp = udp,
		.ttl = 64,
		.flags = ACK,
		.id = 1000,
		.frag = FRAG_DF,
		.window = 501,
		.seq = seq,
		.ack = 77,
		.options = 12,
		.payload = payload,
	};
}

uint16_t slow_sum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

size_t craft_l4(const uint8_t *p)
{
	if (p[0] >> 4 == 4)
		return (size_t)(p[0] & 15) * 4;
	return p[6] == IPPROTO_DSTOPTS ? CRAFT_IP6 + 8 + (size_t)p[CRAFT_IP6 + 1] * 8 : CRAFT_IP6;
}

static uint8_t protocol(const uint8_t *p)
{
	if (p[0] >> 4 == 4)
		return p[9];
	return p[6] == IPPROTO_DSTOPTS ? p[CRAFT_IP6] : p[6];
}

bool craft_is_udp(const uint8_t *p)
{
	return protocol(p) == IPPROTO_UDP;
}

uint16_t slow_pseudo(const uint8_t *p, size_t l4_len)
{
	uint8_t tail[4] = {0, protocol(p), (uint8_t)(l4_len >> 8), (uint8_t)l4_len};
	uint16_t sum = p[0] >> 4 == 4 ? slow_sum(p + 12, 8, 0) : slow_sum(p + 8, 32, 0);

	return slow_sum(tail, sizeof(tail), sum);
}

void craft_sums(uint8_t *p, size_t n)
{
	size_t l4 = craft_l4(p);
	uint8_t *at = p + l4 + (craft_is_udp(p) ? 6 : 16);

	if (p[0] >> 4 == 4) {
		put_be16(p + 10, 0);
		put_be16(p + 10, (uint16_t)~slow_sum(p, l4, 0));
	}
	put_be16(at, 0);
	uint16_t sum = (uint16_t)~slow_sum(p + l4, n - l4, slow_pseudo(p, n - l4));
	put_be16(at, sum == 0 && craft_is_udp(p) ? 0xffff : sum);
}

static void put_ip(const struct craft *c, uint8_t *p, size_t n)
{
	uint8_t proto = c->udp ? IPPROTO_UDP : IPPROTO_TCP;

	if (c->v6) {
		put_be32(p, 6u << 28 | (uint32_t)c->tos << 20 | c->label);
		put_be16(p + 4, (uint16_t)(n - CRAFT_IP6));
		p[6] = c->ip_options ? IPPROTO_DSTOPTS : proto;
		p[7] = c->ttl;
		memcpy(p + 8, "\xfd\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xfd\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 32);
		put_be32(p + 16, c->flow);
		if (c->ip_options) {
			p[CRAFT_IP6] = proto;
			p[CRAFT_IP6 + 1] = (uint8_t)(c->ip_options / 8 - 1);
			p[CRAFT_IP6 + 2] = 1; /* PadN over the rest */
			p[CRAFT_IP6 + 3] = (uint8_t)(c->ip_options - 4);
		}
		return;
	}
	p[0] = (uint8_t)(0x45 + c->ip_options / 4);
	p[1] = c->tos;
	put_be16(p + 2, (uint16_t)n);
	put_be16(p + 4, c->id);
	put_be16(p + 6, c->frag);
	p[8] = c->ttl;
	p[9] = proto;
	put_be32(p + 12, 0x0a000001 + (c->flow << 8));
	put_be32(p + 16, 0x0a000002);
	memset(p + CRAFT_IP4, 1, c->ip_options);
}

size_t craft_packet(const struct craft *c, uint8_t *out)
{
	size_t l4 = (c->v6 ? CRAFT_IP6 : CRAFT_IP4) + c->ip_options;
	size_t header = l4 + (c->udp ? 8 : 20 + c->options), n = header + c->payload;
	uint8_t *p = out + l4;

	memset(out, 0, header);
	put_ip(c, out, n);
	put_be16(p, (uint16_t)(40000 + c->flow));
	put_be16(p + 2, 5001);
	if (c->udp) {
		put_be16(p + 4, (uint16_t)(n - l4));
	} else {
		put_be32(p + 4, c->seq);
		put_be32(p + 8, c->ack);
		p[12] = (uint8_t)((20 + c->options) / 4 << 4);
		p[13] = c->flags;
		put_be16(p + 14, c->window);
		put_be16(p + 18, c->urgent);
		memset(p + 20, 1, c->options);
		if (c->options >= 12)
			memcpy(p + 22, "\x08\x0a\1\2\3\4\5\6\7\x8", 10);
	}
	for (size_t i = 0; i < c->payload; i++) {
		uint32_t at = c->seq + (uint32_t)i;
		out[header + i] = (uint8_t)((at * 2654435761u >> 24) + c->flow);
	}
	craft_sums(out, n);
	return n;
}
