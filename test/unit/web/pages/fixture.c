/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/web/pages/fixture.h"

#include "unit/unit.h"

#include <string.h>

enum { ANSWERS_MAX = 16 };

const struct page nobody = {.mesh = "home",
	.zone = "mesh",
	.viewer = "laptop",
	.style = "/style.css",
	.script = "/script.js",
	.icon = "/icon.svg",
	.now = 1000000};

static json_t *answers[ANSWERS_MAX];
static size_t n_answers;

static const msg_object **keep(const char *text)
{
	static const msg_object *shown[ANSWERS_MAX];
	json_error_t why;
	json_t *j = json_loads(text, 0, &why);

	if (!j)
		fail_msg("%s: %s", why.text, text);
	assert_true(n_answers < ANSWERS_MAX);
	answers[n_answers] = j;
	shown[n_answers] = j;
	return &shown[n_answers++];
}

const msg_object *answer_of(const char *text)
{
	return *keep(text);
}

struct page_list list_of(const char *text)
{
	return (struct page_list){.v = keep(text), .n = 1};
}

void fixture_end(void)
{
	while (n_answers)
		json_decref(answers[--n_answers]);
}

static bool shows(page_fn *page, const struct page *p, const char *part, char **ret_text)
{
	struct strbuf b = {0};

	page(&b, p);
	*ret_text = strbuf_take(&b);
	assert_non_null(*ret_text);
	return strstr(*ret_text, part);
}

void expect_shown(page_fn *page, const struct page *p, const char *part)
{
	char *text;

	if (!shows(page, p, part, &text))
		fail_msg("\"%s\" is not in the page:\n%s", part, text);
	free(text);
}

void expect_not_shown(page_fn *page, const struct page *p, const char *part)
{
	char *text;

	if (shows(page, p, part, &text))
		fail_msg("\"%s\" is in the page:\n%s", part, text);
	free(text);
}
