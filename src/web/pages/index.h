/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Objects of lists, to be found by an id: members by theirs, pairs by each of their two. The objects are the
 * answers'. Private to pages/. Pure.
 */
#ifndef TM_WEB_PAGES_INDEX_H
#define TM_WEB_PAGES_INDEX_H

#include "web/pages/page.h"

struct page_entry {
	const char *id;
	const msg_object *of;
};
struct page_index {
	struct page_entry *v; /* by id */
	size_t n, room;
};

/* Without memory less is found. */
struct page_index page_index_nodes(const struct page *p);
struct page_index page_index_told(const struct page *p); /* what members told of themselves */
struct page_index page_index_pairs(const struct page *p);
void page_index_deinit(struct page_index *x);

const msg_object *page_index_find(const struct page_index *x, const char *id); /* NULL: none */
/* All of that id, *ret_n of them, side by side. */
const struct page_entry *page_index_all(const struct page_index *x, const char *id, size_t *ret_n);

#endif
