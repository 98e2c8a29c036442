/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/pages/told.h"

#include "base/format.h"
#include "web/pages/chart.h"

#include <string.h>

enum { RECENT_S = 300, DAY_S = 24 * 3600 };

/* --- itself --- */

static void fact_bytes(struct strbuf *out, const char *word, const msg_object *m, const char *key)
{
	char text[FORMAT_LEN], words[2 * FORMAT_LEN];
	const char *unit;

	format_bytes((uint64_t)MAX(msg_shown_int(m, key), (int64_t)0), text);
	unit = text + strcspn(text, "KMGTPE");
	snprintf(words, sizeof(words), "%.*s %s%s", (int)(unit - text), text, unit, *unit ? "B" : "bytes");
	part_fact(out, word, words, "");
}

static void fact_number(struct strbuf *out, const char *word, const msg_object *m, const char *key)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)msg_shown_int(m, key));
	part_fact(out, word, text, "");
}

static const char *mapping_text(const msg_object *m)
{
	static const char *const rows[][2] = {
		{"independent", "one port for all destinations"},
		{"dependent", "another port for each destination"},
		{"blocked", "UDP does not pass"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(msg_shown_text(m, "mapping"), rows[i][0]) == 0)
			return rows[i][1];
	return "";
}

static void put_alarms(struct strbuf *out, const msg_object *m, const char *name)
{
	const char *word;

	if (!msg_shown_count(m, "alarms"))
		return;
	html_put(out, "<ul class=\"attention\">");
	for (size_t i = 0; (word = msg_shown_word(m, "alarms", &i));) {
		html_put(out, "<li>");
		part_state(out, TONE_BAD, "alarm");
		html_put(out, "<span>%s %s.</span></li>\n", name, part_alarm(word));
	}
	html_put(out, "</ul>\n");
}

static void put_self(struct strbuf *out, const struct page *p, const msg_object *m, const char *name)
{
	char text[FORMAT_LEN];

	html_put(out, "<h2>What it tells of itself</h2>\n");
	put_alarms(out, m, name);
	html_put(out, "<dl class=\"facts\">");
	part_fact_begin(out, "told");
	part_when(out, p, p->now - msg_shown_int(m, "age_s"));
	part_fact_end(out);
	part_fact(out, "running for", format_span(msg_shown_int(m, "uptime_s"), text), "");
	snprintf(text, sizeof(text), "%.1f %% of a core", msg_shown_number(m, "cpu") / 10);
	part_fact(out, "CPU", text, "");
	fact_bytes(out, "memory", m, "memory_bytes");
	fact_number(out, "workers", m, "workers");
	fact_number(out, "MTU", m, "mtu");
	part_fact(out, "offloads", msg_shown_text(m, "offloads"), "");
	part_fact(out, "its router gives", mapping_text(m), "");
	fact_number(out, "packets not delivered", m, "drops");
	if (msg_shown_int(m, "relayed_bytes") || msg_shown_int(m, "relay_members")) {
		fact_bytes(out, "handed on for others", m, "relayed_bytes");
		fact_number(out, "members that it relays for", m, "relay_members");
	}
	html_put(out, "</dl>\n");
}

/* --- its pairs --- */

/* Whoever of the two told something: of the other end what it received is what this one sent. */
struct ends {
	const msg_object *own, *other;
	bool by_other; /* only that one told */
};

static bool ends_of(const msg_object *pair, struct ends *ret_e)
{
	size_t i = 0;
	struct ends e = {.own = msg_shown_member(pair, "ends", &i)};

	e.other = msg_shown_member(pair, "ends", &i);
	e.by_other = !msg_shown_true(e.own, "told");
	*ret_e = e;
	return e.other != NULL;
}

static void put_traffic(struct strbuf *out, const struct ends *e)
{
	static const char *const keys[] = {"rx_bytes", "tx_bytes"};
	char text[FORMAT_LEN];

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const int64_t n =
			e->by_other ? msg_shown_int(e->other, keys[1 - i]) : msg_shown_int(e->own, keys[i]);

		html_put(out, "<td class=\"number\">%s</td>",
			format_bytes((uint64_t)MAX(n, (int64_t)0), text));
	}
}

