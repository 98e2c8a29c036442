/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One YAML document that a person has written, as libyaml's nodes, with a sentence and a place for whatever
 * makes it none: no YAML, no UTF-8, tabs, a second document, nested too deeply. What is in it is for the
 * reader to judge, who says where with yamlin_at. Pure.
 *
 * A library of its own (tm_base_yamlin), so that only those who read YAML need libyaml (decision 7).
 */
#ifndef TM_BASE_YAMLIN_H
#define TM_BASE_YAMLIN_H

#include <yaml.h>

#include "base/diag.h"

struct yamlin {
	const char *name; /* of the file, as places begin: "config.yaml:7" */
	const char *text;
	size_t n;
	int depth_max; /* of lists and mappings in one another */
	bool columns; /* places have a column, too: "policy.yaml:7:12" */
	bool no_anchors; /* refused: what they stand for may grow without bound */
	struct diag *d;
	yaml_document_t *doc; /* while it is read */
};

typedef int yamlin_read_fn(struct yamlin *y, const yaml_node_t *root, void *ctx);
/* `root` is NULL for an empty document. Returns what `read` does; after TM_OK `d` is empty. */
NODISCARD int yamlin_read(struct yamlin *y, yamlin_read_fn *read, void *ctx);

/* The place of what is said next. */
void yamlin_at(const struct yamlin *y, const yaml_node_t *node);

const yaml_node_t *yamlin_node(const struct yamlin *y, int index);
size_t yamlin_line(const yaml_node_t *node); /* from 1 on, like columns */
size_t yamlin_column(const yaml_node_t *node); /* in characters */

/* "key:" with nothing behind it, "~" or "null". */
bool yamlin_is_null(const yaml_node_t *node);
bool yamlin_is_plain(const yaml_node_t *node); /* not in quotes */
const char *yamlin_scalar(const yaml_node_t *node); /* of a scalar; may hold NUL characters, see below */
bool yamlin_has_nul(const yaml_node_t *node);
const char *yamlin_kind(const yaml_node_t *node); /* "a list", ... */

/* --- what is expected, or a sentence and a place; `what` begins the sentence --- */

/* A single word or sentence, without NUL. TM_EINVAL. */
NODISCARD int yamlin_text(const struct yamlin *y, const yaml_node_t *node, const char *what);
/* A list; NULL, and what has nothing behind its key, are empty ones. TM_EINVAL; TM_ERANGE: more than max. */
NODISCARD int yamlin_list(
	const struct yamlin *y, const yaml_node_t *node, const char *what, size_t max, size_t *ret_n);
const yaml_node_t *yamlin_item(const struct yamlin *y, const yaml_node_t *list, size_t i);
/* The value of each of the known keys of a mapping, NULL where it is absent. TM_EINVAL: another key (`where`
 * ends the sentence: "in a rule"); TM_EEXIST: one that is given twice. */
enum { YAMLIN_KEYS_MAX = 8 };
NODISCARD int yamlin_keys(const struct yamlin *y, const yaml_node_t *map, const char *const *known, size_t n,
	const char *where, const yaml_node_t **ret_values);

#endif
