/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * For any packet with a sound header: ECN and TTL changes touch nothing else and keep a right checksum right;
 * an ICMP error about it is itself a sound packet with right checksums that nobody answers with another
 * error.
 */
#include "fuzz/fuzz.h"
#include "packet/ip.h"

#include "base/bytes.h"

static bool header_sum_right(const uint8_t *p, const struct ip_header *h)
{
	return h->src.family == IP_V6 || csum_finish(csum_add(p, h->header_len, 0)) == 0;
}

static void check_ecn(const uint8_t *data, size_t size, const struct ip_header *was, uint8_t outer)
{
	uint8_t *p = fuzz_copy(data, size), *again;
	struct ip_header h;

	if (was->src.family == IP_V4) {
		put_be16(p + 10, 0);
		put_be16(p + 10, csum_finish(csum_add(p, was->header_len, 0)));
	}
	bool kept = ecn_decapsulate(p, outer);
	assert(kept || ((was->tos & 3) == 0 && (outer & 3) == 3));
	assert(ip_header_decode(p, size, &h) == TM_OK);
	assert(header_sum_right(p, &h));
	assert((h.tos & 0xfc) == (was->tos & 0xfc));
	h.tos = was->tos;
	assert(memcmp(&h, was, sizeof(h)) == 0);

	/* Once combined, combining again changes nothing. */
	again = fuzz_copy(p, size);
	assert(ecn_decapsulate(again, outer) == kept);
	assert(memcmp(again, p, size) == 0);
	free(again);
	free(p);
}

static void check_ttl(const uint8_t *data, size_t size, const struct ip_header *was)
{
	uint8_t *p = fuzz_copy(data, size);
	struct ip_header h;
	bool right = header_sum_right(p, was);

	if (!ip_decrement_ttl(p)) {
		assert(was->ttl <= 1);
		assert(memcmp(p, data, size) == 0);
	} else {
		assert(ip_header_decode(p, size, &h) == TM_OK);
		assert(h.ttl == was->ttl - 1);
		assert(!right || header_sum_right(p, &h));
	}
	free(p);
}

static void check_icmp(const uint8_t *data, size_t size, const struct ip_header *was, enum icmp_error kind)
{
	static const uint8_t us[16] = {0xfd, 1};
	uint8_t out[1280], nothing[1280];
	struct ip from = was->src.family == IP_V4 ? ip_v4(us) : ip_v6(us);
	struct ip_header h;
	size_t n = icmp_error_build(kind, 1400, &from, data, size, out, sizeof(out));

	if (n == 0)
		return;
	assert(n <= (was->src.family == IP_V4 ? 576 : 1280));
	assert(ip_header_decode(out, n, &h) == TM_OK);
	assert(h.total == n && ip_eq(&h.dst, &was->src) && header_sum_right(out, &h));
	uint32_t pseudo = h.proto == 58 ? csum_pseudo(&h.src, &h.dst, 58, (uint32_t)(n - h.header_len)) : 0;
	assert(csum_finish(csum_add(out + h.header_len, n - h.header_len, pseudo)) == 0);
	assert(memcmp(out + h.header_len + 8, data, n - h.header_len - 8) == 0);
	assert(icmp_error_build(kind, 1400, &from, out, n, nothing, sizeof(nothing)) == 0);
	/* Less room: less quote or nothing, never more than the room. */
	assert(icmp_error_build(kind, 1400, &from, data, size, nothing, n - 1) <= n - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ip_header h;

	if (size > UINT16_MAX)
		return 0;

	/* Sums do not depend on where they are cut. */
	size_t half = size / 4 * 2;
	if (size)
		assert(csum_finish(csum_add(data + half, size - half, csum_add(data, half, 0))) ==
			csum_finish(csum_add(data, size, 0)));

	if (ip_header_decode(data, size, &h))
		return 0;
	assert(h.total <= size && h.header_len <= h.total);
	assert(memcmp(ip_dst(data), h.dst.bytes, ip_len(&h.dst)) == 0);
	for (uint8_t outer = 0; outer < 4; outer++)
		check_ecn(data, size, &h, outer);
	check_ttl(data, size, &h);
	for (unsigned kind = ICMP_NO_ROUTE; kind <= ICMP_TIME_EXCEEDED; kind++)
		check_icmp(data, size, &h, (enum icmp_error)kind);
	return 0;
}
