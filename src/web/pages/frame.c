/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is around every page: head, navigation, what came of the last action. */
#include "web/pages/parts.h"

static const struct {
	const char *path, *word;
	bool admin; /* members are refused there */
} sections[] = {
	[SECTION_OVERVIEW] = {"/", "Overview", false},
	[SECTION_NODES] = {"/nodes", "Nodes", false},
	[SECTION_MAP] = {"/map", "Map", false},
	[SECTION_POLICY] = {"/policy", "Policy", true},
	[SECTION_ROUTES] = {"/routes", "Routes", false},
	[SECTION_NAMES] = {"/names", "Names", false},
	[SECTION_EVENTS] = {"/events", "Events", false},
	[SECTION_DEVICES] = {"/devices", "Devices", false},
	[SECTION_TOKENS] = {"/tokens", "Tokens", true},
};

static void put_navigation(struct strbuf *out, const struct page *p, enum part_section here)
{
	html_put(out, "<nav aria-label=\"Pages\"><ul>");
	for (unsigned i = 0; i < ARRAY_LEN(sections); i++) {
		if (sections[i].admin && !p->admin)
			continue;
		html_put(out,
			i == here ? "<li><a href=\"%s\" aria-current=\"page\">%s</a></li>"
				  : "<li><a href=\"%s\">%s</a></li>",
			sections[i].path, sections[i].word);
	}
	html_put(out, "</ul></nav>\n");
}

static void put_viewer(struct strbuf *out, const struct page *p)
{
	if (!*p->viewer)
		return;
	html_put(out, "<div class=\"viewer\"><p><span>%s</span> <span class=\"role\">%s</span></p>",
		p->viewer, p->admin ? "administrator" : "member");
	if (p->session) {
		part_form(out, p, "", "/logout");
		html_put(out, "<button class=\"second\">Log out</button>");
		part_form_end(out);
	}
	html_put(out, "</div>");
}

static void put_outcome(struct strbuf *out, const struct page *p)
{
	if (p->error) {
		html_put(out, "<div class=\"said bad\" role=\"alert\"><p>%s</p>", p->error);
		if (p->hint && *p->hint)
			html_put(out, "<p class=\"hint\">%s</p>", p->hint);
		html_put(out, "</div>\n");
	}
}

void part_begin(struct strbuf *out, const struct page *p, enum part_section s, const char *title)
{
	html_put(out,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
		"<meta name=\"color-scheme\" content=\"light dark\">"
		"<title>%s \xc2\xb7 %s</title><link rel=\"icon\" href=\"%s\">"
		"<link rel=\"stylesheet\" href=\"%s\">",
		title, p->mesh, p->icon, p->style);
	if (*p->viewer) /* else there is nothing to follow */
		html_put(out, "<script src=\"%s\" defer></script>", p->script);
	html_put(out,
		"</head>\n<body><a class=\"skip\" href=\"#content\">To the content</a>\n"
		"<header><a class=\"mark\" href=\"/\"><img src=\"%s\" alt=\"\" width=\"28\" "
		"height=\"28\"><span>%s</span></a>\n",
		p->icon, p->mesh);
	if (*p->viewer)
		put_navigation(out, p, s);
	put_viewer(out, p);
	html_put(out, "</header>\n<main id=\"content\" tabindex=\"-1\"");
	if (p->at)
		html_put(out, " data-at=\"%s\"", p->at);
	html_put(out,
		"><div class=\"title\"><h1>%s</h1>"
		"<p id=\"live\" class=\"live\" role=\"status\" hidden></p></div>\n",
		title);
	put_outcome(out, p);
}

void part_end(struct strbuf *out)
{
	html_put(out, "</main></body></html>\n");
}

void page_refusal(struct strbuf *out, const struct page *p)
{
	part_begin(out, p, SECTION_NONE, "That did not work");
	html_put(out, "<p><a class=\"button\" href=\"/\">To the overview</a></p>");
	part_end(out);
}
