/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The running node: composition root of all modules. Called by `up --foreground`. */
#ifndef TM_NODE_NODE_H
#define TM_NODE_NODE_H

#include "base/diag.h"
#include "base/err.h"

struct node_options {
	const char *config_path;
	bool config_explicit; /* named on the command line: must exist */
	const char *state_dir;
	const char *socket_path;
	const char *log_level; /* NULL = from config */
};

/*
 * Runs until stopped; logs. 0, or an error with a sentence in d. Calls os_daemon_ready() once everything is
 * up; the caller reports an error with os_daemon_failed().
 */
NODISCARD int node_main(const struct node_options *o, struct diag *d);

#endif
