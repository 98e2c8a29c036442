/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How the results of a bench are shown: the line above, the table, the JSON object. Its keys are documented
 * in docs/json.md and stay. Pure but for printing. */
#ifndef TM_CLI_CMD_BENCH_REPORT_H
#define TM_CLI_CMD_BENCH_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "bench/client.h"
#include "cli/core/columns.h"

struct bench_subject {
	const struct bench_target *target;
	char id[32], address[IP_STR_LEN];
	char path[16], endpoint[ENDPOINT_STR_LEN]; /* as `peers` has them; "" = not known */
};

void bench_report_head(const struct bench_subject *s, FILE *f);
/* The phases that have begun. TM_ENOMEM. */
NODISCARD int bench_report_table(const struct bench_results *r, FILE *f, const struct screen *screen);
/* err TM_OK: all went well, else d says what did not. NULL when out of memory. */
json_t *bench_report_json(
	const struct bench_subject *s, const struct bench_results *r, int err, const struct diag *d);
bool bench_report_is_empty(const struct bench_results *r);

#endif
