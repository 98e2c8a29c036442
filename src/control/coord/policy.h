/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The policy of the mesh, as the coordinator has it. Private to coord/.
 *
 * policy.c: the one in force, told to all links. policy_look.c: does it still fit the mesh. policy_held.c:
 * who goes by it. policy_hits.c: how often its rules decided. policy_answer.c: parts of answers.
 * policy_scene.c: what a question about policies is asked of, read from the store. policy_ask.c and
 * policy_question.c: the requests; all that they do is done by jobs on the helper thread.
 */
#ifndef TM_CONTROL_COORD_POLICY_H
#define TM_CONTROL_COORD_POLICY_H

#include "base/list.h"
#include "base/strbuf.h"
#include "base/time.h"
#include "control/store/policy.h"
#include "control/store/token.h"
#include "policy/bind.h"
#include "policy/tests.h"
#include "wire/msg/msg.h"
#include "wire/msg/report.h"

struct clink_text;
struct conn;
struct coord;
struct jsonout;
struct loop_timer;

/*
 * policy_look.c: does it still fit the mesh? What it names and the mesh has not any more, its size, and its
 * tests; of these as many at once as a turn of the helper thread may take, so that one look at a large
 * document takes several turns.
 */
struct policy_looks {
	struct loop_timer *timer;
	ns_t not_before; /* the next turn */
	bool looking;
	bool again; /* the mesh has changed since this look began */
	size_t at; /* the test that is next */
	struct strbuf failed; /* those before it that do not hold */
	char *tests; /* that do not hold, as the last look that was done found; a line each; NULL: there was
			none yet */
	char *warnings; /* all that it found */
};

/* policy_hits.c: how often the rules in force decided, as nodes report. */
struct policy_sums {
	int64_t since; /* Unix seconds */
	uint64_t none; /* denied for want of a rule */
	size_t n;
	struct policy_sum {
		char id[POLICY_ID_MAX + 1];
		uint8_t action; /* enum policy_action */
		uint64_t hits;
	} v[]; /* by id */
};
/* Any thread. All 0: of a document that may come into force. TM_ENOMEM. */
NODISCARD int policy_sums_of(const struct policy_doc *doc, struct policy_sums **ret_s);
/* NULL: there are none, or there is no memory. */
NODISCARD struct policy_sums *policy_sums_copy(const struct policy_sums *s);
uint64_t policy_sums_get(const struct policy_sums *s, const struct policy_rule *r);
/* Control thread. These rules are in force; those that were before go on counting. NULL: nobody knows them.
 */
void policy_sums_take(struct coord *c, struct policy_sums *fresh_take);
void policy_hit(struct coord *c, const struct report_rule *said);

struct policy_board {
	uint64_t version; /* 0: the mesh has no policy, everything passes */
	char digest[MSG_DIGEST_LEN + 1];
	struct clink_text *text; /* the message; NULL: there is no policy, or no memory */
	struct list behind; /* links that are to be told it still */
	struct loop_timer *timer;
	struct policy_looks look;
	struct policy_sums *sums; /* NULL: no policy, or one that this program cannot read */
};
NODISCARD int policy_init(struct coord *c);
NODISCARD int policy_load(struct coord *c); /* from the store, at the start */
void policy_deinit(struct coord *c);
/* Accepted and stored: it is in force, and told to all. */
void policy_in_force(struct coord *c, const struct store_policy *p, struct policy_sums *sums_take);
/* After the welcome; `digest`: of the one that it holds. */
void policy_welcome(struct conn *n, const char *digest);
void policy_leave(struct conn *n);
/* By which version its node goes, as it says; and, for who asks, how many of those that are linked go by the
 * one in force. */
void policy_held(struct conn *n, const msg_object *m);
void policy_put_holders(const struct coord *c, struct jsonout *o);
size_t policy_behind(const struct coord *c); /* those that do not; without a policy nobody */
NODISCARD int policy_look_init(struct coord *c);
void policy_look_deinit(struct coord *c);
/* Another one is in force. */
void policy_look_anew(struct coord *c);
/* A member has come or gone, or has other tags, another name or other networks; or one may come by a token.
 */
void policy_mesh_changed(struct coord *c);

/* --- helper thread --- */

/* Everything of the mesh that policies are about, as of now. */
struct policy_scene {
	struct mesh *mesh;
	struct policy_newcomer *newcomers;
	struct newcomer_texts *texts; /* theirs */
	size_t n_newcomers;
	struct policy_route *routes;
	struct store_policy before; /* in force; version 0: none */
	struct policy_bindings bound; /* its names */
	struct policy_doc *doc; /* NULL: none, or one that this program cannot read */
	struct policy_tests tests; /* its */
	struct diag unreadable; /* why; what[0]: it is not */
	struct policy_world world;
};
/* now: Unix seconds, for tokens that can still be used. d: why what is in force cannot be read. */
NODISCARD int policy_scene_load(struct store *s, int64_t now, struct policy_scene *ret_scene);
/* Doc and bindings of x->before, which was accepted once. Should this version of the program not read it, the
 * scene says so: it must still be possible to put another in force. TM_ENOMEM alone. */
NODISCARD int policy_scene_read(struct policy_scene *x);
void policy_scene_deinit(struct policy_scene *x);
/* Each sentence of policy_warnings, a line each. */
NODISCARD int policy_scene_warnings(
	const struct policy_scene *x, const struct policy_doc *doc, struct strbuf *out);
/* Likewise of policy_tests_broken; m: of the document of the scene. */
NODISCARD int policy_scene_tests(const struct policy_scene *x, const struct policy_model *m, size_t work,
	size_t *at, struct strbuf *out);

#endif
