/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Questions that the engine answers: what decides about a connection, what would another document change, is
 * a sentence true. They change nothing. */
#include "control/coord/policy_answer.h"
#include "control/coord/policy_ask.h"
#include "policy/diff.h"
#include "policy/explain.h"
#include "policy/prove.h"
#include "policy/tests.h"

#include <string.h>

enum { NAMES_SHOWN = 16, CHANGES_SHOWN = 200 };

static int nobody(struct ask *a, const char *text)
{
	diag_hint(&a->job.d, "`tunnelmesh node list` shows all; an address must be behind a node");
	return diag_what(&a->job.d, TM_ENOENT, "\"%.80s\" is no member and behind none", text);
}

static void put_explanation(
	struct jsonout *o, const struct policy_doc *doc, const struct policy_explanation *e)
{
	policy_put_subject(o, "from", e->from);
	policy_put_subject(o, "to", e->to);
	policy_put_service(o, &e->service);
	jsonout_text(o, "action", policy_action_name((enum policy_action)e->decision.action));
	policy_put_rule(o, "rule", doc, e->decision.rule);
	jsonout_bool(o, "local", e->decision.rule == POLICY_RULE_LOCAL);
	jsonout_list(o, "rules");
	for (size_t i = 0; i < e->n_rules; i++)
		jsonout_text(o, NULL, doc->rules[e->rules[i]].id);
	jsonout_list_end(o);
	jsonout_text_or_null(o, "filter_from", e->filter_from ? e->filter_from->name : "");
	jsonout_text_or_null(o, "filter_to", e->filter_to ? e->filter_to->name : "");
}

static int run_explain(struct ask *a, struct store *s, struct policy_scene *x)
{
	_cleanup_(policy_model_freep) struct policy_model *m = NULL;
	struct policy_service v[POLICY_PROTO_N];
	struct policy_explanation e;
	size_t n;

	(void)s;
	if (!x->doc)
		return policy_ask_none(a, x);
	int err = policy_service_parse(a->q.service, v, &n, &a->job.d);
	if (!err)
		err = policy_model_new(x->doc, &x->world, &m);
	if (err)
		return err;
	const struct policy_subject *from = policy_model_find(m, a->q.from),
				    *to = policy_model_find(m, a->q.to);
	if (!from || !to)
		return nobody(a, from ? a->q.to : a->q.from);
	err = policy_explain(m, from, to, &v[0], &e);
	if (err == TM_EINVAL) {
		diag_hint(&a->job.d, "the policy is about what goes from one member to another");
		return diag_what(
			&a->job.d, err, "%.80s and %.80s do not talk through the mesh", a->q.from, a->q.to);
	}
	if (!err)
		put_explanation(&a->out, x->doc, &e);
	policy_explanation_deinit(&e);
	return err;
}

static void put_violations(struct ask *a, const struct policy_model *m, const struct policy_proof *p)
{
	jsonout_list(&a->out, "violations");
	for (size_t i = 0; i < p->n; i++) {
		const struct policy_violation *v = &p->v[i];

		jsonout_object(&a->out, NULL);
		policy_put_subject(&a->out, "from", v->from);
		jsonout_int(&a->out, "n_from", (int64_t)v->n_from);
		policy_put_subject(&a->out, "to", v->to);
		jsonout_int(&a->out, "n_to", (int64_t)v->n_to);
		policy_put_service(&a->out, &v->service);
		policy_put_rule(&a->out, "rule", m->doc, v->rule);
		jsonout_object_end(&a->out);
	}
	jsonout_list_end(&a->out);
	jsonout_int(&a->out, "violations_in_all", (int64_t)p->n_all);
}

static void put_proof(struct ask *a, const struct policy_model *m, const struct policy_proof *p, bool can)
{
	struct jsonout *o = &a->out;
	char counter[POLICY_COUNTER_LEN];
	const char *sentence;

	jsonout_bool(o, "holds", p->holds);
	jsonout_bool(o, "nobody_from", p->nobody_from);
	jsonout_bool(o, "nobody_to", p->nobody_to);
	if (p->if_joined_known)
		jsonout_bool(o, "if_joined", p->if_joined);
	else
		jsonout_null(o, "if_joined");
	jsonout_text_or_null(o, "counter", p->n ? policy_counter_format(m, &p->v[0], can, counter) : "");
	jsonout_list(o, "path");
	for (size_t i = 0; i < p->n_path; i++)
		policy_put_subject(o, NULL, p->path[i]);
	jsonout_list_end(o);
	put_violations(a, m, p);
	jsonout_int(o, "pairs", (int64_t)p->n_pairs);
	jsonout_list(o, "assumes");
	for (size_t i = 0; (sentence = policy_proof_assumes(i)); i++)
		jsonout_text(o, NULL, sentence);
	jsonout_list_end(o);
}

