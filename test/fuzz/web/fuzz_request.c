/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A head and the form behind it: what is taken is text, and has one reading. */
#include "base/plain.h"
#include "fuzz/fuzz.h"
#include "web/form.h"
#include "web/head.h"

static void check_text(const char *s)
{
	uint32_t c;

	for (size_t n; *s; s += n) {
		n = utf8_decode(s, &c);
		assert(n > 0);
	}
}

static void check_cookie(struct http_span field)
{
	char *text = field.n ? strndup(field.s, field.n) : NULL; /* as the server makes it one */
	const struct web_caller c = {.cookie = text};
	size_t n;
	const char *v = web_cookie(&c, "a", &n);

	assert(!v || (v >= text && v + n <= text + strlen(text) && !memchr(v, ';', n)));
	free(text);
}

static void check_form(const char *p, size_t n)
{
	struct web_form f;

	if (web_form_parse(p, n, &f) != TM_OK)
		return;
	assert(f.n <= WEB_FORM_FIELDS);
	for (size_t i = 0; i < f.n; i++) {
		check_text(f.fields[i].name);
		check_text(f.fields[i].value);
		assert(web_form_get(&f, f.fields[i].name) != NULL);
	}
	web_form_deinit(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *p = (char *)fuzz_copy(data, size);
	struct web_head h;
	const char *sentence;
	size_t len;

	if (http_head_end(p, size, &len) == TM_OK) {
		char *head = (char *)fuzz_copy(data, len);
		const unsigned status = web_head_parse(head, len, &h, &sentence);

		assert((status == 0) == (sentence == NULL));
		if (!status) {
			assert(h.path[0] == '/' && strlen(h.path) < WEB_PATH_MAX && h.host[0]);
			check_text(h.path);
			assert(h.query.n == 0 || (h.query.s >= head && h.query.s + h.query.n <= head + len));
			check_form(h.query.s, h.query.n);
			check_cookie(h.cookie);
		}
		free(head);
		check_form(p + len, size - len);
	} else {
		check_form(p, size);
	}
	free(p);
	return 0;
}
