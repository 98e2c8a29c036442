/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A document from YAML, each mistake with its line and column. */
#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "base/yamlin.h"
#include "policy/document_private.h"

enum { DEPTH_MAX = 4 };

struct reader {
	struct yamlin y;
	struct policy_doc *doc;
	const yaml_node_t **rule_at; /* of each rule */
};

static int say(const struct reader *r, const yaml_node_t *node, int err, const char *what, const char *hint)
{
	yamlin_at(&r->y, node);
	if (hint)
		diag_hint(r->y.d, "%s", hint);
	return diag_what(r->y.d, err, "%s", what);
}

/* --- selectors --- */

static int read_selector(struct reader *r, const yaml_node_t *node, const char *what, struct policy_list *l)
{
	struct policy_selector *s;

	int err = yamlin_text(&r->y, node, what);
	if (!err)
		err = policy_selector_read(r->doc, yamlin_scalar(node), r->doc->reading, &s, r->y.d);
	if (err)
		return err;

	if (!s->line) {
		s->line = (uint32_t)yamlin_line(node);
		s->column = (uint32_t)yamlin_column(node);
	}
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i] == s->index)
			return diag_what(r->y.d, TM_EEXIST, "%s names \"%s\" twice", what, s->text);
	l->v[l->n++] = s->index;
	return TM_OK;
}

/* One, or a list of them. */
static int read_selectors(
	struct reader *r, const yaml_node_t *node, const char *what, struct policy_list *ret_l)
{
	bool single = node && node->type == YAML_SCALAR_NODE && !yamlin_is_null(node);
	size_t n = 1;

	int err = single ? TM_OK : yamlin_list(&r->y, node, what, POLICY_LIST_MAX, &n);
	if (err)
		return err;

	ret_l->v = calloc(n + 1, sizeof(*ret_l->v));
	if (!ret_l->v)
		return TM_ENOMEM;
	for (size_t i = 0; i < n && !err; i++)
		err = read_selector(r, single ? node : yamlin_item(&r->y, node, i), what, ret_l);
	return err;
}

/* --- groups --- */

static int read_group_names(struct reader *r, const yaml_node_t *map)
{
	size_t n = (size_t)(map->data.mapping.pairs.top - map->data.mapping.pairs.start);

	yamlin_at(&r->y, map);
	if (n > POLICY_GROUPS_MAX)
		return diag_what(r->y.d, TM_ERANGE, "there are %zu groups, and at most %d are allowed", n,
			POLICY_GROUPS_MAX);
	r->doc->groups = calloc(n + 1, sizeof(*r->doc->groups));
	if (!r->doc->groups)
		return TM_ENOMEM;

	for (size_t i = 0; i < n; i++) {
		const yaml_node_t *key = yamlin_node(&r->y, map->data.mapping.pairs.start[i].key);
		struct policy_group *g = &r->doc->groups[i];
		char quoted[PLAIN_QUOTE_LEN];

		int err = yamlin_text(&r->y, key, "the name of a group");
		if (err)
			return err;
		if (!node_tag_valid(yamlin_scalar(key))) {
			diag_hint(r->y.d, "write 1 to 32 of the characters a-z, 0-9, - and _");
			return diag_what(r->y.d, TM_EINVAL, "\"%s\" is no name for a group",
				plain_quote(yamlin_scalar(key), quoted));
		}
		const struct policy_group *first = policy_doc_group(r->doc, yamlin_scalar(key));
		if (first)
			return diag_what(r->y.d, TM_EEXIST, "the group %s is given twice, first on line %u",
				first->name, first->line);
		snprintf(g->name, sizeof(g->name), "%s", yamlin_scalar(key));
		g->line = (uint32_t)yamlin_line(key);
		g->column = (uint32_t)yamlin_column(key);
		r->doc->n_groups++;
	}
	return TM_OK;
}

static int read_groups(struct reader *r, const yaml_node_t *node)
{
	const struct policy_group *circle;

	if (!node || yamlin_is_null(node))
		return TM_OK;
	if (node->type != YAML_MAPPING_NODE)
		return say(r, node, TM_EINVAL, "groups must be a mapping of names to lists",
			"write each as \"admins: [laptop, tag:ops]\"");

	/* First their names: one may be made of others that come later. */
	int err = read_group_names(r, node);
	for (size_t i = 0; i < r->doc->n_groups && !err; i++) {
		const yaml_node_t *value = yamlin_node(&r->y, node->data.mapping.pairs.start[i].value);

		err = read_selectors(r, value, "a group", &r->doc->groups[i].members);
	}
	if (err)
		return err;

	err = policy_groups_flatten(r->doc, &circle);
	if (err == TM_EINVAL) {
		diag_where(r->y.d, "%s:%u:%u", r->y.name, circle->line, circle->column);
		return diag_what(
			r->y.d, err, "the group %s contains itself, by way of its members", circle->name);
	}
	return err;
}

/* --- rules --- */

