/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How the mesh is, and what wants a person. */
#include "web/pages/parts.h"

enum { AWAY_S = 300, SHOWN_MAX = 50 };

struct tally {
	unsigned nodes, online, devices, direct, relayed;
};

static struct tally count(const struct page *p)
{
	struct tally t = {0};
	const msg_object *m;

	for (struct page_at at = {0}; (m = page_next(&p->nodes, "nodes", &at));) {
		t.devices += part_is_client(m);
		t.nodes += !part_is_client(m);
		t.online += msg_shown_true(m, "online");
	}
	for (size_t i = 0; (m = msg_shown_member(p->status, "peers", &i));) {
		t.direct += part_way(m) == WAY_DIRECT;
		t.relayed += part_way(m) == WAY_RELAYED;
	}
	return t;
}

static void put_figure(struct strbuf *out, const char *word, unsigned n, const char *of)
{
	html_put(out, "<div><dt>%s</dt><dd>%u", word, n);
	if (*of)
		html_put(out, " <small>%s</small>", of);
	html_put(out, "</dd></div>");
}

static void put_figures(struct strbuf *out, const struct page *p, const struct tally *t)
{
	char of[32];

	snprintf(of, sizeof(of), "of %u", t->nodes);
	html_put(out, "<dl class=\"figures\">");
	put_figure(out, "nodes online", t->online, of);
	put_figure(out, "WireGuard devices", t->devices, "");
	if (p->status) {
		put_figure(out, "direct paths from here", t->direct, "");
		put_figure(out, "relayed paths from here", t->relayed, "");
	}
	if (p->policy)
		put_figure(out, "version of the policy", (unsigned)msg_shown_int(p->policy, "version"), "");
	html_put(out, "</dl>\n");
}

/* Lengths are parts of a thousand. */
static void put_strip(struct strbuf *out, const struct tally *t)
{
	unsigned n = t->nodes ? t->nodes : 1, online = 1000 * t->online / n;

	html_put(out,
		"<svg class=\"strip\" viewBox=\"0 0 1000 14\" preserveAspectRatio=\"none\" "
		"aria-hidden=\"true\">"
		"<rect class=\"fill-good\" width=\"%u\" height=\"14\"/>"
		"<rect class=\"fill-bad\" x=\"%u\" width=\"%u\" height=\"14\"/></svg>\n<ul "
		"class=\"key\"><li>",
		online, online, 1000 - online);
	part_state(out, TONE_GOOD, "online");
	html_put(out, " %u</li><li>", t->online);
	part_state(out, TONE_BAD, "away");
	html_put(out, " %u</li></ul>\n", t->nodes - t->online);
}

/* --- what wants a person --- */

/* The beginning of an item, which counts; NULL: there are too many for a list already. */
static bool item(struct strbuf *out, unsigned *n, enum part_tone tone, const char *word)
{
	if ((*n)++ >= SHOWN_MAX)
		return false;
	html_put(out, "<li>");
	part_state(out, tone, word);
	html_put(out, "<span>");
	return true;
}

static void item_end(struct strbuf *out)
{
	html_put(out, "</span></li>\n");
}

static void about_node(struct strbuf *out, const struct page *p, const msg_object *node, unsigned *n)
{
	int64_t seen = msg_shown_int(node, "last_seen_at");

	if (*msg_shown_text(node, "twin_from") && item(out, n, TONE_BAD, "twice")) {
		part_node_link(out, node);
		html_put(out,
			" runs on two machines with one identity: from %s and from %s. Leave with one "
			"of them, and join it anew.",
			msg_shown_text(node, "link_from"), msg_shown_text(node, "twin_from"));
		item_end(out);
	}
	if (msg_shown_false(node, "online") && seen && p->now - seen > AWAY_S &&
		item(out, n, TONE_BAD, "away")) {
		part_node_link(out, node);
		html_put(out, " has no link to the coordinator, and was seen ");
		part_when(out, p, seen);
		html_put(out, ".");
		item_end(out);
	}
}

static void about_route(struct strbuf *out, const msg_object *route, unsigned *n)
{
	if (!msg_shown_true(route, "offered") || msg_shown_true(route, "approved"))
		return;
	if (item(out, n, TONE_RELAY, "waits")) {
		html_put(out, "%s offers %s, which nobody has approved: <a href=\"/routes\">routes</a>.",
			msg_shown_text(route, "node"), msg_shown_text(route, "net"));
		item_end(out);
	}
}

static void about_peer(struct strbuf *out, const msg_object *peer, unsigned *n)
{
	if (part_way(peer) == WAY_RELAYED && item(out, n, TONE_RELAY, "relayed")) {
		part_node_link(out, peer);
		html_put(out, " is reached through %s: %s.", msg_shown_text(peer, "relay"),
			msg_shown_text(peer, "not_direct"));
		item_end(out);
	}
}

static void about_policy(struct strbuf *out, const msg_object *policy, unsigned *n)
{
	const msg_object *holders = msg_shown_object(policy, "holders");
	int64_t linked = msg_shown_int(holders, "linked"), in_force = msg_shown_int(holders, "in_force");
	const char *sentence;

	for (size_t i = 0; (sentence = msg_shown_word(policy, "warnings", &i));)
		if (item(out, n, TONE_RELAY, "policy")) {
			html_put(out, "%s", sentence);
			item_end(out);
		}
	if (linked > in_force && item(out, n, TONE_BAD, "policy")) {
		html_put(out, "%lld of %lld linked nodes do not go by the policy in force.",
			(long long)(linked - in_force), (long long)linked);
		item_end(out);
	}
}

static void put_attention(struct strbuf *out, const struct page *p)
{
	const msg_object *m;
	unsigned n = 0;

	html_put(out, "<h2>What needs attention</h2>\n<ul class=\"attention\">");
	for (struct page_at at = {0}; (m = page_next(&p->nodes, "nodes", &at));)
		about_node(out, p, m, &n);
	about_policy(out, p->policy, &n);
	for (struct page_at at = {0}; (m = page_next(&p->routes, "routes", &at));)
		about_route(out, m, &n);
	for (size_t i = 0; (m = msg_shown_member(p->status, "peers", &i));)
		about_peer(out, m, &n);
	if (!n)
		html_put(out, "<li class=\"calm\">Nothing. All is as it should be.</li>");
	if (n > SHOWN_MAX)
		html_put(out, "<li>and %u more</li>", n - SHOWN_MAX);
	html_put(out, "</ul>\n");
}

void page_overview(struct strbuf *out, const struct page *p)
{
	struct tally t = count(p);

	part_begin(out, p, SECTION_OVERVIEW, "Overview");
	html_put(out, "<section data-live=\"overview\" data-say=\"%u of %u nodes online\">", t.online,
		t.nodes);
	put_figures(out, p, &t);
	put_strip(out, &t);
	put_attention(out, p);
	html_put(out, "</section>");
	part_end(out);
}
