/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/bind.h"

#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/suggest.h"
#include "base/text.h"

void policy_bindings_deinit(struct policy_bindings *b)
{
	free(b->v);
	*b = (struct policy_bindings){0};
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct policy_binding *)a)->name, ((const struct policy_binding *)b)->name);
}

const struct policy_binding *policy_bindings_find(const struct policy_bindings *b, const char *name)
{
	struct policy_binding key;

	if (!b || !b->n || strlen(name) >= sizeof(key.name))
		return NULL;
	snprintf(key.name, sizeof(key.name), "%s", name);
	return bsearch(&key, b->v, b->n, sizeof(*b->v), by_name);
}

int policy_bindings_add(struct policy_bindings *b, const char *name, const char *id)
{
	if (!node_name_valid(name) || !node_id_valid(id) || (b->n && strcmp(b->v[b->n - 1].name, name) >= 0))
		return TM_EBADMSG;
	/* Grown by doubling: full at each power of two. */
	if ((b->n & (b->n - 1)) == 0) {
		struct policy_binding *v = array_resize(b->v, b->n ? 2 * b->n : 1, sizeof(*v));

		if (!v)
			return TM_ENOMEM;
		b->v = v;
	}
	struct policy_binding *last = &b->v[b->n++];
	snprintf(last->name, sizeof(last->name), "%s", name);
	snprintf(last->id, sizeof(last->id), "%s", id);
	return TM_OK;
}

static const char members[] = "members *\n";

int policy_bindings_parse(const char *text, struct policy_bindings *ret_b)
{
	struct policy_bindings b = {.members = strncmp(text, members, strlen(members)) == 0};
	int err = TM_OK;

	text += b.members ? strlen(members) : 0;
	while (*text && !err) {
		char line[NODE_NAME_MAX + 1 + NODE_ID_LEN + 1] = "";
		size_t n = strcspn(text, "\n");
		char *blank;

		memcpy(line, text, MIN(n, sizeof(line) - 1));
		blank = strchr(line, ' ');
		if (n >= sizeof(line) || text[n] != '\n' || !blank) {
			err = TM_EBADMSG;
			break;
		}
		*blank = '\0';
		err = policy_bindings_add(&b, line, blank + 1);
		text += n + 1;
	}
	if (err)
		policy_bindings_deinit(&b);
	else
		*ret_b = b;
	return err;
}

void policy_bindings_format(const struct policy_bindings *b, struct strbuf *out)
{
	strbuf_puts(out, b->members ? members : "");
	for (size_t i = 0; i < b->n; i++)
		strbuf_printf(out, "%s %s\n", b->v[i].name, b->v[i].id);
}

static int nobody(const struct mesh *m, const struct policy_selector *s, const char *file, struct diag *d)
{
	struct suggest near = suggest_for(s->name);
	const struct mesh_node *n;

	if (s->line)
		diag_where(d, "%s:%u:%u", file, s->line, s->column);
	for (size_t i = 0; (n = mesh_next(m, &i));)
		suggest_offer(&near, n->name);
	if (near.best)
		diag_hint(d, "did you mean \"%s\"?", near.best);
	else
		diag_hint(d, "`tunnelmesh node list` shows all; a tag is written tag:%s", s->name);
	return diag_what(d, TM_ENOENT, "there is no node \"%s\"", s->name);
}

static int is_anothers_now(
	const struct policy_selector *s, const struct mesh_node *n, const char *file, struct diag *d)
{
	if (s->line)
		diag_where(d, "%s:%u:%u", file, s->line, s->column);
	diag_hint(d,
		"write %s if that one is meant, or `tunnelmesh filter set --rebind FILE`: all names as they "
		"are now",
		n->id);
	return diag_what(d, TM_EEXIST,
		"\"%s\" meant a node that is gone; the one that is called so now is another", s->name);
}

/* In a document of then it was the name of a node. */
static void as_name(struct policy_selector *s)
{
	s->kind = POLICY_NODE;
	s->id[0] = '\0';
}

