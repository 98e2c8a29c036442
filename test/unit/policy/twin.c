/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "unit/policy/twin.h"

static bool has_tag(const struct twin_subject *s, const char *tag)
{
	const char *t = s->tags ? s->tags : s->node->tags;

	if (s->ip.family != IP_NONE)
		return false;
	for (; *t; t += strlen(t) + 1)
		if (strcmp(t, tag) == 0)
			return true;
	return false;
}

static bool selector_is(
	const struct policy_doc *doc, const struct policy_selector *x, const struct twin_subject *s)
{
	switch (x->kind) {
	case POLICY_ANY:
		return true;
	case POLICY_MEMBERS:
		return s->ip.family == IP_NONE;
	case POLICY_NODE:
		return s->node && s->ip.family == IP_NONE && strcmp(s->node->id, x->id) == 0;
	case POLICY_TAG:
		return has_tag(s, x->name);
	case POLICY_ROUTE:
		return s->ip.family != IP_NONE && prefix_contains(&x->prefix, &s->ip);
	case POLICY_GROUP:
		return twin_is(doc, &policy_doc_group(doc, x->name)->members, s);
	default:
		fail();
		return false;
	}
}

bool twin_is(const struct policy_doc *doc, const struct policy_list *l, const struct twin_subject *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (selector_is(doc, doc->selectors[l->v[i]], s))
			return true;
	return false;
}

bool twin_meet(const struct twin_subject *a, const struct twin_subject *b)
{
	return !a->node || !b->node || a->node != b->node;
}

static bool is_about(const struct policy_rule *r, enum policy_proto proto, unsigned port)
{
	for (size_t i = 0; i < r->n_services; i++)
		if (r->services[i].proto == proto && port >= r->services[i].first &&
			port <= r->services[i].last)
			return true;
	return false;
}

struct twin_verdict twin_judge(const struct policy_doc *doc, const struct twin_subject *from,
	const struct twin_subject *to, enum policy_proto proto, unsigned port)
{
	int allows = -1;

	for (size_t i = 0; i < doc->n_rules; i++) {
		const struct policy_rule *r = &doc->rules[i];

		if (!is_about(r, proto, port) || !twin_is(doc, &r->from, from) || !twin_is(doc, &r->to, to))
			continue;
		if (r->own && r->action == POLICY_ALLOW && !twin_is(doc, &doc->local_allow, to))
			continue;
		if (r->action != POLICY_ALLOW)
			return (struct twin_verdict){r->action, (int)i, false};
		if (allows < 0)
			allows = (int)i;
	}
	if (allows >= 0)
		return (struct twin_verdict){POLICY_ALLOW, allows, false};
	return (struct twin_verdict){POLICY_DENY, -1, twin_is(doc, &doc->local_allow, to)};
}
