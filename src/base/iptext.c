/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/iptext.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

enum { GROUPS = 8, DIGITS_MAX = 4 };

/* An octet at the beginning of s; returns how many digits it has, 0 when there is none. */
static size_t octet_parse(const char *s, uint8_t *ret_octet)
{
	unsigned v = 0;
	size_t n = 0;

	for (; s[n] >= '0' && s[n] <= '9'; n++) {
		v = v * 10 + (unsigned)(s[n] - '0');
		if (v > UINT8_MAX || (n > 0 && s[0] == '0'))
			return 0;
	}
	*ret_octet = (uint8_t)v;
	return n;
}

bool iptext_parse4(const char *s, uint8_t ret_bytes[static 4])
{
	uint8_t bytes[4];

	for (size_t i = 0; i < 4; i++) {
		size_t n = octet_parse(s, &bytes[i]);

		if (n == 0 || s[n] != (i < 3 ? '.' : '\0'))
			return false;
		s += n + 1;
	}
	memcpy(ret_bytes, bytes, 4);
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* All hexadecimal digits at the beginning of s; returns how many there are. The value is that of up to four.
 */
static size_t group_parse(const char *s, uint16_t *ret_group)
{
	unsigned v = 0;
	size_t n = 0;

	for (; hex_value(s[n]) >= 0; n++)
		v = (v << 4 | (unsigned)hex_value(s[n])) & 0xffff;
	*ret_group = (uint16_t)v;
	return n;
}

/* What is read: bytes in order, and behind how many of them stood "::". */
struct reading {
	uint8_t bytes[16];
	size_t n;
	bool shortened;
	size_t gap;
};

static bool see_gap(struct reading *r)
{
	if (r->shortened)
		return false;
	r->shortened = true;
	r->gap = r->n;
	return true;
}

/* A group, or the IPv4 address that ends the text; *s becomes what is left. */
static bool read_part(struct reading *r, const char **s)
{
	uint16_t group;
	size_t digits = group_parse(*s, &group);

	if ((*s)[digits] == '.') {
		if (r->n > 12 || !iptext_parse4(*s, r->bytes + r->n))
			return false;
		r->n += 4;
		*s += strlen(*s);
		return true;
	}
	if (digits == 0 || digits > DIGITS_MAX || r->n > 14)
		return false;
	put_be16(r->bytes + r->n, group);
	r->n += 2;
	*s += digits;
	return true;
}

/* "::" stands for one group at least. */
static bool fill_gap(const struct reading *r, uint8_t ret_bytes[static 16])
{
	if (r->shortened ? r->n == 16 : r->n != 16)
		return false;

	memset(ret_bytes, 0, 16);
	size_t before = r->shortened ? r->gap : r->n, behind = r->n - before;
	memcpy(ret_bytes, r->bytes, before);
	memcpy(ret_bytes + 16 - behind, r->bytes + before, behind);
	return true;
}

bool iptext_parse6(const char *s, uint8_t ret_bytes[static 16])
{
	struct reading r = {.n = 0};

	if (s[0] == ':' && s[1] == ':') {
		(void)see_gap(&r);
		s += 2;
	}
	while (*s) {
		if (!read_part(&r, &s))
			return false;
		if (!*s)
			break;
		if (*s++ != ':' || !*s)
			return false;
		if (*s == ':') {
			if (!see_gap(&r))
				return false;
			s++;
		}
	}
	return fill_gap(&r, ret_bytes);
}

void iptext_format4(const uint8_t bytes[static 4], char buf[static IPTEXT_LEN])
{
	snprintf(buf, IPTEXT_LEN, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
}

struct run {
	size_t at, n; /* groups */
};

/* The longest run of zeros, the first of several; of a single one nothing is saved. */
static struct run longest_zeros(const uint16_t group[static GROUPS])
{
	struct run best = {.at = GROUPS, .n = 1}, now = {.n = 0};

	for (size_t i = 0; i < GROUPS; i++) {
		if (group[i] != 0) {
			now.n = 0;
			continue;
		}
		if (now.n++ == 0)
			now.at = i;
		if (now.n > best.n)
			best = now;
	}
	return best;
}

void iptext_format6(const uint8_t bytes[static 16], char buf[static IPTEXT_LEN])
{
	uint16_t group[GROUPS];
	size_t n = 0;

	for (size_t i = 0; i < GROUPS; i++)
		group[i] = get_be16(bytes + 2 * i);
	const struct run zeros = longest_zeros(group);
	const bool dotted = zeros.at == 0 && (zeros.n == 6 || (zeros.n == 5 && group[5] == 0xffff));
	const size_t end = dotted ? 6 : GROUPS;

	for (size_t i = 0; i < end; i++) {
		if (i == zeros.at) {
			n += (size_t)snprintf(buf + n, IPTEXT_LEN - n, i + zeros.n == end ? "::" : ":");
			i += zeros.n - 1;
			continue;
		}
		n += (size_t)snprintf(buf + n, IPTEXT_LEN - n, i > 0 ? ":%x" : "%x", group[i]);
	}
	if (dotted)
		snprintf(buf + n, IPTEXT_LEN - n, "%s%u.%u.%u.%u", zeros.n == 5 ? ":" : "", bytes[12],
			bytes[13], bytes[14], bytes[15]);
}
