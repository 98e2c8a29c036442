/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Any bytes: the view agrees with its naive twin. For any packet that has one: ECN and TTL changes touch
 * nothing else and keep a right checksum right; an ICMP error about it is itself a sound packet with right
 * checksums that nobody answers with another error, and so is what is said when it is rejected. Cut in pieces
 * it loses nothing, and each piece says which one it is. Quotes of anything are looked at, too.
 */
#include "base/bytes.h"
#include "fuzz/fuzz.h"
#include "packet/csum.h"
#include "packet/fragment.h"
#include "packet/reject.h"

/* What is left of a packet, header by header, as RFC 8200 4 tells it. */
struct cursor {
	const uint8_t *p;
	size_t n;
	uint8_t type;
	bool fragment, later, more, extended, stuck;
};

static void step6(struct cursor *c, bool first, bool *fragmented)
{
	size_t len = c->n < 8 ? SIZE_MAX : c->type == 51 ? 8 + (size_t)c->p[1] * 4 : 8 + (size_t)c->p[1] * 8;

	c->extended = true;
	if (c->type == 44 && c->n >= 8)
		len = 8;
	c->stuck = len > c->n || (c->type == 0 && !first) || (c->type == 44 && *fragmented);
	if (c->stuck)
		return;
	if (c->type == 44) {
		*fragmented = true;
		c->later = get_be16(c->p + 2) >> 3 != 0;
		c->more = c->p[3] & 1;
		c->fragment = c->later || c->more;
	}
	c->type = c->p[0];
	c->p += len;
	c->n -= len;
}

static struct cursor walk6(const uint8_t *p, size_t total)
{
	struct cursor c = {.p = p + 40, .n = total - 40, .type = p[6]};
	bool fragmented = false;

	for (unsigned k = 0; !c.stuck && !c.later && memchr("\x00\x2b\x2c\x33\x3c", c.type, 5); k++) {
		if (k == 8)
			c.stuck = true;
		else
			step6(&c, k == 0, &fragmented);
	}
	return c;
}

static struct cursor walk4(const uint8_t *p, size_t total)
{
	size_t header = (p[0] & 15u) * 4u;

	return (struct cursor){
		.p = p + header,
		.n = total - header,
		.type = p[9],
		.extended = header > 20,
		.fragment = (p[6] & 0x3f) || p[7],
		.later = (p[6] & 0x1f) || p[7],
		.more = p[6] & 0x20,
	};
}

static size_t least_of(uint8_t type)
{
	switch (type) {
	case 1:
	case 58:
		return 4;
	case 6:
		return 20;
	case 17:
	case 136:
		return 8;
	case 33:
	case 132:
		return 12;
	default:
		return 0;
	}
}

static void check_view(const uint8_t *p, const struct ip_view *v)
{
	struct cursor c = v->version == 4 ? walk4(p, v->total) : walk6(p, v->total);
	bool upper = !c.stuck && !c.later && c.n >= least_of(c.type), ports = upper && least_of(c.type) > 4;

	assert(v->p == p && v->l4 == c.p - p && v->l4 <= v->total && v->proto == c.type);
	assert(!(v->flags & IP_UPPER) == !upper && !(v->flags & IP_PORTS) == !ports);
	assert(!(v->flags & IP_EXTENDED) == !c.extended && !(v->flags & IP_FRAGMENT) == !c.fragment);
	assert(!(v->flags & IP_LATER) == !c.later && !(v->flags & IP_MORE) == !c.more);
	assert(v->sport == (ports ? c.p[0] << 8 | c.p[1] : 0) &&
		v->dport == (ports ? c.p[2] << 8 | c.p[3] : 0));
}

static bool has_view(const uint8_t *p, size_t n)
{
	if (n >= 20 && p[0] >> 4 == 4)
		return (p[0] & 15) >= 5 && get_be16(p + 2) >= (p[0] & 15) * 4 && get_be16(p + 2) <= n;
	return n >= 40 && p[0] >> 4 == 6 && 40u + get_be16(p + 4) <= MIN(n, (size_t)65535);
}

