/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The Internet checksum. A sum modulo 2^16 - 1 does not care how wide the words are or when the carries are
 * folded in, and taken in the other byte order it comes out swapped (RFC 1071, 2 (B) and (C)): so this adds
 * native 32-bit words in several lanes and swaps once, at the end.
 */
#include "packet/csum.h"

#include "base/bytes.h"

/* CSUM_PORTABLE: what other processors get, for a test. */
#if defined(__x86_64__) && !defined(CSUM_PORTABLE)
#define CSUM_AVX2
#endif

/*
 * A block is 32 bytes: two vectors that every 64-bit processor has, or one of AVX2. Each lane of 64 bits adds
 * words of 32, so there is no carry to lose below 2^32 blocks. With `out` the bytes are copied as they pass.
 */
enum { BLOCK = 32 };

typedef uint64_t half_block __attribute__((vector_size(BLOCK / 2)));

static inline __attribute__((always_inline)) uint64_t blocks_portable(
	uint8_t *out, const uint8_t *p, size_t blocks)
{
	half_block a = {0}, b = {0}, c = {0}, d = {0};

	for (; blocks; blocks--, p += BLOCK) {
		half_block v, w;

		memcpy(&v, p, sizeof(v));
		memcpy(&w, p + sizeof(v), sizeof(w));
		if (out) {
			memcpy(out, &v, sizeof(v));
			memcpy(out + sizeof(v), &w, sizeof(w));
			out += BLOCK;
		}
		a += v & UINT32_MAX;
		b += v >> 32;
		c += w & UINT32_MAX;
		d += w >> 32;
	}
	a += b + c + d;
	return a[0] + a[1];
}

#ifdef CSUM_AVX2
typedef uint64_t block __attribute__((vector_size(BLOCK)));

static inline __attribute__((target("avx2"), always_inline)) uint64_t blocks_avx2(
	uint8_t *out, const uint8_t *p, size_t blocks)
{
	block low = {0}, high = {0};

	for (; blocks; blocks--, p += BLOCK) {
		block v;

		memcpy(&v, p, sizeof(v));
		if (out) {
			memcpy(out, &v, sizeof(v));
			out += BLOCK;
		}
		low += v & UINT32_MAX;
		high += v >> 32;
	}
	low += high;
	return low[0] + low[1] + low[2] + low[3];
}

static __attribute__((target("avx2"))) uint64_t add_avx2(const uint8_t *p, size_t blocks)
{
	return blocks_avx2(NULL, p, blocks);
}

static __attribute__((target("avx2"))) uint64_t copy_avx2(uint8_t *out, const uint8_t *p, size_t blocks)
{
	return blocks_avx2(out, p, blocks);
}
#endif

static uint64_t blocks_add(const uint8_t *p, size_t blocks)
{
#ifdef CSUM_AVX2
	if (LIKELY(__builtin_cpu_supports("avx2")))
		return add_avx2(p, blocks);
#endif
	return blocks_portable(NULL, p, blocks);
}

static uint64_t blocks_copy(uint8_t *out, const uint8_t *p, size_t blocks)
{
#ifdef CSUM_AVX2
	if (LIKELY(__builtin_cpu_supports("avx2")))
		return copy_avx2(out, p, blocks);
#endif
	return blocks_portable(out, p, blocks);
}

static uint16_t fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Less than a block, in native order. */
static uint64_t tail_add(const uint8_t *p, size_t n)
{
	uint64_t acc = 0;
	uint32_t word;
	uint16_t half;

	for (; n >= 4; p += 4, n -= 4) {
		memcpy(&word, p, 4);
		acc += word;
	}
	if (n >= 2) {
		memcpy(&half, p, 2);
		acc += half;
		p += 2;
		n -= 2;
	}
	if (n) {
		half = 0;
		memcpy(&half, p, 1);
		acc += half;
	}
	return acc;
}

/* `native` joins a sum in network order. */
static uint32_t join(uint32_t sum, uint64_t native)
{
	const uint16_t folded = fold(native);
	uint64_t acc = (uint64_t)sum + get_be16((const uint8_t *)&folded);

	return (uint32_t)((acc & UINT32_MAX) + (acc >> 32));
}

uint32_t csum_add(const void *p, size_t n, uint32_t sum)
{
	const uint8_t *b = p;
	size_t blocks = n / BLOCK, whole = blocks * BLOCK;
	uint64_t acc = blocks ? blocks_add(b, blocks) : 0;

	return join(sum, acc + tail_add(b + whole, n - whole));
}

uint32_t csum_copy(void *dst, const void *src, size_t n, uint32_t sum)
{
	const uint8_t *b = src;
	uint8_t *out = dst;
	size_t blocks = n / BLOCK, whole = blocks * BLOCK;
	uint64_t acc = blocks ? blocks_copy(out, b, blocks) : 0;

	memcpy(out + whole, b + whole, n - whole);
	return join(sum, acc + tail_add(b + whole, n - whole));
}

uint16_t csum_finish(uint32_t sum)
{
	return (uint16_t)~fold(sum);
}

/* RFC 793 3.1 and RFC 8200 8.1: the two pseudo-headers differ in layout, not in sum. */
uint32_t csum_pseudo(const struct ip *src, const struct ip *dst, uint8_t proto, uint32_t len)
{
	uint8_t tail[8] = {[7] = proto};
	uint32_t sum = csum_add(src->bytes, ip_len(src), 0);

	put_be32(tail, len);
	sum = csum_add(dst->bytes, ip_len(dst), sum);
	return csum_add(tail, sizeof(tail), sum);
}
