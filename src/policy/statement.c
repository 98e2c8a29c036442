/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/statement.h"

#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "base/suggest.h"
#include "policy/document_private.h"

static const char form[] = "write it as \"tag:guest cannot reach tag:db tcp/5432\", or with \"can\"";

enum { WORD_MAX = 96, ITEMS_MAX = 64 };

struct scanner {
	const char *at;
	char word[WORD_MAX];
	bool more; /* a comma follows: the list goes on */
};

void policy_statement_deinit(struct policy_statement *s)
{
	free(s->from.v);
	free(s->to.v);
	free(s->services);
	*s = (struct policy_statement){.can = false};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct scanner *c)
{
	while (is_blank(*c->at))
		c->at++;
}

/* The next word, "" at the end. */
static int scan(struct scanner *c, struct diag *d)
{
	size_t n = 0;

	skip_blanks(c);
	while (c->at[n] && !is_blank(c->at[n]) && c->at[n] != ',')
		n++;
	if (n >= sizeof(c->word))
		return diag_what(d, TM_EINVAL, "a word of this sentence is too long");
	memcpy(c->word, c->at, n);
	c->word[n] = '\0';
	c->at += n;
	skip_blanks(c);
	c->more = *c->at == ',';
	c->at += c->more;
	return TM_OK;
}

static int bad_form(struct diag *d, const char *what)
{
	diag_hint(d, "%s", form);
	return diag_what(d, TM_EINVAL, "%s", what);
}

/* --- a side --- */

static int no_node(const struct mesh *m, const char *name, struct diag *d)
{
	struct suggest near = suggest_for(name);
	const struct mesh_node *n;

	for (size_t i = 0; (n = mesh_next(m, &i));)
		suggest_offer(&near, n->name);
	if (near.best)
		diag_hint(d, "did you mean \"%s\"?", near.best);
	else
		diag_hint(d, "`tunnelmesh node list` shows all; a tag is written tag:%s", name);
	return diag_what(d, TM_ENOENT, "there is no node \"%s\"", name);
}

/* A test is read as its document is; else somebody asks now. */
static enum policy_reading reading_of(const struct policy_doc *doc, const struct mesh *m)
{
	return m ? POLICY_FRESH : doc->reading;
}

/* Who is called so now: by its id, for in the document that name may mean another. */
static int intern(struct policy_doc *doc, const struct mesh *m, const char *word,
	struct policy_selector **ret_s, struct diag *d)
{
	const struct mesh_node *n = m && !policy_selector_is_word(word) ? mesh_lookup(m, word) : NULL;

	int err = policy_selector_read(doc, n ? n->id : word, reading_of(doc, m), ret_s, d);
	if (err || !m || (*ret_s)->kind != POLICY_NODE)
		return err;
	if (!n)
		n = mesh_lookup(m, (*ret_s)->name); /* node:laptop */
	if (!n)
		return no_node(m, (*ret_s)->name, d);
	err = policy_selector_intern(doc, n->id, ret_s, d);
	if (!err)
		memcpy((*ret_s)->id, n->id, sizeof((*ret_s)->id));
	return err;
}

static int scan_side(struct policy_doc *doc, const struct mesh *m, struct scanner *c,
	struct policy_list *ret_l, struct diag *d)
{
	struct policy_selector *s;
	int err;

	ret_l->v = calloc(ITEMS_MAX, sizeof(*ret_l->v));
	if (!ret_l->v)
		return TM_ENOMEM;
	do {
		err = scan(c, d);
		if (!err && !c->word[0])
			err = bad_form(d, "this sentence ends where somebody should be named");
		if (!err && ret_l->n == ITEMS_MAX)
			err = diag_what(d, TM_ERANGE, "a side of a sentence names at most %d", ITEMS_MAX);
		if (!err)
			err = intern(doc, m, c->word, &s, d);
		if (!err)
			ret_l->v[ret_l->n++] = s->index;
	} while (!err && c->more);
	return err;
}

/* --- the middle, and the end --- */

static int scan_verb(struct scanner *c, bool *ret_can, struct diag *d)
{
	static const char what[] = "between its sides a sentence says \"cannot reach\" or \"can reach\"";

	int err = scan(c, d);
	if (err)
		return err;
	*ret_can = strcmp(c->word, "can") == 0;
	if (!*ret_can && strcmp(c->word, "cannot") != 0)
		return bad_form(d, what);
	err = scan(c, d);
	if (!err && *ret_can && strcmp(c->word, "not") == 0) {
		*ret_can = false;
		err = scan(c, d);
	}
	if (!err && strcmp(c->word, "reach") != 0)
		err = bad_form(d, what);
	return err;
}

static int scan_services(
	struct scanner *c, enum policy_reading how, struct policy_statement *s, struct diag *d)
{
	char quoted[PLAIN_QUOTE_LEN];
	int err;

	s->services = calloc((size_t)ITEMS_MAX * POLICY_PROTO_N, sizeof(*s->services));
	if (!s->services)
		return TM_ENOMEM;
	do {
		size_t n = 0;

		err = scan(c, d);
		if (!err && !c->word[0] && (s->n_services || c->more))
			err = bad_form(d, "this sentence ends where a protocol should be named");
		if (!err && s->n_services > (size_t)(ITEMS_MAX - 1) * POLICY_PROTO_N)
			err = diag_what(d, TM_ERANGE, "a sentence names at most %d protocols", ITEMS_MAX);
		if (!err)
			err = policy_service_read(
				c->word[0] ? c->word : "any", how, s->services + s->n_services, &n, d);
		s->n_services += n;
	} while (!err && c->more);
	if (!err)
		err = scan(c, d);
	if (!err && c->word[0])
		err = diag_what(
			d, TM_EINVAL, "this sentence should end before \"%s\"", plain_quote(c->word, quoted));
	return err;
}

int policy_statement_parse(struct policy_doc *doc, const struct mesh *m, const char *text,
	struct policy_statement *ret_s, struct diag *d)
{
	_cleanup_(policy_statement_deinit) struct policy_statement s = {.can = false};
	struct scanner c = {.at = text};

	int err = scan_side(doc, m, &c, &s.from, d);
	if (!err)
		err = scan_verb(&c, &s.can, d);
	if (!err)
		err = scan_side(doc, m, &c, &s.to, d);
	if (!err)
		err = scan_services(&c, reading_of(doc, m), &s, d);
	if (err)
		return err;

	*ret_s = s;
	s = (struct policy_statement){.can = false};
	return TM_OK;
}
