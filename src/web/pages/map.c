/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The mesh as a picture. Few members stand on a circle, with a line for each pair that talks; many stand in
 * blocks by their first tag, and each of them leads to a picture of its own pairs. What a picture shows is
 * in words, too: of pairs TABLE_MAX below it, first those that are not direct; members in the list of all,
 * and the pairs of one on its own page.
 */
#include "web/pages/map.h"

enum { TABLE_MAX = 100 };

const char *map_state(const msg_object *node)
{
	if (part_is_client(node))
		return "WireGuard device";
	return msg_shown_true(node, "online") ? "online" : "away";
}

static void put_ring(struct strbuf *out, const char *css, const struct place *at, double r)
{
	html_put(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>", css, at->x, at->y, r);
}

static void put_cross(struct strbuf *out, const struct place *at, double r)
{
	html_put(out, "<path class=\"cross\" d=\"M%.1f %.1f", at->x - r, at->y - r);
	html_put(out, "L%.1f %.1f", at->x + r, at->y + r);
	html_put(out, "M%.1f %.1f", at->x - r, at->y + r);
	html_put(out, "L%.1f %.1f\"/>", at->x + r, at->y - r);
}

void map_dot(struct strbuf *out, const struct place *at, const struct dot *d)
{
	const bool online = msg_shown_true(at->node, "online"), hub = msg_shown_true(at->node, "coordinator");
	char css[32];

	put_ring(out, "touch", at, d->touch);
	if (part_is_client(at->node)) {
		html_put(out,
			"<rect class=\"dot device\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
			at->x - d->r * 0.85, at->y - d->r * 0.85, d->r * 1.7, d->r * 1.7);
		return;
	}
	snprintf(css, sizeof(css), "dot%s%s",
		hub      ? " hub"
		: online ? ""
			 : " away",
		d->through ? " through" : "");
	put_ring(out, css, at, d->r);
	if (hub)
		put_ring(out, "eye", at, d->r / 3);
	else if (!online)
		put_cross(out, at, d->r / 2);
}

void map_begin(struct strbuf *out, const char *css, size_t high)
{
	html_put(out,
		"<div class=\"scroll\" role=\"region\" aria-label=\"Picture of the mesh\" tabindex=\"0\">"
		"<svg class=\"map %s\" viewBox=\"0 0 %d %zu\" role=\"group\" aria-label=\"Map of the mesh\">",
		css, MAP_WIDE, high);
}

void map_end(struct strbuf *out)
{
	html_put(out, "</svg></div>\n");
}

static size_t count(const struct page *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nodes.n; i++)
		n += msg_shown_count(p->nodes.v[i], "nodes");
	return n;
}

static void put_key(struct strbuf *out, bool lines)
{
	html_put(out, "<ul class=\"key\">");
	if (lines)
		html_put(out, "<li>whole line: a direct pair</li><li>broken line: a relayed one</li>"
			      "<li>dots: a pair without a way</li><li>dots and dashes: a device comes "
			      "through a node</li><li>thick line: more than 1 Mbit/s</li>");
	else
		html_put(out, "<li>broken ring: it has relayed pairs</li>");
	html_put(out, "<li>filled dot: online</li><li>ring with a cross: away</li><li>dot with an eye: the "
		      "coordinator</li>"
		      "<li>square: a WireGuard device</li></ul>\n");
}

static void put_picture(struct strbuf *out, const struct page *p, const struct page_index *nodes,
	const msg_object *around, bool few)
{
	if (around) {
		html_put(out, "<p>Whom <a href=\"/nodes/");
		html_put_url(out, msg_shown_text(around, "id"));
		html_put(out, "\">%s</a> talks with. <a href=\"/map\">All members</a></p>\n",
			msg_shown_text(around, "name"));
		map_around(out, p, nodes, around);
	} else if (few) {
		map_circle(out, p);
	} else {
		map_blocks(out, p);
	}
}

void page_map(struct strbuf *out, const struct page *p)
{
	const msg_object *around = p->id && *p->id ? page_find(&p->nodes, "nodes", p->id) : NULL;
	const bool few = count(p) <= MAP_CIRCLE_MAX;
	struct page_index nodes = page_index_nodes(p);

	part_begin(out, p, SECTION_MAP, "Map");
	html_put(out, "<section data-live=\"map\">");
	put_picture(out, p, &nodes, around, few);
	put_key(out, around || few);
	if (p->reports.n) {
		html_put(out, "<h2>Who talks to whom</h2>\n");
		pair_table(out, p, &nodes, around ? msg_shown_text(around, "id") : NULL, TABLE_MAX);
	}
	page_index_deinit(&nodes);
	html_put(out, "</section>");
	part_end(out);
}
