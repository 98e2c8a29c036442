/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* All members as a list. */
#include "web/pages/pairs.h"

#include "base/format.h"
#include "base/text.h"

#include <string.h>

static bool word_matches(const msg_object *node, const char *key, const char *search)
{
	const char *w;

	for (size_t i = 0; (w = msg_shown_word(node, key, &i));)
		if (text_has(w, search))
			return true;
	return false;
}

static bool matches(const msg_object *node, const char *search)
{
	static const char *const keys[] = {"name", "ip4", "ip6", "id", "version", "os", "via_name"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (text_has(msg_shown_text(node, keys[i]), search))
			return true;
	return word_matches(node, "tags", search) || word_matches(node, "aliases", search);
}

/* What is known of its pairs: of all of them, or of the one with who looks. */
static void put_paths(struct strbuf *out, const struct page_index *pairs, const msg_object *node)
{
	const struct pair_sum s = pair_sum_of(pairs, msg_shown_text(node, "id"));
	const bool any = s.direct || s.relayed;
	char text[FORMAT_LEN];

	html_put(out, "<td>");
	pair_sum_state(out, &s);
	html_put(
		out, "</td><td class=\"number\">%s</td>", s.rtt_us ? format_ms(s.rtt_us / 1000.0, text) : "");
	html_put(out, "<td class=\"number\">%s</td>", any ? format_rate((double)s.rate * 8, text) : "");
}

struct known {
	struct page_index pairs, told;
};

static void put_row(
	struct strbuf *out, const struct page *p, const struct known *known, const msg_object *node)
{
	html_put(out, "<tr id=\"n-%s\"><th scope=\"row\">", msg_shown_text(node, "id"));
	part_node_link(out, node);
	if (msg_shown_true(node, "coordinator"))
		html_put(out, " <span class=\"badge\">coordinator</span>");
	if (msg_shown_count(page_index_find(&known->told, msg_shown_text(node, "id")), "alarms")) {
		html_put(out, " ");
		part_state(out, TONE_BAD, "alarm");
	}
	html_put(out, "</th><td>");
	part_presence(out, p, node);
	html_put(out, "</td>");
	if (p->reports.n)
		put_paths(out, &known->pairs, node);
	html_put(out, "<td class=\"mono\">%s</td><td>", msg_shown_text(node, "ip4"));
	part_words(out, node, "tags", "tag");
	html_put(out, "</td><td class=\"mono\">%s</td><td class=\"quiet\">%s</td>",
		msg_shown_text(node, "version"), msg_shown_text(node, "os"));
	if (p->admin)
		html_put(out, "<td class=\"mono quiet\">%s</td>", msg_shown_text(node, "link_from"));
	html_put(out, "</tr>\n");
}

static void put_table(struct strbuf *out, const struct page *p)
{
	static const struct {
		const char *word;
		bool reported, admin; /* is there only with reports, or for administrators */
	} columns[] = {{"Name", false, false}, {"Seen", false, false}, {"Paths", true, false},
		{"Round trip", true, false}, {"Traffic", true, false}, {"Address", false, false},
		{"Tags", false, false}, {"Version", false, false}, {"System", false, false},
		{"Link from", false, true}};
	const char *heads[ARRAY_LEN(columns) + 1];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		if ((!columns[i].reported || p->reports.n) && (!columns[i].admin || p->admin))
			heads[n++] = columns[i].word;
	heads[n] = NULL;
	part_table(out, "Members of the mesh", heads);
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
	struct known known = {page_index_pairs(p), page_index_told(p)};
	const char *search = p->search ? p->search : "";
	const msg_object *node;
	size_t n = 0;

	part_begin(out, p, SECTION_NODES, "Nodes");
	put_search(out, search);
	html_put(out, "<section data-live=\"nodes\">");
	put_table(out, p);
	for (struct page_at at = {0}; (node = page_next(&p->nodes, "nodes", &at));) {
		if (*search && !matches(node, search))
			continue;
		put_row(out, p, &known, node);
		n++;
	}
	part_table_end(out);
	page_index_deinit(&known.pairs);
	page_index_deinit(&known.told);
	if (!n)
		part_nothing(out, "No member has that in its name, tags or addresses.");
	html_put(out, "<p class=\"count\">%zu shown</p></section>\n", n);
	part_end(out);
}
