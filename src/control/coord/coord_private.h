/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Private to coord/: the coordinator's state, and how its files call each other. Control thread, but for job
 * bodies.
 *
 * Life of a change: a request (from a link or the control socket) becomes a job; the job's body runs on the
 * helper thread inside one SQL transaction and decides everything that could race. After the commit what it
 * changed is read back (feed.c), and on the control thread first `done` answers who asked, then the changes
 * enter the registry and are told to all. There is no other door into the registry. Between asking and `done`
 * anything may have happened: members are looked up again by id.
 */
#ifndef TM_CONTROL_COORD_COORD_PRIVATE_H
#define TM_CONTROL_COORD_COORD_PRIVATE_H

#include "base/loglimit.h"
#include "base/time.h"
#include "control/coord/conn.h"
#include "control/coord/coord.h"
#include "control/coord/policy.h"
#include "control/coord/registry.h"
#include "control/store/event.h"
#include "control/store/mesh.h"
#include "control/store/node.h"
#include "control/store/store.h"
#include "control/store/token.h"
#include "loop/helper.h"
#include "loop/timer.h"
#include "wire/msg/msg.h"
#include "wire/msg/request.h"

struct clink_server;
struct clink_text;

/* Limits and delays; tests make them short. */
struct coord_tuning {
	ns_t push_gap; /* least time between the end of a push and the next */
	ns_t push_debt; /* pushes take half of the time at most, but for so much in advance */
	unsigned push_slice; /* links told in one turn of the loop */
	size_t snapshot_bytes; /* of snapshots that wait in queues of links, in all */
	ns_t snapshot_grace; /* a link has so long to take a snapshot off its queue, ... */
	size_t snapshot_rate; /* ... and a second more for so many bytes */
	ns_t twin_for; /* another machine with a member's identity counts as there so long after its last try
			*/
	ns_t ephemeral_after; /* an ephemeral node without a link is removed after this */
	ns_t watch_for; /* candidates are pushed to who asked for this long */
	ns_t watch_gap; /* what those are told of one node is at least so far apart, ... */
	unsigned watch_rate; /* ... and of one node that many look for at most so many messages a second */
	ns_t announce_gap; /* a node hears of the same asker at most this often */
	size_t watching_max; /* nodes that one asks for; the one asked for longest ago is forgotten */
	ns_t first_message; /* a link must say who it is within this */
	ns_t touch_every; /* last_seen is stored this often */
	ns_t tick;
	uint32_t msg_rate, msg_burst; /* per member: messages per second, and at once */
	size_t msg_bytes; /* of answers, cost what a message costs */
	ns_t relays_gap; /* changes of who relays are told together */
	unsigned relays_rate; /* in so many messages a second */
	ns_t relay_settle, relay_settle_max; /* changes of one relay's addresses are so far apart */
	ns_t relay_keep; /* a relay without a link counts as there for so long */
	ns_t relays_partial; /* so long after the start relays may not have come back yet */
	size_t feed_slice; /* changes taken over from the store in one turn of the loop */
	size_t policy_slice; /* work of tests of the policy in one job: pairs of kinds (policy/tests.h) */
	unsigned policy_rests; /* a look at it is followed by a rest so many times as long */
	uint32_t returns_max, returns_a_minute; /* links of a member that no address pays for */
	int64_t (*unix_now)(void);
};
struct coord_tuning coord_tuning_default(void);

/* push.c: what links are told of the map. */
struct push {
	struct list told,
		behind; /* linked members: as of the last round; those that this one has yet to tell */
	struct list waiting; /* linked members that need a snapshot, first come first served */
	size_t charged; /* bytes of snapshots in queues of links */
	struct list charges; /* those links */
	struct loop_timer *timer; /* the next slice, or the next round */
	ns_t paid_at; /* then half of the time has gone to something else than pushes */
	ns_t not_before; /* the next round */
	bool wanted; /* something changed since the last round began */
};

/* view.c: texts of maps, made once for many links. */
enum { VIEW_DELTAS = 8 };
struct view {
	uint64_t base, version;
	struct clink_text *text; /* NULL: empty */
};
struct views {
	struct view snapshot; /* may be older than the registry: a delta follows it */
	struct view deltas[VIEW_DELTAS]; /* a ring */
	size_t next;
};

