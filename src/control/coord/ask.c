/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/coord/coord_private.h"

#include <string.h>

json_t *answer_ok(void)
{
	return json_pack("{s:b}", "ok", 1);
}

json_t *answer_error(const char *error, const char *hint)
{
	if (hint && hint[0])
		return json_pack("{s:b, s:s, s:s}", "ok", 0, "error", error, "hint", hint);
	return json_pack("{s:b, s:s}", "ok", 0, "error", error);
}

static void answer_link(struct coord *c, const struct asker *a, json_t *answer)
{
	struct conn *n = conn_find(c, a->conn);

	if (!n)
		return;
	if (n->n_requests)
		n->n_requests--;
	if (json_object_set_new(answer, "t", json_string("reply")) < 0 ||
		json_object_set_new(answer, "id", json_integer(a->id)) < 0)
		return;
	conn_send(n, answer);
}

void ask_answer(struct coord *c, const struct asker *a, json_t *answer_take)
{
	if (!answer_take)
		answer_take = answer_error("the coordinator is out of memory", "try again later");
	if (a->reply) {
		a->reply(a->ctx, answer_take);
		return;
	}
	if (answer_take)
		answer_link(c, a, answer_take);
	json_decref(answer_take);
}

void ask_refuse_text(struct coord *c, const struct asker *a, const char *error, const char *hint)
{
	ask_answer(c, a, answer_error(error, hint));
}

void ask_refuse(struct coord *c, const struct asker *a, int err, const struct diag *d)
{
	struct diag own = d ? *d : (struct diag){0};

	if (!own.what[0] && err == TM_ECLOSED) {
		diag_what(&own, err, "the coordinator is stopping");
		diag_hint(&own, "try again when it is up");
	} else if (!own.what[0] && err == TM_EFULL) {
		diag_what(&own, err, "the coordinator has too much to do");
		diag_hint(&own, "try again in a moment");
	} else if (!own.what[0] && err == TM_ENOMEM) {
		diag_what(&own, err, "the coordinator is out of memory");
		diag_hint(&own, "try again later");
	}
	store_explain(err, &own);
	ask_refuse_text(c, a, own.what, own.hint);
}

const char *field_text(const json_t *m, const char *name, size_t max)
{
	const json_t *v = json_object_get(m, name);
	const char *s = json_string_value(v);
	size_t n = json_string_length(v);

	if (!s || n == 0 || n > max || strlen(s) != n)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return NULL;
	return s;
}

bool field_int(const json_t *m, const char *name, json_int_t low, json_int_t high, json_int_t *value)
{
	const json_t *v = json_object_get(m, name);

	if (!v)
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < low || json_integer_value(v) > high)
		return false;

	*value = json_integer_value(v);
	return true;
}