static uint8_t ttl(const uint8_t *p)
{
	return p[0] >> 4 == 6 ? p[7] : p[8];
}

static bool header_sum_right(const uint8_t *p)
{
	return p[0] >> 4 == 6 || csum_finish(csum_add(p, ip_header_len(p), 0)) == 0;
}

/* What is after ECN or TTL were changed is what was, but for them and the checksum. */
static void check_rest(const uint8_t *was, const uint8_t *is, size_t size)
{
	bool v6 = was[0] >> 4 == 6;

	for (size_t i = 0; i < size; i++) {
		if (v6 ? i == 1 || i == 7 : i == 1 || i == 8 || i == 10 || i == 11)
			continue;
		assert(was[i] == is[i]);
	}
	assert((ip_tos(was) & 0xfc) == (ip_tos(is) & 0xfc));
	assert(!v6 || (was[1] & 15) == (is[1] & 15));
}

static void check_ecn(const uint8_t *data, size_t size, uint8_t outer)
{
	uint8_t *p = fuzz_copy(data, size), *again;

	if (p[0] >> 4 == 4) {
		put_be16(p + 10, 0);
		put_be16(p + 10, csum_finish(csum_add(p, ip_header_len(p), 0)));
	}
	bool kept = ecn_decapsulate(p, outer);
	assert(kept || ((ip_tos(data) & 3) == 0 && (outer & 3) == 3));
	assert(header_sum_right(p) && ttl(p) == ttl(data));
	check_rest(data, p, size);

	/* Once combined, combining again changes nothing. */
	again = fuzz_copy(p, size);
	assert(ecn_decapsulate(again, outer) == kept);
	assert(memcmp(again, p, size) == 0);
	free(again);
	free(p);
}

static void check_ttl(const uint8_t *data, size_t size)
{
	uint8_t *p = fuzz_copy(data, size);
	bool right = header_sum_right(p);

	if (!ip_decrement_ttl(p)) {
		assert(ttl(data) <= 1);
		assert(memcmp(p, data, size) == 0);
	} else {
		assert(ttl(p) == ttl(data) - 1 && ip_tos(p) == ip_tos(data));
		assert(!right || header_sum_right(p));
		check_rest(data, p, size);
	}
	free(p);
}

static void check_icmp(const struct ip_view *was, enum icmp_error kind)
{
	static const uint8_t us[16] = {0xfd, 1};
	uint8_t out[ICMP_MAX], nothing[ICMP_MAX];
	struct ip from = was->version == 4 ? ip_v4(us) : ip_v6(us);
	struct ip_view v;
	size_t n = icmp_error_build(kind, 1400, &from, was, out, sizeof(out));

	if (n == 0)
		return;
	assert(n <= (was->version == 4 ? 576 : 1280));
	assert(ip_view_of(out, n, &v) == TM_OK && ip_plain(&v) && v.total == n && header_sum_right(out));
	struct ip to = ip_dst_of(&v), sender = ip_src_of(was);
	assert(ip_eq(&to, &sender));
	uint32_t pseudo = v.version == 6 ? csum_pseudo(&from, &to, 58, (uint32_t)(n - v.l4)) : 0;
	assert(csum_finish(csum_add(out + v.l4, n - v.l4, pseudo)) == 0);
	assert(memcmp(out + v.l4 + 8, was->p, n - v.l4 - 8) == 0);
	assert(icmp_error_build(kind, 1400, &from, &v, nothing, sizeof(nothing)) == 0);
	/* Less room: less quote or nothing, never more than the room. */
	assert(icmp_error_build(kind, 1400, &from, was, nothing, n - 1) <= n - 1);
}

