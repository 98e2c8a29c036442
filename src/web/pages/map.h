/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The picture of the mesh in its three forms. Private to pages/. Pure. */
#ifndef TM_WEB_PAGES_MAP_H
#define TM_WEB_PAGES_MAP_H

#include "web/pages/pairs.h"

enum {
	MAP_CIRCLE_MAX = 40, /* names on a circle do not touch up to here */
	MAP_WIDE = 960,
	MAP_HIGH = 680,
};

struct place {
	const msg_object *node, *pair; /* pair: that with the one in the middle; NULL: there is none */
	double x, y;
};
const char *map_state(const msg_object *node); /* in a word */
/* Its mark, of a shape of its own for each state, on what a finger meets: `touch` around it. */
struct dot {
	double r, touch;
	bool through; /* it has relayed pairs: the ring is broken */
};
void map_dot(struct strbuf *out, const struct place *at, const struct dot *d);
/* The picture itself, as wide as MAP_WIDE; where there is less room it is scrolled. css: "" = none */
void map_begin(struct strbuf *out, const char *css, size_t high);
void map_end(struct strbuf *out);

/* All on a circle: MAP_CIRCLE_MAX at most. */
void map_circle(struct strbuf *out, const struct page *p);
/* One in the middle, and around it whom it talks with, as many as there is place for. */
void map_around(
	struct strbuf *out, const struct page *p, const struct page_index *nodes, const msg_object *node);
void map_blocks(struct strbuf *out, const struct page *p);

#endif
