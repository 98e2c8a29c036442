/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* All commands, one file per verb or noun, and the help made from their tables. */
#ifndef TM_CLI_CORE_COMMANDS_H
#define TM_CLI_CORE_COMMANDS_H

#include "cli/core/cli.h"

extern const struct command cmd_init, cmd_join, cmd_up, cmd_down, cmd_leave, cmd_reload, cmd_restart,
	cmd_status, cmd_peers, cmd_ping, cmd_bench, cmd_netcheck, cmd_doctor, cmd_metrics, cmd_ssh, cmd_whois,
	cmd_dns_status, cmd_dns_query, cmd_token_create, cmd_token_list, cmd_token_revoke, cmd_filter_list,
	cmd_filter_show, cmd_filter_set, cmd_filter_test, cmd_filter_add, cmd_filter_remove,
	cmd_filter_explain, cmd_filter_local, cmd_filter_diff, cmd_filter_prove, cmd_filter_history,
	cmd_filter_rollback, cmd_node_list, cmd_node_rename, cmd_node_alias, cmd_node_tag, cmd_node_remove,
	cmd_client_add, cmd_client_list, cmd_client_remove, cmd_route_advertise, cmd_route_withdraw,
	cmd_route_list, cmd_route_approve, cmd_route_reject, cmd_exit_offer, cmd_exit_withdraw, cmd_exit_use,
	cmd_exit_off, cmd_events, cmd_exit_pause, cmd_log_level, cmd_version, cmd_help, cmd_backup,
	cmd_restore, cmd_top, cmd_bugreport, cmd_capture, cmd_dashboard_password;

/* second NULL for a single verb; NULL when there is none. */
const struct command *command_find(const char *first, const char *second);
/* "token" of "token create", in buf. */
const char *command_first_word(const char *name, char *buf, size_t n);
/* "create, list, revoke" */
const char *noun_verbs(const char *noun, char *buf, size_t n);

void help_overview(FILE *f);
void help_command(FILE *f, const struct command *cmd);
int help_noun(FILE *f, const char *noun); /* returns CLI_DONE */

/* Becomes the daemon in this process. Returns the exit status. */
int up_foreground(struct cli *c);

#endif
