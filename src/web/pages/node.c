/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One member, and what can be done to it. */
#include "web/pages/parts.h"

#include "base/format.h"

#include <string.h>

static void put_fact(struct strbuf *out, const char *word, const char *value, const char *css)
{
	html_put(out, "<div><dt>%s</dt><dd class=\"%s\">%s</dd></div>", word, css, *value ? value : "-");
}

static void fact_begin(struct strbuf *out, const char *word)
{
	html_put(out, "<div><dt>%s</dt><dd>", word);
}

static void fact_end(struct strbuf *out)
{
	html_put(out, "</dd></div>");
}

static void put_facts(struct strbuf *out, const struct page *p, const msg_object *node)
{
	html_put(out, "<dl class=\"facts\">");
	fact_begin(out, "seen");
	part_presence(out, p, node);
	fact_end(out);
	put_fact(out, "IPv4", msg_shown_text(node, "ip4"), "mono");
	put_fact(out, "IPv6", msg_shown_text(node, "ip6"), "mono");
	fact_begin(out, "name in the DNS");
	html_put(out, "<span class=\"mono\">%s.%s</span>", msg_shown_text(node, "name"), p->zone);
	fact_end(out);
	fact_begin(out, "tags");
	part_words(out, node, "tags", "tag");
	fact_end(out);
	fact_begin(out, "aliases");
	part_words(out, node, "aliases", "mono");
	fact_end(out);
	put_fact(out, "version", msg_shown_text(node, "version"), "mono");
	put_fact(out, "system", msg_shown_text(node, "os"), "");
	if (*msg_shown_text(node, "via_name"))
		put_fact(out, "reached through", msg_shown_text(node, "via_name"), "");
	if (p->admin)
		put_fact(out, "link from", msg_shown_text(node, "link_from"), "mono");
	fact_begin(out, "member since");
	part_when(out, p, msg_shown_int(node, "created_at"));
	fact_end(out);
	put_fact(out, "id", msg_shown_text(node, "id"), "mono");
	put_fact(out, "key", msg_shown_text(node, "key"), "mono");
	html_put(out, "</dl>\n");
}

static const msg_object *peer_of(const struct page *p)
{
	const msg_object *m;

	for (size_t i = 0; (m = msg_shown_member(p->status, "peers", &i));)
		if (strcmp(msg_shown_text(m, "id"), p->id) == 0)
			return m;
	return NULL;
}

static void put_path(struct strbuf *out, const msg_object *peer)
{
	static const enum part_tone tones[] = {
		[WAY_NONE] = TONE_QUIET, [WAY_DIRECT] = TONE_GOOD, [WAY_RELAYED] = TONE_RELAY};
	char text[FORMAT_LEN];

	html_put(out, "<h2>From the coordinator</h2><dl class=\"facts\">");
	fact_begin(out, "path");
	part_state(out, tones[part_way(peer)], msg_shown_text(peer, "path"));
	fact_end(out);
	if (*msg_shown_text(peer, "not_direct"))
		put_fact(out, "not directly, because", msg_shown_text(peer, "not_direct"), "");
	put_fact(out, "by", msg_shown_text(peer, "endpoint"), "mono");
	put_fact(out, "round trip", format_ms(msg_shown_number(peer, "rtt_ms"), text), "");
	put_fact(out, "received", format_bytes((uint64_t)msg_shown_int(peer, "rx_bytes"), text), "");
	put_fact(out, "sent", format_bytes((uint64_t)msg_shown_int(peer, "tx_bytes"), text), "");
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

void page_node(struct strbuf *out, const struct page *p)
{
	const msg_object *node = page_find(&p->nodes, "nodes", p->id), *peer = peer_of(p);

	if (!node) {
		struct page gone = *p;

		gone.error = "There is no such member.";
		gone.hint = "It may have been removed meanwhile.";
		page_refusal(out, &gone);
		return;
	}
	part_begin(out, p, SECTION_NODES, msg_shown_text(node, "name"));
	html_put(out, "<section data-live=\"node\">");
	put_facts(out, p, node);
	if (peer)
		put_path(out, peer);
	html_put(out, "</section>");
	if (p->admin)
		put_actions(out, p, node);
	part_end(out);
}

void page_remove(struct strbuf *out, const struct page *p)
{
	const msg_object *node = page_find(&p->nodes, "nodes", p->id);

	if (!node) {
		page_node(out, p);
		return;
	}
	part_begin(out, p, SECTION_NODES, "Remove a member");
	html_put(out,
		"<div class=\"panel\"><p>Remove <strong>%s</strong> (%s) from the mesh? Its tunnels end at "
		"once, "
		"WireGuard devices that come through it go with it, and it can only come back with a new "
		"token.</p>",
		msg_shown_text(node, "name"), msg_shown_text(node, "ip4"));
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
