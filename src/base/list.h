/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Intrusive circular doubly linked list. The owner of the elements owns the locking. */
#ifndef TM_BASE_LIST_H
#define TM_BASE_LIST_H

#include "base/util.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_push_back(struct list *head, struct list *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}

static inline void list_push_front(struct list *head, struct list *n)
{
	list_push_back(head->next, n);
}

/* Leaves n an empty list of its own: removing twice is harmless. */
static inline void list_remove(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

static inline struct list *list_pop_front(struct list *head)
{
	struct list *n = head->next;

	if (n == head)
		return NULL;
	list_remove(n);
	return n;
}

#define LIST_FOREACH(var, head, type, member)                                                                \
	for (type *var = CONTAINER_OF((head)->next, type, member); &var->member != (head);                   \
		var = CONTAINER_OF(var->member.next, type, member))

/* The body may remove and free `var`. */
#define LIST_FOREACH_SAFE(var, head, type, member)                                                           \
	for (type *var = CONTAINER_OF((head)->next, type, member),                                           \
		  *var##_next_ = CONTAINER_OF(var->member.next, type, member);                               \
		&var->member != (head);                                                                      \
		var = var##_next_, var##_next_ = CONTAINER_OF(var##_next_->member.next, type, member))

#endif
