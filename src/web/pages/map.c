/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The mesh as a picture. Few members stand on a circle, with a line for each path that is in use: whole when
 * it is direct, broken when it is relayed. Many stand in blocks by their first tag, a dot each, and say by
 * their shape how they are; who wants to know more of one follows it. All of it is in the list of nodes, too.
 */
#include "web/pages/parts.h"

#include <math.h>
#include <string.h>

enum {
	CIRCLE_MAX = 40, /* names on a circle do not touch up to here */
	WIDE = 960,
	HIGH = 680,
	RADIUS_X = 340,
	RADIUS_Y = 270,
	CELL = 26,
	COLUMNS = (WIDE - 60) / CELL,
	GROUPS_MAX = 64,
};

struct place {
	const msg_object *node;
	double x, y;
};

static size_t count(const struct page *p)
{
	size_t n = 0;

	for (struct page_at at = {0}; page_next(&p->nodes, "nodes", &at);)
		n++;
	return n;
}

static const char *shape_of(const msg_object *node)
{
	if (msg_shown_true(node, "coordinator"))
		return "dot hub";
	if (part_is_client(node))
		return "dot device";
	return msg_shown_true(node, "online") ? "dot" : "dot away";
}

static const char *state_of(const msg_object *node)
{
	if (part_is_client(node))
		return "WireGuard device";
	return msg_shown_true(node, "online") ? "online" : "away";
}

static void put_dot(struct strbuf *out, const struct place *at, double r)
{
	html_put(out,
		"<a href=\"/nodes/%s\" aria-label=\"%s, %s\"><title>%s, %s</title>"
		"<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>",
		msg_shown_text(at->node, "id"), msg_shown_text(at->node, "name"), state_of(at->node),
		msg_shown_text(at->node, "name"), state_of(at->node), shape_of(at->node), at->x, at->y, r);
}

/* --- few: a circle --- */

static void circle_place(struct place *v, size_t n, const struct page *p)
{
	struct page_at at = {0};

	for (size_t i = 0; i < n; i++) {
		double turn = 2 * 3.14159265358979 * (double)i / (double)n - 3.14159265358979 / 2;

		v[i] = (struct place){.node = page_next(&p->nodes, "nodes", &at),
			.x = WIDE / 2 + RADIUS_X * cos(turn),
			.y = HIGH / 2 + RADIUS_Y * sin(turn)};
	}
}

static const struct place *place_of(const struct place *v, size_t n, const char *key, const char *value)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(msg_shown_text(v[i].node, key), value) == 0)
			return &v[i];
	return NULL;
}

static const struct place *hub(const struct place *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (msg_shown_true(v[i].node, "coordinator"))
			return &v[i];
	return NULL;
}

static void put_line(
	struct strbuf *out, const struct place *a, const struct place *b, bool direct, const char *why)
{
	html_put(out,
		"<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"><title>%s to %s: %s"
		"</title></line>",
		direct ? "direct" : "relayed", a->x, a->y, b->x, b->y, msg_shown_text(a->node, "name"),
		msg_shown_text(b->node, "name"), why);
}

static void put_paths(struct strbuf *out, const struct page *p, const struct place *v, size_t n)
{
	const struct place *from = hub(v, n);
	const msg_object *peer;

	for (size_t i = 0; from && (peer = msg_shown_member(p->status, "peers", &i));) {
		const struct place *to = place_of(v, n, "id", msg_shown_text(peer, "id"));
		const char *why = msg_shown_text(peer, "not_direct");
		enum part_way way = part_way(peer);

		if (to && way != WAY_NONE)
			put_line(out, from, to, way == WAY_DIRECT, *why ? why : msg_shown_text(peer, "path"));
	}
}

/* WireGuard devices come through their node. */
static void put_devices(struct strbuf *out, const struct place *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct place *via = part_is_client(v[i].node)
						  ? place_of(v, n, "id", msg_shown_text(v[i].node, "via"))
						  : NULL;

		if (via)
			put_line(out, &v[i], via, true, "comes through it");
	}
}

