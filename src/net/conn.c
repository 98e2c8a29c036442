/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/conn.h"

void net_push(struct net_conn *c, struct net_layer *l)
{
	l->conn = c;
	l->above = NULL;
	l->below = c->top;
	if (c->top)
		c->top->above = l;
	else
		c->bottom = l;
	c->top = l;
}

static void layers_free(struct net_conn *c)
{
	struct net_layer *l = c->bottom;

	c->bottom = c->top = NULL;
	while (l) {
		struct net_layer *above = l->above;

		if (l->ops->free)
			l->ops->free(l);
		else
			l->below = NULL;
		l = above;
	}
}

static void finish_closing(struct net_conn *c)
{
	void (*then)(struct net_conn *) = TAKE(c->then);

	layers_free(c);
	if (then)
		then(c);
}

void net_close(struct net_conn *c, void (*then)(struct net_conn *c))
{
	c->over = true;
	if (then)
		c->then = then;
	if (!c->busy)
		finish_closing(c);
}

void net_leave(struct net_conn *c)
{
	if (--c->busy == 0 && c->over)
		finish_closing(c);
}

void net_begin(struct net_conn *c)
{
	net_enter(c);
	net_ready(c->bottom);
	net_leave(c);
}

/* --- downwards --- */

int net_output(struct net_layer *l, const void *p, size_t n)
{
	struct net_layer *to = l->below;

	while (to && !to->ops->output)
		to = to->below;
	return to ? to->ops->output(to, p, n) : TM_ECLOSED;
}

void net_finish(struct net_layer *l)
{
	struct net_layer *to = l->below;

	while (to && !to->ops->finish)
		to = to->below;
	if (to)
		to->ops->finish(to);
}

size_t net_queued(const struct net_layer *l)
{
	size_t n = 0;

	for (struct net_layer *at = l->below; at; at = at->below)
		n += at->ops->queued ? at->ops->queued(at) : 0;
	return n;
}

/* --- upwards --- */

#define ABOVE(l, op)                                                                                         \
	({                                                                                                   \
		struct net_layer *to_ = (l)->above;                                                          \
		while (to_ && !to_->ops->op)                                                                 \
			to_ = to_->above;                                                                    \
		to_ && !to_->conn->over ? to_ : NULL;                                                        \
	})

void net_ready(struct net_layer *l)
{
	struct net_layer *to = ABOVE(l, ready);

	if (to)
		to->ops->ready(to);
}

void net_input(struct net_layer *l, const uint8_t *p, size_t n)
{
	struct net_layer *to = ABOVE(l, input);

	if (to)
		to->ops->input(to, p, n);
}

void net_drained(struct net_layer *l)
{
	struct net_layer *to = ABOVE(l, drained);

	if (to)
		to->ops->drained(to);
}

void net_closed(struct net_layer *l, const struct net_end *end)
{
	struct net_layer *to = ABOVE(l, closed);

	if (to)
		to->ops->closed(to, end);
}
