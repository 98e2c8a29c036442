/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Private to coord/: the coordinator's state, and how its files call each other. Control thread, but for job
 * bodies.
 *
 * Life of a change: a request (from a link or the control socket) becomes a job; the job's body runs on the
 * helper thread inside one SQL transaction and decides everything that could race; after the commit its
 * `done` runs on the control thread, changes the registry, answers, and pushes the netmap. Between the two
 * anything may have happened: `done` looks members up again by id.
 */
#ifndef TM_CONTROL_COORD_COORD_PRIVATE_H
#define TM_CONTROL_COORD_COORD_PRIVATE_H

#include "base/log.h"
#include "base/time.h"
#include "control/coord/conn.h"
#include "control/coord/coord.h"
#include "control/coord/ipam.h"
#include "control/coord/registry.h"
#include "control/store/mesh.h"
#include "control/store/node.h"
#include "control/store/store.h"
#include "control/store/token.h"
#include "loop/helper.h"

struct event;
struct clink_server;

/* Limits and delays; tests make them short. */
struct coord_tuning {
	ns_t push_gap; /* least time between two pushes */
	ns_t ephemeral_after; /* an ephemeral node without a link is removed after this */
	ns_t watch_for; /* candidates are pushed to who asked for this long */
	ns_t first_message; /* a link must say who it is within this */
	ns_t touch_every; /* last_seen is stored this often */
	ns_t tick;
	uint32_t msg_rate, msg_burst; /* per link: messages per second, and at once */
	int64_t (*unix_now)(void);
};
struct coord_tuning coord_tuning_default(void);

struct coord {
	/* set once */
	struct event_base *base;
	const struct identity *identity;
	struct coord_tuning tuning;
	uint16_t data_port;
	struct store *store; /* the helper thread's, from the first job on */
	struct helper *helper;
	struct registry *reg;
	struct ipam *ipam;
	struct clink_server *server; /* coord.c */
	/* changes */
	char addresses[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN];
	size_t n_addresses;
	struct list conns, dead_conns;
	struct list strangers; /* oldest first */
	unsigned n_strangers;
	struct map *conn_by_id;
	uint64_t next_conn_id;
	struct map *watches; /* watch.c */
	struct list watch_order; /* soonest to end first */
	struct list expiry; /* offline ephemeral members, soonest first */
	struct list touched; /* members whose last_seen is not stored yet */
	ns_t next_touch;
	bool touching;
	struct event *push_timer, *tick_timer, *bury_timer;
	ns_t push_at, pushed_at;
	bool stopping;
	struct log_limit log_limit; /* messages that strangers can provoke */
};

/* core.c: all but the transport. */
NODISCARD int coord_core_new(struct event_base *base, const struct coord_config *cfg,
	const struct coord_tuning *tuning, struct coord **ret_coord, struct diag *d);
void coord_core_free(struct coord *c);

/* ask.c: who asked, and gets exactly one answer: the control socket (reply set) or a link. */
struct asker {
	coord_reply_fn *reply;
	void *ctx;
	uint64_t conn;
	json_int_t id;
};
json_t *answer_ok(void);
json_t *answer_error(const char *error, const char *hint);
void ask_answer(struct coord *c, const struct asker *a, json_t *answer_take);
void ask_refuse(struct coord *c, const struct asker *a, int err, const struct diag *d);
void ask_refuse_text(struct coord *c, const struct asker *a, const char *error, const char *hint);
/* A string field of at most max bytes; NULL when absent or not fit to be shown (control characters). */
const char *field_text(const json_t *m, const char *name, size_t max);
bool field_int(const json_t *m, const char *name, json_int_t low, json_int_t high,
	json_int_t *value); /* absent: unchanged */

/* job.c */
struct job;
typedef int job_body_fn(struct store *s, struct job *j); /* helper thread, inside a transaction */
typedef void job_done_fn(struct coord *c, struct job *j, int err); /* control thread */
struct job {
	struct coord *c;
	struct asker asker;
	job_body_fn *body;
	job_done_fn *done;
	struct diag d; /* why it failed */
	/* what it is about; each job uses what it needs */
	struct store_node node;
	struct store_token token;
	uint8_t secret[TOKEN_SECRET];
	int64_t now; /* Unix seconds when it was asked */
	bool existed;
	json_t *out;
	void *more; /* freed with the job */
	size_t n_more;
};
NODISCARD int job_new(
	struct coord *c, const struct asker *a, job_body_fn *body, job_done_fn *done, struct job **ret_job);
/* Hands it to the helper; `done` is called in every case, at once when the helper takes no more. */
void job_submit(struct job *j);
void job_fail(struct job *j, int err); /* instead of submitting */
/* A job with nothing but an asker; refuses when out of memory and returns NULL. */
struct job *job_start(struct coord *c, const struct asker *a, job_body_fn *body, job_done_fn *done);

/* push.c */
void push_structure(struct coord *c); /* a member came, went or changed its name: tell now */
void push_run(struct coord *c);
NODISCARD int push_to(struct coord *c, struct conn *n); /* what this link does not know yet */

/* nodes.c: node.list, node.rename, node.remove, leave, expiry */
void nodes_list(struct coord *c, const struct asker *a, bool with_addresses);
void nodes_rename(struct coord *c, const struct asker *a, const json_t *req);
void nodes_remove(struct coord *c, const struct asker *a, struct member *m, const char *why);
json_t *member_to_json(const struct coord *c, const struct member *m, bool with_address);

/* clients.c; via NULL = the request says (administration) */
void clients_add(struct coord *c, const struct asker *a, const json_t *req, struct member *via);
void clients_list(struct coord *c, const struct asker *a, const struct member *via);
void clients_remove(struct coord *c, const struct asker *a, const json_t *req, const struct member *via);

/* tokens.c */
void tokens_create(struct coord *c, const struct asker *a, const json_t *req);
void tokens_list(struct coord *c, const struct asker *a);
void tokens_revoke(struct coord *c, const struct asker *a, const json_t *req);

/* enrol.c */
void enrol_request(struct coord *c, struct conn *n, const json_t *m);

/* tick.c */
void tick_run(struct coord *c);
void tick_member_offline(struct coord *c, struct member *m);
void tick_member_seen(struct coord *c, struct member *m); /* last_seen, os or version changed */
void tick_store_rest(struct coord *c); /* blocking, after the helper has ended */

/* watch.c */
void watch_add(struct coord *c, struct member *asker, struct member *target);
void watch_tell(struct coord *c, struct member *target); /* its candidates changed, or it is back */
void watch_expire(struct coord *c, ns_t now);
void watch_forget(struct coord *c, struct member *m);
void watch_send_candidates(struct member *to, const struct member *about);

/* conn.c */
struct conn *conn_find(struct coord *c, uint64_t id);
void conn_bury(struct coord *c);

/* The one place where a member leaves memory: its link is told why and closed, its address is free. Not its
 * clients. */
void coord_forget_member(struct coord *c, struct member *m, const char *why);
json_t *coord_addresses_json(const struct coord *c);

#endif
