/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The node's side of the control link: keeps one link up (backoff with jitter, at most 4 s apart), reports
 * our candidates, brings what the coordinator tells into the directory of peers, asks for peers' candidates.
 * Control thread. Its callbacks come from the event loop, or from agent_start, and must not free the agent.
 * Messages: docs/protocol.md.
 */
#ifndef TM_CONTROL_AGENT_AGENT_H
#define TM_CONTROL_AGENT_AGENT_H

#include "base/diag.h"
#include "base/time.h"
#include "control/agent/enrolment.h"
#include "control/peers/peers.h"
#include "wire/address.h"
#include "wire/msg/msg.h"
#include "wire/msg/report.h"

struct agent;
struct event_base;
struct proxy;
struct resolver;

struct agent_events {
	void *ctx;
	/* The members are others now; at the start, all that the directory holds come as added. */
	void (*mesh_changed)(void *ctx, const struct mesh_diff *diff);
	/* Of a peer: asked for, or it looks for us. */
	/* looks: the peer looks for us at this moment. */
	void (*candidates)(void *ctx, const char *id, const struct candidates *c, bool looks);
	/* Who hands on datagrams now, but ourselves; at the start those that did at the last run. */
	void (*relays)(void *ctx, const struct relays *r);
	/* The policy of the mesh; at the start, the one of the last run, unless there was none. version 0:
	 * this node is no member any more. An error: it is not in force here. Then the one that is stays the
	 * one that is kept, and the coordinator is told of that one. */
	int (*policy)(void *ctx, const struct policy_kept *policy);
	/* The coordinator wants to be told how we are (agent_report), until the link ends. */
	void (*report)(void *ctx, const struct msg_report_ask *ask);
	void (*link)(void *ctx, bool up);
	/* The coordinator removed us; twin: it did not, but another machine with our identity has our place.
	 */
	void (*removed)(void *ctx, const char *why, bool twin);
};

struct agent_config {
	const struct enrolment *enrolment; /* borrowed: mesh, our record, coordinator key and addresses */
	const struct identity *identity; /* borrowed */
	struct peers *peers; /* borrowed */
	const char *version;
	bool relay; /* this node would hand on the datagrams of others */
	uint16_t relay_tcp[RELAY_PORTS_MAX]; /* and takes streams at these ports; the coordinator says its own
					      */
	size_t n_relay_tcp;
	uint32_t fwmark; /* SO_MARK of the link's sockets, 0 = none */
	const struct proxy_choice *proxy; /* copied; NULL: none */
};

NODISCARD int agent_new(struct event_base *base, const struct agent_config *cfg,
	const struct agent_events *ev, struct agent **ret_agent, struct diag *d);
void agent_free(struct agent *a);
/* Tells what the directory holds, and begins to connect. Once. */
void agent_start(struct agent *a);

/* As the coordinator told last, at first those of the enrolment. */
const struct mesh_info *agent_mesh_info(const struct agent *a);
bool agent_link_up(const struct agent *a);
/* The coordinator's end of the current or last link; IP_NONE when there was none. */
struct ip agent_coordinator_ip(const struct agent *a);
/* Where its data socket may be, likeliest first: with its port where the link goes, then where it says
 * itself. */
size_t agent_coordinator_data(const struct agent *a, struct endpoint *v, size_t max);
/* Who hands on datagrams, as far as they are members who may; never ourselves. */
void agent_relays(const struct agent *a, struct relays *ret_r);
bool agent_link_tls(const struct agent *a); /* the current or last link goes through TLS */
/* Unix seconds by the coordinator's clock now, as it told when the link came up; 0 = it has not, or there is
 * no link. */
int64_t agent_coordinator_time(const struct agent *a);
const char *agent_link_proxy(const struct agent *a); /* or a proxy, "host:port"; "" = none */
/* The link is up without the proxy that there is: which, and why; "" = it is not so. */
void agent_proxy_failed(const struct agent *a, char *buf, size_t len);
/*
 * The coordinator's own port, and how it is got at now, for who asks it something besides the link. False: no
 * address is known that is not a web server's in front of it. All borrowed from the agent.
 */
struct agent_door {
	struct address at; /* as it is written down */
	struct ip ip; /* where the link found its host; IP_NONE: nowhere yet */
	const struct proxy *via; /* the proxy that leads there; NULL: none does */
	bool tls;
	struct resolver *resolver;
};
bool agent_door(const struct agent *a, struct agent_door *ret_door);
const char *agent_last_error(const struct agent *a); /* "" when up */

void agent_set_candidates(struct agent *a, const struct candidates *mine); /* sent when changed and linked */
/* The version of the policy that this node goes by, 0: none. Told when it changes, and to each new link. */
void agent_policy_held(struct agent *a, uint64_t version);
/* What `report` asked for; without a link it is nobody's business. */
void agent_report(struct agent *a, const struct msg_report *m);
/* Ask for a peer's candidates (it is told ours at the same time). Rate-limited per peer; answered from the
 * last known ones when offline. */
void agent_want_candidates(struct agent *a, const char *id);
void agent_reconnect_now(struct agent *a); /* network changed */
/* Somebody knows better where the coordinator is. Also asks again whether a removed node is let in. */
void agent_set_addresses(struct agent *a, const struct msg_addresses *enrolled);

/* A request to the coordinator ({"t":"client.add",...}); reply as in coord_ask; {"ok":false} when there
 * is no link. */
typedef void agent_reply_fn(void *ctx, json_t *reply_take);
void agent_request(struct agent *a, const json_t *req, agent_reply_fn *reply, void *ctx, int timeout_ms);

/*
 * What this node offers to others now, all of it (of `routes` what msg_route_offer says). done is called
 * once, from the loop or at once: TM_OK; TM_EPERM, it refuses; TM_ECLOSED, it was not asked, and the next
 * link is the time to try again; TM_EAGAIN, it did not answer, or cannot do it now.
 */
typedef void agent_offered_fn(void *ctx, int err, const struct diag *d);
void agent_offer_routes(struct agent *a, const struct node_routes *r, agent_offered_fn *done, void *ctx);

#endif
