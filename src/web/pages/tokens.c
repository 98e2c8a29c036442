/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens, by which machines join. The secret of one is shown once, to who made it. */
#include "web/pages/parts.h"

#include "base/format.h"

static void put_made(struct strbuf *out, const msg_object *token)
{
	html_put(out,
		"<div class=\"said good\" role=\"status\"><p>A new token. It is shown this once; on the "
		"machine "
		"that is to join:</p></div><code class=\"secret\" data-copy>tunnelmesh join %s</code>\n",
		msg_shown_text(token, "token"));
}

static void put_form(struct strbuf *out, const struct page *p)
{
	html_put(out, "<div class=\"panel\"><h2>New token</h2>");
	part_form(out, p, "fields", "/tokens/create");
	html_put(out, "<div><label for=\"uses\">Uses</label><input id=\"uses\" name=\"uses\" type=\"number\" "
		      "min=\"1\" "
		      "max=\"100000\" value=\"1\"></div>"
		      "<div><label for=\"ttl\">Good for</label><select id=\"ttl\" name=\"ttl_s\">"
		      "<option value=\"3600\">an hour</option><option value=\"86400\" selected>a day</option>"
		      "<option value=\"604800\">a week</option><option value=\"2592000\">30 "
		      "days</option></select></div>"
		      "<div><label for=\"tags\">Tags of who joins</label><input id=\"tags\" name=\"tags\" "
		      "autocomplete=\"off\" spellcheck=\"false\"></div>"
		      "<label class=\"check\"><input type=\"checkbox\" name=\"ephemeral\" "
		      "value=\"yes\">removed when they "
		      "are gone</label><button>Create</button>");
	part_form_end(out);
	html_put(out, "</div>\n");
}

static void put_row(struct strbuf *out, const struct page *p, const msg_object *token)
{
	bool revoked = msg_shown_true(token, "revoked"), expired = msg_shown_true(token, "expired");
	int64_t uses = msg_shown_int(token, "uses"), used = msg_shown_int(token, "used");
	bool open = !revoked && !expired && used < uses;
	char until[FORMAT_LEN];

	html_put(out, "<tr id=\"t-%s\"><th scope=\"row\" class=\"mono\">%s</th><td>",
		msg_shown_text(token, "id"), msg_shown_text(token, "id"));
	part_state(out, open ? TONE_GOOD : TONE_QUIET,
		revoked        ? "revoked"
		: expired      ? "expired"
		: used >= uses ? "used up"
			       : "open");
	html_put(out, "</td><td class=\"number\">%lld of %lld</td><td>%s</td><td>", (long long)used,
		(long long)uses, open ? format_until(msg_shown_int(token, "expires_at"), p->now, until) : "");
	part_words(out, token, "tags", "tag");
	html_put(out, "</td><td>");
	part_words(out, token, "used_by", "");
	html_put(out, "</td><td>");
	if (open) {
		part_form(out, p, "", "/tokens/revoke");
		part_hidden(out, "id", msg_shown_text(token, "id"));
		html_put(out, "<button class=\"second\" aria-label=\"Revoke %s\">Revoke</button>",
			msg_shown_text(token, "id"));
		part_form_end(out);
	}
	html_put(out, "</td></tr>\n");
}

void page_tokens(struct strbuf *out, const struct page *p)
{
	static const char *const heads[] = {
		"Token", "State", "Used", "Expires", "Tags", "Joined with it", "Change", NULL};
	const msg_object *token;

	part_begin(out, p, SECTION_TOKENS, "Tokens");
	if (p->token)
		put_made(out, p->token);
	put_form(out, p);
	html_put(out, "<section data-live=\"tokens\">");
	if (!msg_shown_count(p->tokens, "tokens")) {
		part_nothing(out, "There is no token. A machine joins with one.");
	} else {
		part_table(out, "Tokens", heads);
		for (size_t i = 0; (token = msg_shown_member(p->tokens, "tokens", &i));)
			put_row(out, p, token);
		part_table_end(out);
	}
	html_put(out, "</section>");
	part_end(out);
}
