/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/jsonout.h"

#include "base/encode.h"
#include "base/plain.h"

#include <stdio.h>
#include <string.h>

enum { CHUNK = 96 }; /* bytes turned into digits at a time; a multiple of 3 */

void jsonout_deinit(struct jsonout *o)
{
	strbuf_deinit(&o->b);
	o->comma = false;
}

/* What stands before a value: comma and key. */
static void begin(struct jsonout *o, const char *key)
{
	if (o->comma)
		strbuf_add(&o->b, ",", 1);
	o->comma = true;
	if (!key)
		return;
	strbuf_add(&o->b, "\"", 1);
	strbuf_puts(&o->b, key);
	strbuf_add(&o->b, "\":", 2);
}

static void open_with(struct jsonout *o, const char *key, const char *bracket)
{
	begin(o, key);
	strbuf_add(&o->b, bracket, 1);
	o->comma = false;
}

static void close_with(struct jsonout *o, const char *bracket)
{
	strbuf_add(&o->b, bracket, 1);
	o->comma = true;
}

void jsonout_object(struct jsonout *o, const char *key)
{
	open_with(o, key, "{");
}

void jsonout_object_end(struct jsonout *o)
{
	close_with(o, "}");
}

void jsonout_list(struct jsonout *o, const char *key)
{
	open_with(o, key, "[");
}

void jsonout_list_end(struct jsonout *o)
{
	close_with(o, "]");
}

static bool is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

void jsonout_text(struct jsonout *o, const char *key, const char *s)
{
	begin(o, key);
	strbuf_add(&o->b, "\"", 1);
	while (*s) {
		size_t n = 0;
		uint32_t c;

		while (is_plain((unsigned char)s[n]))
			n++;
		strbuf_add(&o->b, s, n);
		s += n;
		if (!*s)
			break;

		n = utf8_decode(s, &c);
		if (n > 1)
			strbuf_add(&o->b, s, n);
		else if (n == 0)
			strbuf_add(&o->b, "?", 1);
		else
			strbuf_printf(&o->b, "\\u%04x", (unsigned)(unsigned char)*s);
		s += n ? n : 1;
	}
	strbuf_add(&o->b, "\"", 1);
}

void jsonout_int(struct jsonout *o, const char *key, int64_t v)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;

	/* A map of 10,000 has as many of them: printf would be a third of its cost. */
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (v < 0)
		digits[--at] = '-';
	begin(o, key);
	strbuf_add(&o->b, digits + at, sizeof(digits) - at);
}

void jsonout_null(struct jsonout *o, const char *key)
{
	begin(o, key);
	strbuf_puts(&o->b, "null");
}

void jsonout_text_or_null(struct jsonout *o, const char *key, const char *s)
{
	if (s[0])
		jsonout_text(o, key, s);
	else
		jsonout_null(o, key);
}

void jsonout_int_or_null(struct jsonout *o, const char *key, int64_t v)
{
	if (v)
		jsonout_int(o, key, v);
	else
		jsonout_null(o, key);
}

void jsonout_bool(struct jsonout *o, const char *key, bool v)
{
	begin(o, key);
	strbuf_puts(&o->b, v ? "true" : "false");
}

void jsonout_base64(struct jsonout *o, const char *key, const void *p, size_t n)
{
	const uint8_t *at = p;
	char text[BASE64_LEN(CHUNK) + 1];

	begin(o, key);
	strbuf_add(&o->b, "\"", 1);
	for (; n; n -= MIN(n, (size_t)CHUNK), at += CHUNK) {
		base64_encode(at, MIN(n, (size_t)CHUNK), text);
		strbuf_puts(&o->b, text);
	}
	strbuf_add(&o->b, "\"", 1);
}

void jsonout_hex(struct jsonout *o, const char *key, const void *p, size_t n)
{
	const uint8_t *at = p;
	char text[HEX_LEN(CHUNK) + 1];

	begin(o, key);
	strbuf_add(&o->b, "\"", 1);
	for (; n; n -= MIN(n, (size_t)CHUNK), at += CHUNK) {
		hex_encode(at, MIN(n, (size_t)CHUNK), text);
		strbuf_puts(&o->b, text);
	}
	strbuf_add(&o->b, "\"", 1);
}

void jsonout_raw(struct jsonout *o, const char *key, const char *json, size_t n)
{
	begin(o, key);
	strbuf_add(&o->b, json, n);
}

void jsonout_members(struct jsonout *o, const char *object, size_t n)
{
	if (n <= 2)
		return;
	begin(o, NULL);
	strbuf_add(&o->b, object + 1, n - 2);
}

char *jsonout_take(struct jsonout *o, size_t *ret_n)
{
	size_t n = o->b.len;

	o->comma = false;
	char *s = strbuf_take(&o->b);
	if (s && ret_n)
		*ret_n = n;
	return s;
}
