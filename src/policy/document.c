/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a document consists of, and what its pieces look like as text. It is read by read.c. */
#include "policy/document.h"

#include <string.h>

#include "base/strbuf.h"
#include "mesh/mesh.h"

static const char *const action_names[] = {
	[POLICY_ALLOW] = "allow", [POLICY_DENY] = "deny", [POLICY_REJECT] = "reject"};

const char *policy_action_name(enum policy_action a)
{
	return (unsigned)a < ARRAY_LEN(action_names) ? action_names[a] : "?";
}

bool policy_action_parse(const char *word, enum policy_action *ret_a)
{
	for (size_t i = 0; i < ARRAY_LEN(action_names); i++)
		if (strcmp(word, action_names[i]) == 0) {
			*ret_a = (enum policy_action)i;
			return true;
		}
	return false;
}

const char *policy_text_members(void)
{
	return "# Who may open connections to whom, on all nodes of this mesh: docs/policy.md.\n"
	       "# What no rule allows is denied.\n"
	       "rules:\n"
	       "  - id: members\n"
	       "    allow: any\n"
	       "    from: members\n"
	       "    to: any\n";
}

const char *policy_text_open(void)
{
	return "rules:\n"
	       "  - {id: everybody, allow: any, from: any, to: any}\n";
}

const char *policy_text_deny(void)
{
	return "# Who may open connections to whom, on all nodes of this mesh: docs/policy.md.\n"
	       "# What no rule allows is denied.\n"
	       "rules: []\n";
}

const struct policy_rule *policy_doc_rule(const struct policy_doc *doc, const char *id)
{
	for (size_t i = 0; i < doc->n_rules; i++)
		if (strcmp(doc->rules[i].id, id) == 0)
			return &doc->rules[i];
	return NULL;
}

const struct policy_group *policy_doc_group(const struct policy_doc *doc, const char *name)
{
	for (size_t i = 0; i < doc->n_groups; i++)
		if (strcmp(doc->groups[i].name, name) == 0)
			return &doc->groups[i];
	return NULL;
}

void policy_list_format(
	const struct policy_doc *doc, const struct mesh *m, const struct policy_list *l, struct strbuf *b)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct policy_selector *s = doc->selectors[l->v[i]];
		const struct mesh_node *n = m && s->kind == POLICY_NODE ? mesh_by_id(m, s->id) : NULL;

		if (i)
			strbuf_puts(b, ", ");
		strbuf_puts(b, n ? n->name : s->text);
		if (m && s->kind == POLICY_NODE && !n)
			strbuf_puts(b, " (removed)");
	}
}

/* All protocols whole is "any". */
static bool is_any(const struct policy_rule *r)
{
	unsigned whole = 0;

	for (size_t i = 0; i < r->n_services; i++) {
		const struct policy_service *s = &r->services[i];

		if (s->first == 0 && s->last == policy_proto_whole(s->proto).last)
			whole |= 1u << s->proto;
	}
	return whole == (1u << POLICY_PROTO_N) - 1;
}

static bool has_all(const struct policy_doc *doc, const struct policy_list *l, bool behind)
{
	for (size_t i = 0; i < l->n; i++) {
		const enum policy_selector_kind kind = doc->selectors[l->v[i]]->kind;

		if (kind == POLICY_ANY || (kind == POLICY_MEMBERS && !behind))
			return true;
	}
	return false;
}

bool policy_doc_is_open(const struct policy_doc *doc, bool behind)
{
	bool all = false;

	for (size_t i = 0; i < doc->n_rules; i++) {
		const struct policy_rule *r = &doc->rules[i];

		if (r->action != POLICY_ALLOW)
			return false;
		all |= is_any(r) && has_all(doc, &r->from, behind) && has_all(doc, &r->to, behind);
	}
	return all;
}

void policy_services_format(const struct policy_rule *r, struct strbuf *b)
{
	char text[POLICY_SERVICE_LEN];

	if (is_any(r)) {
		strbuf_puts(b, "any");
		return;
	}
	for (size_t i = 0; i < r->n_services; i++) {
		if (i)
			strbuf_puts(b, ", ");
		strbuf_puts(b, policy_service_format(&r->services[i], text));
	}
}

void policy_doc_free(struct policy_doc *doc)
{
	if (!doc)
		return;
	for (size_t i = 0; i < doc->n_groups; i++) {
		free(doc->groups[i].members.v);
		free(doc->groups[i].flat.v);
	}
	for (size_t i = 0; i < doc->n_rules; i++) {
		free(doc->rules[i].from.v);
		free(doc->rules[i].to.v);
		free(doc->rules[i].services);
	}
	for (size_t i = 0; i < doc->n_tests; i++)
		free(doc->tests[i].text);
	for (size_t i = 0; i < doc->n_selectors; i++)
		free(doc->selectors[i]);
	hashset_deinit(&doc->by_text);
	free(doc->local_allow.v);
	free(doc->groups);
	free(doc->rules);
	free(doc->tests);
	free(doc->selectors);
	free(doc);
}
