/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/local.h"

#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "base/suggest.h"
#include "base/text.h"
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

/* For reading selectors. It knows no groups: they are the mesh's, which may change them. */
static int scratch_new(struct policy_doc **ret_doc)
{
	return policy_doc_parse("", "", 0, ret_doc, NULL);
}

/* Room for all its words when each node among them stands there by its id. */
static bool has_room(const char *who)
{
	char word[WORD_MAX + 1];
	size_t n = 0;

	while (next_word(&who, word))
		n += MAX(strlen(word), (size_t)NODE_ID_LEN) + 1;
	return n <= POLICY_LOCAL_TEXT;
}

static int check_who(const char *who, struct diag *d)
{
	_cleanup_(policy_doc_freep) struct policy_doc *scratch = NULL;
	const struct policy_selector *s;
	char word[WORD_MAX + 1];

	if (!*who)
		return diag_what(d, TM_EINVAL, "the rule names nobody");
	if (!has_room(who))
		return diag_what(d, TM_ERANGE, "too many are named in one rule");
	int err = scratch_new(&scratch);
	while (!err && next_word(&who, word)) {
		if (strncmp(word, "group:", 6) == 0) {
			diag_hint(d, "name nodes and tags");
			return diag_what(
				d, TM_EINVAL, "a node's own rules do not know the groups of the policy");
		}
		err = policy_doc_selector(scratch, word, &s, d);
	}
	return err;
}

static int check_services(const char *services, struct diag *d)
{
	struct policy_service v[POLICY_PROTO_N];
	char word[WORD_MAX + 1];
	size_t n, words = 0;
	int err = TM_OK;

	while (!err && next_word(&services, word)) {
		err = policy_service_parse(word, v, &n, d);
		if (!err && ++words > WORDS_MAX)
			err = diag_what(d, TM_ERANGE, "a rule is about at most %d protocols", WORDS_MAX);
	}
	if (!err && !words)
		err = diag_what(d, TM_EINVAL, "the rule is about no protocol");
	return err;
}

int policy_local_check(const struct policy_local *r, struct diag *d)
{
	/* What it opens elsewhere is for the other end to allow. */
	if (r->action == POLICY_ALLOW && r->outbound) {
		diag_hint(d, "say from whom");
		return diag_what(d, TM_EINVAL,
			"a node's own rule allows what others open here, not what it opens elsewhere");
	}
	int err = check_services(r->services, d);
	return err ? err : check_who(r->who, d);
}

/* --- whom names mean --- */

/* The word of a rule that was checked, as it stands in one that is bound. NULL: nobody has that name
 * (*ret_name: which). */
static const char *bound_word(
	struct policy_doc *scratch, const struct mesh *m, const char *word, const char **ret_name)
{
	const struct mesh_node *n = policy_selector_is_word(word) ? NULL : mesh_lookup(m, word);
	const struct policy_selector *s;

	*ret_name = word;
	if (n)
		return n->id;
	if (policy_doc_selector(scratch, word, &s, NULL) != TM_OK)
		return NULL;
	if (s->kind != POLICY_NODE)
		return s->text;
	*ret_name = s->name; /* node:laptop */
	n = mesh_lookup(m, s->name);
	return n ? n->id : NULL;
}

static int put_word(char out[static POLICY_LOCAL_TEXT], const char *word)
{
	const size_t len = strlen(out), room = POLICY_LOCAL_TEXT - len;

	if (snprintf(out + len, room, "%s%s", len ? "," : "", word) < (int)room)
		return TM_OK;
	out[len] = '\0';
	return TM_ERANGE; /* has_room has seen to it that there is */
}

/* `absent`: where to put the first name that nobody has; NULL: one is an error. */
static int bind_who(struct policy_local *r, const struct mesh *m, char *absent, struct diag *d)
{
	_cleanup_(policy_doc_freep) struct policy_doc *scratch = NULL;
	char out[POLICY_LOCAL_TEXT] = "", word[WORD_MAX + 1];
	const char *at = r->who, *name;

	int err = scratch_new(&scratch);
	while (!err && next_word(&at, word)) {
		const char *text = bound_word(scratch, m, word, &name);

		if (text)
			err = put_word(out, text);
		else if (!absent)
			err = no_node(m, name, d);
		else if (!*absent)
			snprintf(absent, NODE_NAME_MAX + 1, "%.*s", NODE_NAME_MAX, name);
	}
	if (!err)
		memcpy(r->who, out, sizeof(r->who));
	return err;
}

int policy_local_bind(struct policy_local *r, const struct mesh *m, struct diag *d)
{
	int err = policy_local_check(r, d);
	return err ? err : bind_who(r, m, NULL, d);
}

int policy_local_bind_known(
	struct policy_local *r, const struct mesh *m, char ret_absent[static NODE_NAME_MAX + 1])
{
	*ret_absent = '\0';
	return bind_who(r, m, ret_absent, NULL);
}

bool policy_local_granted(const struct policy_doc *doc, const struct mesh_node *self)
{
	for (size_t i = 0; i < doc->local_allow.n; i++) {
		const char *tag = doc->selectors[doc->local_allow.v[i]]->name;

		for (const char *t = self->tags; *t; t += strlen(t) + 1)
			if (strcmp(t, tag) == 0)
				return true;
	}
	return false;
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
	struct policy_rule *rules = array_resize(doc->rules, doc->n_rules + 1, sizeof(*rules));

	if (!rules)
		return TM_ENOMEM;
	doc->rules = rules;
	/* Half a rule is none to anybody, and freed with the others. */
	struct policy_rule *rule = &doc->rules[doc->n_rules++];
	*rule = (struct policy_rule){.action = r->action, .id_given = true, .own = true};
	snprintf(rule->id, sizeof(rule->id), "%s", r->id);
	int err = add_words(doc, r->who, r->outbound ? &rule->to : &rule->from);
	if (!err)
		err = add_words(doc, self_id, r->outbound ? &rule->from : &rule->to);
	return err ? err : add_services(rule, r->services);
}