static void put_name(struct strbuf *out, const struct place *at)
{
	double dx = at->x - WIDE / 2, dy = at->y - HIGH / 2;
	const char *anchor = dx > 40 ? "start" : dx < -40 ? "end" : "middle";

	html_put(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text></a>",
		at->x + dx / RADIUS_X * 18, at->y + dy / RADIUS_Y * 24 + 5, anchor,
		msg_shown_text(at->node, "name"));
}

static void put_circle(struct strbuf *out, const struct page *p, size_t n)
{
	struct place v[CIRCLE_MAX];

	circle_place(v, n, p);
	html_put(out,
		"<svg class=\"map\" viewBox=\"0 0 %d %d\" role=\"group\" aria-label=\"Map of the mesh\">",
		WIDE, HIGH);
	put_devices(out, v, n);
	put_paths(out, p, v, n);
	for (size_t i = 0; i < n; i++) {
		put_dot(out, &v[i], 9);
		put_name(out, &v[i]);
	}
	html_put(out, "</svg>\n");
}

/* --- many: blocks --- */

struct group {
	const char *tag;
	size_t n;
};

static const char *tag_of(const msg_object *node)
{
	size_t i = 0;
	const char *tag = msg_shown_word(node, "tags", &i);

	return part_is_client(node) ? "WireGuard devices" : tag ? tag : "without a tag";
}

/* The last of GROUPS_MAX takes all that is left over. */
static size_t group_of(struct group *v, size_t *n, const char *tag)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(v[i].tag, tag) == 0)
			return i;
	if (*n == GROUPS_MAX - 1)
		tag = "others";
	if (*n == GROUPS_MAX)
		return GROUPS_MAX - 1;
	v[*n] = (struct group){.tag = tag};
	return (*n)++;
}

static size_t rows_of(size_t n)
{
	return (n + COLUMNS - 1) / COLUMNS;
}

static size_t put_heads(struct strbuf *out, const struct group *v, size_t n, size_t *tops)
{
	size_t y = 20;

	for (size_t i = 0; i < n; i++) {
		tops[i] = y + 40;
		y += 50 + rows_of(v[i].n) * CELL;
	}
	html_put(out,
		"<svg class=\"map\" viewBox=\"0 0 %d %zu\" role=\"group\" aria-label=\"Map of the mesh\">",
		WIDE, y);
	for (size_t i = 0; i < n; i++)
		html_put(out, "<text class=\"group\" x=\"30\" y=\"%zu\">%s \xc2\xb7 %zu</text>", tops[i] - 22,
			v[i].tag, v[i].n);
	return y;
}

static void put_blocks(struct strbuf *out, const struct page *p)
{
	struct group v[GROUPS_MAX];
	size_t tops[GROUPS_MAX], put[GROUPS_MAX] = {0}, n = 0;
	const msg_object *node;

	for (struct page_at at = {0}; (node = page_next(&p->nodes, "nodes", &at));)
		v[group_of(v, &n, tag_of(node))].n++;
	put_heads(out, v, n, tops);
	for (struct page_at at = {0}; (node = page_next(&p->nodes, "nodes", &at));) {
		size_t g = group_of(v, &n, tag_of(node)), i = put[g]++;
		struct place at_cell = {.node = node,
			.x = 40 + (double)(i % COLUMNS * CELL),
			.y = (double)(tops[g] + i / COLUMNS * CELL)};

		put_dot(out, &at_cell, 8);
		html_put(out, "</a>");
	}
	html_put(out, "</svg>\n");
}

static void put_key(struct strbuf *out, bool lines)
{
	html_put(out, "<ul class=\"key\">");
	if (lines)
		html_put(out, "<li>whole line: a direct path</li><li>broken line: a relayed one</li>");
	html_put(out, "<li>filled dot: online</li><li>hollow dot: away, or a WireGuard device</li>"
		      "<li>the <a href=\"/nodes\">list of nodes</a> says the same in words</li></ul>\n");
}

void page_map(struct strbuf *out, const struct page *p)
{
	size_t n = count(p);

	part_begin(out, p, SECTION_MAP, "Map");
	html_put(out, "<section data-live=\"map\">");
	if (n <= CIRCLE_MAX)
		put_circle(out, p, n);
	else
		put_blocks(out, p);
	html_put(out, "</section>");
	put_key(out, n <= CIRCLE_MAX);
	part_end(out);
}
