/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Requests about the policy. Each is a job: what the mesh is, which tokens there are and which policy is in
 * force are read together, and the engine (src/policy) is asked. What is refused changes nothing. Private to
 * policy_ask.c, which has the documents, and policy_question.c.
 */
#ifndef TM_CONTROL_COORD_POLICY_ASK_H
#define TM_CONTROL_COORD_POLICY_ASK_H

#include "base/jsonout.h"
#include "control/coord/coord_private.h"

struct ask;
/* Helper thread, inside the transaction of policy_changing, or alone. */
typedef int ask_fn(struct ask *a, struct store *s, struct policy_scene *x);

struct ask {
	struct job job;
	ask_fn *run;
	struct msg_policy_request q;
	char *text; /* q.text, owned; or what follows from the request */
	bool edited; /* it is the one in force, with one rule more or less */
	char added[POLICY_ID_MAX + 1]; /* that rule; "": one less */
	struct jsonout out; /* members of the answer, as one value */
	struct store_policy accepted; /* version 0: none */
	struct policy_sums *sums; /* owned: for the rules of the accepted one; or, as of when they were asked
				     for, of the one in force */
	uint64_t shown; /* the version that the answer shows; 0: none */
	struct strbuf warnings; /* about that one; a line each */
	struct strbuf failed; /* and, if it is in force, those of its tests that do not hold */
	bool too_many; /* they were not all asked: what the last look found is told (policy_look.c) */
};

/* Their `done` answers on the control thread: by then the text has come into force, if it was accepted. */
extern const struct job_kind policy_changing, policy_asking;
void policy_ask_start(struct coord *c, const struct asker *by, const struct job_kind *kind, ask_fn *run,
	const union msg_request *r);

/* --- helper thread --- */

/* Why there is nothing to ask: no policy, or one that this program cannot read. */
int policy_ask_none(struct ask *a, const struct policy_scene *x);
/* The document of the request, or the sentence that refuses it. */
NODISCARD int policy_ask_read(
	struct ask *a, const struct policy_scene *x, enum policy_reading how, struct policy_doc **ret_doc);

#endif