/* relays.c: who relays, as links are told. */
struct relay_board {
	struct list offers; /* of struct relay_offer */
	struct msg_relays told; /* partial until complete_at */
	ns_t complete_at;
	struct clink_text *text; /* of it; NULL: not made yet */
	struct list behind; /* links that are to be told it still */
	struct loop_timer *timer;
	ns_t again, not_before; /* when to look for changes, and not sooner */
};

/* Lines of the log that members and strangers can provoke. */
struct coord_log {
	struct log_limit refused; /* enrolments, and links without memory for them; by address */
	struct log_limit flood; /* by member, or address */
	struct log_limit members; /* who comes and goes for good; by who brought them (coord_brought_by) */
	struct log_limit presence; /* by member */
	struct log_limit relays; /* more of them than nodes are told of */
	struct log_limit behind; /* a member, or all of them, misses a change */
	struct log_limit policy; /* why it does not fit the mesh any more */
	struct log_limit links; /* debug, by address */
};

struct coord {
	/* set once */
	struct event_base *base;
	const struct identity *identity;
	struct coord_tuning tuning;
	uint16_t data_port;
	const char *db_path;
	struct store *store; /* the helper thread's, from the first job on */
	uint64_t fed; /* the helper thread's: version that the feed has read */
	struct helper *helper;
	size_t n_jobs; /* begun, and not through yet */
	struct list through; /* jobs that have run, and are not answered and in the registry yet */
	struct loop_timer *through_timer;
	struct registry *reg;
	struct clink_server *server; /* coord.c */
	coord_event_fn *on_event; /* NULL: nobody listens */
	coord_change_fn *on_change; /* likewise */
	void *on_event_ctx;
	/* changes */
	struct msg_addresses addresses;
	struct list conns;
	struct list fresh; /* links that have not said who they are, oldest first */
	struct list strangers; /* links whose key is no member's, oldest first */
	unsigned n_strangers;
	struct map *conn_by_id;
	uint64_t next_conn_id;
	struct map *watches; /* watch.c */
	struct list watch_order; /* soonest to end first */
	struct list telling; /* members whose watchers are still to be told */
	struct loop_timer *tell_timer;
	struct list expiry; /* offline ephemeral members, soonest first */
	struct list twins; /* who else has a member's identity, longest not heard of first */
	struct list touched; /* members whose last_seen is not stored yet */
	ns_t next_touch;
	bool touching, touch_failed;
	struct push push;
	struct views views;
	struct relay_board relays;
	struct policy_board policy;
	struct reports *reports;
	struct loop_timer *tick_timer;
	bool stopping;
	struct coord_log log;
};

/* core.c: all but the transport. */
NODISCARD int coord_core_new(struct event_base *base, const struct coord_config *cfg,
	const struct coord_tuning *tuning, struct coord **ret_coord, struct diag *d);
void coord_core_free(struct coord *c);
/* The one place where a member leaves memory: its link is told why and closed. Not its clients. */
void coord_forget_member(struct coord *c, struct member *m, uint64_t version, const char *why);

void coord_changed(struct coord *c); /* something that is shown */

/* For the log: the token by which a node came, or the node that has the client. */
uint64_t coord_brought_by(const struct store_node *s);

/* request.c: who asked, and gets exactly one answer: the control socket or another door (reply set), a link,
 * or nobody. */
struct asker {
	coord_reply_fn *reply;
	void *ctx;
	uint64_t conn;
	int64_t id;
	struct coord_who who; /* of another door; a link has its member */
};
/* A link's request. False: there is none of this name. */
bool request_from_link(struct conn *n, const char *name, const msg_object *m);
/* Of a link, or that has come by another door as one; NULL: it is an administrator, or nobody. */
struct member *asker_member(struct coord *c, const struct asker *a);
/* Is it told of everybody, and where links come from? The administration, and the coordinator's own node by
 * its link, which is root's. */
