/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of `filter` share. */
#ifndef TM_CLI_CMD_FILTER_H
#define TM_CLI_CMD_FILTER_H

#include "cli/core/cli.h"

const char *filter_by(void);
NODISCARD int filter_read(struct cli *c, const char *file, char **ret_text, struct diag *d);
json_t *filter_text(const char *text, const char *name); /* fields of a request; NULL: no memory */
json_t *filter_send(struct cli *c, const char *cmd, const char *file, bool rebind, int *ret_status);
void filter_warn(struct cli *c, const json_t *reply);
int filter_accepted(struct cli *c, const json_t *reply); /* a new version; returns CLI_DONE */

#endif
