/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What `init` and `join` share: a state directory that is locked while they work on it, an identity, and the
 * way back. Everything that was not there before is removed again unless setup_commit was called, and nothing
 * else.
 */
#ifndef TM_CLI_CMD_SETUP_H
#define TM_CLI_CMD_SETUP_H

#include "cli/core/cli.h"
#include "control/agent/enrolment.h"
#include "crypto/identity.h"
#include "node/config.h"

enum { SETUP_FILES_MAX = 28 };

/* Options that both commands have; begins their structs. */
struct setup_opts {
	const char *name, *identity, *tun;
	uint16_t listen_port, api_port; /* api_port: init only */
	bool foreground, no_up, force; /* force: any address range */
};

struct setup {
	struct cli *c;
	const struct setup_opts *opts;
	struct config config;
	struct identity identity;
	char name[NODE_NAME_MAX + 1];
	int lock_fd;
	bool existed[SETUP_FILES_MAX]; /* by index into state_files */
	char *made_dir; /* the topmost directory that was missing */
	bool locked, started, committed;
	const char *proxy_from; /* cli_proxy: a variable of the environment, or NULL */
};

/* Everything that can be refused before anything is touched, then directory and lock. */
NODISCARD int setup_begin(struct setup *s, struct cli *c, const struct setup_opts *opts, struct diag *d);
/* For a machine that is in the mesh already: there will be nothing to undo, and the lock is not taken yet. */
NODISCARD int setup_begin_again(
	struct setup *s, struct cli *c, const struct setup_opts *opts, struct diag *d);
NODISCARD int setup_lock(struct setup *s, struct diag *d);
/* Imports, finds or generates the identity, and stores it. */
NODISCARD int setup_identity(struct setup *s, struct diag *d);
/* The coordinator may have enrolled this key without our hearing of it: a further `join` must come with the
 * same one. */
void setup_keep_identity(struct setup *s, struct diag *d);
/* Writes node.json with the settings of the command line; those that were not given stay as in e. */
NODISCARD int setup_save(struct setup *s, struct enrolment *e, struct diag *d);
/* Gives the lock to the daemon and starts it. */
NODISCARD int setup_start(struct setup *s, struct diag *d);
void setup_commit(struct setup *s);
/* Undoes what was not committed; wipes the identity. */
void setup_end(struct setup *s);

#endif
