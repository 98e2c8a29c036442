/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which node a name of a document means. It is settled once, when the document is accepted, and kept as ids
 * from then on, also when the document is changed: a node that takes the name of another later does not take
 * its rights, and one that is renamed keeps its own. Pure.
 */
#ifndef TM_POLICY_BIND_H
#define TM_POLICY_BIND_H

#include "mesh/mesh.h"
#include "policy/document.h"

struct policy_binding {
	char name[NODE_NAME_MAX + 1]; /* in the document */
	char id[NODE_ID_LEN + 1];
};
struct policy_bindings {
	struct policy_binding *v; /* owned; by name */
	size_t n;
	/* In the document "members" is all of them. Earlier versions of this program had no such word, and
	 * read it as the name of a node: they cannot read what says so here, and so do not go by the
	 * document. */
	bool members;
};
void policy_bindings_deinit(struct policy_bindings *b);
const struct policy_binding *policy_bindings_find(const struct policy_bindings *b, const char *name);

/* Adds one; the caller adds them in the order of names, each once (else TM_EBADMSG). */
NODISCARD int policy_bindings_add(struct policy_bindings *b, const char *name, const char *id);

/* "name id", a line each, as they are stored and sent; before them "members *" where that is said.
 * TM_EBADMSG. */
struct strbuf;
NODISCARD int policy_bindings_parse(const char *text, struct policy_bindings *ret_b);
void policy_bindings_format(const struct policy_bindings *b, struct strbuf *out);

/*
 * For a document that is to be accepted: a name that `before` has (may be NULL; the document that this one is
 * to replace) goes on to mean that member, whoever is called so now; a new one means who is called so now.
 * TM_ENOENT with a sentence and a place: nobody; TM_EEXIST likewise: it meant a node that is gone, and
 * another has taken its name. `name`: of the file.
 */
NODISCARD int policy_bind(struct policy_doc *doc, const struct mesh *m, const struct policy_bindings *before,
	const char *name, struct diag *d);
/* For one that was accepted before: names that are not among them mean nobody, and "members" is such a name
 * unless they say that it is none. */
void policy_bind_again(struct policy_doc *doc, const struct policy_bindings *b);
/* For one that was accepted before, but for one rule (NULL: one less): whom that one names is looked for as
 * in a document that is new, and all others go on to mean whom they meant, who may be gone. */
NODISCARD int policy_bind_edited(struct policy_doc *doc, const struct policy_rule *added,
	const struct mesh *m, const struct policy_bindings *before, const char *name, struct diag *d);
/* What it is bound to now. */
NODISCARD int policy_bindings_of(const struct policy_doc *doc, struct policy_bindings *ret_b);

#endif
