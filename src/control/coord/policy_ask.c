/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Requests about the policy. Each is a job: what the mesh is, which tokens there are and which policy is in
 * force are read together, and the engine (src/policy) is asked. What is refused changes nothing.
 */
#include "base/strbuf.h"
#include "control/coord/coord_private.h"
#include "control/coord/policy_answer.h"
#include "policy/compile.h"
#include "policy/diff.h"
#include "policy/explain.h"
#include "policy/tests.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_SHOWN = 16, CHANGES_SHOWN = 200 };

struct ask;
typedef int ask_fn(struct ask *a, struct store *s, struct policy_scene *x);

struct ask {
	struct job job;
	ask_fn *run;
	struct msg_policy_request q;
	char *text; /* q.text, owned */
	struct jsonout out; /* members of the answer, as one value */
	struct store_policy accepted; /* version 0: none */
	uint64_t shown; /* the version that the answer shows; 0: none */
};

/* --- what a document must be to be accepted --- */

static int no_policy(struct ask *a, const struct policy_scene *x)
{
	if (x->unreadable.what[0]) {
		diag_hint(&a->job.d,
			"nodes go by it as far as they can read it; `tunnelmesh filter history` and `filter "
			"rollback`, or `filter set FILE`, put another in force");
		return diag_what(&a->job.d, TM_ECORRUPT,
			"this program cannot read version %llu of the policy: %.150s",
			(unsigned long long)x->before.version, x->unreadable.what);
	}
	diag_code(&a->job.d, "no_policy");
	diag_hint(&a->job.d, "`tunnelmesh filter set FILE` gives it one");
	return diag_what(&a->job.d, TM_ENOENT, "this mesh has no policy: every member may do everything");
}

static int check(struct ask *a, struct policy_doc *doc, const struct policy_tests *t,
	const struct policy_scene *x, const char *name)
{
	_cleanup_(policy_model_freep) struct policy_model *m = NULL;
	size_t nobody = 0;

	int err = policy_bind(doc, x->mesh, a->q.rebind ? NULL : &x->bound, name, &a->job.d);
	if (!err)
		err = policy_model_new(doc, &x->world, &m);
	if (!err)
		err = policy_tests_run(t, m, name, &nobody, &a->job.d);
	if (!err)
		err = policy_fits(m, &a->job.d);
	if (err)
		return err;
	jsonout_int(&a->out, "tests", (int64_t)t->n);
	jsonout_int(&a->out, "tests_of_nobody", (int64_t)nobody);
	return policy_put_warnings(&a->out, x, doc);
}

/* The document of the request, or the sentence that refuses it. */
static int read_checked(
	struct ask *a, const struct policy_scene *x, enum policy_reading how, struct policy_doc **ret_doc)
{
	const char *name = a->q.name[0] ? a->q.name : "policy";
	_cleanup_(policy_doc_freep) struct policy_doc *doc = NULL;
	_cleanup_(policy_tests_deinit) struct policy_tests t = {.n = 0};

	int err = policy_doc_read(name, a->text, strlen(a->text), how, &doc, &a->job.d);
	if (!err)
		err = policy_tests_parse(doc, name, &t, &a->job.d);
	if (!err)
		err = check(a, doc, &t, x, name);
	if (!err)
		*ret_doc = TAKE(doc);
	return err;
}

static int accept(struct ask *a, struct store *s, const struct policy_doc *doc)
{
	struct policy_bindings b = {.n = 0};
	struct strbuf nodes = {0};

	int err = policy_bindings_of(doc, &b);
	if (err)
		return err;
	policy_bindings_format(&b, &nodes);
	policy_bindings_deinit(&b);
	a->accepted = (struct store_policy){
		.accepted = a->job.now, .text = TAKE(a->text), .nodes = strbuf_take(&nodes)};
	snprintf(a->accepted.by, sizeof(a->accepted.by), "%s", a->q.by[0] ? a->q.by : "admin");
	if (!a->accepted.nodes)
		return TM_ENOMEM;
	err = store_policy_add(s, &a->accepted);
	if (!err)
		jsonout_int(&a->out, "version", (int64_t)a->accepted.version);
	return err;
}

/* --- the requests --- */

