/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/listing.h"

#include "base/time.h"
#include "cli/core/commands.h"

int listing_print(struct cli *c, const struct listing *l)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	_cleanup_(columns_deinit) struct columns t;
	struct diag d = {0};
	size_t i;
	json_t *j;
	int status, err;

	columns_init(&t, l->heads, l->columns);
	reply = cli_fetch(c, l->cmd, NULL, &status);
	if (!reply)
		return status;

	json_array_foreach (json_object_get(reply, l->array), i, j)
		l->row(&t, j, time_real() / SEC);
	err = columns_print(&t, c->out, c->out_tty);
	return err ? cli_fail(c, &d, err) : CLI_DONE;
}
