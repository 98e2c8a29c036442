/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keys pass through here, so digits are mapped by arithmetic: no table lookup and no branch depends on a
 * digit's value (only on whether the text is well-formed).
 */
#include "base/encode.h"

#include "base/err.h"

static char hex_digit(unsigned v)
{
	/* 10..15: jump from '9'+1 to 'a' */
	return (char)('0' + v + ((9u - v) >> 8 & ('a' - '9' - 1)));
}

void hex_encode(const uint8_t *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hex_digit(p[i] >> 4);
		out[2 * i + 1] = hex_digit(p[i] & 15u);
	}
	out[2 * n] = '\0';
}

/* All ones when lo <= c <= hi, else 0. */
static unsigned in_range(unsigned c, unsigned lo, unsigned hi)
{
	return (((c - lo) | (hi - c)) >> 31) - 1u;
}

/* 0..15, or -1. */
static int hex_value(char ch)
{
	unsigned c = (unsigned char)ch;
	unsigned digit = in_range(c, '0', '9') & (c - '0' + 1);
	unsigned lower = in_range(c, 'a', 'f') & (c - 'a' + 11);
	unsigned upper = in_range(c, 'A', 'F') & (c - 'A' + 11);

	return (int)(digit | lower | upper) - 1;
}

int hex_decode(const char *s, size_t s_len, uint8_t *ret_out, size_t n)
{
	int bad = 0;

	if (s_len != 2 * n)
		return TM_EBADMSG;

	for (size_t i = 0; i < n; i++)
		bad |= hex_value(s[2 * i]) | hex_value(s[2 * i + 1]);
	if (bad < 0)
		return TM_EBADMSG;

	for (size_t i = 0; i < n; i++)
		ret_out[i] =
			(uint8_t)((unsigned)hex_value(s[2 * i]) << 4 | (unsigned)hex_value(s[2 * i + 1]));
	return TM_OK;
}

struct alphabet {
	char c62, c63;
	bool padded;
};

static const struct alphabet base64_std = {'+', '/', true};
static const struct alphabet base64_url = {'-', '_', false};

static char b64_digit(const struct alphabet *a, unsigned v)
{
	unsigned c = (in_range(v, 0, 25) & ('A' + v)) | (in_range(v, 26, 51) & ('a' + v - 26)) |
		     (in_range(v, 52, 61) & ('0' + v - 52)) | (in_range(v, 62, 62) & (unsigned char)a->c62) |
		     (in_range(v, 63, 63) & (unsigned char)a->c63);

	return (char)c;
}

/* 0..63, or -1. */
static int b64_value(const struct alphabet *a, char ch)
{
	unsigned c = (unsigned char)ch, c62 = (unsigned char)a->c62, c63 = (unsigned char)a->c63;
	unsigned v = (in_range(c, 'A', 'Z') & (c - 'A' + 1)) | (in_range(c, 'a', 'z') & (c - 'a' + 27)) |
		     (in_range(c, '0', '9') & (c - '0' + 53)) | (in_range(c, c62, c62) & 63) |
		     (in_range(c, c63, c63) & 64);

	return (int)v - 1;
}

static void b64_encode(const struct alphabet *a, const uint8_t *p, size_t n, char *out)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		unsigned v = (unsigned)p[i] << 16 | (have > 1 ? (unsigned)p[i + 1] << 8 : 0) |
			     (have > 2 ? p[i + 2] : 0);

		for (size_t d = 0; d <= have; d++)
			out[o++] = b64_digit(a, v >> (18 - 6 * d) & 63);
		for (size_t d = have; a->padded && d < 3; d++)
			out[o++] = '=';
	}
	out[o] = '\0';
}

static int b64_decode(
	const struct alphabet *a, const char *s, size_t s_len, uint8_t *out, size_t out_len, size_t *ret_n)
{
	size_t o = 0;

	if (a->padded) {
		if (s_len % 4 != 0)
			return TM_EBADMSG;
		for (int i = 0; i < 2 && s_len && s[s_len - 1] == '='; i++)
			s_len--;
	}
	if (s_len % 4 == 1)
		return TM_EBADMSG;

	for (size_t i = 0; i < s_len; i += 4) {
		size_t have = s_len - i < 4 ? s_len - i : 4;
		unsigned v = 0;
		int bad = 0;

		for (size_t d = 0; d < have; d++) {
			int digit = b64_value(a, s[i + d]);
			bad |= digit;
			v |= ((unsigned)digit & 63) << (18 - 6 * d);
		}
		if (bad < 0)
			return TM_EBADMSG;
		if ((have == 2 && (v & 0xffff)) || (have == 3 && (v & 0xff)))
			return TM_EBADMSG;
		if (o + have - 1 > out_len)
			return TM_EFULL;
		for (size_t b = 0; b < have - 1; b++)
			out[o++] = (uint8_t)(v >> (16 - 8 * b));
	}
	*ret_n = o;
	return TM_OK;
}

void base64_encode(const uint8_t *p, size_t n, char *out)
{
	b64_encode(&base64_std, p, n, out);
}

void base64url_encode(const uint8_t *p, size_t n, char *out)
{
	b64_encode(&base64_url, p, n, out);
}

int base64_decode(const char *s, size_t s_len, uint8_t *out, size_t out_len, size_t *ret_n)
{
	return b64_decode(&base64_std, s, s_len, out, out_len, ret_n);
}

int base64url_decode(const char *s, size_t s_len, uint8_t *out, size_t out_len, size_t *ret_n)
{
	return b64_decode(&base64_url, s, s_len, out, out_len, ret_n);
}
