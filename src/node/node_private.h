/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The running node: everything that build.c constructs and plugs.c plugs together. Control thread. Private to
 * node/.
 */
#ifndef TM_NODE_NODE_PRIVATE_H
#define TM_NODE_NODE_PRIVATE_H

#include "base/loglimit.h"
#include "bench/responder.h"
#include "control/agent/agent.h"
#include "control/coord/coord.h"
#include "control/path/core.h"
#include "control/peers/peers.h"
#include "crypto/identity.h"
#include "data/plane/plane.h"
#include "loop/timer.h"
#include "node/clock.h"
#include "node/config.h"
#include "node/ctl.h"
#include "node/events.h"
#include "node/inbound.h"
#include "node/keeper.h"
#include "node/mapper.h"
#include "node/netcheck.h"
#include "node/news.h"
#include "node/node.h"
#include "node/own_rules.h"
#include "node/path_history.h"
#include "node/reaching.h"
#include "node/reporting.h"
#include "node/rules.h"
#include "node/streaming.h"
#include "os/orders.h"
#include "os/os.h"

#include <event2/event.h>

enum { NODE_PATH_MAX = 512 };

struct node_paths {
	char identity[NODE_PATH_MAX], enrolment[NODE_PATH_MAX], netmap[NODE_PATH_MAX], clock[NODE_PATH_MAX],
		db[NODE_PATH_MAX], tls[NODE_PATH_MAX], lock[NODE_PATH_MAX], log[NODE_PATH_MAX],
		undo[NODE_PATH_MAX], undo_names[NODE_PATH_MAX], routes[NODE_PATH_MAX],
		settings[NODE_PATH_MAX], undo_exit[NODE_PATH_MAX], password[NODE_PATH_MAX];
};

struct node {
	/* set once */
	const struct node_options *options;
	struct node_paths paths;
	struct identity identity;
	struct enrolment enrolment; /* as on disk; settings already resolved into `config` */
	struct enrolment agent_enrolment; /* the same, but a coordinator reaches itself over loopback */
	ns_t started; /* monotonic */
	ns_t started_real; /* the same moment, as the clock was then */
	int lock_fd;
	/* changes with reload */
	struct config config;
	/* parts, in order of construction */
	struct event_base *base;
	struct node_clock clock;
	struct plane *plane;
	struct core *path_core; /* driven by drive.c */
	struct os_routes *routes; /* for it */
	struct streaming_state streams; /* to relays */
	struct relaying *relaying; /* relaying.c */
	struct peers *peers;
	struct keeper *keeper;
	struct events *events;
	struct news *news;
	struct reaching *reaching; /* what drive.c counts */
	struct path_history *path_history; /* and what came of it */
	struct coord *coord; /* NULL unless we have the role */
	struct node_dashboard *dashboard; /* dashboard.c; likewise */
	struct agent *agent;
	uint64_t links_begun; /* of it, since the start */
	struct responder *responder; /* NULL when switched off */
	struct os_netmon *netmon;
	struct os_resume *resume; /* NULL where sleeps cannot be seen */
	struct inbound *inbound;
	struct mapper *mapper;
	struct netcheck *netcheck;
	struct reporting *reporting;
	struct captures *captures; /* capture.c */
	struct names *names; /* names.c */
	struct metrics_serving *metrics_serving; /* NULL: they are not served */
	struct offers *offers;
	struct routing *routing;
	struct router *router;
	struct fence *fence;
	struct exits *exits;
	struct ctl *ctl, *open_ctl; /* open_ctl: for questions of all users; NULL where it cannot be had */
	struct event *plane_event;
	struct os_orders *orders;
	struct loop_timer *plane_timer, *path_timer, *stop_timer;
	/* of interface.c */
	struct {
		struct loop_timer *again;
		ns_t last; /* when something was put back, monotonic */
		unsigned in_a_row, failed; /* failed: in a row */
	} interface;
	/* of rules.c */
	struct {
		struct filtering *filtering;
		struct counts *counts; /* how often its rules decided */
		struct loop_timer *again;
		struct own_rule *own; /* n_own, this node's own */
		size_t n_own;
		struct configured_rule *configured; /* config.n_rules; likewise */
		bool rebound; /* and the filter does not know it yet */
		bool in_vain; /* some would allow, and the policy does not grant it: has been said */
		unsigned next_own;
		struct loop_timer *over; /* the time of the first of them */
		ns_t not_before; /* members that change cost no more than a part of the time */
		bool on; /* the plane has some */
		bool closed; /* nothing passes, for want of a policy or of its rules */
		bool unknown; /* there is a policy, and nothing of it nor of one before: all is denied */
		bool full; /* there are too many for those who are members now: those from before hold */
		uint64_t in_force; /* the version whose rules the plane has; 0: none */
		/* The policy that was told last, while it is not in force. */
		struct policy_kept waiting;
		enum rules_wait waits;
		bool changed; /* members, since it was tried */
		ns_t rest_until;
	} rules;
	/* Lines of the log that others can provoke: whoever is on our network, the coordinator, members. */
	struct {
		struct log_limit network, mesh, path, handshake;
	} log;
	/* of commands_log.c: another level than the configured one */
	struct {
		struct loop_timer *over; /* NULL: it has no end */
		ns_t until; /* 0: there is none; NS_NEVER */
	} logging;
	/* state */
	struct mesh_info mesh; /* newest known */
	bool behind; /* the plane lacks a change of the mesh */
	char removed[256]; /* why the coordinator removed us; "" = member */
	bool twin; /* it did not: another machine with our identity has our place */
	struct helper *replacer; /* commands_replace.c; NULL until somebody asks */
	bool replacing; /* another program goes on in our place */
	bool ending; /* told to: none does */
	bool stopping; /* as soon as all is given back that must be */
	bool draining; /* drive.c: the core's outputs are being handled */
	struct os_logfile *logfile; /* NULL: the log is not our file */
	struct diag failure;
	int result;
};

