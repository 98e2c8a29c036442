/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/edit.h"

#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "base/strbuf.h"
#include "base/suggest.h"

static const char *next_line(const char *at)
{
	const char *end = strchr(at, '\n');

	return end ? end + 1 : at + strlen(at);
}

static size_t indent_of(const char *line)
{
	return strspn(line, " ");
}

static bool is_blank(const char *line)
{
	const char *at = line + strspn(line, " \t\r");

	return !*at || *at == '\n';
}

static int parse(const char *text, struct policy_doc **ret_doc, struct diag *d)
{
	return policy_doc_read("policy", text, strlen(text), POLICY_ACCEPTED, ret_doc, d);
}

static int by_hand(struct diag *d)
{
	diag_where(d, "%s", "");
	diag_hint(d, "write `tunnelmesh filter show` into a file, edit that, and give it to `tunnelmesh "
		     "filter set`");
	return diag_what(d, TM_EUNSUPPORTED,
		"the rules of this policy do not begin with \"- \" on lines of their own, so they cannot be "
		"changed one by one");
}

/* The words of "a,b" as a list of YAML. */
static void put_list(struct strbuf *b, const char *words)
{
	strbuf_puts(b, "[");
	for (const char *at = words; *at;) {
		size_t n = strcspn(at, ",");

		strbuf_printf(b, "%s\"%.*s\"", at == words ? "" : ", ", (int)n, at);
		at += n + (at[n] == ',');
	}
	strbuf_puts(b, "]");
}

static int check_id(const char *id, struct diag *d)
{
	char quoted[PLAIN_QUOTE_LEN];

	if (node_tag_valid(id))
		return TM_OK;
	diag_hint(d, "write 1 to 32 of the characters a-z, 0-9, - and _");
	return diag_what(d, TM_EINVAL, "\"%s\" is no id", plain_quote(id, quoted));
}

