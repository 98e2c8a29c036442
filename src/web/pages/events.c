/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What was done to the mesh, and by whom. */
#include "web/pages/parts.h"

#include <string.h>

static enum part_tone tone_of(const msg_object *e)
{
	const char *level = msg_shown_text(e, "level");

	if (strcmp(level, "error") == 0)
		return TONE_BAD;
	return strcmp(level, "warn") == 0 ? TONE_RELAY : TONE_QUIET;
}

/* Of the doors, as people call them. */
static const char *by_which(const msg_object *e)
{
	static const char *const rows[][2] = {
		{"socket", "on the coordinator"}, {"link", "by its node"}, {"dashboard", "in the dashboard"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(msg_shown_text(e, "door"), rows[i][0]) == 0)
			return rows[i][1];
	return "";
}

static void put_row(struct strbuf *out, const struct page *p, const msg_object *e)
{
	html_put(out, "<tr id=\"e-%lld\"><td>", (long long)msg_shown_int(e, "number"));
	part_moment(out, p, msg_shown_int(e, "happened_at"));
	html_put(out, "</td><td>");
	part_state(out, tone_of(e), msg_shown_text(e, "event"));
	html_put(out, "</td><th scope=\"row\">%s</th><td>%s</td><td class=\"quiet\">%s</td></tr>\n",
		msg_shown_text(e, "text"), msg_shown_text(e, "by"), by_which(e));
}

void page_events(struct strbuf *out, const struct page *p)
{
	static const char *const heads[] = {"When", "Kind", "What", "By", "How", NULL};
	const int64_t older = msg_shown_int(p->events, "next");
	const msg_object *e;

	part_begin(out, p, SECTION_EVENTS, "Events");
	html_put(out, p->admin ? "<p>What was done to the mesh, by whom and how, newest first.</p>\n"
			       : "<p>What was done to this node and by it, newest first.</p>\n");
	html_put(out, "<section data-live=\"events\">");
	if (!msg_shown_count(p->events, "events")) {
		part_nothing(out, "Nothing has happened yet.");
	} else {
		part_table(out, "Events", heads);
		for (size_t i = 0; (e = msg_shown_member(p->events, "events", &i));)
			put_row(out, p, e);
		part_table_end(out);
	}
	html_put(out, "</section>");
	if (older)
		html_put(out, "<p><a class=\"button second\" href=\"/events?before=%lld\">Older ones</a></p>",
			(long long)older);
	part_end(out);
}
