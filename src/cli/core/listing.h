/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `token list`, `node list`, `client list`: ask the daemon for an array, page by page, show it as
 * a table or as it came. */
#ifndef TM_CLI_CORE_LISTING_H
#define TM_CLI_CORE_LISTING_H

#include "cli/core/cli.h"
#include "cli/core/columns.h"

struct listing {
	const char *cmd; /* daemon command, "token.list" */
	const char *array; /* of the reply */
	const char *const *heads;
	size_t columns;
	void (*row)(struct columns *t, const json_t *j, int64_t now); /* fills one row; now in Unix seconds */
	const char *none; /* a line instead of a table without rows */
};

/* All pages of the list as one reply. What `fields` has goes with each question: borrowed; NULL: nothing. */
NODISCARD int listing_fetch(struct cli *c, const char *cmd, const char *array, const json_t *fields,
	json_t **ret_reply, struct diag *d);

/* Prints; returns the exit status. */
int listing_print(struct cli *c, const struct listing *l);

#endif
