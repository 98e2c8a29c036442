/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/yamlin.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/plain.h"
#include "base/suggest.h"

/* --- nodes --- */

size_t yamlin_line(const yaml_node_t *node)
{
	return node->start_mark.line + 1;
}

size_t yamlin_column(const yaml_node_t *node)
{
	return node->start_mark.column + 1;
}

const yaml_node_t *yamlin_node(const struct yamlin *y, int index)
{
	return yaml_document_get_node(y->doc, index);
}

const char *yamlin_scalar(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

bool yamlin_has_nul(const yaml_node_t *node)
{
	return strlen(yamlin_scalar(node)) != node->data.scalar.length;
}

bool yamlin_is_plain(const yaml_node_t *node)
{
	return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

bool yamlin_is_null(const yaml_node_t *node)
{
	static const char *const forms[] = {"", "~", "null", "Null", "NULL"};

	if (node->type != YAML_SCALAR_NODE || !yamlin_is_plain(node))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (strcmp(yamlin_scalar(node), forms[i]) == 0)
			return true;
	return false;
}

const char *yamlin_kind(const yaml_node_t *node)
{
	return node->type == YAML_MAPPING_NODE    ? "a mapping"
	       : node->type == YAML_SEQUENCE_NODE ? "a list"
						  : "a single value";
}

/* --- places --- */

static void at(const struct yamlin *y, size_t line, size_t column)
{
	if (y->columns)
		diag_where(y->d, "%s:%zu:%zu", y->name, line, column);
	else
		diag_where(y->d, "%s:%zu", y->name, line);
}

static void at_mark(const struct yamlin *y, const yaml_mark_t *mark)
{
	at(y, mark->line + 1, mark->column + 1);
}

void yamlin_at(const struct yamlin *y, const yaml_node_t *node)
{
	at_mark(y, &node->start_mark);
}

/* --- what is expected --- */

int yamlin_text(const struct yamlin *y, const yaml_node_t *node, const char *what)
{
	yamlin_at(y, node);
	if (node->type != YAML_SCALAR_NODE)
		return diag_what(
			y->d, TM_EINVAL, "%s must be a single value, not %s", what, yamlin_kind(node));
	if (yamlin_is_null(node))
		return diag_what(y->d, TM_EINVAL, "%s has no value", what);
	if (yamlin_has_nul(node))
		return diag_what(y->d, TM_EINVAL, "%s contains a NUL character", what);
	return TM_OK;
}

int yamlin_list(const struct yamlin *y, const yaml_node_t *node, const char *what, size_t max, size_t *ret_n)
{
	*ret_n = 0;
	if (!node || yamlin_is_null(node))
		return TM_OK;

	yamlin_at(y, node);
	if (node->type != YAML_SEQUENCE_NODE) {
		diag_hint(y->d, "write each entry on a line of its own after \"- \", or [in, brackets]");
		return diag_what(y->d, TM_EINVAL, "%s must be a list, not %s", what, yamlin_kind(node));
	}
	const size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	if (n > max)
		return diag_what(
			y->d, TM_ERANGE, "%s has %zu entries, and at most %zu are allowed", what, n, max);
	*ret_n = n;
	return TM_OK;
}

const yaml_node_t *yamlin_item(const struct yamlin *y, const yaml_node_t *list, size_t i)
{
	return yamlin_node(y, list->data.sequence.items.start[i]);
}

static int unknown_key(
	const struct yamlin *y, const yaml_node_t *key, const char *const *known, size_t n, const char *where)
{
	char quoted[PLAIN_QUOTE_LEN];
	struct suggest s = suggest_for(yamlin_scalar(key));

	for (size_t i = 0; i < n; i++)
		suggest_offer(&s, known[i]);
	yamlin_at(y, key);
	if (s.best)
		diag_hint(y->d, "did you mean \"%s\"?", s.best);
	return diag_what(
		y->d, TM_EINVAL, "unknown key \"%s\" %s", plain_quote(yamlin_scalar(key), quoted), where);
}

int yamlin_keys(const struct yamlin *y, const yaml_node_t *map, const char *const *known, size_t n,
	const char *where, const yaml_node_t **ret_values)
{
	size_t line[YAMLIN_KEYS_MAX] = {0};

	assert(n <= YAMLIN_KEYS_MAX);
	memset(ret_values, 0, n * sizeof(*ret_values));
	for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
		p++) {
		const yaml_node_t *key = yamlin_node(y, p->key);
		size_t i = 0;

		int err = yamlin_text(y, key, "a key");
		if (err)
			return err;
		while (i < n && strcmp(known[i], yamlin_scalar(key)) != 0)
			i++;
		if (i == n)
			return unknown_key(y, key, known, n, where);
		if (line[i])
			return diag_what(
				y->d, TM_EEXIST, "%s is given twice, first on line %zu", known[i], line[i]);
		line[i] = yamlin_line(key);
		ret_values[i] = yamlin_node(y, p->value);
	}
	return TM_OK;
}

/* --- what libyaml refuses --- */

static void at_offset(const struct yamlin *y, size_t offset)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < offset && i < y->n; i++, column++)
		if (y->text[i] == '\n') {
			line++;
			column = 0;
		}
	at(y, line, column);
}

