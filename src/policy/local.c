/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/local.h"

#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "base/suggest.h"
#include "policy/document_private.h"

enum { WORD_MAX = POLICY_SELECTOR_MAX + 1, WORDS_MAX = 16 };

/* The next word of "a,b"; false behind the last. Too long a word is cut, and then no word. */
static bool next_word(const char **at, char ret_word[static WORD_MAX + 1])
{
	size_t n = strcspn(*at, ",");

	if (!**at)
		return false;
	snprintf(ret_word, WORD_MAX + 1, "%.*s", (int)MIN(n, (size_t)WORD_MAX), *at);
	*at += n + ((*at)[n] == ',');
	return true;
}

static int no_node(const struct mesh *m, const char *name, struct diag *d)
{
	struct suggest near = suggest_for(name);
	const struct mesh_node *n;
	char quoted[PLAIN_QUOTE_LEN];

	for (size_t i = 0; (n = mesh_next(m, &i));)
		suggest_offer(&near, n->name);
	if (near.best)
		diag_hint(d, "did you mean \"%s\"?", near.best);
	else
		diag_hint(d, "see `tunnelmesh peers`; a tag is written tag:TAG");
	return diag_what(d, TM_ENOENT, "there is no node \"%s\"", plain_quote(name, quoted));
}

/* `scratch` knows no groups: they are the document's, which may change. */
static int bind_word(struct policy_doc *scratch, const struct mesh *m, const char *word, char *out,
	size_t size, struct diag *d)
{
	const struct mesh_node *n = strcmp(word, "any") != 0 ? mesh_lookup(m, word) : NULL;
	const struct policy_selector *s;
	size_t len = strlen(out);

	if (strncmp(word, "group:", 6) == 0) {
		diag_hint(d, "name nodes and tags");
		return diag_what(d, TM_EINVAL, "a node's own rules do not know the groups of the policy");
	}
	int err = policy_doc_selector(scratch, n ? n->id : word, &s, d);
	if (err)
		return err;
	if (s->kind == POLICY_NODE && !n)
		n = mesh_lookup(m, s->name); /* node:laptop */
	if (s->kind == POLICY_NODE && !n)
		return no_node(m, s->name, d);
	const char *text = n ? n->id : s->text;
	if (snprintf(out + len, size - len, "%s%s", len ? "," : "", text) >= (int)(size - len))
		return diag_what(d, TM_ERANGE, "too many are named in one rule");
	return TM_OK;
}

static int bind_who(struct policy_local *r, const struct mesh *m, struct diag *d)
{
	_cleanup_(policy_doc_freep) struct policy_doc *scratch = NULL;
	char out[POLICY_LOCAL_TEXT] = "", word[WORD_MAX + 1];
	const char *at = r->who;

	int err = policy_doc_parse("", "", 0, &scratch, d);
	while (!err && next_word(&at, word))
		err = bind_word(scratch, m, word, out, sizeof(out), d);
	if (!err && !out[0])
		err = diag_what(d, TM_EINVAL, "the rule names nobody");
	if (!err)
		memcpy(r->who, out, sizeof(r->who));
	return err;
}

int policy_local_bind(struct policy_local *r, const struct mesh *m, struct diag *d)
{
	struct policy_service v[POLICY_PROTO_N];
	const char *at = r->services;
	char word[WORD_MAX + 1];
	size_t n, words = 0;
	int err = TM_OK;

	if (r->action == POLICY_ALLOW) {
		diag_hint(d, "what members may do is for the policy of the mesh to say, on the coordinator");
		return diag_what(d, TM_EPERM, "a node's own rules only deny or reject");
	}
	while (!err && next_word(&at, word)) {
		err = policy_service_parse(word, v, &n, d);
		if (!err && ++words > WORDS_MAX)
			err = diag_what(d, TM_ERANGE, "a rule is about at most %d protocols", WORDS_MAX);
	}
	if (!err && !words)
		err = diag_what(d, TM_EINVAL, "the rule is about no protocol");
	return err ? err : bind_who(r, m, d);
}

/* --- into a document --- */

static int add_word(struct policy_doc *doc, const char *word, struct policy_list *l)
{
	struct policy_selector *s;

	int err = policy_selector_intern(doc, word, &s, NULL);
	if (err)
		return err;
	if (s->kind == POLICY_NODE && !s->id[0])
		snprintf(s->id, sizeof(s->id), "%.*s", NODE_ID_LEN, word);
	l->v[l->n++] = s->index;
	return TM_OK;
}

static int add_words(struct policy_doc *doc, const char *words, struct policy_list *ret_l)
{
	char word[WORD_MAX + 1];
	int err = TM_OK;

	ret_l->v = calloc(strlen(words) + 1, sizeof(*ret_l->v));
	if (!ret_l->v)
		return TM_ENOMEM;
	while (!err && next_word(&words, word))
		err = add_word(doc, word, ret_l);
	return err;
}

static int add_services(struct policy_rule *rule, const char *words)
{
	char word[WORD_MAX + 1];
	int err = TM_OK;

	rule->services = calloc((size_t)WORDS_MAX * POLICY_PROTO_N, sizeof(*rule->services));
	if (!rule->services)
		return TM_ENOMEM;
	while (!err && next_word(&words, word)) {
		size_t n = 0;

		err = policy_service_parse(word, rule->services + rule->n_services, &n, NULL);
		rule->n_services += n;
	}
	return err;
}

int policy_local_add(struct policy_doc *doc, const char *self_id, const struct policy_local *r)
{
	struct policy_rule *rules = reallocarray(doc->rules, doc->n_rules + 1, sizeof(*rules));

	if (!rules)
		return TM_ENOMEM;
	doc->rules = rules;
	/* Half a rule is none to anybody, and freed with the others. */
	struct policy_rule *rule = &doc->rules[doc->n_rules++];
	*rule = (struct policy_rule){.action = r->action, .id_given = true};
	snprintf(rule->id, sizeof(rule->id), "%s", r->id);
	int err = add_words(doc, r->who, r->outbound ? &rule->to : &rule->from);
	if (!err)
		err = add_words(doc, self_id, r->outbound ? &rule->from : &rule->to);
	return err ? err : add_services(rule, r->services);
}
