/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is called how in the DNS of the mesh. */
#include "web/pages/parts.h"

static void put_row(
	struct strbuf *out, const struct page *p, const msg_object *node, const char *name, const char *kind)
{
	html_put(out, "<tr><th scope=\"row\" class=\"mono\">%s.%s</th><td>", name, p->zone);
	part_node_link(out, node);
	html_put(out,
		"</td><td class=\"quiet\">%s</td><td class=\"mono\">%s</td><td class=\"mono\">%s</td></tr>\n",
		kind, msg_shown_text(node, "ip4"), msg_shown_text(node, "ip6"));
}

void page_names(struct strbuf *out, const struct page *p)
{
	static const char *const heads[] = {"Name", "Member", "Is", "A", "AAAA", NULL};
	const msg_object *node;
	const char *alias;

	part_begin(out, p, SECTION_NAMES, "Names");
	html_put(out,
		"<p>Every member is found by these names, on every node whose system asks the mesh; "
		"<span class=\"mono\">this.%s</span> is the coordinator.</p>\n<section data-live=\"names\">",
		p->zone);
	part_table(out, "Names in the DNS of the mesh", heads);
	for (struct page_at at = {0}; (node = page_next(&p->nodes, "nodes", &at));) {
		put_row(out, p, node, msg_shown_text(node, "name"), "name");
		for (size_t i = 0; (alias = msg_shown_word(node, "aliases", &i));)
			put_row(out, p, node, alias, "alias");
		if (msg_shown_true(node, "coordinator"))
			put_row(out, p, node, "this", "coordinator");
	}
	part_table_end(out);
	html_put(out, "</section>");
	part_end(out);
}
