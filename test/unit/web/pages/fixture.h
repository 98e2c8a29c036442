/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Answers as texts, pages as texts. */
#ifndef TEST_WEB_PAGES_FIXTURE_H
#define TEST_WEB_PAGES_FIXTURE_H

#include "web/pages/page.h"

typedef void page_fn(struct strbuf *out, const struct page *p);

/* An answer, of at most 16, that lasts until fixture_end. */
const msg_object *answer_of(const char *text);
/* The same as the one page of a list. */
struct page_list list_of(const char *text);
void fixture_end(void);

void expect_shown(page_fn *page, const struct page *p, const char *part); /* the page has that in it */
void expect_not_shown(page_fn *page, const struct page *p, const char *part);

extern const struct page nobody; /* all that a page needs at least, seen by a member */

#endif
