/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/heap.h"

#include "base/err.h"

#include <assert.h>

void heap_deinit(struct heap *h)
{
	free(h->v);
	*h = (struct heap){0};
}

int heap_reserve(struct heap *h, size_t more)
{
	size_t need = h->n + more;

	if (need <= h->cap)
		return TM_OK;

	size_t cap = MAX(need, h->cap * 2);
	struct heap_node **v = realloc(h->v, cap * sizeof(struct heap_node *));
	if (!v)
		return TM_ENOMEM;

	h->v = v;
	h->cap = cap;
	return TM_OK;
}

static void heap_place(struct heap *h, size_t i, struct heap_node *node)
{
	h->v[i] = node;
	node->pos = i + 1;
}

static void sift_up(struct heap *h, size_t i)
{
	struct heap_node *node = h->v[i];

	for (; i > 0 && h->v[(i - 1) / 2]->at > node->at; i = (i - 1) / 2)
		heap_place(h, i, h->v[(i - 1) / 2]);
	heap_place(h, i, node);
}

static void sift_down(struct heap *h, size_t i)
{
	struct heap_node *node = h->v[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && h->v[child + 1]->at < h->v[child]->at)
			child++;
		if (h->v[child]->at >= node->at)
			break;
		heap_place(h, i, h->v[child]);
		i = child;
	}
	heap_place(h, i, node);
}

void heap_set(struct heap *h, struct heap_node *node, ns_t at)
{
	if (at == NS_NEVER) {
		heap_remove(h, node);
		return;
	}
	if (!node->pos) {
		assert(h->n < h->cap);
		node->at = at;
		heap_place(h, h->n++, node);
		sift_up(h, h->n - 1);
		return;
	}
	ns_t was = node->at;
	node->at = at;
	if (at < was)
		sift_up(h, node->pos - 1);
	else
		sift_down(h, node->pos - 1);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
	size_t i = node->pos - 1;

	if (!node->pos)
		return;

	node->pos = 0;
	struct heap_node *last = h->v[--h->n];
	if (last == node)
		return;
	heap_place(h, i, last);
	sift_up(h, i);
	sift_down(h, last->pos - 1);
}

struct heap_node *heap_top(const struct heap *h)
{
	return h->n ? h->v[0] : NULL;
}

ns_t heap_next(const struct heap *h)
{
	return h->n ? h->v[0]->at : NS_NEVER;
}
