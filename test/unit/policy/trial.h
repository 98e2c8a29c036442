/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A random document on a random mesh, and the same people as the twin knows them. */
#ifndef TM_TEST_POLICY_TRIAL_H
#define TM_TEST_POLICY_TRIAL_H

#include "base/strbuf.h"
#include "policy/model.h"
#include "unit/policy/twin.h"

enum { NODES = 9, PORTS = 12, SUBJECTS_MAX = NODES + 16 + 2 };

extern uint64_t trial_seed; /* all that is random follows from it */
uint32_t trial_rnd(uint32_t n); /* less than n */

/* Of every interval that documents and the built-in rules can make at least one port; false: there are no
 * more. */
bool trial_next_port(enum policy_proto p, unsigned *i, unsigned *ret_port);
#define FOR_PORTS(p, port) for (unsigned port = 0, port##_i = 0; trial_next_port(p, &port##_i, &port);)

/* As a document has them. */
void trial_add_selector(struct strbuf *b, unsigned groups);
void trial_add_service(struct strbuf *b);
char *trial_random_text(void); /* a document; free() it */

struct trial {
	struct mesh *mesh;
	struct policy_route routes[3];
	struct policy_newcomer newcomers[2];
	struct policy_world world;
	char *text;
	struct policy_doc *doc;
	struct policy_model *model;
	/* The same people, as the twin knows them: an address for each that a prefix could tell from others.
	 */
	struct twin_subject who[SUBJECTS_MAX];
	size_t n_who, n_members, n_old;
};

void trial_begin(struct trial *t);
void trial_end(struct trial *t);
bool trial_meet(const struct trial *t, size_t a, size_t b); /* do packets go between these two of `who`? */

#endif