bool asker_sees_all(struct coord *c, const struct asker *a);
/* The names of all requests, for tests: NULL behind the last. */
const char *request_name(size_t i);
/* An answer: begin, put its members, end. */
void answer_begin(const struct asker *a, struct jsonout *o);
void answer_end(struct coord *c, const struct asker *a, struct jsonout *o);
void answer_ok(struct coord *c, const struct asker *a);
void answer_refuse(struct coord *c, const struct asker *a, int err, const struct diag *d);
void answer_refuse_text(struct coord *c, const struct asker *a, const char *error, const char *hint);

/* job.c */
struct job;
struct feed {
	size_t taken; /* of the n, in the registry */
	struct store_change *v;
	size_t n;
};
struct job_kind {
	size_t size; /* of the struct that begins with its struct job */
	int (*body)(struct store *s, struct job *j); /* helper thread, inside a transaction, ... */
	void (*done)(struct coord *c, struct job *j, int err); /* control thread */
	void (*deinit)(struct job *j); /* NULL = nothing to free */
	/* ... or outside, when it changes nothing; an event of it is stored by itself afterwards. */
	bool alone;
};
struct job {
	const struct job_kind *kind;
	struct coord *c;
	struct asker asker;
	struct diag d; /* why it failed */
	int64_t now; /* Unix seconds when it was asked */
	struct event event; /* what it is when it has succeeded; kind EVENT_NONE: nothing to be remembered */
	const char *why; /* members go that it removes; NULL = they were removed */
	struct feed feed;
	int unread; /* why what it changed could not be read back */
	int unkept; /* why its event is not stored, though it was done alone */
	/* once it has run */
	int result;
	bool answered;
	struct list in_through;
};
/* A zeroed struct of that kind; refuses when out of memory and returns NULL. */
void *job_start(struct coord *c, const struct asker *a, const struct job_kind *kind);
/* Hands it to the helper; `done` is called in every case, at once when the helper takes no more. */
void job_submit(struct job *j);
void job_fail(struct job *j, int err); /* instead of submitting */
/* For `done`: the list that the body wrote, which is taken, and the page behind it if `next` is not 0. */
void job_answer_list(struct job *j, int err, const char *key, struct jsonout *list, uint64_t next);
NODISCARD int jobs_init(struct coord *c);
void jobs_deinit(struct coord *c); /* after the helper's end: what has run is answered and taken over */

/* events.c: what was done to the mesh, and by whom, is stored with it. */
void job_event_by(struct job *j); /* by whom it is; the body or who starts it says what it is */
void job_event_is(struct job *j, enum event_kind kind, const struct node_rec *about); /* NULL: no member */
void mesh_event_told(struct coord *c, const struct event *e); /* it has been committed */
void mesh_event_lost(struct coord *c, const struct event *e, int err); /* it is not stored */
/* What nobody asked for: stored by a job of its own. detail is printed. */
void mesh_event_note(struct coord *c, enum event_kind kind, enum event_door door,
	const struct node_rec *about, const char *detail);

/* feed.c: what the store has committed enters the registry. */
NODISCARD int feed_read(struct store *s, uint64_t *fed, struct feed *ret_feed); /* helper thread */
/* A slice of it; true when that was the last. */
bool feed_apply(struct coord *c, struct feed *f, const char *why);
void feed_deinit(struct feed *f);

/* view.c: what a link needs that has version `base`; *ret_text is borrowed until the next call. */
NODISCARD int view_get(struct coord *c, uint64_t base, struct clink_text **ret_text, uint64_t *ret_version);
void views_deinit(struct views *v);

/* push.c */
NODISCARD int push_init(struct coord *c);
void push_deinit(struct coord *c);
void push_soon(struct coord *c); /* the registry has changed */
void push_join(struct coord *c, struct conn *n); /* it has been welcomed; n->known is what it holds */
void push_leave(struct conn *n);
void push_drained(struct conn *n);
void push_expire(struct coord *c, ns_t now); /* closes who did not take its snapshot */
bool push_idle(const struct coord *c);
/* A slice took from start to end: when the next round may begin follows from all that they have taken. */
void push_account(struct coord *c, ns_t start, ns_t end);