void node_paths_init(struct node_paths *p, const char *state_dir);

/* build.c. After a failure, too, node_close takes down what is there; `failure` has the sentence. */
NODISCARD int node_build(struct node *n);
NODISCARD int node_start(struct node *n);
void node_close(struct node *n);

/* node.c, called from the loop. */
void node_service_plane(void *node);
void node_stop_now(void *node);
void node_on_stop_order(void *node, const char *by);
void node_on_reload_order(void *node);
void node_on_network_changed(void *node, enum os_network what);
void node_on_resumed(void *node, ns_t slept);
/* This coordinator's tokens say by which addresses it is reached: they changed. */
void node_tell_addresses(struct node *n);
void node_check_addresses(const struct node *n); /* warns of what members cannot find by them */
NODISCARD int node_load_config(
	const struct node_options *o, const struct enrolment *e, struct config *ret_config, struct diag *d);

/* Something was asked of the plane: let it run its timers soon. */
void node_kick_plane(struct node *n);
/* Ends the event loop after replies under way have been sent. */
void node_stop_soon(struct node *n);
int node_reload(struct node *n, struct diag *d, char *restart_keys, size_t restart_len);

/*
 * replace.c: whether another program goes on in our place is settled by node_replace_keep, once the loop has
 * ended and before node_close: what it takes over is kept for it. node_replace_become, as the very last,
 * becomes that program; it returns with an error only.
 */
void node_replace_never(struct node *n); /* we were told to end */
void node_replace_keep(struct node *n);
NODISCARD int node_replace_become(struct diag *d);

/* plugs.c: what each part gets to call, and what a change of the mesh means for all of them. */
struct plane_events plugs_plane(struct node *n);
struct agent_events plugs_agent(struct node *n);
struct keeper_config plugs_keeper(struct node *n);
struct responder_config plugs_responder(struct node *n);
struct inbound_config plugs_inbound(struct node *n);
NODISCARD int plugs_mapper(struct node *n, struct mapper_config *ret_cfg);

/* commands_log.c: the log is as configured from now on, whatever was set for a while. */
void node_log_configured(struct node *n);

/* commands.c: the control socket's handler, and that of the open one: what shows and changes nothing. */
void node_command(void *ctx, const json_t *req, struct ctl_call *call);
void node_question(void *ctx, const json_t *req, struct ctl_call *call);

#endif
