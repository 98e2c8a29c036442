/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/pages/html.h"

#include "base/plain.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

static void put_escaped(struct strbuf *out, const char *s, bool lines)
{
	while (*s) {
		if (lines && s[0] == '\r' && s[1] == '\n') /* as forms are sent */
			s++;
		bool white = lines && (*s == '\n' || *s == '\t');
		const char *as = entity(*s);
		size_t n = white ? 1 : plain_char(s);

		if (as)
			strbuf_puts(out, as);
		else if (n)
			strbuf_add(out, s, n);
		else
			strbuf_puts(out, "?");
		s += n ? n : 1;
	}
}

void html_put_lines(struct strbuf *out, const char *text)
{
	put_escaped(out, text, true);
}

void html_put_url(struct strbuf *out, const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	for (; *text; text++) {
		if (strchr(safe, *text))
			strbuf_add(out, text, 1);
		else
			strbuf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
	}
}

/* One conversion, fmt behind its '%'; how many characters of fmt it has. */
static size_t put_value(struct strbuf *out, const char *fmt, va_list *ap)
{
	switch (*fmt) {
	case 's':
		put_escaped(out, va_arg(*ap, const char *), false);
		return 1;
	case 'd':
		strbuf_printf(out, "%d", va_arg(*ap, int));
		return 1;
	case 'u':
		strbuf_printf(out, "%u", va_arg(*ap, unsigned));
		return 1;
	case '%':
		strbuf_puts(out, "%");
		return 1;
	default:
		break;
	}
	if (strncmp(fmt, "zu", 2) == 0)
		strbuf_printf(out, "%zu", va_arg(*ap, size_t));
	else if (strncmp(fmt, "lld", 3) == 0)
		strbuf_printf(out, "%lld", va_arg(*ap, long long));
	else if (strncmp(fmt, "llu", 3) == 0)
		strbuf_printf(out, "%llu", va_arg(*ap, unsigned long long));
	else if (strncmp(fmt, ".1f", 3) == 0)
		strbuf_printf(out, "%.1f", va_arg(*ap, double));
	else
		assert(!"a conversion that html_put does not know");
	return *fmt == 'z' ? 2 : 3;
}

void html_put(struct strbuf *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (const char *at = fmt; *at;) {
		size_t n = strcspn(at, "%");

		strbuf_add(out, at, n);
		at += n;
		if (*at)
			at += 1 + put_value(out, at + 1, &ap);
	}
	va_end(ap);
}
