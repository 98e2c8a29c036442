/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Intrusive binary min-heap of deadlines. One thread. */
#ifndef TM_BASE_HEAP_H
#define TM_BASE_HEAP_H

#include "base/time.h"
#include "base/util.h"

struct heap_node {
	ns_t at;
	size_t pos; /* 1-based place in the heap; 0 = not in it */
};

struct heap {
	struct heap_node **v;
	size_t n, cap;
};

void heap_deinit(struct heap *h);
/* Makes room for `more` nodes in addition to those present, so that heap_set cannot fail. */
NODISCARD int heap_reserve(struct heap *h, size_t more);
/* Inserts or moves. NS_NEVER removes. Room must have been reserved. */
void heap_set(struct heap *h, struct heap_node *node, ns_t at);
void heap_remove(struct heap *h, struct heap_node *node);
struct heap_node *heap_top(const struct heap *h); /* NULL when empty */
ns_t heap_next(const struct heap *h); /* NS_NEVER when empty */

#endif
