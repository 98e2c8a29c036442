/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/listing.h"

#include "base/time.h"
#include "cli/core/commands.h"

/* All pages of the list as one reply; NULL after a failure was told. */
static json_t *fetch_pages(struct cli *c, const struct listing *l, int *ret_status)
{
	json_t *all = NULL;
	json_int_t next = 0, after;

	do {
		json_t *page = NULL;
		struct diag d = {0};

		after = next;
		int err = cli_ask(c, l->cmd, after ? json_pack("{s:I}", "after", after) : NULL,
			ASK_TIMEOUT_MS, &page, &d);
		if (err) {
			json_decref(all);
			*ret_status = cli_fail(c, &d, err);
			return NULL;
		}
		next = json_integer_value(json_object_get(page, "next"));
		if (all) {
			json_array_extend(json_object_get(all, l->array), json_object_get(page, l->array));
			json_decref(page);
		} else {
			all = page;
		}
	} while (next > after);
	json_object_del(all, "next");
	return all;
}

int listing_print(struct cli *c, const struct listing *l)
{
	_cleanup_(columns_deinit) struct columns t;
	struct diag d = {0};
	size_t i;
	json_t *j;
	int status, err;

	columns_init(&t, l->heads, l->columns);
	_cleanup_(json_decrefp) json_t *reply = fetch_pages(c, l, &status);
	if (!reply)
		return status;
	if (c->g.json)
		return cli_json_take(c, json_incref(reply));

	json_array_foreach (json_object_get(reply, l->array), i, j)
		l->row(&t, j, time_real() / SEC);
	if (t.n == 0) {
		fprintf(c->out, "  %s\n", l->none);
		return CLI_DONE;
	}
	err = columns_print(&t, c->out, &c->screen);
	return err ? cli_fail(c, &d, err) : CLI_DONE;
}
