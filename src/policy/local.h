/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Rules of a node's own: what it refuses to others, or to itself, beyond what the document of the mesh says;
 * and, where the document grants that (local_allow), what it lets others do of which no rule of the document
 * speaks. Without a grant they narrow and never widen, and what the document denies stays denied: so what was
 * proved of it stays true. Pure.
 */
#ifndef TM_POLICY_LOCAL_H
#define TM_POLICY_LOCAL_H

#include "mesh/mesh.h"
#include "policy/document.h"

enum { POLICY_LOCAL_TEXT = 256 };

struct policy_local {
	char id[POLICY_ID_MAX + 1];
	enum policy_action action;
	bool outbound; /* of connections that the node opens; else of those that others open to it */
	char who[POLICY_LOCAL_TEXT]; /* the other side: "tag:guest,laptop"; nodes by id once it is bound */
	char services[POLICY_LOCAL_TEXT]; /* "tcp/22,ping" */
	uint32_t line; /* of the configuration (policy/local_read.h); 0: it does not stand there */
};

/* Whether it can be one, whoever there is. TM_EINVAL, TM_ERANGE with a sentence. */
NODISCARD int policy_local_check(const struct policy_local *r, struct diag *d);
/* Names become the ids of those who have them now. As above; TM_ENOENT with a sentence: nobody has it. */
NODISCARD int policy_local_bind(struct policy_local *r, const struct mesh *m, struct diag *d);
/* The same of one that was checked and stays when members go: a name that nobody has is left out, and the
 * first of them told ("": there is none). TM_ENOMEM. */
NODISCARD int policy_local_bind_known(
	struct policy_local *r, const struct mesh *m, char ret_absent[static NODE_NAME_MAX + 1]);
/* May rules of this node's own allow anything? */
bool policy_local_granted(const struct policy_doc *doc, const struct mesh_node *self);
/* One that is bound, into a document that is read and bound already. */
NODISCARD int policy_local_add(struct policy_doc *doc, const char *self_id, const struct policy_local *r);

#endif
