/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The node's side of the control link: keeps one link up (backoff with jitter, at most 4 s apart), reports
 * our candidates, keeps the netmap and its cache on disk, asks for peers' candidates. Control thread. Starts
 * from the cache alone when no coordinator answers. Messages: docs/protocol.md.
 */
#ifndef TM_CONTROL_AGENT_AGENT_H
#define TM_CONTROL_AGENT_AGENT_H

#include "base/diag.h"
#include "base/time.h"
#include "control/agent/enrolment.h"
#include "mesh/model.h"

struct agent;
struct event_base;

struct agent_events {
	void *ctx;
	/* New whole view; also once at start from the cache. */
	void (*netmap)(void *ctx, const struct netmap *map);
	/* Of a peer: asked for, or it looks for us. */
	void (*candidates)(void *ctx, const char *id, const struct candidates *c);
	void (*link)(void *ctx, bool up);
	void (*removed)(void *ctx, const char *why); /* the coordinator removed us */
};

struct agent_config {
	const struct enrolment *enrolment; /* borrowed: mesh, our record, coordinator key and addresses */
	const struct identity *identity; /* borrowed */
	const char *cache_path; /* netmap cache file, mode 0600 */
	const char *version;
};

NODISCARD int agent_new(struct event_base *base, const struct agent_config *cfg,
	const struct agent_events *ev, struct agent **ret_agent, struct diag *d);
void agent_free(struct agent *a); /* saves the cache */

const struct netmap *agent_netmap(const struct agent *a);
/* As the coordinator told last, at first those of the enrolment. */
const struct mesh_info *agent_mesh(const struct agent *a);
const struct node_rec *agent_self(const struct agent *a);
bool agent_link_up(const struct agent *a);
/* Address of the coordinator end of the current or last link (for STUN), and its data port; false when never
 * connected. */
bool agent_coordinator_data_endpoint(const struct agent *a, struct endpoint *ret_ep);
const char *agent_last_error(const struct agent *a); /* "" when up */

void agent_set_candidates(struct agent *a, const struct candidates *mine); /* sent when changed and linked */
/* Ask for a peer's candidates (it is told ours at the same time). Rate-limited per peer; answered from the
 * last known ones when offline. */
void agent_want_candidates(struct agent *a, const char *id);
/* Remember an endpoint that worked, for a start without coordinator. */
void agent_remember_endpoint(struct agent *a, const char *id, const struct endpoint *ep);
void agent_reconnect_now(struct agent *a); /* network changed */

/* A request to the coordinator ({"t":"client.add",...}); reply as in coord_admin; {"ok":false} when there is
 * no link. */
typedef void agent_reply_fn(void *ctx, json_t *reply_take);
void agent_request(struct agent *a, const json_t *req, agent_reply_fn *reply, void *ctx, int timeout_ms);

#endif