static int run_set(struct ask *a, struct store *s, struct policy_scene *x)
{
	_cleanup_(policy_doc_freep) struct policy_doc *doc = NULL;

	if (a->q.version && a->q.version != x->before.version) {
		diag_hint(&a->job.d, "look at `tunnelmesh filter list` and try again");
		return diag_what(&a->job.d, TM_EBUSY,
			"the policy was changed meanwhile: version %llu is in force",
			(unsigned long long)x->before.version);
	}
	int err = read_checked(a, x, POLICY_FRESH, &doc);
	return err ? err : accept(a, s, doc);
}

static int run_test(struct ask *a, struct store *s, struct policy_scene *x)
{
	_cleanup_(policy_doc_freep) struct policy_doc *doc = NULL;

	(void)s;
	return read_checked(a, x, POLICY_FRESH, &doc);
}

static int run_rollback(struct ask *a, struct store *s, struct policy_scene *x)
{
	_cleanup_(policy_doc_freep) struct policy_doc *doc = NULL;
	_cleanup_(store_policy_deinit) struct store_policy old = {.version = 0};

	int err = store_policy_load(s, a->q.version, &old);
	if (err == TM_ENOENT) {
		diag_hint(&a->job.d, "`tunnelmesh filter history` shows those that are kept");
		return diag_what(&a->job.d, err, "there is no version %llu of the policy",
			(unsigned long long)a->q.version);
	}
	/* Names mean whom they meant then. */
	policy_bindings_deinit(&x->bound);
	if (!err)
		err = policy_bindings_parse(old.nodes, &x->bound);
	if (err)
		return err;
	a->text = TAKE(old.text);
	snprintf(a->q.name, sizeof(a->q.name), "version %llu", (unsigned long long)a->q.version);
	err = read_checked(a, x, POLICY_ACCEPTED, &doc);
	return err ? err : accept(a, s, doc);
}

/* An earlier version, which may be of another program, too. */
static int load_older(struct ask *a, struct store *s, struct policy_scene *ret_x)
{
	int err = store_policy_load(s, a->q.version, &ret_x->before);

	if (err == TM_ENOENT)
		return diag_what(&a->job.d, err, "there is no version %llu of the policy",
			(unsigned long long)a->q.version);
	return err ? err : policy_scene_read(ret_x);
}

static void put_unreadable(struct ask *a, const struct policy_scene *x)
{
	char sentence[512];

	snprintf(sentence, sizeof(sentence), "this program cannot read version %llu of the policy: %s",
		(unsigned long long)x->before.version, x->unreadable.what);
	jsonout_list(&a->out, "rules");
	jsonout_list_end(&a->out);
	jsonout_text(&a->out, "local_allow", "");
	jsonout_list(&a->out, "warnings");
	jsonout_text(&a->out, NULL, sentence);
	jsonout_list_end(&a->out);
}

static int put_policy(struct ask *a, const struct policy_scene *x, const struct policy_scene *of)
{
	const struct store_policy *p = &of->before;

	if (!p->version)
		return no_policy(a, of);
	a->shown = p->version;
	jsonout_int(&a->out, "version", (int64_t)p->version);
	jsonout_int(&a->out, "accepted_at", p->accepted);
	jsonout_text(&a->out, "by", p->by);
	jsonout_text(&a->out, "text", p->text);
	if (!of->doc) {
		put_unreadable(a, of);
		return TM_OK;
	}
	policy_put_rules(&a->out, x, of->doc);
	policy_put_list(&a->out, "local_allow", x, of->doc, &of->doc->local_allow);
	return policy_put_warnings(&a->out, x, of->doc);
}

static int run_get(struct ask *a, struct store *s, struct policy_scene *x)
{
	struct policy_scene older = {.mesh = NULL};

	if (!a->q.version || a->q.version == x->before.version)
		return put_policy(a, x, x);

	int err = load_older(a, s, &older);
	if (!err)
		err = put_policy(a, x, &older);
	policy_scene_deinit(&older);
	return err;
}

static int put_version(void *ctx, const struct store_policy *p)
{
	struct jsonout *o = ctx;

	jsonout_object(o, NULL);
	jsonout_int(o, "version", (int64_t)p->version);
	jsonout_int(o, "accepted_at", p->accepted);
	jsonout_text(o, "by", p->by);
	jsonout_int(o, "bytes", (int64_t)p->bytes);
	jsonout_object_end(o);
	return TM_OK;
}

