/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The policy: its rules, what is asked of it, how it came to be. */
#include "web/pages/parts.h"

#include <string.h>

static void put_field(struct strbuf *out, const char *name, const char *label, const char *value)
{
	part_field(out, strcmp(name, "statement") == 0 ? "long" : "", name, label, name, value ? value : "");
}

static void put_explained(struct strbuf *out, const msg_object *e)
{
	const char *action = msg_shown_text(e, "action"), *rule = msg_shown_text(e, "rule");
	bool allowed = strcmp(action, "allow") == 0;

	html_put(out, "<p class=\"verdict\" role=\"status\">");
	part_state(out, allowed ? TONE_GOOD : TONE_BAD, allowed ? "allowed" : action);
	html_put(out, "</p><p>%s to %s, %s: ", msg_shown_text(e, "from"), msg_shown_text(e, "to"),
		msg_shown_text(e, "service"));
	if (*rule)
		html_put(out, "the rule <a href=\"#r-%s\"><code>%s</code></a> decides.", rule, rule);
	else if (msg_shown_true(e, "local"))
		html_put(out, "no rule of the mesh decides; rules of the node's own may.");
	else
		html_put(out, "no rule is about it, and what is not allowed does not pass.");
	html_put(out, "</p>\n");
}

static void put_proved(struct strbuf *out, const msg_object *r)
{
	const msg_object *v;

	html_put(out, "<p class=\"verdict\" role=\"status\">");
	part_state(out, msg_shown_true(r, "holds") ? TONE_GOOD : TONE_BAD,
		msg_shown_true(r, "holds") ? "it holds" : "it does not hold");
	html_put(out, "</p>\n<ul>");
	for (size_t i = 0; (v = msg_shown_member(r, "violations", &i));)
		html_put(out, "<li>%s reaches %s, %s, by the rule <code>%s</code></li>",
			msg_shown_text(v, "from"), msg_shown_text(v, "to"), msg_shown_text(v, "service"),
			msg_shown_text(v, "rule"));
	html_put(out, "</ul>\n");
}

static void put_questions(struct strbuf *out, const struct page *p)
{
	html_put(out, "<div class=\"panel\"><h2>May it?</h2><form class=\"fields\" method=\"get\" "
		      "action=\"/policy\">");
	put_field(out, "from", "From", p->from);
	put_field(out, "to", "To", p->to);
	put_field(out, "service", "Service", p->service && *p->service ? p->service : "tcp/22");
	html_put(out, "<button>Explain</button></form>\n");
	if (p->explained)
		put_explained(out, p->explained);
	html_put(out, "<form class=\"fields\" method=\"get\" action=\"/policy\">");
	put_field(out, "statement", "Statement, as in: guests cannot reach servers tcp/22", p->statement);
	html_put(out, "<button>Prove</button></form>\n");
	if (p->proved)
		put_proved(out, p->proved);
	html_put(out, "</div>\n");
}

/* What no rule speaks of. */
static void put_no_rule(struct strbuf *out, const msg_object *counted)
{
	html_put(out, "<tr><th scope=\"row\" class=\"quiet\">no rule</th><td>");
	part_state(out, TONE_BAD, "deny");
	html_put(out,
		"</td><td>any</td><td>any</td><td class=\"quiet\">the rest</td><td "
		"class=\"number\">%lld</td>",
		(long long)msg_shown_int(counted, "no_rule"));
	html_put(out, "<td></td></tr>\n");
}

static void put_rules(struct strbuf *out, const struct page *p)
{
	static const char *const heads[] = {"Rule", "Action", "From", "To", "Services", "Line", NULL},
				 *const heads_hits[] = {
					 "Rule", "Action", "From", "To", "Services", "Hits", "Line", NULL};
	const msg_object *policy = p->policy, *counted = msg_shown_object(policy, "counted"), *r;

	part_table(out, "Rules, in the order in which they are asked", counted ? heads_hits : heads);
	for (size_t i = 0; (r = msg_shown_member(policy, "rules", &i));) {
		const char *action = msg_shown_text(r, "action");

		html_put(out, "<tr id=\"r-%s\"><th scope=\"row\" class=\"mono\">%s</th><td>",
			msg_shown_text(r, "id"), msg_shown_text(r, "id"));
		part_state(out, strcmp(action, "allow") == 0 ? TONE_GOOD : TONE_BAD, action);
		html_put(out, "</td><td>%s</td><td>%s</td><td class=\"mono\">%s</td>",
			msg_shown_text(r, "from"), msg_shown_text(r, "to"), msg_shown_text(r, "services"));
		if (counted)
			html_put(out, "<td class=\"number\">%lld</td>", (long long)msg_shown_int(r, "hits"));
		if (msg_shown_int(r, "line"))
			html_put(out, "<td class=\"number\">%lld</td></tr>\n",
				(long long)msg_shown_int(r, "line"));
		else
			html_put(out, "<td class=\"quiet\">built in</td></tr>\n");
	}
	if (counted)
		put_no_rule(out, counted);
	part_table_end(out);
	if (!counted)
		return;
	html_put(out, "<p class=\"quiet\">Hits: connections that a rule decided about, counted since ");
	part_when(out, p, msg_shown_int(counted, "since_at"));
	html_put(out, ".</p>\n");
}

