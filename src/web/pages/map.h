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
const char *map_shape(const msg_object *node); /* class of its dot */
const char *map_state(const msg_object *node); /* in a word */

/* All on a circle: MAP_CIRCLE_MAX at most. */
void map_circle(struct strbuf *out, const struct page *p);
/* One in the middle, and around it whom it talks with, as many as there is place for. */
void map_around(
	struct strbuf *out, const struct page *p, const struct page_index *nodes, const msg_object *node);
void map_blocks(struct strbuf *out, const struct page *p);

#endif
