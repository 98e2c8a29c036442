/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The mesh as a picture. Few members stand on a circle, with a line for each pair that talks; many stand in
 * blocks by their first tag, and each of them leads to a picture of its own pairs. All of it is in the
 * tables, too.
 */
#include "web/pages/map.h"

enum { TABLE_MAX = 100 };

const char *map_shape(const msg_object *node)
{
	if (msg_shown_true(node, "coordinator"))
		return "dot hub";
	if (part_is_client(node))
		return "dot device";
	return msg_shown_true(node, "online") ? "dot" : "dot away";
}

const char *map_state(const msg_object *node)
{
	if (part_is_client(node))
		return "WireGuard device";
	return msg_shown_true(node, "online") ? "online" : "away";
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
			      "<li>thick line: more than 1 Mbit/s</li>");
	else
		html_put(out, "<li>broken ring: it has relayed pairs</li>");
	html_put(out, "<li>filled dot: online</li><li>hollow dot: away, or a WireGuard device</li></ul>\n");
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
