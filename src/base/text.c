/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

const void *bytes_find(const void *p, size_t n, const void *what, size_t what_len)
{
	const unsigned char *at = p, *first = what;

	if (!what_len)
		return p;
	while (n >= what_len) {
		const unsigned char *found = memchr(at, *first, n - what_len + 1);

		if (!found || memcmp(found, what, what_len) == 0)
			return found;
		n -= (size_t)(found + 1 - at);
		at = found + 1;
	}
	return NULL;
}

const void *bytes_find_last(const void *p, int byte, size_t n)
{
	const unsigned char *bytes = p;

	while (n-- > 0)
		if (bytes[n] == (unsigned char)byte)
			return bytes + n;
	return NULL;
}

bool text_has(const char *text, const char *part)
{
	const size_t n = strlen(part);

	for (size_t left = strlen(text); left >= n; left--, text++)
		if (same_but_case(text, part, n))
			return true;
	return false;
}

char *text_split(char **rest, const char *separators)
{
	char *word = *rest;

	if (!word)
		return NULL;
	char *end = word + strcspn(word, separators);
	*rest = *end ? end + 1 : NULL;
	*end = '\0';
	return word;
}

char *text_vprintf(const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	const int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	char *s = n < 0 ? NULL : malloc((size_t)n + 1);
	if (s)
		vsnprintf(s, (size_t)n + 1, fmt, ap);
	return s;
}

char *text_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *s = text_vprintf(fmt, ap);
	va_end(ap);
	return s;
}

void *array_resize(void *p, size_t n, size_t size)
{
	return size && n > SIZE_MAX / size ? NULL : realloc(p, MAX(n * size, (size_t)1));
}