static int run_history(struct ask *a, struct store *s, struct policy_scene *x)
{
	(void)x;
	jsonout_list(&a->out, "versions");
	int err = store_policy_each(s, put_version, &a->out);
	jsonout_list_end(&a->out);
	return err;
}

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
		return no_policy(a, x);
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
		return no_policy(a, x);
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
	int err = read_checked(a, x, POLICY_FRESH, &after);
	/* Without a policy everybody may do everything. */
	if (!err && x->unreadable.what[0])
		return no_policy(a, x);
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

/* --- jobs --- */

static int ask_body(struct store *s, struct job *j)
{
	struct ask *a = CONTAINER_OF(j, struct ask, job);
	struct policy_scene x;

	int err = policy_scene_load(s, j->now, &x);
	if (err)
		return err;

	jsonout_object(&a->out, NULL);
	err = a->run(a, s, &x);
	jsonout_object_end(&a->out);
	policy_scene_deinit(&x);
	return err;
}

/* The place belongs to the sentence: an answer has no field for it. */
static void join_place(struct diag *d)
{
	char what[sizeof(d->what)];

	if (!d->where[0])
		return;
	snprintf(what, sizeof(what), "%.200s: %.180s", d->where, d->what);
	memcpy(d->what, what, sizeof(what));
	diag_where(d, "%s", "");
}

static void ask_done(struct coord *c, struct job *j, int err)
{
	struct ask *a = CONTAINER_OF(j, struct ask, job);
	struct jsonout o = {0};
	size_t n;
	char *members = err ? NULL : jsonout_take(&a->out, &n);

	if (!members) {
		join_place(&j->d);
		answer_refuse(c, &j->asker, err ? err : TM_ENOMEM, &j->d);
		return;
	}
	if (a->accepted.version) {
		log_info("coord: a new policy is in force", KV_INT("version", (int64_t)a->accepted.version),
			KV("by", a->accepted.by));
		policy_in_force(c, &a->accepted);
		policy_mesh_changed(c);
	}
	answer_begin(&j->asker, &o);
	jsonout_members(&o, members, n);
	if (a->shown && a->shown == c->policy.version)
		policy_put_holders(c, &o);
	answer_end(c, &j->asker, &o);
	free(members);
}

static void ask_deinit(struct job *j)
{
	struct ask *a = CONTAINER_OF(j, struct ask, job);

	jsonout_deinit(&a->out);
	store_policy_deinit(&a->accepted);
	free(a->text);
}

static const struct job_kind changing = {
	.size = sizeof(struct ask), .body = ask_body, .done = ask_done, .deinit = ask_deinit};
static const struct job_kind asking = {
	.size = sizeof(struct ask), .body = ask_body, .done = ask_done, .deinit = ask_deinit, .alone = true};

static void start(struct coord *c, const struct asker *by, const struct job_kind *kind, ask_fn *run,
	const union msg_request *r)
{
	struct ask *a = job_start(c, by, kind);

	if (!a)
		return;
	a->run = run;
	a->q = r->policy;
	a->text = r->policy.text ? strdup(r->policy.text) : NULL;
	a->q.text = NULL;
	if (r->policy.text && !a->text)
		job_fail(&a->job, TM_ENOMEM);
	else
		job_submit(&a->job);
}

void policy_get(struct coord *c, const struct asker *a, const union msg_request *r)
{
	start(c, a, &asking, run_get, r);
}

void policy_set(struct coord *c, const struct asker *a, const union msg_request *r)
{
	start(c, a, &changing, run_set, r);
}

void policy_history(struct coord *c, const struct asker *a, const union msg_request *r)
{
	const union msg_request nothing = {.policy = {.text = NULL}};

	(void)r;
	start(c, a, &asking, run_history, &nothing);
}

void policy_rollback(struct coord *c, const struct asker *a, const union msg_request *r)
{
	if (r->policy.version)
		start(c, a, &changing, run_rollback, r);
	else
		answer_refuse_text(c, a, "which version is to be in force again is not said",
			"`tunnelmesh filter history` shows those that are kept");
}

void policy_test(struct coord *c, const struct asker *a, const union msg_request *r)
{
	start(c, a, &asking, run_test, r);
}

void policy_explained(struct coord *c, const struct asker *a, const union msg_request *r)
{
	start(c, a, &asking, run_explain, r);
}

void policy_compared(struct coord *c, const struct asker *a, const union msg_request *r)
{
	start(c, a, &asking, run_diff, r);
}

void policy_proved(struct coord *c, const struct asker *a, const union msg_request *r)
{
	start(c, a, &asking, run_prove, r);
}
