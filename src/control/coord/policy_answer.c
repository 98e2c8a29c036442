/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/coord/policy_answer.h"

#include "base/strbuf.h"

#include <string.h>

static void put_each(struct jsonout *o, char *lines)
{
	for (char *at = lines; at && *at;) {
		size_t n = strcspn(at, "\n");

		at[n] = '\0';
		jsonout_text(o, NULL, at);
		at[n] = '\n';
		at += n + 1;
	}
}

void policy_put_lines(struct jsonout *o, char *lines, char *more)
{
	jsonout_list(o, "warnings");
	put_each(o, lines);
	put_each(o, more);
	jsonout_list_end(o);
}

int policy_put_warnings(struct jsonout *o, const struct policy_scene *x, const struct policy_doc *doc)
{
	struct strbuf b = {0};
	int err = policy_scene_warnings(x, doc, &b);

	if (!err)
		policy_put_lines(o, b.s, NULL);
	strbuf_deinit(&b);
	return err;
}

void policy_put_rule(struct jsonout *o, const char *key, const struct policy_doc *doc, int32_t rule)
{
	if (rule >= 0)
		jsonout_text(o, key, doc->rules[rule].id);
	else
		jsonout_null(o, key);
}

void policy_put_list(struct jsonout *o, const char *key, const struct policy_scene *x,
	const struct policy_doc *doc, const struct policy_list *l)
{
	struct strbuf b = {0};

	policy_list_format(doc, x->mesh, l, &b);
	jsonout_text(o, key, b.s ? b.s : "");
	strbuf_deinit(&b);
}

void policy_put_rules(struct jsonout *o, const struct policy_scene *x, const struct policy_doc *doc,
	const struct policy_sums *sums)
{
	jsonout_list(o, "rules");
	for (size_t i = 0; i < doc->n_rules; i++) {
		const struct policy_rule *r = &doc->rules[i];
		struct strbuf b = {0};

		jsonout_object(o, NULL);
		jsonout_text(o, "id", r->id);
		jsonout_text(o, "action", policy_action_name(r->action));
		policy_put_list(o, "from", x, doc, &r->from);
		policy_put_list(o, "to", x, doc, &r->to);
		policy_services_format(r, &b);
		jsonout_text(o, "services", b.s ? b.s : "");
		jsonout_bool(o, "builtin", r->builtin);
		jsonout_int_or_null(o, "line", r->line);
		jsonout_int_or_null(o, "line_end", r->line_end);
		if (sums)
			jsonout_int(o, "hits", (int64_t)policy_sums_get(sums, r));
		else
			jsonout_null(o, "hits");
		jsonout_object_end(o);
		strbuf_deinit(&b);
	}
	jsonout_list_end(o);
}

void policy_put_counted(struct jsonout *o, const struct policy_sums *sums)
{
	if (!sums) {
		jsonout_null(o, "counted");
		return;
	}
	jsonout_object(o, "counted");
	jsonout_int(o, "since_at", sums->since);
	jsonout_int(o, "no_rule", (int64_t)sums->none);
	jsonout_object_end(o);
}

void policy_put_subject(struct jsonout *o, const char *key, const struct policy_subject *s)
{
	char text[POLICY_SUBJECT_LEN];

	jsonout_text(o, key, policy_subject_format(s, text));
}

void policy_put_service(struct jsonout *o, const struct policy_service *s)
{
	char text[POLICY_SERVICE_LEN];

	jsonout_text(o, "service", policy_service_format(s, text));
}
