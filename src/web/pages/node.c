/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One member, and what can be done to it. */
#include "web/pages/told.h"

#include <string.h>

static void put_facts(struct strbuf *out, const struct page *p, const msg_object *node)
{
	html_put(out, "<dl class=\"facts\">");
	part_fact_begin(out, "seen");
	part_presence(out, p, node);
	part_fact_end(out);
	part_fact(out, "IPv4", msg_shown_text(node, "ip4"), "mono");
	part_fact(out, "IPv6", msg_shown_text(node, "ip6"), "mono");
	part_fact_begin(out, "name in the DNS");
	html_put(out, "<span class=\"mono\">%s.%s</span>", msg_shown_text(node, "name"), p->zone);
	part_fact_end(out);
	part_fact_begin(out, "tags");
	part_words(out, node, "tags", "tag");
	part_fact_end(out);
	part_fact_begin(out, "aliases");
	part_words(out, node, "aliases", "mono");
	part_fact_end(out);
	part_fact(out, "version", msg_shown_text(node, "version"), "mono");
	part_fact(out, "system", msg_shown_text(node, "os"), "");
	if (*msg_shown_text(node, "via_name"))
		part_fact(out, "reached through", msg_shown_text(node, "via_name"), "");
	if (p->admin)
		part_fact(out, "link from", msg_shown_text(node, "link_from"), "mono");
	part_fact_begin(out, "member since");
	part_when(out, p, msg_shown_int(node, "created_at"));
	part_fact_end(out);
	part_fact(out, "id", msg_shown_text(node, "id"), "mono");
	part_fact(out, "key", msg_shown_text(node, "key"), "mono");
	html_put(out, "</dl>\n");
}

static void action_begin(struct strbuf *out, const struct page *p, const char *verb)
{
	char action[64];

	snprintf(action, sizeof(action), "/nodes/%.16s/%s", p->id, verb);
	part_form(out, p, "fields", action);
}

static void put_actions(struct strbuf *out, const struct page *p, const msg_object *node)
{
	html_put(out, "<h2>Change</h2><div class=\"panel\">");
	action_begin(out, p, "rename");
	part_field(out, "", "name", "Name", "name", msg_shown_text(node, "name"));
	html_put(out, "<label class=\"check\"><input type=\"checkbox\" name=\"keep\" value=\"yes\">the old "
		      "one stays as "
		      "an alias</label><button>Rename</button>");
	part_form_end(out);
	action_begin(out, p, "tag");
	part_field(out, "", "add-tags", "Tags to add", "add", "");
	part_field(out, "", "remove-tags", "Tags to remove", "remove", "");
	html_put(out, "<button>Change tags</button>");
	part_form_end(out);
	action_begin(out, p, "alias");
	part_field(out, "", "add-aliases", "Aliases to add", "add", "");
	part_field(out, "", "remove-aliases", "Aliases to remove", "remove", "");
	html_put(out, "<button>Change aliases</button>");
	part_form_end(out);
	html_put(out, "</div>\n");
	if (!msg_shown_true(node, "coordinator"))
		html_put(out,
			"<p><a class=\"button danger\" href=\"/nodes/%s/remove\">Remove "
			"%s\xe2\x80\xa6</a></p>\n",
			p->id, msg_shown_text(node, "name"));
}

static void put_gone(struct strbuf *out, const struct page *p)
{
	struct page gone = *p;

	gone.error = "There is no such member.";
	gone.hint = "It may have been removed meanwhile.";
	page_refusal(out, &gone);
}

static void put_node(struct strbuf *out, const struct page *p, const msg_object *node)
{
	part_begin(out, p, SECTION_NODES, msg_shown_text(node, "name"));
	html_put(out, "<section data-live=\"node\">");
	put_facts(out, p, node);
	html_put(out, "<p><a href=\"/map?node=%s\">On the map</a></p>\n", msg_shown_text(node, "id"));
	if (p->report)
		told_put(out, p, msg_shown_text(node, "name"));
	html_put(out, "</section>");
	if (p->admin)
		put_actions(out, p, node);
	part_end(out);
}

static void put_removal(struct strbuf *out, const struct page *p, const msg_object *node)
{
	const bool device = part_is_client(node);

	part_begin(out, p, device ? SECTION_DEVICES : SECTION_NODES,
		device ? "Remove a device" : "Remove a member");
	html_put(out, "<div class=\"panel\"><p>Remove <strong>%s</strong> (%s) from the mesh? ",
		msg_shown_text(node, "name"), msg_shown_text(node, "ip4"));
	html_put(out,
		device ? "Its tunnel ends at once, and its configuration is of no use any more: to come "
			 "back it has to be added anew.</p>"
		       : "Its tunnels end at once, WireGuard devices that come through it go with it, and it "
			 "can only come back with a new token.</p>");
	action_begin(out, p, "remove");
	html_put(out,
		"<button class=\"danger\">Remove %s</button><a class=\"button second\" "
		"href=\"/nodes/%s\">Keep "
		"it</a>",
		msg_shown_text(node, "name"), p->id);
	part_form_end(out);
	html_put(out, "</div>");
	part_end(out);
}

/* By whatever it was called in the address: what the page leads to is said by its id. */
static void put_found(struct strbuf *out, const struct page *p,
	void (*put)(struct strbuf *out, const struct page *p, const msg_object *node))
{
	const msg_object *node = page_one(&p->nodes, "nodes", p->id);
	struct page own = *p;

	if (!node) {
		put_gone(out, p);
		return;
	}
	own.id = msg_shown_text(node, "id");
	put(out, &own, node);
}

void page_node(struct strbuf *out, const struct page *p)
{
	put_found(out, p, put_node);
}

void page_remove(struct strbuf *out, const struct page *p)
{
	put_found(out, p, put_removal);
}
