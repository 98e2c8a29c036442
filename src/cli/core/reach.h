/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How a peer is reached, or why it is not, from the daemon's answer to `peer` (docs/json.md, `status NAME`).
 */
#ifndef TM_CLI_CORE_REACH_H
#define TM_CLI_CORE_REACH_H

#include <jansson.h>
#include <stdio.h>

#include "cli/core/columns.h"

enum { REACH_TEXT_LEN = 512 };

/* What every address of the peer came to: a table, nothing when none was tried. TM_ENOMEM. */
NODISCARD int reach_print_tried(const json_t *reply, FILE *f, const struct screen *screen);
/* One sentence on why there is no way, and what to do; "" where there is one. Pure. Returns buf. */
const char *reach_explain(const json_t *reply, char buf[static REACH_TEXT_LEN]);
/* The same when no echo came back, which says something where there is a way, too. */
const char *reach_explain_silence(const json_t *reply, char buf[static REACH_TEXT_LEN]);

#endif
