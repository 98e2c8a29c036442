/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One word that names somebody, and the table of those that a document has. */
#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "base/suggest.h"
#include "base/text.h"
#include "policy/document_private.h"

static const char hint[] = "write the name of a node, tag:TAG, group:GROUP, route:PREFIX, members or any";

static const struct {
	const char *word;
	enum policy_selector_kind kind;
} words[] = {{"any", POLICY_ANY}, {"members", POLICY_MEMBERS}};

static const struct {
	const char *word; /* before the colon */
	enum policy_selector_kind kind;
} kinds[] = {
	{"node", POLICY_NODE},
	{"tag", POLICY_TAG},
	{"group", POLICY_GROUP},
	{"route", POLICY_ROUTE},
};

static int bad(struct diag *d, const char *text, const char *why)
{
	char quoted[PLAIN_QUOTE_LEN];

	diag_hint(d, "%s", hint);
	return diag_what(d, TM_EINVAL, "\"%s\" %s", plain_quote(text, quoted), why);
}

/* "tags:db" */
static int unknown_kind(const char *text, const char *word, struct diag *d)
{
	struct suggest s = suggest_for(word);
	char quoted[PLAIN_QUOTE_LEN];

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		suggest_offer(&s, kinds[i].word);
	if (!s.best)
		return bad(d, text, "names nobody");
	diag_hint(d, "did you mean \"%s:%s\"?", s.best, plain_quote(strchr(text, ':') + 1, quoted));
	return diag_what(d, TM_EINVAL, "\"%s\" names nobody", plain_quote(text, quoted));
}

bool policy_selector_is_word(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(text, words[i].word) == 0)
			return true;
	return false;
}

static void set_text(struct policy_selector *s, const char *kind, const char *name)
{
	size_t n = strlen(kind);

	snprintf(s->text, sizeof(s->text), "%s%s", kind, name);
	s->name = s->text + n;
}

/* "laptop.home.arpa": a document is the same in every mesh. */
static int with_zone(struct diag *d, const char *text, const char *name)
{
	char label[NODE_NAME_MAX + 2], bare[NODE_NAME_MAX + 1], quoted[PLAIN_QUOTE_LEN];

	snprintf(label, sizeof(label), "%.*s", (int)MIN(strcspn(name, "."), sizeof(label) - 1), name);
	if (!node_name_bare(label, MESH_ZONE_DEFAULT, bare) || !node_name_valid(bare))
		return bad(d, text, "is no name that a node can have");
	diag_hint(d, "write \"%s\"", bare);
	return diag_what(d, TM_EINVAL,
		"\"%s\" is longer than a name: a policy names members without their zone",
		plain_quote(text, quoted));
}

/* Earlier versions took the usual zone, whatever the mesh's was. */
static int parse_node(const char *text, const char *name, enum policy_reading how, struct policy_selector *s,
	struct diag *d)
{
	char bare[NODE_NAME_MAX + 1];
	struct ip ip;

	if (ip_parse(name, &ip) == TM_OK)
		return bad(d, text, "is an address, and a rule names members");
	if (how == POLICY_FRESH && strchr(name, '.'))
		return with_zone(d, text, name);
	if (!node_name_bare(name, MESH_ZONE_DEFAULT, bare) || !node_name_valid(bare))
		return bad(d, text, "is no name that a node can have");
	s->kind = POLICY_NODE;
	set_text(s, policy_selector_is_word(bare) ? "node:" : "", bare);
	return TM_OK;
}

static int parse_route(const char *text, const char *prefix, struct policy_selector *s, struct diag *d)
{
	char shown[PREFIX_STR_LEN], quoted[PLAIN_QUOTE_LEN];
	struct prefix p;

	if (strchr(prefix, '%') || prefix_parse(prefix, &p) != TM_OK)
		return bad(d, text, "names no prefix, such as route:192.168.1.0/24");
	s->kind = POLICY_ROUTE;
	s->prefix = prefix_mask(&p);
	prefix_format(&s->prefix, shown);
	if (!prefix_eq(&s->prefix, &p)) {
		diag_hint(d, "did you mean \"route:%s\"?", shown);
		return diag_what(
			d, TM_EINVAL, "\"%s\" has bits behind its length", plain_quote(text, quoted));
	}
	set_text(s, "route:", shown);
	return TM_OK;
}

static int parse_named(const char *text, enum policy_selector_kind kind, const char *name,
	enum policy_reading how, struct policy_selector *s, struct diag *d)
{
	if (kind == POLICY_NODE)
		return parse_node(text, name, how, s, d);
	if (kind == POLICY_ROUTE)
		return parse_route(text, name, s, d);
	if (!node_tag_valid(name))
		return bad(d, text,
			kind == POLICY_TAG ? "is no tag: 1 to 32 of the characters a-z, 0-9, - and _"
					   : "is no group: 1 to 32 of the characters a-z, 0-9, - and _");
	s->kind = kind;
	set_text(s, kind == POLICY_TAG ? "tag:" : "group:", name);
	return TM_OK;
}

