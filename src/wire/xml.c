/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/xml.h"

#include <string.h>

#include "base/text.h"

struct xml xml_over(const char *p, size_t n)
{
	return (struct xml){.at = p, .end = p + n};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Past the next occurrence of `what`, which must be there. */
static bool skip_past(struct xml *x, const char *what)
{
	const char *at = bytes_find(x->at, (size_t)(x->end - x->at), what, strlen(what));

	if (!at)
		return false;
	x->at = at + strlen(what);
	return true;
}

static bool begins(const struct xml *x, const char *what)
{
	return (size_t)(x->end - x->at) >= strlen(what) && memcmp(x->at, what, strlen(what)) == 0;
}

static void take_text(struct xml *x, struct xml_tag *t)
{
	const char *end = memchr(x->at, '<', (size_t)(x->end - x->at));
	const char *begin = x->at;

	if (!end)
		end = x->end;
	x->at = end;
	while (begin < end && is_blank(*begin))
		begin++;
	while (begin < end && is_blank(end[-1]))
		end--;
	t->text = begin;
	t->text_len = (size_t)(end - begin);
}

static bool take_name(struct xml *x, struct xml_tag *t)
{
	t->name = x->at;
	while (x->at < x->end && !is_blank(*x->at) && *x->at != '>' && *x->at != '/')
		if (*x->at++ == ':')
			t->name = x->at;
	t->name_len = (size_t)(x->at - t->name);
	return skip_past(x, ">");
}

bool xml_next(struct xml *x, struct xml_tag *ret_tag)
{
	struct xml_tag t = {0};

	for (;;) {
		if (!skip_past(x, "<"))
			return false;
		if (begins(x, "!--")) {
			if (!skip_past(x, "-->"))
				return false;
		} else if (begins(x, "?") || begins(x, "!")) {
			if (!skip_past(x, ">"))
				return false;
		} else {
			break;
		}
	}
	t.closes = begins(x, "/");
	x->at += t.closes;
	if (!take_name(x, &t))
		return false;
	take_text(x, &t);
	*ret_tag = t;
	return true;
}

bool xml_is(const struct xml_tag *t, const char *name)
{
	return t->name_len == strlen(name) && same_but_case(t->name, name, t->name_len);
}

/* One character of the text, or what an entity stands for; returns how many bytes of the text it took. */
static size_t decode(const char *s, size_t n, char *ret_c)
{
	static const struct {
		const char *entity;
		char c;
	} rows[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};

	for (size_t i = 0; *s == '&' && i < ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i].entity);
		if (n >= len && memcmp(s, rows[i].entity, len) == 0) {
			*ret_c = rows[i].c;
			return len;
		}
	}
	*ret_c = *s;
	return 1;
}

bool xml_copy(const struct xml_tag *t, char *out, size_t out_len)
{
	size_t n = 0;

	for (size_t i = 0; i < t->text_len;) {
		char c;

		i += decode(t->text + i, t->text_len - i, &c);
		if ((unsigned char)c < ' ' || c == 0x7f || n + 1 >= out_len)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

bool xml_value(const char *p, size_t n, const char *name, char *out, size_t out_len)
{
	struct xml x = xml_over(p, n);
	struct xml_tag t;

	while (xml_next(&x, &t))
		if (!t.closes && xml_is(&t, name))
			return xml_copy(&t, out, out_len);
	return false;
}
