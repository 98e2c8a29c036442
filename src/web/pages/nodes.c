/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* All members as a list. */
#include "web/pages/parts.h"

#include <string.h>

static bool word_matches(const msg_object *node, const char *key, const char *search)
{
	const char *w;

	for (size_t i = 0; (w = msg_shown_word(node, key, &i));)
		if (strcasestr(w, search))
			return true;
	return false;
}

static bool matches(const msg_object *node, const char *search)
{
	static const char *const keys[] = {"name", "ip4", "ip6", "id", "version", "os", "via_name"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcasestr(msg_shown_text(node, keys[i]), search))
			return true;
	return word_matches(node, "tags", search) || word_matches(node, "aliases", search);
}

static void put_row(struct strbuf *out, const struct page *p, const msg_object *node)
{
	html_put(out, "<tr id=\"n-%s\"><th scope=\"row\">", msg_shown_text(node, "id"));
	part_node_link(out, node);
	if (msg_shown_true(node, "coordinator"))
		html_put(out, " <span class=\"badge\">coordinator</span>");
	html_put(out, "</th><td>");
	part_presence(out, p, node);
	html_put(out, "</td><td class=\"mono\">%s</td><td>", msg_shown_text(node, "ip4"));
	part_words(out, node, "tags", "tag");
	html_put(out, "</td><td class=\"mono\">%s</td><td class=\"quiet\">%s</td>",
		msg_shown_text(node, "version"), msg_shown_text(node, "os"));
	html_put(out, "<td class=\"mono quiet\">%s</td></tr>\n", msg_shown_text(node, "link_from"));
}

static void put_search(struct strbuf *out, const char *search)
{
	html_put(out,
		"<form class=\"search\" method=\"get\" action=\"/nodes\" role=\"search\">"
		"<label for=\"q\" class=\"unseen\">Name, tag or address</label>"
		"<input id=\"q\" name=\"q\" type=\"search\" value=\"%s\" placeholder=\"Name, tag or "
		"address\" "
		"autocomplete=\"off\" data-filter=\"rows\"><button>Search</button></form>\n",
		search);
}

void page_nodes(struct strbuf *out, const struct page *p)
{
	static const char *const heads[] = {
		"Name", "Seen", "Address", "Tags", "Version", "System", "Link from", NULL};
	const char *search = p->search ? p->search : "";
	const msg_object *node;
	size_t n = 0;

	part_begin(out, p, SECTION_NODES, "Nodes");
	put_search(out, search);
	html_put(out, "<section data-live=\"nodes\">");
	part_table(out, "Members of the mesh", heads);
	for (struct page_at at = {0}; (node = page_next(&p->nodes, "nodes", &at));) {
		if (*search && !matches(node, search))
			continue;
		put_row(out, p, node);
		n++;
	}
	part_table_end(out);
	if (!n)
		part_nothing(out, "No member has that in its name, tags or addresses.");
	html_put(out, "<p class=\"count\">%zu shown</p></section>\n", n);
	part_end(out);
}
