/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"

void strbuf_deinit(struct strbuf *b)
{
	if (b->s)
		wipe(b->s, b->len);
	free(b->s);
	*b = (struct strbuf){0};
}

static bool strbuf_room(struct strbuf *b, size_t n)
{
	size_t need = b->len + n + 1;

	if (b->failed)
		return false;
	if (need <= b->cap)
		return true;

	size_t cap = MAX(need, MAX(b->cap * 2, (size_t)64));
	char *s = malloc(cap);
	if (!s) {
		b->failed = true;
		return false;
	}
	if (b->s) { /* not by realloc, which leaves a copy behind */
		memcpy(s, b->s, b->len);
		wipe(b->s, b->len);
		free(b->s);
	}
	b->s = s;
	b->cap = cap;
	return true;
}

void strbuf_add(struct strbuf *b, const char *s, size_t n)
{
	if (!strbuf_room(b, n))
		return;

	if (n) /* of nothing there may be no address */
		memcpy(b->s + b->len, s, n);
	b->len += n;
	b->s[b->len] = '\0';
}

void strbuf_puts(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
		return;
	}
	if (!strbuf_room(b, (size_t)n))
		return;

	va_start(ap, fmt);
	vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

char *strbuf_take(struct strbuf *b)
{
	char *s = NULL;

	if (strbuf_room(b, 0)) {
		b->s[b->len] = '\0';
		s = TAKE(b->s);
	}
	strbuf_deinit(b);
	return s;
}