static bool line_is_indented_by_tab(const struct yamlin *y, size_t line)
{
	size_t i = 0;

	for (size_t k = 1; k < line; k++) {
		const char *nl = memchr(y->text + i, '\n', y->n - i);
		if (!nl)
			return false;
		i = (size_t)(nl - y->text) + 1;
	}
	while (i < y->n && y->text[i] == ' ')
		i++;
	return i < y->n && y->text[i] == '\t';
}

static int malformed(const struct yamlin *y, const yaml_parser_t *p)
{
	if (p->error == YAML_MEMORY_ERROR)
		return TM_ENOMEM;
	if (p->error == YAML_READER_ERROR) {
		at_offset(y, p->problem_offset);
		if (p->problem && strstr(p->problem, "control"))
			return diag_what(y->d, TM_EBADMSG, "the file contains a control character");
		return diag_what(y->d, TM_EBADMSG, "the file is not UTF-8 text");
	}
	at_mark(y, &p->problem_mark);
	if (line_is_indented_by_tab(y, p->problem_mark.line + 1)) {
		diag_hint(y->d, "indent with spaces");
		return diag_what(y->d, TM_EBADMSG, "YAML does not allow a tab for indentation");
	}
	return diag_what(y->d, TM_EBADMSG, "not valid YAML: %s%s%s",
		p->problem ? p->problem : "cannot be parsed", p->context ? " " : "",
		p->context ? p->context : "");
}

/* --- the document --- */

static int open_parser(const struct yamlin *y, yaml_parser_t *ret_parser)
{
	if (!yaml_parser_initialize(ret_parser))
		return TM_ENOMEM;

	yaml_parser_set_encoding(ret_parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(ret_parser, (const unsigned char *)y->text, y->n);
	return TM_OK;
}

static const yaml_char_t *anchor_of(const yaml_event_t *ev)
{
	return ev->type == YAML_ALIAS_EVENT            ? ev->data.alias.anchor
	       : ev->type == YAML_SCALAR_EVENT         ? ev->data.scalar.anchor
	       : ev->type == YAML_SEQUENCE_START_EVENT ? ev->data.sequence_start.anchor
	       : ev->type == YAML_MAPPING_START_EVENT  ? ev->data.mapping_start.anchor
						       : NULL;
}

static int check_event(const struct yamlin *y, const yaml_event_t *ev, int *depth)
{
	if (ev->type == YAML_SEQUENCE_START_EVENT || ev->type == YAML_MAPPING_START_EVENT)
		(*depth)++;
	if (ev->type == YAML_SEQUENCE_END_EVENT || ev->type == YAML_MAPPING_END_EVENT)
		(*depth)--;
	at_mark(y, &ev->start_mark);
	if (*depth > y->depth_max)
		return diag_what(y->d, TM_EINVAL, "lists and mappings are nested too deeply");
	if (y->no_anchors && anchor_of(ev)) {
		diag_hint(y->d,
			"put a word that begins with & or * in quotes, or write out what it stands for");
		return diag_what(y->d, TM_EINVAL, "anchors and aliases (&name, *name) are not used here");
	}
	return TM_OK;
}

/* Before the document is loaded as a whole: libyaml takes time with the square of the depth of brackets. */
static int check_events(const struct yamlin *y, yaml_parser_t *p)
{
	int depth = 0;

	for (;;) {
		yaml_event_t ev;
		if (!yaml_parser_parse(p, &ev))
			return malformed(y, p);

		bool end = ev.type == YAML_STREAM_END_EVENT;
		int err = check_event(y, &ev, &depth);
		yaml_event_delete(&ev);
		if (err || end)
			return err;
	}
}

static int refuse_second(struct yamlin *y, const yaml_node_t *root, void *ctx)
{
	(void)ctx;
	if (!root)
		return TM_OK;
	yamlin_at(y, root);
	return diag_what(y->d, TM_EINVAL, "the file must be one YAML document, and a second one begins here");
}

static int read_one(struct yamlin *y, yaml_parser_t *p, yamlin_read_fn *read, void *ctx)
{
	yaml_document_t doc;

	if (!yaml_parser_load(p, &doc))
		return malformed(y, p);

	y->doc = &doc;
	int err = read(y, yaml_document_get_root_node(&doc), ctx);
	yaml_document_delete(&doc);
	y->doc = NULL;
	return err;
}

int yamlin_read(struct yamlin *y, yamlin_read_fn *read, void *ctx)
{
	yaml_parser_t parser;

	int err = open_parser(y, &parser);
	if (err)
		return err;

	err = check_events(y, &parser);
	yaml_parser_delete(&parser);
	if (err)
		return err;

	err = open_parser(y, &parser);
	if (err)
		return err;

	err = read_one(y, &parser, read, ctx);
	if (!err)
		err = read_one(y, &parser, refuse_second, NULL);
	yaml_parser_delete(&parser);
	if (!err && y->d)
		*y->d = (struct diag){0}; /* places noted on the way */
	return err;
}
