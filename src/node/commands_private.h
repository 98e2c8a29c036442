/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of commands share. Control thread. Private to commands*.c. */
#ifndef TM_NODE_COMMANDS_PRIVATE_H
#define TM_NODE_COMMANDS_PRIVATE_H

#include "node/node_private.h"

const char *command_field(const json_t *req, const char *key); /* "" for what is no text */
/* A node that was removed knows of nobody: said, then. */
bool command_refuse_when_removed(struct node *n, struct ctl_call *call);
/* The member that a field names; NULL: it has been said that there is none. */
const struct mesh_node *command_find_node(
	struct node *n, const json_t *req, const char *key, struct ctl_call *call);
/* This machine is not the coordinator: said with where that is. */
void command_not_coordinator(struct node *n, struct ctl_call *call);
/* The same request as the coordinator knows it from a link. */
void command_ask_through_link(struct node *n, const json_t *req, agent_reply_fn *reply, void *ctx);

/* Who asks by the socket, as the coordinator here is told. */
struct coord_who command_who(const struct ctl_call *call);

void command_client_add(struct node *n, const json_t *req, struct ctl_call *call);

/* commands_route.c, commands_exit.c */
typedef void command_fn(struct node *n, const msg_object *req, struct ctl_call *call);
command_fn command_route_advertise, command_route_withdraw;
command_fn command_events, command_log_level; /* commands_events.c, commands_log.c */
command_fn command_replace; /* commands_replace.c */
command_fn command_capture, command_paths; /* commands_capture.c, commands_paths.c */
command_fn command_whois; /* commands_whois.c */
command_fn command_dashboard_password; /* commands_dashboard.c */
command_fn command_filter_add, command_filter_list, command_filter_remove; /* commands_filter.c */
command_fn command_exit_offer, command_exit_use, command_exit_off, command_exit_pause;

#endif