/* nodes.c */
typedef void request_run_fn(struct coord *c, const struct asker *a, const union msg_request *r);
request_run_fn nodes_list, nodes_tag, nodes_remove, nodes_leave, nodes_presence;
/* Its clients go with it. why: a literal. */
void nodes_remove_member(struct coord *c, const struct asker *a, struct member *m, const char *why);
struct member *nodes_find(struct coord *c, const struct asker *a, const char *name); /* else refused, NULL */
int nodes_gone(struct job *j); /* TM_ENOENT with a sentence */
void member_put(struct coord *c, struct jsonout *o, const char *key, const struct member *m, bool all);

/* names.c */
request_run_fn names_rename, names_alias;

/* routes.c */
request_run_fn routes_offer, routes_approve, routes_reject, routes_list;

/* clients.c, tokens.c */
request_run_fn clients_add, clients_list, clients_remove;
request_run_fn tokens_create, tokens_list, tokens_revoke;

/* policy_ask.c */
request_run_fn policy_get, policy_set, policy_add, policy_remove, policy_history, policy_rollback,
	policy_test;
request_run_fn policy_explained, policy_compared, policy_proved;

/* backup.c, events.c */
request_run_fn backup_copy, events_list;

/* reports_answer.c */
request_run_fn reports_list, reports_node;

/* enrol.c */
void enrol_request(struct conn *n, const msg_object *m);

/* tick.c */
void tick_run(struct coord *c);
void tick_member_offline(struct coord *c, struct member *m);
void tick_member_seen(struct coord *c, struct member *m); /* last_seen, os or version changed */
void tick_store_rest(struct coord *c); /* blocking, after the helper has ended */

/* watch.c */
NODISCARD int watch_init(struct coord *c);
void watch_deinit(struct coord *c);
/* Both are told of each other's candidates, the asker of later changes too. */
void watch_add(struct coord *c, struct member *asker, struct member *target);
void watch_changed(struct coord *c, struct member *target); /* its candidates changed, or it is back */
void watch_expire(struct coord *c, ns_t now);
void watch_forget(struct coord *c, struct member *m);

/* relays.c: who hands on the datagrams of others */
NODISCARD int relays_init(struct coord *c);
void relays_deinit(struct coord *c);
void relays_hello(struct coord *c, struct member *m, const struct msg_hello *hello);
/* Its record or its candidates changed, or (NULL) our own addresses did. */
void relays_changed(struct coord *c, const struct member *m);
void relays_gone(struct member *m); /* its link */
void relays_forget(struct coord *c, struct member *m);
void relays_expire(struct coord *c, ns_t now);
void relays_welcome(struct conn *n); /* told who relays, after the welcome */
void relays_leave(struct conn *n);

/* reports.c: what members tell of themselves and their pairs */
NODISCARD int reports_init(struct coord *c);
void reports_deinit(struct coord *c);
void reports_told(struct conn *n, const msg_object *m);
void reports_link(struct coord *c, struct member *m); /* it has none now or another: what it told is over */
void reports_expire(struct coord *c, ns_t now);
void reports_ask(struct coord *c, ns_t now); /* who is to be asked now */
void reports_forget(struct coord *c, struct member *m);

/* alarms.c: that one of a member begins or ends is an event. */
NODISCARD int alarms_load(struct coord *c); /* what the store says */
void alarms_told(struct coord *c, struct member *m); /* it has told which it has */
void alarms_expire(struct coord *c); /* what was too much is stored now, if it is still so */

/* twin.c: two machines with one identity. */
/* May this link, of a run of its program, take the member's place? Else it has been told why and closed. */
bool twin_admit(struct conn *n, struct member *m, uint64_t run);
struct ip twin_address(const struct member *m); /* IP_NONE: it has none */
void twin_forget(struct member *m);
void twin_expire(struct coord *c, ns_t now);

/* conn.c */
struct conn *conn_find(struct coord *c, uint64_t id);
/* Has this link's member asked for so much lately that it gets no more answers for the moment? */
bool conn_overspent(struct conn *n);
void conn_charge(struct conn *n, size_t answer_bytes);

#endif
