/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `doctor` finds, for others than those who type it. Private to cli/cmd. */
#ifndef TM_CLI_CMD_DOCTOR_H
#define TM_CLI_CMD_DOCTOR_H

#include "cli/core/cli.h"

/* As docs/json.md has it; some seconds. NULL: no memory. */
json_t *doctor_report(struct cli *c);

#endif
