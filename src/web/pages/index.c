/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/pages/index.h"

#include <stdlib.h>
#include <string.h>

static void add(struct page_index *x, const msg_object *of, const char *key)
{
	if (x->n == x->room) {
		const size_t room = MAX(2 * x->room, (size_t)64);
		struct page_entry *v = realloc(x->v, room * sizeof(*v));

		if (!v)
			return;
		x->v = v;
		x->room = room;
	}
	x->v[x->n++] = (struct page_entry){.id = msg_shown_text(of, key), .of = of};
}

static int by_id(const void *a, const void *b)
{
	const struct page_entry *x = a, *y = b;

	return strcmp(x->id, y->id);
}

/* keys: NULL-terminated. */
static struct page_index page_index_of(const struct page_list *l, const char *list, const char *const *keys)
{
	struct page_index x = {0};
	const msg_object *m;

	for (struct page_at at = {0}; (m = page_next(l, list, &at));)
		for (size_t i = 0; keys[i]; i++)
			add(&x, m, keys[i]);
	if (x.n)
		qsort(x.v, x.n, sizeof(*x.v), by_id);
	return x;
}

struct page_index page_index_nodes(const struct page *p)
{
	return page_index_of(&p->nodes, "nodes", (const char *const[]){"id", NULL});
}

struct page_index page_index_told(const struct page *p)
{
	return page_index_of(&p->reports, "members", (const char *const[]){"id", NULL});
}

struct page_index page_index_pairs(const struct page *p)
{
	return page_index_of(&p->reports, "pairs", (const char *const[]){"a", "b", NULL});
}

void page_index_deinit(struct page_index *x)
{
	free(x->v);
	*x = (struct page_index){0};
}

const struct page_entry *page_index_all(const struct page_index *x, const char *id, size_t *ret_n)
{
	size_t low = 0, high = x->n, n = 0;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (strcmp(x->v[middle].id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + n < x->n && strcmp(x->v[low + n].id, id) == 0)
		n++;
	*ret_n = n;
	return n ? &x->v[low] : NULL;
}

const msg_object *page_index_find(const struct page_index *x, const char *id)
{
	size_t n;
	const struct page_entry *e = page_index_all(x, id, &n);

	return e ? e->of : NULL;
}
