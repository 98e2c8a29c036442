/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/coord/policy_ask.h"

#include "base/strbuf.h"
#include "control/coord/policy_answer.h"
#include "policy/compile.h"
#include "policy/edit.h"
#include "policy/tests.h"

#include <stdio.h>
#include <string.h>

/* --- what a document must be to be accepted --- */

int policy_ask_none(struct ask *a, const struct policy_scene *x)
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

static int bind(const struct ask *a, struct policy_doc *doc, const struct policy_scene *x, const char *name,
	struct diag *d)
{
	if (a->edited)
		return policy_bind_edited(doc, policy_doc_rule(doc, a->added), x->mesh, &x->bound, name, d);
	return policy_bind(doc, x->mesh, a->q.rebind ? NULL : &x->bound, name, d);
}

static int check(struct ask *a, struct policy_doc *doc, const struct policy_tests *t,
	const struct policy_scene *x, const char *name)
{
	_cleanup_(policy_model_freep) struct policy_model *m = NULL;
	size_t nobody = 0;

	int err = bind(a, doc, x, name, &a->job.d);
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

int policy_ask_read(
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
	err = policy_sums_of(doc, &a->sums);
	if (err) {
		strbuf_deinit(&nodes);
		return err;
	}
	a->accepted = (struct store_policy){
		.accepted = a->job.now, .text = TAKE(a->text), .nodes = strbuf_take(&nodes)};
	snprintf(a->accepted.by, sizeof(a->accepted.by), "%s", a->q.by[0] ? a->q.by : "admin");
	if (!a->accepted.nodes)
		return TM_ENOMEM;
	err = store_policy_add(s, &a->accepted);
	job_event_is(&a->job, EVENT_POLICY, NULL);
	event_set_detail(&a->job.event, "%llu", (unsigned long long)a->accepted.version);
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
	int err = policy_ask_read(a, x, POLICY_FRESH, &doc);
	return err ? err : accept(a, s, doc);
}

/* The text in force with one rule more or less. What was accepted is not judged again by what is a mistake
 * now, nor refused because somebody has gone whom it names: but its tests must hold. */
static int accept_edited(struct ask *a, struct store *s, const struct policy_scene *x)
{
	_cleanup_(policy_doc_freep) struct policy_doc *doc = NULL;

	a->edited = true;
	int err = policy_ask_read(a, x, POLICY_ACCEPTED, &doc);
	return err ? err : accept(a, s, doc);
}

static int run_add(struct ask *a, struct store *s, struct policy_scene *x)
{
	const struct msg_policy_rule *q = &a->q.rule;
	struct policy_new_rule r = {
		.services = q->services, .from = q->from, .to = q->to, .id = q->id[0] ? q->id : NULL};

	if (!x->doc)
		return policy_ask_none(a, x);
	if (!policy_action_parse(q->action, &r.action))
		return TM_EINVAL;
	int err = policy_edit_add(x->before.text, &r, &a->text, a->added, &a->job.d);
	return err ? err : accept_edited(a, s, x);
}

static int run_remove(struct ask *a, struct store *s, struct policy_scene *x)
{
	if (!x->doc)
		return policy_ask_none(a, x);
	int err = policy_edit_remove(x->before.text, a->q.rule.id, &a->text, &a->job.d);
	return err ? err : accept_edited(a, s, x);
}

static int run_test(struct ask *a, struct store *s, struct policy_scene *x)
{
	_cleanup_(policy_doc_freep) struct policy_doc *doc = NULL;

	(void)s;
	return policy_ask_read(a, x, POLICY_FRESH, &doc);
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
	err = policy_ask_read(a, x, POLICY_ACCEPTED, &doc);
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
	policy_put_counted(&a->out, NULL);
	jsonout_text(&a->out, "local_allow", "");
	strbuf_printf(&a->warnings, "%s\n", sentence);
}

/* Those in force must hold of the mesh as it is now. */
static int ask_tests(struct ask *a, const struct policy_scene *x)
{
	_cleanup_(policy_model_freep) struct policy_model *m = NULL;
	size_t at = 0;

	if (!x->tests.n)
		return TM_OK;
	int err = policy_model_new(x->doc, &x->world, &m);
	if (!err)
		err = policy_scene_tests(x, m, a->job.c->tuning.policy_slice, &at, &a->failed);
	a->too_many = at < x->tests.n;
	return err;
}

/* Where nobody can be stopped, nodes judge nothing and nothing is counted; NULL, as for want of memory. */
static const struct policy_sums *sums_to_show(const struct ask *a, const struct policy_scene *x)
{
	return policy_doc_is_open(x->doc, x->world.n_routes > 0) ? NULL : a->sums;
}

static int put_policy(struct ask *a, const struct policy_scene *x, const struct policy_scene *of)
{
	const struct store_policy *p = &of->before;

	if (!p->version)
		return policy_ask_none(a, of);
	a->shown = p->version;
	jsonout_int(&a->out, "version", (int64_t)p->version);
	jsonout_int(&a->out, "accepted_at", p->accepted);
	jsonout_text(&a->out, "by", p->by);
	jsonout_text(&a->out, "text", p->text);
	if (!of->doc) {
		put_unreadable(a, of);
		return TM_OK;
	}
	const struct policy_sums *sums = of == x ? sums_to_show(a, x) : NULL;
	policy_put_rules(&a->out, x, of->doc, sums);
	policy_put_counted(&a->out, sums);
	policy_put_list(&a->out, "local_allow", x, of->doc, &of->doc->local_allow);
	int err = policy_scene_warnings(x, of->doc, &a->warnings);
	return err || of != x ? err : ask_tests(a, x);
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

/* Those that do not hold: of more than one look asks, what the last one found; until there was one, what was
 * found now. */
static char *broken(const struct coord *c, const struct ask *a)
{
	return a->too_many && c->policy.look.tests ? c->policy.look.tests : a->failed.s;
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
		policy_in_force(c, &a->accepted, TAKE(a->sums));
		policy_look_anew(c);
	}
	answer_begin(&j->asker, &o);
	jsonout_members(&o, members, n);
	if (a->shown)
		policy_put_lines(&o, a->warnings.s, broken(c, a));
	if (a->shown && a->shown == c->policy.version)
		policy_put_holders(c, &o);
	answer_end(c, &j->asker, &o);
	free(members);
}

static void ask_deinit(struct job *j)
{
	struct ask *a = CONTAINER_OF(j, struct ask, job);

	jsonout_deinit(&a->out);
	strbuf_deinit(&a->warnings);
	strbuf_deinit(&a->failed);
	store_policy_deinit(&a->accepted);
	free(a->sums);
	free(a->text);
}

const struct job_kind policy_changing = {
	.size = sizeof(struct ask), .body = ask_body, .done = ask_done, .deinit = ask_deinit};
const struct job_kind policy_asking = {
	.size = sizeof(struct ask), .body = ask_body, .done = ask_done, .deinit = ask_deinit, .alone = true};

static struct ask *begin(struct coord *c, const struct asker *by, const struct job_kind *kind, ask_fn *run,
	const union msg_request *r)
{
	struct ask *a = job_start(c, by, kind);

	if (!a)
		return NULL;
	a->run = run;
	a->q = r->policy;
	a->text = r->policy.text ? strdup(r->policy.text) : NULL;
	a->q.text = NULL;
	if (!r->policy.text || a->text)
		return a;
	job_fail(&a->job, TM_ENOMEM);
	return NULL;
}

void policy_ask_start(struct coord *c, const struct asker *by, const struct job_kind *kind, ask_fn *run,
	const union msg_request *r)
{
	struct ask *a = begin(c, by, kind, run, r);

	if (a)
		job_submit(&a->job);
}

void policy_get(struct coord *c, const struct asker *by, const union msg_request *r)
{
	struct ask *a = begin(c, by, &policy_asking, run_get, r);

	if (!a)
		return;
	a->sums = policy_sums_copy(c->policy.sums);
	job_submit(&a->job);
}

void policy_set(struct coord *c, const struct asker *a, const union msg_request *r)
{
	policy_ask_start(c, a, &policy_changing, run_set, r);
}

void policy_add(struct coord *c, const struct asker *a, const union msg_request *r)
{
	policy_ask_start(c, a, &policy_changing, run_add, r);
}

void policy_remove(struct coord *c, const struct asker *a, const union msg_request *r)
{
	policy_ask_start(c, a, &policy_changing, run_remove, r);
}

void policy_history(struct coord *c, const struct asker *a, const union msg_request *r)
{
	const union msg_request nothing = {.policy = {.text = NULL}};

	(void)r;
	policy_ask_start(c, a, &policy_asking, run_history, &nothing);
}

void policy_rollback(struct coord *c, const struct asker *a, const union msg_request *r)
{
	if (r->policy.version)
		policy_ask_start(c, a, &policy_changing, run_rollback, r);
	else
		answer_refuse_text(c, a, "which version is to be in force again is not said",
			"`tunnelmesh filter history` shows those that are kept");
}

void policy_test(struct coord *c, const struct asker *a, const union msg_request *r)
{
	policy_ask_start(c, a, &policy_asking, run_test, r);
}