static int read_service(struct reader *r, const yaml_node_t *node, struct policy_rule *rule)
{
	struct policy_service v[POLICY_PROTO_N];
	size_t n;

	int err = yamlin_text(&r->y, node, policy_action_name(rule->action));
	if (!err)
		err = policy_service_read(yamlin_scalar(node), r->doc->reading, v, &n, r->y.d);
	if (err)
		return err;
	memcpy(rule->services + rule->n_services, v, n * sizeof(*v));
	rule->n_services += n;
	return TM_OK;
}

static int read_services(struct reader *r, const yaml_node_t *node, struct policy_rule *rule)
{
	bool single = node->type == YAML_SCALAR_NODE && !yamlin_is_null(node);
	size_t n = 1;

	int err = single ? TM_OK
			 : yamlin_list(&r->y, node, policy_action_name(rule->action), POLICY_LIST_MAX, &n);
	if (err)
		return err;
	if (n == 0)
		return say(r, node, TM_EINVAL, "this rule speaks of no protocol",
			"write tcp/22, [tcp/80, tcp/443], udp, any");

	rule->services = calloc(n * POLICY_PROTO_N, sizeof(*rule->services));
	if (!rule->services)
		return TM_ENOMEM;
	for (size_t i = 0; i < n && !err; i++)
		err = read_service(r, single ? node : yamlin_item(&r->y, node, i), rule);
	return err;
}

static int read_id(struct reader *r, const yaml_node_t *node, struct policy_rule *rule)
{
	char quoted[PLAIN_QUOTE_LEN];

	int err = yamlin_text(&r->y, node, "id");
	if (err)
		return err;
	if (!node_tag_valid(yamlin_scalar(node))) {
		diag_hint(r->y.d, "write 1 to 32 of the characters a-z, 0-9, - and _");
		return diag_what(
			r->y.d, TM_EINVAL, "\"%s\" is no id", plain_quote(yamlin_scalar(node), quoted));
	}
	if (strncmp(yamlin_scalar(node), "local-", 6) == 0) {
		diag_hint(r->y.d, "choose another one");
		return diag_what(
			r->y.d, TM_EINVAL, "ids that begin with \"local-\" are those of nodes' own rules");
	}
	snprintf(rule->id, sizeof(rule->id), "%s", yamlin_scalar(node));
	rule->id_given = true;
	return TM_OK;
}

/* Whom it concerns is never left out: a rule that was meant for one must not be one for all. */
static int read_side(struct reader *r, const yaml_node_t *rule, const yaml_node_t *node, const char *side,
	struct policy_list *l)
{
	if (!node) {
		yamlin_at(&r->y, rule);
		diag_hint(r->y.d, "write \"%s: any\" where everybody is meant", side);
		return diag_what(r->y.d, TM_EINVAL, "this rule has no \"%s\"", side);
	}
	int err = read_selectors(r, node, side, l);
	if (!err && l->n == 0) {
		yamlin_at(&r->y, node);
		err = diag_what(r->y.d, TM_EINVAL, "\"%s\" names nobody", side);
	}
	return err;
}

static int read_rule(struct reader *r, const yaml_node_t *node, struct policy_rule *rule)
{
	static const char *const keys[] = {"allow", "deny", "reject", "from", "to", "id"};
	enum { FROM = 3, TO, ID, KEYS };
	_Static_assert(ARRAY_LEN(keys) == KEYS, "the actions stand first, in the order of the enum");
	const yaml_node_t *v[KEYS];
	unsigned actions = 0;

	if (node->type != YAML_MAPPING_NODE)
		return say(r, node, TM_EINVAL, "a rule must be a mapping, not a single value or a list",
			"write \"- allow: tcp/22\" and below it \"from: ...\" and \"to: ...\"");
	int err = yamlin_keys(&r->y, node, keys, KEYS, "in a rule", v);
	if (err)
		return err;

	for (unsigned a = POLICY_ALLOW; a <= POLICY_REJECT; a++)
		if (v[a]) {
			rule->action = (enum policy_action)a;
			actions++;
		}
	if (actions != 1)
		return say(r, node, TM_EINVAL,
			actions ? "a rule does one thing: this one has several of allow, deny and reject"
				: "this rule has none of allow, deny and reject",
			"write \"allow: tcp/22\", \"deny: any\" or \"reject: [udp/53, tcp/53]\"");
	rule->line = (uint32_t)yamlin_line(node);
	rule->line_end = (uint32_t)node->end_mark.line + 1;
	err = read_services(r, v[rule->action], rule);
	if (!err)
		err = read_side(r, node, v[FROM], "from", &rule->from);
	if (!err)
		err = read_side(r, node, v[TO], "to", &rule->to);
	if (!err && v[ID])
		err = read_id(r, v[ID], rule);
	return err;
}

static int refuse_twice(const struct reader *r, size_t twice, size_t first)
{
	const struct policy_rule *a = &r->doc->rules[first], *b = &r->doc->rules[twice];

	yamlin_at(&r->y, r->rule_at[twice]);
	if (b->id_given)
		return diag_what(
			r->y.d, TM_EEXIST, "the id %s is given twice, first on line %u", b->id, a->line);
	diag_hint(r->y.d, "remove one of them, or give it an id");
	return diag_what(
		r->y.d, TM_EEXIST, "this rule stands here for the second time, first on line %u", a->line);
}

