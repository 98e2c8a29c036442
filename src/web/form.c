/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/form.h"

#include <string.h>

#include "base/encode.h"
#include "base/plain.h"
#include "base/secret.h"

static bool is_text(const char *s, bool lines)
{
	while (*s) {
		uint32_t c;
		const size_t n = utf8_decode(s, &c);

		if (n == 0)
			return false;
		if ((c < ' ' || c == 0x7f) && !(lines && (c == '\n' || c == '\r' || c == '\t')))
			return false;
		s += n;
	}
	return true;
}

int web_decode(const char *p, size_t n, bool plus, bool lines, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)p[i];

		if (c == '%') {
			if (n - i < 3 || hex_decode(p + i + 1, 2, &c, 1) != TM_OK)
				return TM_EBADMSG;
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == '\0')
			return TM_EBADMSG;
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return is_text(out, lines) ? TM_OK : TM_EBADMSG;
}

/* Name and value, decoded to where `at` points, which is moved behind them. */
static int field_add(struct web_form *f, const char *p, size_t n, char **at)
{
	const char *eq = memchr(p, '=', n);
	const size_t n_name = eq ? (size_t)(eq - p) : n;
	char *name = *at;

	if (f->n == WEB_FORM_FIELDS)
		return TM_EFULL;
	int err = web_decode(p, n_name, true, false, name);
	if (err)
		return err;
	char *value = name + strlen(name) + 1;
	err = web_decode(eq ? eq + 1 : p + n, eq ? n - n_name - 1 : 0, true, true, value);
	if (err)
		return err;
	f->fields[f->n].name = name;
	f->fields[f->n].value = value;
	f->n++;
	*at = value + strlen(value) + 1;
	return TM_OK;
}

/* A field that is a name alone becomes two texts: each field is two bytes longer than it was, at most. */
int web_form_parse(const char *p, size_t n, struct web_form *ret_form)
{
	struct web_form f = {.text_bytes = n + 2 * (size_t)WEB_FORM_FIELDS};

	f.text = malloc(f.text_bytes);
	if (!f.text)
		return TM_ENOMEM;

	char *at = f.text;
	int err = TM_OK;
	while (!err && n > 0) {
		const char *amp = memchr(p, '&', n);
		const size_t len = amp ? (size_t)(amp - p) : n;
		const size_t step = amp ? len + 1 : len;

		if (len > 0)
			err = field_add(&f, p, len, &at);
		p += step;
		n -= step;
	}
	if (err)
		web_form_deinit(&f);
	else
		*ret_form = f;
	return err;
}

void web_form_deinit(struct web_form *f)
{
	if (f->text)
		wipe(f->text, f->text_bytes);
	free(f->text);
	*f = (struct web_form){0};
}

const char *web_form_get(const struct web_form *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->fields[i].name, name) == 0)
			return f->fields[i].value;
	return NULL;
}
