/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The policy of a mesh as people write it (docs/policy.md), read into structs. One document holds for all
 * nodes; each compiles its own share of it (policy/compile.h). Pure; immutable once read and bound, but for
 * selectors that statements add (policy/statement.h).
 *
 *   groups:
 *     admins: [laptop, tag:ops]
 *   rules:
 *     - allow: [tcp/22, tcp/8000-8099]
 *       from: group:admins
 *       to: tag:server
 *   local_allow: [tag:lab]
 *   tests:
 *     - tag:guest cannot reach tag:db tcp/5432
 *
 * A connection is judged by its first packet, from who opens it to who is asked: any rule that denies or
 * rejects it wins (the first of them says how), then any that allows it, and what no rule speaks of is
 * denied. An empty document denies everything. Answers belong to their connection.
 */
#ifndef TM_POLICY_DOCUMENT_H
#define TM_POLICY_DOCUMENT_H

#include "base/addr.h"
#include "base/hashset.h"
#include "mesh/model.h"
#include "policy/service.h"

enum {
	POLICY_TEXT_MAX = 512 * 1024, /* of a document, bytes */
	POLICY_RULES_MAX = 4000,
	POLICY_GROUPS_MAX = 1000,
	POLICY_TESTS_MAX = 1000,
	POLICY_LIST_MAX = 1000, /* entries of one list */
	POLICY_SELECTORS_MAX = 16000, /* different ones */
	POLICY_SELECTORS_MORE = 8000, /* of statements, and of a node's own rules (policy/local.h) */
	POLICY_ID_MAX = 32,
	POLICY_SELECTOR_MAX = 71, /* "group:" and the longest name */
};

enum policy_action { POLICY_ALLOW, POLICY_DENY, POLICY_REJECT };
const char *policy_action_name(enum policy_action a);
bool policy_action_parse(const char *word, enum policy_action *ret_a);

/* Whom a rule speaks of. */
enum policy_selector_kind {
	POLICY_ANY, /* every member, and every address behind a route */
	POLICY_MEMBERS, /* every member, and nothing behind them */
	POLICY_NODE, /* one member, node or client: by name, and by id from the moment of acceptance on */
	POLICY_TAG,
	POLICY_GROUP,
	POLICY_ROUTE, /* addresses behind members, all those inside of a prefix */
};

struct policy_selector {
	enum policy_selector_kind kind;
	uint32_t index; /* in its document */
	uint32_t line, column; /* where it stands first; 0: nowhere, it came with a question */
	char id[NODE_ID_LEN + 1]; /* POLICY_NODE: "" = of nobody (policy/bind.h) */
	struct prefix prefix; /* POLICY_ROUTE */
	const struct policy_group *group; /* POLICY_GROUP */
	const char *name; /* tag, group or node: in `text` */
	char text[POLICY_SELECTOR_MAX + 1]; /* as it is written */
};

/* Indexes of selectors. */
struct policy_list {
	uint32_t *v; /* owned */
	size_t n;
};

struct policy_group {
	char name[NODE_TAG_MAX + 1];
	struct policy_list members; /* as written */
	struct policy_list flat; /* without groups: all that it comes to */
	uint32_t line, column;
};

struct policy_rule {
	char id[POLICY_ID_MAX + 1]; /* given, or made of what the rule says: the same wherever it stands */
	bool id_given, builtin;
	bool own; /* of the node's own (policy/local.h): allows only where local_allow grants it */
	enum policy_action action;
	struct policy_list from, to;
	struct policy_service *services; /* owned */
	size_t n_services;
	uint32_t line, line_end; /* the lines that it takes in the text; 0 when built in */
};

/* A sentence that must hold: policy/statement.h reads and policy/tests.h asks it. */
struct policy_test {
	char *text; /* owned */
	uint32_t line, column;
};

struct policy_doc {
	struct policy_group *groups;
	size_t n_groups;
	struct policy_rule *rules; /* those of the document, then the built-in ones */
	size_t n_rules;
	struct policy_list local_allow; /* tags whose nodes may have rules of their own that allow */
	struct policy_test *tests;
	size_t n_tests;
	struct policy_selector **selectors;
	size_t n_selectors;
	struct hashset by_text; /* selectors */
	enum policy_reading reading; /* how it is read */
	bool whole; /* it is read: what comes now is no part of its text */
};

/*
 * Reads a document. d says what is wrong and where ("policy.yaml:7:12"). TM_ERANGE: too large. Groups that
 * are not there are mistakes; nodes are looked for by bind.h.
 */
NODISCARD int policy_doc_parse(
	const char *name, const char *text, size_t n, struct policy_doc **ret_doc, struct diag *d);
/* The same of a text that is read so; policy_doc_parse is for fresh ones. */
NODISCARD int policy_doc_read(const char *name, const char *text, size_t n, enum policy_reading how,
	struct policy_doc **ret_doc, struct diag *d);
void policy_doc_free(struct policy_doc *doc); /* NULL is fine */
DEFINE_CLEANUP(struct policy_doc, policy_doc_free)

const struct policy_rule *policy_doc_rule(const struct policy_doc *doc, const char *id); /* NULL: none */
const struct policy_group *policy_doc_group(const struct policy_doc *doc, const char *name);

/*
 * The selector of that text, made when there is none yet. TM_EINVAL with a sentence: it is none;
 * TM_ENOENT: of a group that is not there; TM_EFULL.
 */
NODISCARD int policy_doc_selector(
	struct policy_doc *doc, const char *text, const struct policy_selector **ret_s, struct diag *d);

/*
 * Everybody may do everything, whoever there is and will be: a rule allows it, and none denies or rejects.
 * behind: there are addresses behind members, too; without them a rule about members is about everybody.
 */
bool policy_doc_is_open(const struct policy_doc *doc, bool behind);

/* The first policy of a new mesh: one rule that lets its members open everything, or none. */
const char *policy_text_members(void);
const char *policy_text_deny(void);
const char *policy_text_open(void); /* all that there is without a policy: everybody may do everything */

/* "tag:ops, laptop": as written or, with a mesh (may be NULL), by the names that nodes have now. */
struct strbuf;
struct mesh;
void policy_list_format(
	const struct policy_doc *doc, const struct mesh *m, const struct policy_list *l, struct strbuf *b);
void policy_services_format(const struct policy_rule *r, struct strbuf *b);

#endif
