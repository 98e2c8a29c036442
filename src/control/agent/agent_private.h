/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The agent from inside: agent.c (life and API), session.c (the link), message.c (what the coordinator says),
 * memo.c (what is known of peers), cache.c (netmap.json), request.c (questions and answers). Control thread.
 *
 * Callbacks to the owner may free the agent, so each of them is the last thing that its caller does with it.
 */
#ifndef TM_CONTROL_AGENT_AGENT_PRIVATE_H
#define TM_CONTROL_AGENT_AGENT_PRIVATE_H

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/time.h"
#include "control/agent/agent.h"
#include "control/link/tuning.h"

#include <jansson.h>

struct event;
struct helper;

struct agent_tuning {
	ns_t retry_min, retry_max; /* between attempts, before jitter */
	ns_t removed_retry; /* a removed node asks again: its record may come back from a backup */
	ns_t stable; /* a link that lived so long starts the backoff afresh */
	int connect_ms, welcome_ms, probe_ms;
	ns_t want_every; /* per peer */
	ns_t save_delay;
	const struct clink_tuning *link;
};
extern const struct agent_tuning agent_tuning_default;

/* WAIT for `timer` -> CONNECT -> GREET (hello sent) -> UP (welcomed). */
enum agent_state { AGENT_WAIT, AGENT_CONNECT, AGENT_GREET, AGENT_UP };

/* What we know of one peer beyond its record. Lives while the peer is in the netmap. */
struct memo {
	char id[NODE_ID_LEN + 1];
	struct candidates known;
	struct endpoint worked;
	ns_t asked;
	bool ask_later; /* wanted while there was no link */
	bool answer_due; /* to be answered from memory in the next turn of the loop */
};

struct agent {
	/* set once */
	struct event_base *base;
	const struct identity *identity;
	char *cache_path, *version;
	uint8_t coordinator_key[32];
	bool own_coordinator; /* its address is the loopback's and does not change */
	struct agent_events events;
	struct agent_tuning tuning;
	/* told by the coordinator, at first by the enrolment */
	struct mesh_info mesh;
	struct node_rec self;
	size_t n_addresses, next_address;
	char addresses[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN];
	uint16_t data_port;
	struct endpoint coordinator; /* TCP end that worked last */
	/* link */
	enum agent_state state;
	struct clink *link;
	struct event *timer; /* next attempt, or the end of patience for the welcome */
	struct event *soon; /* things to do in the next turn of the loop */
	ns_t backoff, up_since, attempt_since;
	size_t tried; /* addresses in this round */
	bool via_last_known; /* this attempt, or the next one, may use `coordinator` */
	bool resync; /* the next hello asks for a snapshot */
	bool removed, removed_news; /* news: the owner is to hear of it */
	char removed_why[200];
	char last_error[320];
	char logged_error[320];
	/* netmap */
	struct netmap map;
	bool map_news; /* the owner is to hear of the map read at the start */
	struct map *memos; /* id -> struct memo */
	bool answers_due;
	struct log_limit bad_limit;
	/* ours */
	struct candidates mine;
	bool mine_unsent;
	/* requests */
	struct list pending;
	int64_t next_id;
	/* cache */
	struct helper *helper;
	struct event *save_timer;
	bool dirty, saving, save_failed;
};

NODISCARD int agent_new_tuned(struct event_base *base, const struct agent_config *cfg,
	const struct agent_events *ev, const struct agent_tuning *t, struct agent **ret_agent,
	struct diag *d);

/* --- session.c --- */
void session_connect_soon(struct agent *a, ns_t delay);
/* Gives the link up and tries again later; tells the owner. */
void session_drop(struct agent *a, const char *why);
void session_on_timer(struct agent *a);
bool session_send(struct agent *a, json_t *m_take); /* false when there is no link or no memory */
void session_addresses_set(struct agent *a, const json_t *list);

/* --- message.c --- */
void message_handle(struct agent *a, const json_t *m); /* `a` may be gone afterwards */

/* --- memo.c --- */
struct memo *memo_get(struct agent *a, const char *id, bool create);
void memos_free(struct agent *a);
void memo_forget(struct agent *a, const char *id);
void memos_prune(struct agent *a); /* those not in the netmap */
bool memo_ask(struct agent *a, struct memo *m, ns_t now); /* sends `want` */
void memos_ask_later(struct agent *a); /* asks what could not be asked without a link */
bool memos_answer(struct agent *a); /* one that is due, from memory: true when the owner was called */

/* --- cache.c --- */
void cache_load(struct agent *a);
void cache_dirty(struct agent *a);
void cache_on_timer(struct agent *a);
void cache_save_now(struct agent *a); /* blocking; at the end */

/* --- request.c --- */
void request_reply(struct agent *a, const json_t *m);
void requests_fail(struct agent *a, const char *why);
void requests_settle(struct agent *a); /* delivers the answers that are due */

#endif