static int selector_parse(
	const char *text, enum policy_reading how, struct policy_selector *s, struct diag *d)
{
	const char *colon = strchr(text, ':');
	char word[8];

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(text, words[i].word) == 0) {
			s->kind = words[i].kind;
			set_text(s, "", words[i].word);
			return TM_OK;
		}
	if (strcmp(text, "*") == 0 || strcmp(text, "all") == 0) {
		diag_hint(d, "write any, or members");
		return diag_what(d, TM_EINVAL, "\"%s\" names nobody", text);
	}
	if (strchr(text, ',')) {
		diag_hint(d, "write a list as [laptop, tag:ops]");
		return diag_what(d, TM_EINVAL, "one entry names one, without commas");
	}
	if (!colon)
		return parse_node(text, text, how, s, d);

	snprintf(word, sizeof(word), "%.*s", (int)MIN((size_t)(colon - text), sizeof(word) - 1), text);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(word, kinds[i].word) == 0)
			return parse_named(text, kinds[i].kind, colon + 1, how, s, d);
	return unknown_kind(text, word, d);
}

static int unknown_group(const struct policy_doc *doc, const char *name, struct diag *d)
{
	struct suggest s = suggest_for(name);

	for (size_t i = 0; i < doc->n_groups; i++)
		suggest_offer(&s, doc->groups[i].name);
	if (s.best)
		diag_hint(d, "did you mean \"group:%s\"?", s.best);
	else
		diag_hint(d, "groups are defined under \"groups:\", as \"%s: [laptop, tag:ops]\"", name);
	return diag_what(d, TM_ENOENT, "there is no group \"%s\"", name);
}

static const void *key_text(const void *record, size_t *ret_len)
{
	const struct policy_selector *s = record;

	*ret_len = strlen(s->text);
	return s->text;
}

int policy_selectors_init(struct policy_doc *doc)
{
	return hashset_init(&doc->by_text, key_text);
}

static int add(struct policy_doc *doc, const struct policy_selector *parsed, struct policy_selector **ret_s)
{
	/* Grown by doubling: full at each power of two. */
	if ((doc->n_selectors & (doc->n_selectors - 1)) == 0) {
		size_t room = doc->n_selectors ? 2 * doc->n_selectors : 1;
		struct policy_selector **v =
			array_resize(doc->selectors, room, sizeof(struct policy_selector *));

		if (!v)
			return TM_ENOMEM;
		doc->selectors = v;
	}
	int err = hashset_reserve(&doc->by_text, 1);
	if (err)
		return err;

	struct policy_selector *s = malloc(sizeof(*s));
	if (!s)
		return TM_ENOMEM;

	*s = *parsed;
	s->index = (uint32_t)doc->n_selectors;
	s->name = s->text + (parsed->name - parsed->text);
	doc->selectors[doc->n_selectors++] = s;
	hashset_put(&doc->by_text, s);
	*ret_s = s;
	return TM_OK;
}

int policy_selector_intern(
	struct policy_doc *doc, const char *text, struct policy_selector **ret_s, struct diag *d)
{
	return policy_selector_read(doc, text, POLICY_FRESH, ret_s, d);
}

int policy_selector_read(struct policy_doc *doc, const char *text, enum policy_reading how,
	struct policy_selector **ret_s, struct diag *d)
{
	struct policy_selector parsed = {.line = 0};

	int err = selector_parse(text, how, &parsed, d);
	if (err)
		return err;

	struct policy_selector *known = hashset_get(&doc->by_text, parsed.text, strlen(parsed.text));
	if (known) {
		*ret_s = known;
		return TM_OK;
	}
	if (doc->n_selectors == POLICY_SELECTORS_MAX + (doc->whole ? POLICY_SELECTORS_MORE : 0))
		return diag_what(d, TM_EFULL,
			"more than %d different nodes, tags, groups and routes are named",
			POLICY_SELECTORS_MAX);
	if (parsed.kind == POLICY_GROUP) {
		parsed.group = policy_doc_group(doc, parsed.name);
		if (!parsed.group)
			return unknown_group(doc, parsed.name, d);
	}
	return add(doc, &parsed, ret_s);
}

int policy_doc_selector(
	struct policy_doc *doc, const char *text, const struct policy_selector **ret_s, struct diag *d)
{
	struct policy_selector *s;

	int err = policy_selector_intern(doc, text, &s, d);
	if (!err)
		*ret_s = s;
	return err;
}