static int read_rules(struct reader *r, const yaml_node_t *node)
{
	size_t n, twice, first;

	int err = yamlin_list(&r->y, node, "rules", POLICY_RULES_MAX, &n);
	if (err)
		return err;

	r->doc->rules = calloc(n + POLICY_BUILTIN_N, sizeof(*r->doc->rules));
	r->rule_at = calloc(n + 1, sizeof(*r->rule_at));
	if (!r->doc->rules || !r->rule_at)
		return TM_ENOMEM;
	for (size_t i = 0; i < n && !err; i++) {
		r->rule_at[i] = yamlin_item(&r->y, node, i);
		r->doc->n_rules++;
		err = read_rule(r, r->rule_at[i], &r->doc->rules[i]);
	}
	if (err)
		return err;

	err = policy_rules_name(r->doc, &twice, &first);
	if (err == TM_EEXIST)
		return refuse_twice(r, twice, first);
	return err ? err : policy_rules_add_builtin(r->doc);
}

/* --- the rest --- */

static int read_local_allow(struct reader *r, const yaml_node_t *node)
{
	int err = read_selectors(r, node, "local_allow", &r->doc->local_allow);

	for (size_t i = 0; i < r->doc->local_allow.n && !err; i++) {
		const struct policy_selector *s = r->doc->selectors[r->doc->local_allow.v[i]];

		if (s->kind != POLICY_TAG)
			err = say(r, node, TM_EINVAL, "local_allow names tags alone", "write [tag:lab]");
	}
	return err;
}

/* What they say is read and asked by whoever runs them (policy/tests.h), which needs the mesh. */
static int read_tests(struct reader *r, const yaml_node_t *node)
{
	size_t n;

	int err = yamlin_list(&r->y, node, "tests", POLICY_TESTS_MAX, &n);
	if (err)
		return err;

	r->doc->tests = calloc(n + 1, sizeof(*r->doc->tests));
	if (!r->doc->tests)
		return TM_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const yaml_node_t *at = yamlin_item(&r->y, node, i);
		struct policy_test *t = &r->doc->tests[i];

		err = yamlin_text(&r->y, at, "a test");
		if (err)
			return err;
		t->text = strdup(yamlin_scalar(at));
		if (!t->text)
			return TM_ENOMEM;
		t->line = (uint32_t)yamlin_line(at);
		t->column = (uint32_t)yamlin_column(at);
		r->doc->n_tests++;
	}
	return TM_OK;
}

static int read_document(struct yamlin *y, const yaml_node_t *root, void *ctx)
{
	static const char *const keys[] = {"groups", "rules", "local_allow", "tests"};
	enum { GROUPS, RULES, LOCAL_ALLOW, TESTS, KEYS };
	_Static_assert(ARRAY_LEN(keys) == KEYS, "a word for each");
	struct reader *r = ctx;
	const yaml_node_t *v[KEYS] = {NULL};
	int err = TM_OK;

	(void)y;
	if (root && !yamlin_is_null(root) && root->type != YAML_MAPPING_NODE)
		return say(r, root, TM_EINVAL,
			"a policy consists of \"groups:\", \"rules:\", \"local_allow:\" and \"tests:\"",
			NULL);
	if (root && root->type == YAML_MAPPING_NODE)
		err = yamlin_keys(&r->y, root, keys, KEYS, "in a policy", v);
	if (!err)
		err = read_groups(r, v[GROUPS]);
	if (!err)
		err = read_rules(r, v[RULES]);
	if (!err)
		err = read_local_allow(r, v[LOCAL_ALLOW]);
	if (!err)
		err = read_tests(r, v[TESTS]);
	return err;
}

int policy_doc_parse(
	const char *name, const char *text, size_t n, struct policy_doc **ret_doc, struct diag *d)
{
	return policy_doc_read(name, text, n, POLICY_FRESH, ret_doc, d);
}

int policy_doc_read(const char *name, const char *text, size_t n, enum policy_reading how,
	struct policy_doc **ret_doc, struct diag *d)
{
	_cleanup_(policy_doc_freep) struct policy_doc *doc = NULL;
	struct reader r = {.y = {.name = name, .text = text, .n = n, .depth_max = DEPTH_MAX, .d = d}};

	r.y.columns = r.y.no_anchors = true;
	if (n > POLICY_TEXT_MAX) {
		diag_where(d, "%s", name);
		return diag_what(d, TM_ERANGE, "a policy has at most %d KiB", POLICY_TEXT_MAX / 1024);
	}
	doc = calloc(1, sizeof(*doc));
	if (!doc)
		return TM_ENOMEM;

	doc->reading = how;
	r.doc = doc;
	int err = policy_selectors_init(doc);
	if (!err)
		err = yamlin_read(&r.y, read_document, &r);
	free(r.rule_at);
	if (err)
		return err;

	doc->whole = true;
	*ret_doc = TAKE(doc);
	return TM_OK;
}
