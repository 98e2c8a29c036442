/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Is a statement true of a policy? Decided for all subjects and all ports at once, and exactly: each pair of
 * kinds is swept, none is sampled. Newcomers of the model's world count like members, so that what holds
 * holds for those who may yet join by a token, too. Pure.
 *
 * What it takes for granted (policy_proof_assumes): replies and related errors of allowed connections pass;
 * members are who they say (their keys are theirs); who has a tag from local_allow may allow by rules of its
 * own what no rule of the document denies, so "cannot reach" is false of it where nothing denies it.
 */
#ifndef TM_POLICY_PROVE_H
#define TM_POLICY_PROVE_H

#include "policy/model.h"
#include "policy/statement.h"

enum { POLICY_PATH_MAX = 8, POLICY_VIOLATIONS_MAX = 100 };

/* What makes it false: a packet that passes and should not, or the other way. */
struct policy_violation {
	uint32_t from_kind, to_kind;
	const struct policy_subject *from, *to; /* the lowest of them */
	size_t n_from, n_to; /* so many there are on each side */
	struct policy_service service; /* all ports that it is true of */
	int32_t rule; /* that decides: an index, POLICY_RULE_NONE or POLICY_RULE_LOCAL */
};

struct policy_proof {
	bool holds;
	bool nobody_from, nobody_to; /* a side without subjects: it holds, of nobody */
	/* Then: would it hold for a new member with one of the tags named there? */
	bool if_joined_known, if_joined; /* known: false when no tag is named there */
	size_t n_pairs; /* of kinds that were swept */
	struct policy_violation *v; /* owned; the first is the counter-example */
	size_t n, n_all; /* n: as many as are kept */
	/* transitive: those whom the counter-example goes by, from the first to the one who sends its packet
	 */
	const struct policy_subject *path[POLICY_PATH_MAX];
	size_t n_path; /* 0: it is not transitive, or goes straight */
	size_t path_length; /* may be more than are kept */
};
void policy_proof_deinit(struct policy_proof *p);

/*
 * The statement's selectors were the document's before the model was made. `transitive`: who reaches somebody
 * by TCP, UDP or another protocol than ICMP can go on from there. TM_EINVAL: of "can", which has no such
 * meaning.
 */
NODISCARD int policy_prove(const struct policy_model *m, const struct policy_statement *s, bool transitive,
	struct policy_proof *ret_p);

/* No more than whether it holds, and of whom: what new members would change stays unknown, which for each
 * statement of nobody is a model more. */
NODISCARD int policy_prove_of_today(
	const struct policy_model *m, const struct policy_statement *s, struct policy_proof *ret_p);

/* What it does not speak of, one sentence after the other; NULL behind the last. */
const char *policy_proof_assumes(size_t i);

#endif
