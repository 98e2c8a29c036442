/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The Internet checksum. A sum modulo 2^16 - 1 does not care how wide the words are or when the carries are
 * folded in, and taken in the other byte order it comes out swapped (RFC 1071, 2 (B) and (C)): so this adds
 * native 32-bit words in several lanes and swaps once, at the end.
 */
#include "wire/ip.h"

#include "base/bytes.h"

#include <endian.h>

/*
 * On x86-64 the loader picks the AVX2 clone where the processor has it. Not under a sanitizer, which would
 * instrument the resolver although that runs before the sanitizer is ready.
 */
#if defined(__x86_64__) && defined(__ELF__) && defined(__GLIBC__) && defined(__GNUC__) &&                    \
	!defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CPU_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CPU_CLONES
#endif

typedef uint64_t lanes __attribute__((vector_size(32)));

enum { BLOCK = sizeof(lanes) };

/* Each lane adds halves of 32 bits, so there is no carry to lose below 2^32 blocks. */
CPU_CLONES static uint64_t blocks_add(const uint8_t *p, size_t blocks)
{
	lanes low = {0}, high = {0};

	for (; blocks; blocks--, p += BLOCK) {
		lanes v;

		memcpy(&v, p, sizeof(v));
		low += v & UINT32_MAX;
		high += v >> 32;
	}
	low += high;
	return low[0] + low[1] + low[2] + low[3];
}

static uint16_t fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Chained sums need an even n in all but the last call. */
uint32_t csum_add(const void *p, size_t n, uint32_t sum)
{
	const uint8_t *b = p;
	uint64_t acc = 0;
	uint32_t word;
	uint16_t half = 0;

	if (n >= 2 * BLOCK) {
		acc = blocks_add(b, n / BLOCK);
		b += n / BLOCK * BLOCK;
		n %= BLOCK;
	}
	for (; n >= 4; b += 4, n -= 4) {
		memcpy(&word, b, 4);
		acc += word;
	}
	if (n >= 2) {
		memcpy(&half, b, 2);
		acc += half;
		b += 2;
		n -= 2;
	}
	if (n) {
		half = 0;
		memcpy(&half, b, 1);
		acc += half;
	}
	acc = (uint64_t)sum + be16toh(fold(acc));
	return (uint32_t)((acc & UINT32_MAX) + (acc >> 32));
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
