/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The agent from inside: agent.c (life and API), session.c (the link), message.c (what the coordinator says),
 * want.c (candidates of peers), request.c (questions and answers). Control thread.
 */
#ifndef TM_CONTROL_AGENT_AGENT_PRIVATE_H
#define TM_CONTROL_AGENT_AGENT_PRIVATE_H

#include "base/list.h"
#include "base/loglimit.h"
#include "base/time.h"
#include "control/agent/agent.h"
#include "control/agent/stream.h"
#include "control/link/race.h"
#include "wire/msg/msg.h"
#include "wire/proxy.h"

#include <jansson.h>

struct loop_timer;

struct agent_tuning {
	ns_t retry_min, retry_max; /* between attempts, before jitter */
	/* Likewise, of streams to relays: at first from retry_min to stream_retry, then to the maximum. */
	ns_t stream_retry, stream_retry_max;
	ns_t removed_retry; /* a removed node asks again: its record may come back from a backup */
	ns_t stable; /* a link that lived so long starts the backoff afresh */
	int connect_ms, welcome_ms, probe_ms; /* connect: by all addresses together */
	ns_t want_every; /* per peer */
	const struct race_tuning *race;
};
extern const struct agent_tuning agent_tuning_default;

/* WAIT for `timer` -> CONNECT -> GREET (hello sent) -> UP (welcomed). */
enum agent_state { AGENT_WAIT, AGENT_CONNECT, AGENT_GREET, AGENT_UP };

/* stream.c */
struct streaming {
	struct agent *agent;
	struct loop_timer *timer; /* the next attempt */
	char relay[NODE_ID_LEN + 1]; /* "" = none is wanted */
	struct agent_stream_events events;
	bool up;
	ns_t backoff, up_since, down_since;
	struct race *race; /* while one is looked for */
	ns_t race_since;
};

struct agent {
	/* set once */
	struct event_base *base;
	const struct identity *identity;
	struct peers *peers;
	char *version;
	uint32_t fwmark;
	/* says so in hello */
	bool relay;
	uint16_t relay_tcp[RELAY_PORTS_MAX];
	size_t n_relay_tcp;
	struct proxy_choice proxy;
	char proxy_text[ADDRESS_HOST_FIELD]; /* "host:port" */
	uint64_t run; /* of this program, at random: tells two machines with one identity apart */
	uint8_t coordinator_key[32];
	bool own_coordinator; /* its address is the loopback's and does not change */
	struct agent_events events;
	struct agent_tuning tuning;
	/* told by the coordinator, at first by the enrolment */
	struct mesh_info mesh;
	struct node_rec self;
	struct coordinator_known known; /* of the coordinator, as it says */
	struct candidates data; /* where its data socket is, as it says */
	struct relays relays; /* as it says */
	struct relays relays_given; /* what the owner knows of them */
	bool policy_refused; /* the one that is kept is not in force here */
	struct msg_addresses enrolled; /* its addresses, as who let us in said */
	/* link */
	enum agent_state state;
	struct resolver *resolver;
	struct race *race; /* CONNECT */
	struct clink *link; /* GREET, UP */
	struct loop_timer *timer; /* next attempt, or the end of patience for the welcome */
	struct loop_timer *soon; /* things to do in the next turn of the loop */
	ns_t backoff, up_since, attempt_since;
	int64_t coordinator_time; /* Unix seconds there at up_since; 0 = not told */
	struct endpoint linked_at; /* the other end of the current or last link; IP_NONE = there was none */
	bool linked_tls, linked_proxied;
	char proxy_failed[RACE_WHY_MAX]; /* why it does not go by the proxy that there is; "" = it does, or
					    there is none, or it is not for the coordinator */
	char linked_by[TOKEN_ADDR_LEN]; /* of known.addresses, the one that led to the link, or "" */
	bool removed, removed_news; /* news: the owner is to hear of it */
	struct msg_removed removed_as;
	char last_error[RACE_WHY_MAX];
	/* what the log says: why there is no link, and whether its last word is that there is one */
	struct log_told told;
	bool told_up;
	struct log_limit log_reasons, log_link, log_records;
	/* peers' candidates */
	struct list to_ask; /* contacts wanted while there was no link */
	struct list to_answer; /* contacts to be answered from what we know, in the next turn of the loop */
	/* ours */
	struct candidates mine;
	bool mine_unsent;
	uint64_t policy_held; /* the version that the owner goes by, once it has said so */
	bool policy_known, policy_unsaid;
	struct streaming streams[AGENT_STREAMS_MAX];
	/* requests */
	struct list pending;
	int64_t next_id;
};

NODISCARD int agent_new_tuned(struct event_base *base, const struct agent_config *cfg,
	const struct agent_events *ev, const struct agent_tuning *t, struct agent **ret_agent,
	struct diag *d);

/* --- session.c --- */
/* Gives the link up and tries again later; tells the owner. */
void session_drop(struct agent *a, const char *why);
void session_on_timer(void *ctx); /* the agent */
/* Something speaks for it that the coordinator can be reached now: the next attempt begins, unless there is a
 * link or one has just begun. */
void session_look_again(struct agent *a);
/* An attempt that began so long ago may wait for answers that cannot come any more. */
#define SESSION_STALE (1 * SEC)
/* False when there is no link or no memory. Ends `o`. */
bool session_send(struct agent *a, struct jsonout *o);
/* New addresses of the coordinator, before those that we have. */
void session_addresses_add(struct agent *a, char (*list)[TOKEN_ADDR_LEN], size_t n);

/* By which addresses, and how, the coordinator is looked for. */
void session_race(const struct agent *a, struct race_config *ret_cfg);
/* Where a tunnel leads that still works when all that we know has moved, or where it would lead. */
void session_through_the_mesh(const struct agent *a, struct endpoint last[2]);

/* --- stream.c --- */
NODISCARD int streaming_init(struct agent *a);
void streaming_deinit(struct agent *a);
void streaming_hurry(struct agent *a); /* the network changed */
void streaming_linked(struct agent *a); /* the link is up, so the coordinator's relay may be, too */

/* --- message.c --- */
void message_handle(struct agent *a, const json_t *m);

/* --- report.c --- */
void report_asked(struct agent *a, const msg_object *m);

/* --- relays.c --- */
void relays_told(struct agent *a, struct msg_relays *told); /* which is changed */
void relays_set(struct agent *a, const struct relays *r);
void relays_look(struct agent *a); /* members, or where the coordinator is, may have changed */

/* --- want.c --- */
void want_again(struct agent *a); /* what could not be asked without a link */
void want_answer(struct agent *a); /* from what we know */
void want_told(struct agent *a, const char *id, const struct candidates *told, bool looks);

/* --- request.c --- */
void request_reply(struct agent *a, const json_t *m);
void requests_fail(struct agent *a, const char *why);
void requests_settle(struct agent *a); /* delivers the answers that are due */

#endif
