/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/warnings.h"

#include <stdio.h>
#include <string.h>

#include "base/suggest.h"

static const void *key_tag(const void *record, size_t *ret_len)
{
	*ret_len = strlen(record);
	return record;
}

static int add_tags(struct hashset *set, const char *tags)
{
	int err = TM_OK;

	for (; *tags && !err; tags += strlen(tags) + 1) {
		if (hashset_get(set, tags, strlen(tags)))
			continue;
		err = hashset_reserve(set, 1);
		if (!err) /* the set does not write to what it holds */
			hashset_put(set, (void *)(uintptr_t)tags);
	}
	return err;
}

/* All that somebody has or may get; they lie where they come from. */
static int tags_of(const struct policy_world *w, struct hashset *ret_set)
{
	const struct mesh_node *n;

	int err = hashset_init(ret_set, key_tag);
	for (size_t i = 0; !err && (n = mesh_next(w->mesh, &i));)
		err = add_tags(ret_set, n->tags);
	for (size_t i = 0; i < w->n_newcomers && !err; i++)
		err = add_tags(ret_set, w->newcomers[i].tags);
	return err;
}

static void warn_tag(const struct policy_selector *s, const struct hashset *tags, char *buf, size_t n)
{
	struct suggest near = suggest_for(s->name);
	const char *t;

	if (hashset_get(tags, s->name, strlen(s->name)))
		return;
	for (size_t i = 0; (t = hashset_next(tags, &i));)
		suggest_offer(&near, t);
	snprintf(buf, n, "no node has the tag %s%s%s%s", s->name, near.best ? "; did you mean " : "",
		near.best ? near.best : "", near.best ? "?" : "");
}

static void warn_node(const struct policy_selector *s, const struct mesh *m, char *buf, size_t n)
{
	const struct mesh_node *now = mesh_by_id(m, s->id), *called = mesh_lookup(m, s->name);

	if (!now)
		snprintf(buf, n,
			"the node %s has been removed: rules and tests that name it are about nobody",
			s->name);
	else if (called != now) /* by an alias, too */
		snprintf(buf, n, "the node %s is called %s now, and still meant%s", s->name, now->name,
			called ? ", not the one that is called so now" : "");
}

static void warn_route(const struct policy_selector *s, const struct policy_world *w, char *buf, size_t n)
{
	for (size_t i = 0; i < w->n_routes; i++)
		if (prefix_overlaps(&s->prefix, &w->routes[i].prefix))
			return;
	snprintf(buf, n, "no address of %s is behind a node", s->text + strlen("route:"));
}

/* Accepted once, by a program that did not know better. */
static int warn_service(
	const struct policy_rule *r, const struct policy_service *s, policy_warning_fn *fn, void *ctx)
{
	struct policy_service asked = *s;
	char sentence[256], text[POLICY_SERVICE_LEN];

	if (policy_service_clip(&asked))
		return TM_OK;
	snprintf(sentence, sizeof(sentence),
		"rule %s says %s, about which no rule is asked: errors and answers belong to their "
		"connections",
		r->id, policy_service_format(s, text));
	return fn(ctx, sentence);
}

static int warn_services(const struct policy_doc *doc, policy_warning_fn *fn, void *ctx)
{
	int err = TM_OK;

	for (size_t i = 0; i < doc->n_rules; i++)
		for (size_t k = 0; k < doc->rules[i].n_services && !err; k++)
			err = warn_service(&doc->rules[i], &doc->rules[i].services[k], fn, ctx);
	return err;
}

int policy_warnings(
	const struct policy_doc *doc, const struct policy_world *w, policy_warning_fn *fn, void *ctx)
{
	struct hashset tags = {0};

	int err = tags_of(w, &tags);
	for (size_t i = 0; i < doc->n_selectors && !err; i++) {
		const struct policy_selector *s = doc->selectors[i];
		char sentence[256] = "";

		if (!s->line) /* of a statement that is no part of the document */
			continue;
		if (s->kind == POLICY_TAG)
			warn_tag(s, &tags, sentence, sizeof(sentence));
		else if (s->kind == POLICY_NODE)
			warn_node(s, w->mesh, sentence, sizeof(sentence));
		else if (s->kind == POLICY_ROUTE)
			warn_route(s, w, sentence, sizeof(sentence));
		if (sentence[0])
			err = fn(ctx, sentence);
	}
	hashset_deinit(&tags);
	return err ? err : warn_services(doc, fn, ctx);
}