static void put_history(struct strbuf *out, const struct page *p)
{
	static const char *const heads[] = {"Version", "Accepted", "By", "Change", NULL};
	const msg_object *v;
	int64_t now = msg_shown_int(p->policy, "version");

	html_put(out, "<h2>History</h2>");
	part_table(out, "Versions of the policy", heads);
	for (size_t i = 0; (v = msg_shown_member(p->history, "versions", &i));) {
		char version[24];

		snprintf(version, sizeof(version), "%lld", (long long)msg_shown_int(v, "version"));
		html_put(out, "<tr><th scope=\"row\">%s</th><td>", version);
		part_moment(out, p, msg_shown_int(v, "accepted_at"));
		html_put(out, "</td><td>%s</td><td>", msg_shown_text(v, "by"));
		if (msg_shown_int(v, "version") == now) {
			html_put(out, "in force");
		} else {
			part_form(out, p, "", "/policy/rollback");
			part_hidden(out, "version", version);
			html_put(out,
				"<button class=\"second\" aria-label=\"Back to this: version %s\">Back to "
				"this</button>",
				version);
			part_form_end(out);
		}
		html_put(out, "</td></tr>\n");
	}
	part_table_end(out);
}

static void put_document(struct strbuf *out, const struct page *p)
{
	const char *sentence;

	html_put(out, "<section data-live=\"policy\">");
	for (size_t i = 0; (sentence = msg_shown_word(p->policy, "warnings", &i));) {
		html_put(out, "<p>");
		part_state(out, TONE_RELAY, "warning");
		html_put(out, " %s</p>\n", sentence);
	}
	put_rules(out, p);
	html_put(out, "</section>\n<details><summary>The document</summary><pre tabindex=\"0\">");
	html_put_lines(out, msg_shown_text(p->policy, "text"));
	html_put(out, "</pre></details>\n");
}

void page_policy(struct strbuf *out, const struct page *p)
{
	part_begin(out, p, SECTION_POLICY, "Policy");
	if (p->policy) {
		html_put(out, "<p>Version %lld, by %s, ", (long long)msg_shown_int(p->policy, "version"),
			msg_shown_text(p->policy, "by"));
		part_when(out, p, msg_shown_int(p->policy, "accepted_at"));
		html_put(out, ". <a href=\"/policy/edit\">Edit it</a></p>\n");
		put_questions(out, p);
		put_document(out, p);
	} else {
		part_nothing(out, "This mesh has no policy: every member may do everything.");
		html_put(out, "<p><a class=\"button\" href=\"/policy/edit\">Write one</a></p>");
	}
	if (p->history)
		put_history(out, p);
	part_end(out);
}

void page_policy_edit(struct strbuf *out, const struct page *p)
{
	char version[24];

	snprintf(version, sizeof(version), "%lld", (long long)msg_shown_int(p->policy, "version"));
	part_begin(out, p, SECTION_POLICY, "Edit the policy");
	if (p->tested)
		html_put(out,
			"<div class=\"said good\" role=\"status\"><p>It would be accepted: %lld tests "
			"hold.</p></div>\n",
			(long long)msg_shown_int(p->tested, "tests"));
	part_form(out, p, "", "/policy/set");
	part_hidden(out, "if_version", version);
	html_put(out, "<label for=\"text\">The document</label><textarea id=\"text\" name=\"text\" "
		      "spellcheck=\"false\">\n");
	html_put_lines(out, p->text ? p->text : msg_shown_text(p->policy, "text"));
	html_put(out, "</textarea><p class=\"fields\"><button class=\"second\" "
		      "formaction=\"/policy/test\">Test it</button>"
		      "<button>Put it in force</button><a class=\"button second\" href=\"/policy\">Leave "
		      "it</a></p>");
	part_form_end(out);
	part_end(out);
}
