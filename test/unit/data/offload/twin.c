/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/data/offload/twin.h"

#include "unit/data/offload/craft.h"

enum { PARTS_MAX = 64 };

static size_t single(const struct vnet *v, const uint8_t *p, size_t n, uint8_t *out)
{
	memcpy(out, p, n);
	if (!v->needs_csum)
		return n;
	uint16_t sum = (uint16_t)~slow_sum(p + v->csum_start, n - v->csum_start, 0);
	put_be16(out + v->csum_start + v->csum_offset, sum == 0 && v->csum_offset == 6 ? 0xffff : sum);
	return n;
}

size_t twin_segment(const struct vnet *v, const uint8_t *p, size_t n, unsigned k, uint8_t *out)
{
	bool v6 = p[0] >> 4 == 6, udp = v->gso == VNET_GSO_UDP;

	if (v->gso == VNET_GSO_NONE)
		return k == 0 ? single(v, p, n, out) : 0;

	size_t fixed = v6 ? 40 : 20, l4 = v->needs_csum ? v->csum_start : fixed;
	size_t header = l4 + (udp ? 8 : (size_t)(p[l4 + 12] >> 4) * 4);
	size_t from = header + (size_t)k * v->gso_size, csum = udp ? 6 : 16;
	if (k > 0 && from >= n)
		return 0;
	size_t payload = n - from > v->gso_size ? v->gso_size : n - from;
	bool last = from + payload == n;

	memcpy(out, p, header);
	memcpy(out + header, p + from, payload);
	if (udp) {
		put_be16(out + l4 + 4, (uint16_t)(8 + payload));
	} else {
		put_be32(out + l4 + 4, get_be32(p + l4 + 4) + (uint32_t)(from - header));
		out[l4 + 13] &= (uint8_t) ~((last ? 0 : FIN | PSH) | (k ? CWR : 0));
	}
	if (v6) {
		put_be16(out + 4, (uint16_t)(header + payload - 40));
	} else {
		put_be16(out + 2, (uint16_t)(header + payload));
		put_be16(out + 4, (uint16_t)(get_be16(p + 4) + k));
	}
	if (l4 == fixed) {
		craft_sums(out, header + payload);
		return header + payload;
	}

	/* What was summed of the pseudo-header stays, but for the length: add the new, subtract the old. */
	if (!v6) {
		put_be16(out + 10, 0);
		put_be16(out + 10, (uint16_t)~slow_sum(out, l4, 0));
	}
	uint8_t lengths[6];
	put_be16(lengths, get_be16(p + l4 + csum));
	put_be16(lengths + 2, (uint16_t)(header + payload - l4));
	put_be16(lengths + 4, (uint16_t)(UINT16_MAX - (n - l4)));
	put_be16(out + l4 + csum, 0);
	uint16_t sum = (uint16_t)~slow_sum(out + l4, header + payload - l4, slow_sum(lengths, 6, 0));
	put_be16(out + l4 + csum, sum == 0 && udp ? 0xffff : sum);
	return header + payload;
}

/* IPv4 without options or fragmentation, or IPv6, as long as it says, with a whole TCP or UDP header. */
static bool flow_known(const struct part *a)
{
	const uint8_t *p = a->p;
	size_t n = a->n;

	if (n < 20)
		return false;
	if (p[0] == 0x45)
		return get_be16(p + 2) == n && (get_be16(p + 6) & 0x3fff) == 0 &&
		       ((p[9] == 6 && n >= 40) || (p[9] == 17 && n >= 28));
	if (p[0] >> 4 != 6 || n < 40)
		return false;
	return get_be16(p + 4) == n - 40 && ((p[6] == 6 && n >= 60) || (p[6] == 17 && n >= 48));
}

/* Of packets whose flow is known. */
static bool same_flow(const struct part *a, const struct part *b)
{
	bool v6 = a->p[0] >> 4 == 6;

	if (a->p[0] >> 4 != b->p[0] >> 4 || craft_is_udp(a->p) != craft_is_udp(b->p))
		return false;
	return v6 ? memcmp(a->p + 8, b->p + 8, 36) == 0 : memcmp(a->p + 12, b->p + 12, 12) == 0;
}

bool twin_ordered(const struct part *a, const struct part *b)
{
	return !flow_known(a) || !flow_known(b) || same_flow(a, b);
}

static size_t header_of(const uint8_t *p)
{
	size_t l4 = craft_l4(p);

	return l4 + (craft_is_udp(p) ? 8 : (size_t)(p[l4 + 12] >> 4) * 4);
}

/* Whether b, whose flow is a's, is a's header with what has to differ, in front of another payload. */
static bool continues(const struct part *a, unsigned k, size_t sent, const struct part *b)
{
	uint8_t want[CRAFT_MAX];
	size_t l4 = craft_l4(a->p), header = header_of(a->p);

	if (b->n <= header)
		return false;
	memcpy(want, a->p, header);
	memcpy(want + header, b->p + header, b->n - header);
	if (a->p[0] >> 4 == 6) {
		put_be16(want + 4, (uint16_t)(b->n - 40));
	} else {
		bool df = a->p[6] & 0x40;

		put_be16(want + 2, (uint16_t)b->n);
		put_be16(want + 4, df ? get_be16(b->p + 4) : (uint16_t)(get_be16(a->p + 4) + k));
	}
	if (craft_is_udp(a->p)) {
		put_be16(want + l4 + 4, (uint16_t)(b->n - l4));
	} else {
		put_be32(want + l4 + 4, get_be32(a->p + l4 + 4) + (uint32_t)sent);
		want[l4 + 13] |= b->p[l4 + 13] & PSH;
	}
	craft_sums(want, b->n);
	return memcmp(want, b->p, b->n) == 0;
}

static bool has_psh(const struct part *a)
{
	return !craft_is_udp(a->p) && a->p[craft_l4(a->p) + 13] & PSH;
}

/* Whether something may follow a: it has a payload, is right in itself, and its flags allow it. */
static bool may_lead(const struct part *a)
{
	size_t l4 = craft_l4(a->p), header = header_of(a->p);

	if (!craft_is_udp(a->p) && (header < l4 + 20 || (a->p[l4 + 13] & ~ECE) != ACK))
		return false;
	return a->n > header && continues(a, 0, 0, a);
}

void twin_coalesce(const struct part *packets, unsigned count, bool tcp, bool udp, int previous[TWIN_MAX])
{
	for (unsigned i = 0; i < count; i++) {
		const struct part *b = &packets[i];
		int latest = (int)i - 1;

		previous[i] = -1;
		if (!flow_known(b) || !(craft_is_udp(b->p) ? udp : tcp))
			continue;
		while (latest >= 0 && flow_known(&packets[latest]) && !same_flow(&packets[latest], b))
			latest--;
		if (latest < 0 || !flow_known(&packets[latest]))
			continue;

		/* The super-packet of the flow's latest packet, back to its first. */
		const struct part *a = &packets[latest];
		unsigned members = 1;
		size_t payload = 0;
		for (int k = latest; previous[k] >= 0; k = previous[k]) {
			payload += packets[k].n - header_of(packets[k].p);
			members++;
			a = &packets[previous[k]];
		}
		if (!may_lead(a) || members == PARTS_MAX)
			continue;
		payload += a->n - header_of(a->p);
		bool ended = has_psh(&packets[latest]) || packets[latest].n < a->n;
		if (!ended && b->n <= a->n && payload + b->n <= 65535 && continues(a, members, payload, b))
			previous[i] = latest;
	}
}