static void put_row(struct strbuf *out, const struct page *p, const msg_object *pair)
{
	char text[FORMAT_LEN];
	struct ends e;

	if (!ends_of(pair, &e))
		return;
	html_put(out, "<tr id=\"p-%s\"><th scope=\"row\"><a href=\"/nodes/", msg_shown_text(e.other, "id"));
	html_put_url(out, p->id);
	html_put(out, "?with=");
	html_put_url(out, msg_shown_text(e.other, "id"));
	html_put(out, "\">%s</a></th><td>", msg_shown_text(e.other, "name"));
	pair_state(out, pair);
	html_put(out, "</td><td>%s</td><td>%s</td>", msg_shown_text(pair, "relay"),
		msg_shown_text(pair, "not_direct"));
	html_put(out, "<td class=\"number\">%s</td>",
		msg_shown_int(pair, "rtt_us") ? format_ms(msg_shown_number(pair, "rtt_us") / 1000, text)
					      : "");
	put_traffic(out, &e);
	html_put(out, "<td class=\"number\">%s</td>",
		format_rate((double)msg_shown_int(pair, "rate") * 8, text));
	html_put(out, "<td>%s</td></tr>\n",
		format_span(msg_shown_int(e.by_other ? e.other : e.own, "path_age_s"), text));
}

static void put_table(struct strbuf *out, const struct page *p)
{
	static const char *const heads[] = {"With", "Path", "Through", "Not directly, because", "Round trip",
		"Received", "Sent", "Traffic", "This way for", NULL};
	const msg_object *pair;

	part_table(out, "Whom it talks with", heads);
	for (size_t i = 0; (pair = msg_shown_member(p->report, "pairs", &i));)
		put_row(out, p, pair);
	part_table_end(out);
}

/* with: the other's id. */
static void put_changes(struct strbuf *out, const struct page *p, const msg_object *pair, const char *with)
{
	const msg_object *change;

	if (!msg_shown_count(pair, "changes"))
		return;
	html_put(out, "<details id=\"changes-%s\"><summary>Changes of its path</summary><ul>", with);
	for (size_t i = 0; (change = msg_shown_member(pair, "changes", &i));) {
		char text[PAIR_TEXT];

		html_put(out, "<li>");
		part_when(out, p, msg_shown_int(change, "at"));
		html_put(out, ", says %s: %s</li>", msg_shown_text(change, "by"), pair_text(change, text));
	}
	html_put(out, "</ul></details>\n");
}

static void put_history(struct strbuf *out, const struct page *p, const msg_object *pair)
{
	struct ends e;

	if (!ends_of(pair, &e) || !msg_shown_count(pair, "day"))
		return;
	html_put(out, "<div class=\"history\"><h3>With %s</h3><div class=\"charts\">",
		msg_shown_text(e.other, "name"));
	chart_put(out, pair, "recent", p->now, RECENT_S, "the last five minutes");
	chart_put(out, pair, "day", p->now, DAY_S, "the last day");
	html_put(out, "</div>");
	put_changes(out, p, pair, msg_shown_text(e.other, "id"));
	html_put(out, "</div>\n");
}

static void put_pairs(struct strbuf *out, const struct page *p)
{
	const size_t n = msg_shown_count(p->report, "pairs");
	const int64_t in_all = msg_shown_int(p->report, "pairs_in_all");
	const msg_object *pair;

	html_put(out, "<h2>Whom it talks with</h2>\n");
	if (!n) {
		part_nothing(out, "Nobody, as far as is known. What nodes tell arrives within a minute.");
		return;
	}
	if (p->peer && *p->peer) {
		html_put(out, "<p><a href=\"/nodes/");
		html_put_url(out, p->id);
		html_put(out, "\">All whom it talks with</a></p>\n");
	}
	put_table(out, p);
	if (in_all > (int64_t)n)
		html_put(out, "<p class=\"count\">and %lld more</p>\n", (long long)in_all - (long long)n);
	html_put(out, "<h2>How it was</h2><p>The line is the round trip; the band below it is high where "
		      "the pair was relayed, and lowest where it had no way.</p>\n");
	for (size_t i = 0; (pair = msg_shown_member(p->report, "pairs", &i));)
		put_history(out, p, pair);
}

void told_put(struct strbuf *out, const struct page *p, const char *name)
{
	const msg_object *m = msg_shown_object(p->report, "member");

	if (m && msg_shown_true(m, "told"))
		put_self(out, p, m, name);
	put_pairs(out, p);
}