static int run_prove(struct ask *a, struct store *s, struct policy_scene *x)
{
	_cleanup_(policy_statement_deinit) struct policy_statement st = {.can = false};
	_cleanup_(policy_model_freep) struct policy_model *m = NULL;
	_cleanup_(policy_proof_deinit) struct policy_proof p = {.holds = false};

	(void)s;
	if (!x->doc)
		return policy_ask_none(a, x);
	int err = policy_statement_parse(x->doc, x->mesh, a->text, &st, &a->job.d);
	if (err)
		return err;
	if (st.can && a->q.transitive) {
		diag_hint(&a->job.d, "leave out --transitive, or say \"cannot\"");
		return diag_what(&a->job.d, TM_EINVAL, "\"can reach\" is not said by way of others");
	}
	err = policy_model_new(x->doc, &x->world, &m);
	if (!err)
		err = policy_prove(m, &st, a->q.transitive, &p);
	if (!err)
		put_proof(a, m, &p, st.can);
	return err;
}

static void put_class(struct jsonout *o, const char *key, const struct policy_model *m,
	const struct policy_diff *d, uint32_t class)
{
	unsigned n = 0;

	jsonout_list(o, key);
	for (size_t i = 0; i < d->n_subjects && n < NAMES_SHOWN; i++)
		if (d->class_of[i] == class) {
			policy_put_subject(o, NULL, &m->subjects[i]);
			n++;
		}
	jsonout_list_end(o);
}

static void put_diff(struct ask *a, const struct policy_model *m, const struct policy_doc *after,
	const struct policy_diff *d)
{
	struct jsonout *o = &a->out;

	jsonout_list(o, "changes");
	for (size_t i = 0; i < d->n && i < CHANGES_SHOWN; i++) {
		const struct policy_change *c = &d->v[i];

		jsonout_object(o, NULL);
		jsonout_bool(o, "gained", c->gained);
		put_class(o, "from", m, d, c->from_class);
		jsonout_int(o, "n_from", (int64_t)c->n_from);
		put_class(o, "to", m, d, c->to_class);
		jsonout_int(o, "n_to", (int64_t)c->n_to);
		policy_put_service(o, &c->service);
		policy_put_rule(o, "rule_before", m->doc, c->before);
		policy_put_rule(o, "rule_after", after, c->after);
		jsonout_bool(o, "local", (c->gained ? c->after : c->before) == POLICY_RULE_LOCAL);
		jsonout_object_end(o);
	}
	jsonout_list_end(o);
	jsonout_int(o, "changes_in_all", (int64_t)d->n_all);
}

static int run_diff(struct ask *a, struct store *s, struct policy_scene *x)
{
	_cleanup_(policy_doc_freep) struct policy_doc *after = NULL;
	_cleanup_(policy_model_freep) struct policy_model *old = NULL, *new = NULL;
	_cleanup_(policy_diff_deinit) struct policy_diff d = {.v = NULL};
	struct policy_world w = x->world;

	(void)s;
	int err = policy_ask_read(a, x, POLICY_FRESH, &after);
	/* Without a policy everybody may do everything. */
	if (!err && x->unreadable.what[0])
		return policy_ask_none(a, x);
	if (!err && !x->doc)
		err = policy_doc_parse(
			"policy", policy_text_open(), strlen(policy_text_open()), &x->doc, &a->job.d);
	w.beside = after;
	if (!err)
		err = policy_model_new(x->doc, &w, &old);
	w.beside = x->doc;
	if (!err)
		err = policy_model_new(after, &w, &new);
	if (!err)
		err = policy_diff_of(old, new, &d);
	if (!err)
		put_diff(a, old, after, &d);
	return err;
}

void policy_explained(struct coord *c, const struct asker *a, const union msg_request *r)
{
	policy_ask_start(c, a, &policy_asking, run_explain, r);
}

void policy_compared(struct coord *c, const struct asker *a, const union msg_request *r)
{
	policy_ask_start(c, a, &policy_asking, run_diff, r);
}

void policy_proved(struct coord *c, const struct asker *a, const union msg_request *r)
{
	policy_ask_start(c, a, &policy_asking, run_prove, r);
}
