/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reads a YAML document by the table of settings. libyaml parses and remembers lines; what it cannot know
 * (unknown keys, types, ranges, keys given twice) is found here, each with the line it is on.
 */
#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "base/suggest.h"
#include "base/yamlin.h"
#include "node/config_rows.h"
#include "policy/local_read.h"

struct reader {
	struct yamlin y;
	struct config *c;
	size_t seen[CONFIG_ROWS]; /* line of each key, 0 = not given */
};

enum { KEY_MAX = 64, DEPTH_MAX = 8 };

static void at_line(const struct reader *r, size_t line)
{
	diag_where(r->y.d, "%s:%zu", r->y.name, line);
}

/* ---- did you mean ---- */

/* Case, and - for _, are no slips worth counting. */
static char fold(char c)
{
	return c == '-' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static int unknown_key(const struct reader *r, const char *group, const char *key)
{
	char folded[KEY_MAX + 1], quoted[PLAIN_QUOTE_LEN];
	struct suggest s = suggest_for(folded);
	size_t n = 0;

	for (; key[n] && n < KEY_MAX; n++)
		folded[n] = fold(key[n]);
	folded[n] = '\0';
	for (size_t i = 0; i < CONFIG_ROWS; i++)
		if (group || !config_rows[i].hidden)
			suggest_offer(&s, config_rows[i].key);
	if (s.best)
		diag_hint(r->y.d, "did you mean \"%s\"?", s.best);
	return diag_what(r->y.d, TM_EINVAL, "unknown key \"%s\"", plain_quote(key, quoted));
}

/* ---- the document ---- */

static int set_scalar(const struct reader *r, const struct config_row *row, const yaml_node_t *node)
{
	yamlin_at(&r->y, node);
	if (node->type != YAML_SCALAR_NODE)
		return diag_what(r->y.d, TM_EINVAL, "%s must be %s, not %s", row->key,
			config_is_list(row) ? "a list of single values" : "a single value",
			yamlin_kind(node));
	if (yamlin_is_null(node))
		return diag_what(r->y.d, TM_EINVAL, "%s has no value", row->key);
	if (yamlin_has_nul(node))
		return diag_what(r->y.d, TM_EINVAL, "%s contains a NUL character", row->key);
	r->c->given |= UINT64_C(1) << (row - config_rows);
	return config_set(row, yamlin_scalar(node), !yamlin_is_plain(node), r->c, r->y.d);
}

static int set_list(const struct reader *r, const struct config_row *row, const yaml_node_t *node)
{
	size_t n;

	int err = yamlin_list(&r->y, node, row->key, SIZE_MAX, &n);
	for (size_t i = 0; i < n && !err; i++)
		err = set_scalar(r, row, yamlin_item(&r->y, node, i));
	return err;
}

static int set_rules(const struct reader *r, const struct config_row *row, const yaml_node_t *node)
{
	int err = policy_local_read(&r->y, node, row->key, r->c->rules, CONFIG_RULES_MAX, &r->c->n_rules);

	if (!err && r->c->n_rules)
		r->c->given |= UINT64_C(1) << (row - config_rows);
	return err;
}

static int set(const struct reader *r, const struct config_row *row, const yaml_node_t *node)
{
	if (row->type == CONFIG_RULES)
		return set_rules(r, row, node);
	return config_is_list(row) ? set_list(r, row, node) : set_scalar(r, row, node);
}

static bool is_group_of(const char *key, const char *group)
{
	size_t n = strlen(group);
	return strncmp(key, group, n) == 0 && key[n] == '.';
}

static int read_mapping(struct reader *r, const char *group, const yaml_node_t *map);

/* A mapping inside the top one: all its keys are rows "group.key". */
static int read_group(struct reader *r, const char *group, const yaml_node_t *key, const yaml_node_t *value)
{
	for (size_t i = 0; i < CONFIG_ROWS; i++)
		if (is_group_of(config_rows[i].key, group) && r->seen[i]) {
			yamlin_at(&r->y, key);
			return diag_what(r->y.d, TM_EEXIST, "%s is given twice", group);
		}
	if (yamlin_is_null(value))
		return TM_OK;
	if (value->type != YAML_MAPPING_NODE) {
		yamlin_at(&r->y, value);
		return diag_what(
			r->y.d, TM_EINVAL, "%s must be a mapping, not %s", group, yamlin_kind(value));
	}
	return read_mapping(r, group, value);
}

static int read_pair(struct reader *r, const char *group, const yaml_node_t *key, const yaml_node_t *value)
{
	char name[2 * KEY_MAX];

	yamlin_at(&r->y, key);
	if (key->type != YAML_SCALAR_NODE)
		return diag_what(r->y.d, TM_EINVAL, "a key must be a single word, not %s", yamlin_kind(key));
	if (yamlin_has_nul(key))
		return diag_what(r->y.d, TM_EINVAL, "a key contains a NUL character");

	snprintf(name, sizeof(name), "%s%s%.*s", group ? group : "", group ? "." : "", KEY_MAX,
		yamlin_scalar(key));
	for (size_t i = 0; i < CONFIG_ROWS; i++) {
		const struct config_row *row = &config_rows[i];
		if (!group && is_group_of(row->key, name))
			return read_group(r, name, key, value);
		if (strcmp(row->key, name) != 0)
			continue;
		if (strchr(yamlin_scalar(key), '.')) /* only the nested form is a key */
			break;
		if (r->seen[i])
			return diag_what(
				r->y.d, TM_EEXIST, "%s is given twice, first on line %zu", name, r->seen[i]);
		r->seen[i] = yamlin_line(key);
		return set(r, row, value);
	}
	return unknown_key(r, group, name);
}

static int read_mapping(struct reader *r, const char *group, const yaml_node_t *map)
{
	for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
		p++) {
		int err = read_pair(r, group, yamlin_node(&r->y, p->key), yamlin_node(&r->y, p->value));
		if (err)
			return err;
	}
	return TM_OK;
}

static size_t line_of_key(const struct reader *r, const char *key)
{
	for (size_t i = 0; i < CONFIG_ROWS; i++)
		if (strcmp(config_rows[i].key, key) == 0)
			return r->seen[i];
	return 0;
}

/* What makes sense together alone. */
static int check_pairs(struct reader *r)
{
	const bool certificate = r->c->tls_certificate[0], key = r->c->tls_key[0];

	if (certificate == key)
		return TM_OK;
	at_line(r, line_of_key(r, key ? "tls_key" : "tls_certificate"));
	return diag_what(r->y.d, TM_EINVAL, "tls_certificate and tls_key go together: %s is missing",
		key ? "tls_certificate" : "tls_key");
}

static int read_document(struct yamlin *y, const yaml_node_t *root, void *ctx)
{
	struct reader *r = ctx;

	(void)y;
	if (!root || yamlin_is_null(root))
		return TM_OK;
	if (root->type != YAML_MAPPING_NODE) {
		yamlin_at(&r->y, root);
		return diag_what(r->y.d, TM_EINVAL,
			"the file must consist of lines \"key: value\", not of %s", yamlin_kind(root));
	}
	int err = read_mapping(r, NULL, root);
	return err ? err : check_pairs(r);
}

int config_read_yaml(const char *name, const char *text, size_t n, struct config *c, struct diag *d)
{
	struct reader r = {.c = c};

	r.y = (struct yamlin){.name = name, .text = text, .n = n, .depth_max = DEPTH_MAX, .d = d};
	return yamlin_read(&r.y, read_document, &r);
}
