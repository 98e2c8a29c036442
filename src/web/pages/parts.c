/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/pages/parts.h"

#include "base/format.h"
#include "wire/msg/report.h"

#include <string.h>
#include <time.h>

enum { EXACT_LEN = 32 };

void part_table(struct strbuf *out, const char *caption, const char *const *heads)
{
	html_put(out,
		"<div class=\"scroll\" role=\"region\" aria-label=\"%s\" tabindex=\"0\">"
		"<table><caption class=\"unseen\">%s</caption><thead><tr>",
		caption, caption);
	for (; *heads; heads++)
		html_put(out, "<th scope=\"col\">%s</th>", *heads);
	html_put(out, "</tr></thead><tbody>\n");
}

void part_table_end(struct strbuf *out)
{
	html_put(out, "</tbody></table></div>\n");
}

void part_fact_begin(struct strbuf *out, const char *word)
{
	html_put(out, "<div><dt>%s</dt><dd>", word);
}

void part_fact_end(struct strbuf *out)
{
	html_put(out, "</dd></div>");
}

void part_fact(struct strbuf *out, const char *word, const char *value, const char *css)
{
	html_put(out, "<div><dt>%s</dt><dd class=\"%s\">%s</dd></div>", word, css, *value ? value : "-");
}

void part_nothing(struct strbuf *out, const char *sentence)
{
	html_put(out, "<p class=\"nothing\">%s</p>\n", sentence);
}

void part_hidden(struct strbuf *out, const char *name, const char *value)
{
	html_put(out, "<input type=\"hidden\" name=\"%s\" value=\"%s\">", name, value);
}

void part_field(struct strbuf *out, const char *css, const char *id, const char *label, const char *name,
	const char *value)
{
	html_put(out,
		"<div class=\"%s\"><label for=\"%s\">%s</label><input id=\"%s\" name=\"%s\" value=\"%s\" "
		"autocomplete=\"off\" spellcheck=\"false\"></div>",
		css, id, label, id, name, value);
}

void part_form(struct strbuf *out, const struct page *p, const char *css, const char *action)
{
	html_put(out, "<form class=\"%s\" method=\"post\" action=\"%s\">", css, action);
	part_hidden(out, "token", p->proof ? p->proof : "");
}

void part_form_end(struct strbuf *out)
{
	html_put(out, "</form>\n");
}

void part_state(struct strbuf *out, enum part_tone tone, const char *word)
{
	static const char *const css[] = {
		[TONE_QUIET] = "quiet", [TONE_GOOD] = "good", [TONE_RELAY] = "relay", [TONE_BAD] = "bad"};

	html_put(out, "<span class=\"state %s\">%s</span>", css[tone], word);
}

bool part_is_client(const msg_object *node)
{
	return strcmp(msg_shown_text(node, "kind"), "client") == 0;
}

const char *part_alarm(const char *word)
{
	const char *says = report_alarm_says(word);

	return says ? says : "says that something is wrong";
}

void part_presence(struct strbuf *out, const struct page *p, const msg_object *node)
{
	char age[FORMAT_LEN], words[FORMAT_LEN + 16];

	if (part_is_client(node)) {
		part_state(out, TONE_QUIET, "WireGuard device");
	} else if (*msg_shown_text(node, "twin_from")) {
		part_state(out, TONE_BAD, "online twice");
	} else if (msg_shown_true(node, "online")) {
		part_state(out, TONE_GOOD, "online");
	} else if (!msg_shown_int(node, "last_seen_at")) {
		part_state(out, TONE_QUIET, "never seen");
	} else {
		snprintf(words, sizeof(words), "seen %s",
			format_age(msg_shown_int(node, "last_seen_at"), p->now, age));
		part_state(out, TONE_BAD, words);
	}
}

void part_words(struct strbuf *out, const msg_object *o, const char *key, const char *css)
{
	const char *w;

	for (size_t i = 0; (w = msg_shown_word(o, key, &i));)
		html_put(out, "<span class=\"%s\">%s</span> ", css, w);
}

void part_node_link(struct strbuf *out, const msg_object *node)
{
	html_put(out, "<a href=\"/nodes/");
	html_put_url(out, msg_shown_text(node, "id"));
	html_put(out, "\">%s</a>", msg_shown_text(node, "name"));
}

static const char *exact_time(int64_t then, char buf[static EXACT_LEN])
{
	time_t t = (time_t)then;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(buf, EXACT_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm))
		buf[0] = '\0';
	return buf;
}

void part_when(struct strbuf *out, const struct page *p, int64_t then)
{
	char age[FORMAT_LEN], exact[EXACT_LEN];

	if (!then) {
		html_put(out, "<span class=\"quiet\">never</span>");
		return;
	}
	exact_time(then, exact);
	html_put(out, "<time datetime=\"%s\" title=\"%s\">%s</time>", exact, exact,
		format_age(then, p->now, age));
}

void part_moment(struct strbuf *out, const struct page *p, int64_t then)
{
	char exact[EXACT_LEN];

	part_when(out, p, then);
	if (then)
		html_put(out, " <small class=\"exact\">%s</small>", exact_time(then, exact));
}