/* It is a name in the document before, and this one is to mean more by it? */
static int means_all_now(const struct policy_selector *s, const char *file, struct diag *d)
{
	if (s->line)
		diag_where(d, "%s:%u:%u", file, s->line, s->column);
	diag_hint(d,
		"write node:members if that node is meant, or `tunnelmesh filter set --rebind FILE`: all of "
		"them");
	return diag_what(
		d, TM_EEXIST, "\"members\" meant a node that is called so; now it means all members");
}

static int bind_anew(struct policy_selector *s, enum policy_reading how, const struct mesh *m,
	const struct policy_bindings *before, const char *name, struct diag *d)
{
	const bool was_name = s->kind == POLICY_MEMBERS && before && !before->members;

	if (was_name && how == POLICY_ACCEPTED)
		as_name(s);
	else if (was_name && policy_bindings_find(before, s->name))
		return means_all_now(s, name, d);
	if (s->kind != POLICY_NODE)
		return TM_OK;
	const struct policy_binding *b = policy_bindings_find(before, s->name);
	const struct mesh_node *n = b ? mesh_by_id(m, b->id) : NULL;
	if (!n) {
		n = mesh_lookup(m, s->name);
		if (n && b)
			return is_anothers_now(s, n, name, d);
	}
	if (!n)
		return nobody(m, s, name, d);
	memcpy(s->id, n->id, sizeof(s->id));
	return TM_OK;
}

int policy_bind(struct policy_doc *doc, const struct mesh *m, const struct policy_bindings *before,
	const char *name, struct diag *d)
{
	int err = TM_OK;

	for (size_t i = 0; i < doc->n_selectors && !err; i++)
		err = bind_anew(doc->selectors[i], doc->reading, m, before, name, d);
	return err;
}

static void bind_as_before(struct policy_selector *s, const struct policy_bindings *b)
{
	if (s->kind == POLICY_MEMBERS && !b->members)
		as_name(s);
	const struct policy_binding *known = s->kind == POLICY_NODE ? policy_bindings_find(b, s->name) : NULL;

	snprintf(s->id, sizeof(s->id), "%s", known ? known->id : "");
}

void policy_bind_again(struct policy_doc *doc, const struct policy_bindings *b)
{
	for (size_t i = 0; i < doc->n_selectors; i++)
		bind_as_before(doc->selectors[i], b);
}

static bool names(const struct policy_list *l, uint32_t selector)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i] == selector)
			return true;
	return false;
}

int policy_bind_edited(struct policy_doc *doc, const struct policy_rule *added, const struct mesh *m,
	const struct policy_bindings *before, const char *name, struct diag *d)
{
	int err = TM_OK;

	for (size_t i = 0; i < doc->n_selectors && !err; i++) {
		struct policy_selector *s = doc->selectors[i];

		if (added && (names(&added->from, s->index) || names(&added->to, s->index)))
			err = bind_anew(s, POLICY_FRESH, m, before, name, d);
		else
			bind_as_before(s, before);
	}
	return err;
}

int policy_bindings_of(const struct policy_doc *doc, struct policy_bindings *ret_b)
{
	struct policy_bindings b = {.v = calloc(doc->n_selectors + 1, sizeof(*b.v))};

	if (!b.v)
		return TM_ENOMEM;
	for (size_t i = 0; i < doc->n_selectors; i++) {
		const struct policy_selector *s = doc->selectors[i];

		b.members |= s->kind == POLICY_MEMBERS;
		if (s->kind != POLICY_NODE || !s->id[0])
			continue;
		snprintf(b.v[b.n].name, sizeof(b.v[b.n].name), "%s", s->name);
		snprintf(b.v[b.n].id, sizeof(b.v[b.n].id), "%s", s->id);
		b.n++;
	}
	qsort(b.v, b.n, sizeof(*b.v), by_name);
	*ret_b = b;
	return TM_OK;
}
