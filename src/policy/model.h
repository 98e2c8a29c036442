/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A policy applied to a mesh: what compile.h, explain.h, prove.h and diff.h all ask.
 *
 * Rules name people by selectors; who is the same to every selector is the same to every rule. So subjects
 * are sorted into atoms (equal selectors), atoms into kinds (equal rules), and a pair of kinds is judged
 * once for all its pairs of subjects ("atomic predicates" of Yang and Lam; exact, since nothing between two
 * ends of a mesh changes an address or a port). Which rules are about a pair is one AND of two bit sets. Bits
 * lie in the order in which rules win: what denies or rejects first, then what allows, each in the order of
 * the document.
 *
 * Pure. A model borrows its document and its world, which must not change while it lives.
 */
#ifndef TM_POLICY_MODEL_H
#define TM_POLICY_MODEL_H

#include "mesh/mesh.h"
#include "policy/document.h"

/* Addresses behind a member. */
struct policy_route {
	struct prefix prefix;
	const struct mesh_node *via;
};

/* A member that there is not yet, and could be: of a token that can still be used, say. */
struct policy_newcomer {
	const char *label; /* "a node that joins by token 12345678" */
	const char *tags; /* as mesh_node.tags */
	bool many; /* there could be two of them */
};

/* All borrowed. */
struct policy_world {
	const struct mesh *mesh;
	const struct policy_route *routes;
	size_t n_routes;
	const struct policy_newcomer *newcomers;
	size_t n_newcomers;
	/* Another document whose prefixes cut the routes as well, so that models of both have the same
	 * subjects; NULL: none. */
	const struct policy_doc *beside;
};

/* Networks that members lead to, and their ways to the internet, as far as they are approved, whether they
 * are offered at this moment or not. Owned by the caller (free). */
NODISCARD int policy_routes_of(const struct mesh *m, struct policy_route **ret_v, size_t *ret_n);

/* It does to one at least. */
bool policy_leads(const struct mesh_node *n);

enum policy_subject_kind { POLICY_MEMBER, POLICY_BEHIND, POLICY_NEWCOMER };

struct policy_subject {
	uint8_t type; /* enum policy_subject_kind */
	bool many; /* stands for several */
	bool local; /* may have rules of its own that allow (local_allow) */
	uint32_t kind; /* of the model */
	uint32_t attached; /* where it is in the mesh: what is in one place does not talk through the mesh */
	const struct mesh_node *node; /* a member, or the one in front of the addresses; NULL: a newcomer */
	struct prefix prefix; /* POLICY_BEHIND: without longer prefixes among the subjects */
	const char *label; /* POLICY_NEWCOMER */
	uint32_t atom;
};

/* Subjects with equal selectors. */
struct policy_atom {
	const uint32_t *selectors; /* base ones, ascending; they lie behind it */
	size_t n;
	uint32_t number, kind;
};

/* Atoms to which equal rules apply. */
struct policy_kind {
	const uint64_t *from, *to; /* rules, by rank; in the model's memory */
	bool local;
	uint32_t first; /* subject */
};

struct policy_model {
	const struct policy_doc *doc;
	struct policy_world world;
	struct policy_subject *subjects; /* members by host number, then addresses, then newcomers */
	size_t n_subjects;
	struct policy_atom **atoms;
	size_t n_atoms;
	struct policy_kind *kinds;
	size_t n_kinds;
	uint32_t *by_rank; /* index of the rule */
	size_t words; /* of a set of rules */
	uint32_t *base; /* of each selector: the one that stands for all of its meaning */
	uint64_t *bits; /* of kinds; owned here */
};

NODISCARD int policy_model_new(
	const struct policy_doc *doc, const struct policy_world *w, struct policy_model **ret_m);
void policy_model_free(struct policy_model *m); /* NULL is fine */
DEFINE_CLEANUP(struct policy_model, policy_model_free)

/* By id, name or mesh address, or an address behind a member. NULL: nobody. */
const struct policy_subject *policy_model_find(const struct policy_model *m, const char *text);
const struct policy_subject *policy_model_member(const struct policy_model *m, const struct mesh_node *n);

/* Which atoms a list of selectors is about: a flag for each. */
NODISCARD int policy_model_select(
	const struct policy_model *m, const struct policy_list *l, bool **ret_atoms);

/* Can packets of one get to the other through the mesh? */
bool policy_subjects_meet(const struct policy_subject *a, const struct policy_subject *b);
/* "laptop", "192.168.1.0/24 behind hub", the label of a newcomer. Returns buf. */
enum { POLICY_SUBJECT_LEN = 128 };
const char *policy_subject_format(const struct policy_subject *s, char buf[static POLICY_SUBJECT_LEN]);

#endif
