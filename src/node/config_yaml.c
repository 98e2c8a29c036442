/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reads a YAML document by the table of settings. libyaml parses and remembers lines; what it cannot know
 * (unknown keys, types, ranges, keys given twice) is found here, each with the line it is on.
 */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/suggest.h"
#include "node/config_rows.h"

struct reader {
	const char *name;
	const char *text;
	size_t n;
	yaml_document_t *doc;
	struct config *c;
	struct diag *d;
	size_t seen[CONFIG_ROWS]; /* line of each key, 0 = not given */
};

enum { KEY_MAX = 64, DEPTH_MAX = 8 };

static size_t line_of(const yaml_node_t *node)
{
	return node->start_mark.line + 1;
}

static void at_line(const struct reader *r, size_t line)
{
	diag_where(r->d, "%s:%zu", r->name, line);
}

/* ---- did you mean ---- */

/* Case, and - for _, are no slips worth counting. */
static char fold(char c)
{
	return c == '-' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static int unknown_key(const struct reader *r, const char *group, const char *key)
{
	char folded[KEY_MAX + 1], quoted[CONFIG_QUOTE_LEN];
	struct suggest s = suggest_for(folded);
	size_t n = 0;

	for (; key[n] && n < KEY_MAX; n++)
		folded[n] = fold(key[n]);
	folded[n] = '\0';
	for (size_t i = 0; i < CONFIG_ROWS; i++)
		if (group || !config_rows[i].hidden)
			suggest_offer(&s, config_rows[i].key);
	if (s.best)
		diag_hint(r->d, "did you mean \"%s\"?", s.best);
	return diag_what(r->d, TM_EINVAL, "unknown key \"%s\"", config_quote(key, quoted));
}

/* ---- the document ---- */

static const char *scalar(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static bool is_plain(const yaml_node_t *node)
{
	return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* "key:" with nothing behind it, "~" or "null". */
static bool is_null(const yaml_node_t *node)
{
	static const char *const forms[] = {"", "~", "null", "Null", "NULL"};

	if (node->type != YAML_SCALAR_NODE || !is_plain(node))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (strcmp(scalar(node), forms[i]) == 0)
			return true;
	return false;
}

static const char *kind(const yaml_node_t *node)
{
	return node->type == YAML_MAPPING_NODE    ? "a mapping"
	       : node->type == YAML_SEQUENCE_NODE ? "a list"
						  : "a single value";
}

static int set_scalar(const struct reader *r, const struct config_row *row, const yaml_node_t *node)
{
	at_line(r, line_of(node));
	if (node->type != YAML_SCALAR_NODE)
		return diag_what(r->d, TM_EINVAL, "%s must be %s, not %s", row->key,
			config_is_list(row) ? "a list of single values" : "a single value", kind(node));
	if (is_null(node))
		return diag_what(r->d, TM_EINVAL, "%s has no value", row->key);
	if (strlen(scalar(node)) != node->data.scalar.length)
		return diag_what(r->d, TM_EINVAL, "%s contains a NUL character", row->key);
	r->c->given |= UINT32_C(1) << (row - config_rows);
	return config_set(row, scalar(node), !is_plain(node), r->c, r->d);
}

static int set_list(const struct reader *r, const struct config_row *row, const yaml_node_t *node)
{
	if (is_null(node)) /* all entries commented out */
		return TM_OK;
	if (node->type != YAML_SEQUENCE_NODE) {
		at_line(r, line_of(node));
		diag_hint(r->d, "write each entry on a line of its own after \"- \", or [in, brackets]");
		return diag_what(r->d, TM_EINVAL, "%s must be a list, not %s", row->key, kind(node));
	}
	for (const yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top;
		i++) {
		int err = set_scalar(r, row, yaml_document_get_node(r->doc, *i));
		if (err)
			return err;
	}
	return TM_OK;
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
			at_line(r, line_of(key));
			return diag_what(r->d, TM_EEXIST, "%s is given twice", group);
		}
	if (is_null(value))
		return TM_OK;
	if (value->type != YAML_MAPPING_NODE) {
		at_line(r, line_of(value));
		return diag_what(r->d, TM_EINVAL, "%s must be a mapping, not %s", group, kind(value));
	}
	return read_mapping(r, group, value);
}

static int read_pair(struct reader *r, const char *group, const yaml_node_t *key, const yaml_node_t *value)
{
	char name[2 * KEY_MAX];

	at_line(r, line_of(key));
	if (key->type != YAML_SCALAR_NODE)
		return diag_what(r->d, TM_EINVAL, "a key must be a single word, not %s", kind(key));
	if (strlen(scalar(key)) != key->data.scalar.length)
		return diag_what(r->d, TM_EINVAL, "a key contains a NUL character");

	snprintf(name, sizeof(name), "%s%s%.*s", group ? group : "", group ? "." : "", KEY_MAX, scalar(key));
	for (size_t i = 0; i < CONFIG_ROWS; i++) {
		const struct config_row *row = &config_rows[i];
		if (!group && is_group_of(row->key, name))
			return read_group(r, name, key, value);
		if (strcmp(row->key, name) != 0)
			continue;
		if (strchr(scalar(key), '.')) /* only the nested form is a key */
			break;
		if (r->seen[i])
			return diag_what(
				r->d, TM_EEXIST, "%s is given twice, first on line %zu", name, r->seen[i]);
		r->seen[i] = line_of(key);
		return config_is_list(row) ? set_list(r, row, value) : set_scalar(r, row, value);
	}
	return unknown_key(r, group, name);
}

static int read_mapping(struct reader *r, const char *group, const yaml_node_t *map)
{
	for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
		p++) {
		int err = read_pair(r, group, yaml_document_get_node(r->doc, p->key),
			yaml_document_get_node(r->doc, p->value));
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
	return diag_what(r->d, TM_EINVAL, "tls_certificate and tls_key go together: %s is missing",
		key ? "tls_certificate" : "tls_key");
}

static int read_document(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(r->doc);

	if (!root || is_null(root))
		return TM_OK;
	if (root->type != YAML_MAPPING_NODE) {
		at_line(r, line_of(root));
		return diag_what(r->d, TM_EINVAL, "the file must consist of lines \"key: value\", not of %s",
			kind(root));
	}
	int err = read_mapping(r, NULL, root);
	return err ? err : check_pairs(r);
}

/* ---- what libyaml refuses ---- */

static size_t line_at_offset(const struct reader *r, size_t offset)
{
	size_t line = 1;

	for (size_t i = 0; i < offset && i < r->n; i++)
		line += r->text[i] == '\n';
	return line;
}

static bool line_is_indented_by_tab(const struct reader *r, size_t line)
{
	size_t at = 0;

	for (size_t k = 1; k < line; k++) {
		const char *nl = memchr(r->text + at, '\n', r->n - at);
		if (!nl)
			return false;
		at = (size_t)(nl - r->text) + 1;
	}
	while (at < r->n && r->text[at] == ' ')
		at++;
	return at < r->n && r->text[at] == '\t';
}

static int malformed(const struct reader *r, const yaml_parser_t *p)
{
	size_t line = p->problem_mark.line + 1;

	if (p->error == YAML_MEMORY_ERROR)
		return TM_ENOMEM;
	if (p->error == YAML_READER_ERROR) {
		at_line(r, line_at_offset(r, p->problem_offset));
		if (p->problem && strstr(p->problem, "control"))
			return diag_what(r->d, TM_EBADMSG, "the file contains a control character");
		return diag_what(r->d, TM_EBADMSG, "the file is not UTF-8 text");
	}
	at_line(r, line);
	if (line_is_indented_by_tab(r, line)) {
		diag_hint(r->d, "indent with spaces");
		return diag_what(r->d, TM_EBADMSG, "YAML does not allow a tab for indentation");
	}
	return diag_what(r->d, TM_EBADMSG, "not valid YAML: %s%s%s",
		p->problem ? p->problem : "cannot be parsed", p->context ? " " : "",
		p->context ? p->context : "");
}

/*
 * Before the document is loaded as a whole: our settings are nested two deep, and libyaml takes time with the
 * square of the depth of brackets.
 */
static int check_depth(const struct reader *r, yaml_parser_t *p)
{
	int depth = 0;

	for (;;) {
		yaml_event_t ev;
		if (!yaml_parser_parse(p, &ev))
			return malformed(r, p);

		yaml_event_type_t type = ev.type;
		size_t line = ev.start_mark.line + 1;
		yaml_event_delete(&ev);
		if (type == YAML_STREAM_END_EVENT)
			return TM_OK;
		if (type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT)
			depth++;
		if (type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT)
			depth--;
		if (depth > DEPTH_MAX) {
			at_line(r, line);
			return diag_what(r->d, TM_EINVAL, "lists and mappings are nested too deeply");
		}
	}
}

static int read_one(struct reader *r, yaml_parser_t *p, int (*read)(struct reader *))
{
	yaml_document_t doc;

	if (!yaml_parser_load(p, &doc))
		return malformed(r, p);

	r->doc = &doc;
	int err = read(r);
	yaml_document_delete(&doc);
	r->doc = NULL;
	return err;
}

static int refuse_second(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(r->doc);

	if (!root)
		return TM_OK;
	at_line(r, line_of(root));
	return diag_what(r->d, TM_EINVAL, "the file must be one YAML document, and a second one begins here");
}

static int open_parser(const struct reader *r, yaml_parser_t *ret_parser)
{
	if (!yaml_parser_initialize(ret_parser))
		return TM_ENOMEM;

	yaml_parser_set_encoding(ret_parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(ret_parser, (const unsigned char *)r->text, r->n);
	return TM_OK;
}

int config_read_yaml(const char *name, const char *text, size_t n, struct config *c, struct diag *d)
{
	struct reader r = {.name = name, .text = text, .n = n, .c = c, .d = d};
	yaml_parser_t parser;
	int err = open_parser(&r, &parser);

	if (err)
		return err;

	err = check_depth(&r, &parser);
	yaml_parser_delete(&parser);
	if (err)
		return err;

	err = open_parser(&r, &parser);
	if (err)
		return err;

	err = read_one(&r, &parser, read_document);
	if (!err)
		err = read_one(&r, &parser, refuse_second);
	yaml_parser_delete(&parser);
	if (!err && d)
		*d = (struct diag){0}; /* lines noted on the way */
	return err;
}