/* Quotes and the like would end the words that they stand in. */
static int check_words(const char *what, const char *words, struct diag *d)
{
	char quoted[PLAIN_QUOTE_LEN];

	if (words[0] &&
		strspn(words, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/,") ==
			strlen(words))
		return TM_OK;
	return diag_what(d, TM_EINVAL, "\"%s\" cannot be %s", plain_quote(words, quoted), what);
}

/* The text that it is put into may be older, and is read as one that was accepted: this is asked here, and so
 * are selectors. */
static int check_services(const char *words, struct diag *d)
{
	struct policy_service v[POLICY_PROTO_N];
	char word[POLICY_SELECTOR_MAX + 1];
	int err = check_words("what a rule is about", words, d);
	size_t n;

	while (*words && !err) {
		n = strcspn(words, ",");
		snprintf(word, sizeof(word), "%.*s", (int)MIN(n, sizeof(word) - 1), words);
		words += n + (words[n] == ',');
		err = policy_service_parse(word, v, &n, d);
	}
	return err;
}

static int check_selectors(struct policy_doc *before, const char *what, const char *words, struct diag *d)
{
	const struct policy_selector *s;
	char word[2 * POLICY_SELECTOR_MAX];
	int err = check_words(what, words, d);

	while (*words && !err) {
		size_t n = strcspn(words, ",");

		snprintf(word, sizeof(word), "%.*s", (int)MIN(n, sizeof(word) - 1), words);
		words += n + (words[n] == ',');
		err = policy_doc_selector(before, word, &s, d);
	}
	return err;
}

static int check_rule(struct policy_doc *before, const struct policy_new_rule *r, struct diag *d)
{
	int err = check_services(r->services, d);

	if (!err)
		err = check_selectors(before, "from whom connections come", r->from, d);
	if (!err)
		err = check_selectors(before, "to whom connections go", r->to, d);
	if (!err && r->id)
		err = check_id(r->id, d);
	return err;
}

static void put_rule(struct strbuf *b, size_t indent, const struct policy_new_rule *r)
{
	strbuf_printf(b, "%*s- {", (int)indent, "");
	if (r->id)
		strbuf_printf(b, "id: \"%s\", ", r->id);
	strbuf_printf(b, "%s: ", policy_action_name(r->action));
	put_list(b, r->services);
	strbuf_puts(b, ", from: ");
	put_list(b, r->from);
	strbuf_puts(b, ", to: ");
	put_list(b, r->to);
	strbuf_puts(b, "}\n");
}

/* The line "rules:" and what stands behind it; NULL: there is none. */
static const char *find_rules(const char *text)
{
	for (const char *at = text; *at; at = next_line(at))
		if (strncmp(at, "rules:", 6) == 0 && strchr(" \t\r\n", at[6]))
			return at;
	return NULL;
}

/* How far the rules that are there are indented; 2 where there are none. */
static size_t indent_of_rules(const char *after)
{
	for (const char *at = after; *at; at = next_line(at)) {
		const char *first = at + indent_of(at);

		if (*first == '-' && strchr(" \t\r\n", first[1]))
			return indent_of(at);
		if (!is_blank(at) && *first != '#')
			break;
	}
	return 2;
}

/* All of it in braces: nothing can be put behind them. */
static bool is_flow(const char *text)
{
	for (const char *at = text; *at; at = next_line(at)) {
		const char *first = at + indent_of(at);

		if (!is_blank(at) && *first != '#')
			return *first == '{';
	}
	return false;
}

static bool has_rules(const struct policy_doc *doc)
{
	for (size_t i = 0; i < doc->n_rules; i++)
		if (!doc->rules[i].builtin)
			return true;
	return false;
}

/* On top of the others: where a rule stands says nothing. */
static int add(const char *text, const struct policy_doc *before, const struct policy_new_rule *r,
	struct strbuf *b, struct diag *d)
{
	const char *rules = find_rules(text), *rest, *value;

	if (!rules && (has_rules(before) || is_flow(text)))
		return by_hand(d);
	if (!rules) {
		strbuf_puts(b, text);
		if (b->len && b->s[b->len - 1] != '\n')
			strbuf_puts(b, "\n");
		strbuf_puts(b, "rules:\n");
		put_rule(b, 2, r);
		return TM_OK;
	}
	rest = next_line(rules);
	value = rules + strlen("rules:");
	value += strspn(value, " \t");
	if (strncmp(value, "[]", 2) == 0 &&
		(is_blank(value + 2) || strchr("#", *(value + 2 + strspn(value + 2, " \t")))))
		strbuf_printf(b, "%.*s\n", (int)(rules - text) + 6, text);
	else if (is_blank(value) || *value == '#')
		strbuf_printf(b, "%.*s", (int)(rest - text), text);
	else
		return by_hand(d);
	if (b->len && b->s[b->len - 1] != '\n')
		strbuf_puts(b, "\n");
	put_rule(b, indent_of_rules(rest), r);
	strbuf_puts(b, rest);
	return TM_OK;
}

/* All that the other has, and one more, which is the result; NULL: it is otherwise. */
static const struct policy_rule *one_more(const struct policy_doc *more, const struct policy_doc *less)
{
	const struct policy_rule *found = NULL;

	if (more->n_rules != less->n_rules + 1)
		return NULL;
	for (size_t i = 0; i < more->n_rules; i++) {
		if (policy_doc_rule(less, more->rules[i].id))
			continue;
		if (found)
			return NULL;
		found = &more->rules[i];
	}
	return found;
}

int policy_edit_add(const char *text, const struct policy_new_rule *rule, char **ret_text,
	char ret_id[static POLICY_ID_MAX + 1], struct diag *d)
{
	_cleanup_(policy_doc_freep) struct policy_doc *before = NULL, *after = NULL;
	_cleanup_(freep) char *edited = NULL;
	struct strbuf b = {0};

	int err = parse(text, &before, d);
	if (!err)
		err = check_rule(before, rule, d);
	if (!err)
		err = add(text, before, rule, &b, d);
	edited = strbuf_take(&b);
	if (!err && !edited)
		err = TM_ENOMEM;
	if (!err)
		err = parse(edited, &after, d);
	if (err) {
		diag_where(d, "%s", ""); /* a line of a text that nobody has seen */
		return err;
	}
	const struct policy_rule *added = one_more(after, before);
	if (!added)
		return by_hand(d);
	memcpy(ret_id, added->id, sizeof(added->id));
	*ret_text = TAKE(edited);
	return TM_OK;
}

static int no_rule(const struct policy_doc *doc, const char *id, struct diag *d)
{
	struct suggest s = suggest_for(id);
	char quoted[PLAIN_QUOTE_LEN];

	for (size_t i = 0; i < doc->n_rules; i++)
		suggest_offer(&s, doc->rules[i].id);
	if (s.best)
		diag_hint(d, "did you mean \"%s\"?", s.best);
	else
		diag_hint(d, "`tunnelmesh filter list` shows all");
	return diag_what(d, TM_ENOENT, "there is no rule \"%s\"", plain_quote(id, quoted));
}

/* Behind the lines that are indented more than the rule's first one. A comment right behind that one, which
 * nothing of the rule follows, is about what comes next. */
static const char *end_of_rule(const char *from)
{
	const char *second = next_line(from), *to = second;

	for (const char *at = second; *at && !is_blank(at) && indent_of(at) > indent_of(from);) {
		const bool comment = at[indent_of(at)] == '#';

		at = next_line(at);
		if (!comment || to != second)
			to = at;
	}
	return to;
}

static int cut(const char *text, const struct policy_rule *r, struct strbuf *b, struct diag *d)
{
	const char *from = text, *to;

	for (uint32_t line = 1; line < r->line; line++)
		from = next_line(from);
	if (from[indent_of(from)] != '-')
		return by_hand(d);
	to = end_of_rule(from);
	strbuf_printf(b, "%.*s%s", (int)(from - text), text, to);
	return TM_OK;
}

int policy_edit_remove(const char *text, const char *id, char **ret_text, struct diag *d)
{
	_cleanup_(policy_doc_freep) struct policy_doc *before = NULL, *after = NULL;
	_cleanup_(freep) char *edited = NULL;
	struct strbuf b = {0};

	int err = parse(text, &before, d);
	if (err)
		return err;
	const struct policy_rule *r = policy_doc_rule(before, id);
	if (!r)
		return no_rule(before, id, d);
	if (r->builtin) {
		diag_hint(d, "a rule that denies the same wins over it");
		return diag_what(d, TM_EPERM, "the rule %s is built in", id);
	}
	err = cut(text, r, &b, d);
	edited = strbuf_take(&b);
	if (!err && !edited)
		err = TM_ENOMEM;
	if (err)
		return err;
	if (parse(edited, &after, NULL) != TM_OK || one_more(before, after) != r)
		return by_hand(d);
	*ret_text = TAKE(edited);
	return TM_OK;
}
