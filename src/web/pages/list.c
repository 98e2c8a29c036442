/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/pages/page.h"

#include <string.h>

const msg_object *page_next(const struct page_list *l, const char *key, struct page_at *at)
{
	for (; at->page < l->n; *at = (struct page_at){.page = at->page + 1}) {
		const msg_object *m = msg_shown_member(l->v[at->page], key, &at->i);

		if (m)
			return m;
	}
	return NULL;
}

const msg_object *page_find(const struct page_list *l, const char *key, const char *id)
{
	const msg_object *m;

	for (struct page_at at = {0}; (m = page_next(l, key, &at));)
		if (strcmp(msg_shown_text(m, "id"), id) == 0)
			return m;
	return NULL;
}

const msg_object *page_one(const struct page_list *l, const char *key, const char *id)
{
	const msg_object *m = page_find(l, key, id), *first;
	struct page_at at = {0};

	if (m)
		return m;
	first = page_next(l, key, &at);
	return page_next(l, key, &at) ? NULL : first;
}
