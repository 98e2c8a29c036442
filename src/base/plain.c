/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/plain.h"

#include <stdio.h>

/* Unicode: what has no shape of its own, or a say in how others are shown. Joiners inside of words are left.
 */
static const struct {
	uint32_t first, last;
} hidden[] = {
	{0x00, 0x1f}, /* C0 */
	{0x7f, 0x9f}, /* DEL and C1 */
	{0xad, 0xad}, /* soft hyphen */
	{0x61c, 0x61c}, /* mark of direction */
	{0x180e, 0x180e}, /* vowel separator */
	{0x200b, 0x200b}, /* space without width */
	{0x200e, 0x200f}, /* marks of direction */
	{0x2028, 0x202e}, /* separators of lines, embeddings and overrides */
	{0x2060, 0x206f}, /* invisible operators, isolates */
	{0xfeff, 0xfeff}, /* byte order mark */
	{0xfff9, 0xfffb}, /* annotations */
	{0xe0000, 0xe007f}, /* tags */
};

size_t utf8_decode(const char *s, uint32_t *ret_c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *u = (const unsigned char *)s;
	size_t n = u[0] < 0x80   ? 1
		   : u[0] < 0xc0 ? 0
		   : u[0] < 0xe0 ? 2
		   : u[0] < 0xf0 ? 3
		   : u[0] < 0xf8 ? 4
				 : 0;
	uint32_t c = n < 2 ? u[0] : u[0] & (0x7fu >> n);

	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80) /* the end of the string too */
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret_c = c;
	return n;
}

size_t plain_char(const char *s)
{
	uint32_t c = 0;
	size_t n = utf8_decode(s, &c);

	for (size_t i = 0; n && i < ARRAY_LEN(hidden); i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return 0;
	return n;
}

bool plain_is(const char *s)
{
	for (size_t n; *s; s += n) {
		n = plain_char(s);
		if (!n)
			return false;
	}
	return true;
}

char *plain_make(char *s)
{
	for (char *p = s; *p;) {
		size_t n = plain_char(p);

		if (n)
			p += n;
		else
			*p++ = '?';
	}
	return s;
}

const char *plain_quote(const char *s, char buf[static PLAIN_QUOTE_LEN])
{
	size_t n = 0;

	for (; s[n] && n < PLAIN_QUOTE_LEN - 4; n++)
		buf[n] = s[n] >= ' ' && s[n] <= '~' ? s[n] : '?';
	snprintf(buf + n, 4, "%s", s[n] ? "..." : "");
	return buf;
}
