/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/listing.h"

#include "base/time.h"
#include "cli/core/commands.h"

static json_t *question(const json_t *fields, json_int_t after)
{
	json_t *q = fields ? json_deep_copy(fields) : json_object();

	if (after)
		json_object_set_new(q, "after", json_integer(after));
	return q;
}

int listing_fetch(struct cli *c, const char *cmd, const char *array, const json_t *fields, json_t **ret_reply,
	struct diag *d)
{
	json_t *all = NULL;
	json_int_t next = 0, after;

	do {
		json_t *page = NULL;

		after = next;
		int err = cli_ask(c, cmd, question(fields, after), ASK_TIMEOUT_MS, &page, d);
		if (err) {
			json_decref(all);
			return err;
		}
		next = json_integer_value(json_object_get(page, "next"));
		if (all) {
			json_array_extend(json_object_get(all, array), json_object_get(page, array));
			json_decref(page);
		} else {
			all = page;
		}
	} while (next > after);
	json_object_del(all, "next");
	*ret_reply = all;
	return TM_OK;
}

int listing_print(struct cli *c, const struct listing *l)
{
	_cleanup_(columns_deinit) struct columns t;
	_cleanup_(json_decrefp) json_t *reply = NULL;
	struct diag d = {0};
	size_t i;
	json_t *j;

	columns_init(&t, l->heads, l->columns);
	int err = listing_fetch(c, l->cmd, l->array, NULL, &reply, &d);
	if (err)
		return cli_fail(c, &d, err);
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
