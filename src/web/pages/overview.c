/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How the mesh is, and what wants a person. */
#include "web/pages/pairs.h"

#include "base/format.h"

#include <string.h>

enum { AWAY_S = 300, SHOWN_MAX = 50, REASONS_MAX = 16, NAMED_MAX = 3 };

struct tally {
	unsigned nodes, online, devices;
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
	return t;
}

static void put_figure(struct strbuf *out, const char *word, const char *figure, const char *of)
{
	html_put(out, "<div><dt>%s</dt><dd>%s", word, figure);
	if (*of)
		html_put(out, " <small>%s</small>", of);
	html_put(out, "</dd></div>");
}

static void put_count(struct strbuf *out, const char *word, unsigned n, const char *of)
{
	char figure[16];

	snprintf(figure, sizeof(figure), "%u", n);
	put_figure(out, word, figure, of);
}

/* "9.4 Mbit/s" in two sizes. */
static void put_rate(struct strbuf *out, const char *word, uint64_t bytes)
{
	char text[FORMAT_LEN];
	char *unit = strchr(format_rate((double)bytes * 8, text), ' ');

	if (unit)
		*unit++ = '\0';
	put_figure(out, word, text, unit ? unit : "");
}

static void put_traffic(struct strbuf *out, const struct page *p)
{
	const struct pair_sum s = pair_sum_all(p);
	char share[16];

	put_rate(out, p->admin ? "through the tunnels" : "through this node's tunnels", s.rate);
	put_count(out, "direct pairs", s.direct, "");
	put_count(out, "relayed pairs", s.relayed, "");
	snprintf(share, sizeof(share), "%d", s.rate ? (int)(100 * s.relayed_rate / s.rate) : 0);
	put_figure(out, "of the traffic is relayed", share, "%");
}

static void put_figures(struct strbuf *out, const struct page *p, const struct tally *t)
{
	char of[32];

	snprintf(of, sizeof(of), "of %u", t->nodes);
	html_put(out, "<dl class=\"figures\">");
	put_count(out, "nodes online", t->online, of);
	put_count(out, "WireGuard devices", t->devices, "");
	if (p->reports.n)
		put_traffic(out, p);
	if (p->policy)
		put_count(out, "version of the policy", (unsigned)msg_shown_int(p->policy, "version"), "");
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

static void about_alarms(struct strbuf *out, const msg_object *told, unsigned *n)
{
	const char *word;

	for (size_t i = 0; (word = msg_shown_word(told, "alarms", &i));)
		if (item(out, n, TONE_BAD, "alarm")) {
			part_node_link(out, told);
			html_put(out, " %s.", part_alarm(word));
			item_end(out);
		}
}

/* Pairs that are relayed for the same reason are one item. */
struct reason {
	const char *why;
	unsigned n;
	const msg_object *first[NAMED_MAX];
};

static size_t reasons_of(const struct page *p, struct reason *v)
{
	const msg_object *pair;
	size_t n = 0, i;

	for (struct page_at at = {0}; (pair = page_next(&p->reports, "pairs", &at));) {
		if (pair_way(pair) != WAY_RELAYED)
			continue;
		const char *why = msg_shown_text(pair, "not_direct");

		for (i = 0; i < n && strcmp(v[i].why, why) != 0;)
			i++;
		if (i == REASONS_MAX)
			continue;
		if (i == n)
			v[n++] = (struct reason){.why = why};
		if (v[i].n < NAMED_MAX)
			v[i].first[v[i].n] = pair;
		v[i].n++;
	}
	return n;
}

static void put_named(struct strbuf *out, const struct page_index *nodes, const msg_object *pair)
{
	static const char *const ends[] = {"a", "b"};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		const msg_object *node = page_index_find(nodes, msg_shown_text(pair, ends[i]));

		html_put(out, "%s", i ? " and " : "");
		if (node)
			part_node_link(out, node);
		else
			html_put(out, "%s", msg_shown_text(pair, ends[i]));
	}
}

static void about_reason(
	struct strbuf *out, const struct page_index *nodes, const struct reason *r, unsigned *n)
{
	if (!item(out, n, TONE_RELAY, "relayed"))
		return;
	for (unsigned i = 0; i < MIN(r->n, (unsigned)NAMED_MAX); i++) {
		html_put(out, "%s", i ? "; " : "");
		put_named(out, nodes, r->first[i]);
	}
	if (r->n > NAMED_MAX)
		html_put(out, "; and %u more pairs", r->n - NAMED_MAX);
	html_put(out, " talk through others%s%s. <a href=\"/map\">Map</a>", *r->why ? ": " : "", r->why);
	item_end(out);
}

static void about_pairs(struct strbuf *out, const struct page *p, unsigned *n)
{
	struct page_index nodes = page_index_nodes(p);
	struct reason v[REASONS_MAX];
	const size_t n_reasons = reasons_of(p, v);

	for (size_t i = 0; i < n_reasons; i++)
		about_reason(out, &nodes, &v[i], n);
	page_index_deinit(&nodes);
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
	for (struct page_at at = {0}; (m = page_next(&p->reports, "members", &at));)
		about_alarms(out, m, &n);
	about_policy(out, p->policy, &n);
	for (struct page_at at = {0}; (m = page_next(&p->routes, "routes", &at));)
		about_route(out, m, &n);
	about_pairs(out, p, &n);
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