/* What is said to the sender of a rejected packet is said once: nobody rejects it in turn. */
static void check_reject(const struct ip_view *was)
{
	static const uint8_t us[16] = {0xfd, 1};
	uint8_t out[ICMP_MAX], nothing[ICMP_MAX];
	struct ip from = was->version == 4 ? ip_v4(us) : ip_v6(us), sender = ip_src_of(was);
	struct ip_view v;
	size_t n = reject_build(&from, was, out, sizeof(out));

	if (n == 0)
		return;
	assert(ip_view_of(out, n, &v) == TM_OK && ip_plain(&v) && v.total == n && header_sum_right(out));
	struct ip to = ip_dst_of(&v), said_by = ip_src_of(&v);
	assert(ip_eq(&to, &sender));
	uint32_t pseudo = csum_pseudo(&said_by, &to, v.proto, (uint32_t)(n - v.l4));
	if (v.proto == PROTO_TCP)
		assert(csum_finish(csum_add(out + v.l4, n - v.l4, pseudo)) == 0);
	assert(reject_build(&from, &v, nothing, sizeof(nothing)) == 0);
	assert(reject_build(&from, was, nothing, n - 1) <= n - 1);
}

/* The pieces lie side by side, hold all of the packet's data between them, and are packets themselves. */
static void check_pieces(const struct ip_view *was, size_t max)
{
	uint8_t *out = malloc(max);
	struct fragmenter f;
	struct ip_view v;

	assert(out);
	if (fragment_begin(&f, was, max, 7) == TM_OK) {
		const size_t data = f.end - f.body;
		size_t sum = 0;

		for (size_t n; (n = fragment_next(&f, out));) {
			const size_t head = f.v6 ? f.head + 8 : f.head;

			assert(n > head && n <= max);
			assert(ip_view_of(out, n, &v) == TM_OK && v.total == n && header_sum_right(out));
			assert(memcmp(out + head, was->p + f.body + sum, n - head) == 0);
			if (v.flags & IP_FRAGMENT) {
				const struct ip_piece piece = ip_piece_of(&v);

				assert(piece.first == (uint16_t)(f.first + sum) && piece.len == n - head);
			}
			sum += n - head;
			assert(sum == data || (n - head) % 8 == 0);
		}
		assert(sum == data);
	}
	free(out);
}

/* The beginning of something is looked at without a step behind its end. What the whole shows, it shows or
 * cannot know. */
static void check_quote(const uint8_t *data, size_t size, const struct ip_view *whole)
{
	for (size_t n = 0; n <= MIN(size, (size_t)128); n++) {
		uint8_t *p = fuzz_copy(data, n);
		struct ip_view v;

		if (ip_view_of_quote(p, n, &v) == TM_OK) {
			assert(v.total <= n && v.l4 <= v.total);
			if (v.flags & IP_UPPER && whole && whole->flags & IP_UPPER)
				assert(v.l4 == whole->l4 && v.proto == whole->proto &&
					v.sport == whole->sport && v.dport == whole->dport);
		}
		free(p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ip_view v;

	if (size > 2 * UINT16_MAX)
		return 0;

	/* Sums do not depend on where they are cut. */
	size_t half = size / 4 * 2;
	if (size)
		assert(csum_finish(csum_add(data + half, size - half, csum_add(data, half, 0))) ==
			csum_finish(csum_add(data, size, 0)));

	bool packet = ip_view_of(data, size, &v) == TM_OK;
	assert(packet == has_view(data, size));
	check_quote(data, size, packet ? &v : NULL);
	if (!packet)
		return 0;
	check_view(data, &v);
	for (uint8_t outer = 0; outer < 4; outer++)
		check_ecn(data, size, outer);
	check_ttl(data, size);
	for (unsigned kind = ICMP_NO_ROUTE; kind <= ICMP_TIME_EXCEEDED; kind++)
		check_icmp(&v, (enum icmp_error)kind);
	check_reject(&v);
	check_pieces(&v, 68);
	check_pieces(&v, 576);
	return 0;
}
