/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A coordinator with a real database and a real helper thread, and machines whose links are fakes. */
#ifndef TM_TEST_COORD_RIG_H
#define TM_TEST_COORD_RIG_H

#include "control/coord/coord_private.h"
#include "mesh/diff.h"

enum { RIG_MACHINES = 260 };

/* A machine with an identity; linked or not. Keeps everything it was sent, and its netmap up to date. */
struct machine {
	struct rig *rig;
	struct identity id;
	struct conn *conn; /* NULL when not linked */
	json_t *inbox; /* array */
	struct clink_text *last; /* the newest message as the transport got it; a reference */
	char closed_why[128];
	struct mesh *map; /* NULL before the first word of it */
	unsigned n_maps, n_snapshots, n_map_errors;
	uint64_t run; /* of its program, said in hello; 0 = not said */
	bool refuse; /* its transport takes nothing more: send fails */
	bool slow; /* what it is sent stays in its queue */
	size_t queued;
};

struct rig {
	char folder[64], db_path[96];
	struct event_base *base;
	struct event *alarm;
	struct coord *c;
	struct coord_tuning tuning;
	struct machine hub; /* the coordinator's own node */
	struct machine machines[RIG_MACHINES];
	struct conn **ended; /* links whose end is still to be told */
	size_t n_ended, room_ended;
	struct loop_timer *ends;
	json_t *answer; /* to the last administration command */
	unsigned n_answers, n_changes; /* n_changes: that whoever shows it was told of */
};

int rig_setup(void **state); /* *state = struct rig, coordinator up */
int rig_teardown(void **state);
void rig_start(struct rig *r);
void rig_stop(struct rig *r);
/* Like rig_start, but expects it to fail. */
int rig_try_start(struct rig *r, struct diag *d);
extern int64_t rig_unix_now; /* the coordinator's wall clock */

/* Runs the event loop until test says so; fails after 20 s. */
typedef bool rig_test_fn(void *ctx);
void rig_until(struct rig *r, rig_test_fn *test, void *ctx);
uint64_t machine_version(const struct machine *m); /* of its map; 0 = none */
size_t machine_size(const struct machine *m); /* members in it */
void machine_take(struct machine *m, const struct netmap *update);
struct netmap rig_snapshot(struct rig *r); /* what a newcomer would be told */
void rig_settle(struct rig *r); /* until no job and no push is left */

/* An administration command and its answer (borrowed until the next one). */
const json_t *rig_admin(struct rig *r, json_t *req_take);
const json_t *rig_asked(struct rig *r, const struct coord_who *who, json_t *req_take); /* as that one */
const char *rig_refused(
	struct rig *r, json_t *req_take); /* its sentence; fails if it was accepted or has no hint */
struct token rig_token(struct rig *r, json_t *req_take); /* token.create with these fields, decoded */

struct machine *rig_machine(struct rig *r, size_t number); /* with an identity */
void machine_link(struct machine *m);
void machine_unlink(struct machine *m); /* the connection breaks */
void machine_say(struct machine *m, json_t *msg_take);
void machine_enrol(struct machine *m, const struct token *t, const char *name); /* only sends */
void machine_hello(struct machine *m, json_t *candidates_take); /* links if needed */
/* Enrols with a fresh token and says hello. */
void machine_join(struct machine *m, const char *name);
/* The newest message of this type, waiting for one; borrowed. */
const json_t *machine_await(struct machine *m, const char *type);
const json_t *machine_last(const struct machine *m, const char *type); /* NULL when none */
unsigned machine_count(const struct machine *m, const char *type);
void machine_forget(struct machine *m); /* empties the inbox */
bool machine_sees(struct machine *m, const char *name); /* is it online? asks the coordinator */
bool machine_knows(const struct machine *m, const char *name);

#endif
