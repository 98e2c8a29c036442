/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Networks behind nodes, and ways to the internet. */
#include "web/pages/parts.h"

#include <string.h>

static void put_button(
	struct strbuf *out, const struct page *p, const msg_object *route, const char *verb, const char *word)
{
	char action[32];

	snprintf(action, sizeof(action), "/routes/%s", verb);
	part_form(out, p, "", action);
	part_hidden(out, "node", msg_shown_text(route, "id"));
	part_hidden(out, "net", msg_shown_text(route, "net"));
	html_put(out, "<button class=\"second\" aria-label=\"%s %s of %s\">%s</button>", word,
		msg_shown_text(route, "net"), msg_shown_text(route, "node"), word);
	part_form_end(out);
}

static void put_actions(struct strbuf *out, const struct page *p, const msg_object *route)
{
	html_put(out, "<td>");
	if (p->admin && !msg_shown_true(route, "approved"))
		put_button(out, p, route, "approve", "Approve");
	else if (p->admin)
		put_button(out, p, route, "reject", "Withdraw");
	html_put(out, "</td>");
}

static const char *network(const msg_object *route)
{
	bool four = msg_shown_true(route, "ip4"), six = msg_shown_true(route, "ip6");

	if (strcmp(msg_shown_text(route, "net"), "exit") != 0)
		return msg_shown_text(route, "net");
	return four && six ? "the internet" : four ? "the internet, by IPv4" : "the internet, by IPv6";
}

static void put_row(struct strbuf *out, const struct page *p, const msg_object *route)
{
	bool offered = msg_shown_true(route, "offered"), approved = msg_shown_true(route, "approved");

	html_put(out, "<tr><th scope=\"row\" class=\"mono\">%s</th><td><a href=\"/nodes/%s\">%s</a></td><td>",
		network(route), msg_shown_text(route, "id"), msg_shown_text(route, "node"));
	if (offered && approved)
		part_state(out, msg_shown_true(route, "online") ? TONE_GOOD : TONE_BAD,
			msg_shown_true(route, "online") ? "in use" : "its node is away");
	else if (offered)
		part_state(out, TONE_RELAY, "waits for approval");
	else
		part_state(out, TONE_QUIET, "approved, not offered");
	html_put(out, "</td><td>%s</td>", msg_shown_true(route, "ha") ? "others may, too" : "");
	put_actions(out, p, route);
	html_put(out, "</tr>\n");
}

void page_routes(struct strbuf *out, const struct page *p)
{
	static const char *const heads[] = {"Network", "Through", "State", "Shared", "Change", NULL};
	const msg_object *route;
	struct page_at at = {0};

	part_begin(out, p, SECTION_ROUTES, "Routes and exits");
	html_put(out, "<section data-live=\"routes\">");
	if (!page_next(&p->routes, "routes", &(struct page_at){0})) {
		part_nothing(out,
			"No node offers a network. On a node, `tunnelmesh route advertise 192.168.1.0/24` or "
			"`tunnelmesh exit-node offer` does.");
	} else {
		part_table(out, "Networks behind nodes", heads);
		while ((route = page_next(&p->routes, "routes", &at)))
			put_row(out, p, route);
		part_table_end(out);
	}
	html_put(out, "</section>");
	part_end(out);
}
