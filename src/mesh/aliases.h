/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Further names of a member, by which it is found as by its own (docs/protocol.md, "Names"). Names and
 * aliases of a mesh are one set: none is given twice. Part of a node's record.
 *
 *   JSON:  "aliases":["files","nas"]
 *   text:  "files nas", as databases have it, and as they are here
 *
 * Pure.
 */
#ifndef TM_MESH_ALIASES_H
#define TM_MESH_ALIASES_H

#include "base/err.h"
#include "base/util.h"

struct jsonout;

enum { NODE_ALIASES_TEXT = 256 }; /* all aliases of a member, with blanks between and the final NUL */

struct node_aliases {
	char text[NODE_ALIASES_TEXT];
};

/* for (const char *at = a->text; node_alias_next(&at, name); ) ... `at` may begin in any such text, and
 * stops at what no member may be called. */
enum { NODE_ALIAS_LEN = 64 };
bool node_alias_next(const char **at, char ret_name[static NODE_ALIAS_LEN]);

bool node_aliases_has(const struct node_aliases *a, const char *name);
size_t node_aliases_count(const struct node_aliases *a);
/* At the end, unless it is there. TM_EFULL: there is no room. */
NODISCARD int node_aliases_add(struct node_aliases *a, const char *name);
/* False: it was not there. */
bool node_aliases_drop(struct node_aliases *a, const char *name);

/* TM_EBADMSG: not the text of aliases. */
NODISCARD int node_aliases_read(const char *text, struct node_aliases *ret_a);
void node_aliases_put(struct jsonout *o, const char *key, const struct node_aliases *a);

#endif
