/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/prove.h"

#include <string.h>

#include "policy/closure.h"
#include "policy/crowd.h"
#include "policy/sweep.h"

void policy_proof_deinit(struct policy_proof *p)
{
	free(p->v);
	*p = (struct policy_proof){0};
}

static const char *const assumptions[] = {
	"answers to connections that the other side opens, and ICMP errors about them, are not counted",
	"each member's key is held by that member alone",
	"what a member hands on of its own accord, or sends in the name of networks and clients behind it, "
	"is not counted, unless "
	"it is asked for with --transitive",
	"nodes whose daemon is not running, or was changed, are held back by the other end alone",
	"tags of today: whoever may give tags may change the answer",
};

const char *policy_proof_assumes(size_t i)
{
	return i < ARRAY_LEN(assumptions) ? assumptions[i] : NULL;
}

struct prover {
	const struct policy_model *m;
	const struct policy_statement *s;
	struct policy_proof *p;
	struct policy_sweep sweep;
};

static int note(struct prover *q, const struct policy_violation *v)
{
	struct policy_proof *p = q->p;

	p->n_all++;
	if (p->n == POLICY_VIOLATIONS_MAX)
		return TM_OK;
	if (!p->v) {
		p->v = calloc(POLICY_VIOLATIONS_MAX, sizeof(*p->v));
		if (!p->v)
			return TM_ENOMEM;
	}
	p->v[p->n++] = *v;
	return TM_OK;
}

/* Is the statement false of these ports? */
static bool is_wrong(const struct prover *q, const struct policy_span *x)
{
	bool passes = x->action == POLICY_ALLOW;

	return q->s->can ? !passes : passes || x->rule == POLICY_RULE_LOCAL;
}

static int check_service(struct prover *q, const struct policy_service *asked, struct policy_violation *v)
{
	int err = policy_sweep_pair(&q->sweep, q->m, v->from_kind, v->to_kind, asked->proto);

	for (size_t i = 0; i < q->sweep.n && !err; i++) {
		const struct policy_span *x = &q->sweep.v[i];

		if (x->last < asked->first || x->first > asked->last || !is_wrong(q, x))
			continue;
		v->service = (struct policy_service){
			asked->proto, MAX(x->first, asked->first), MIN(x->last, asked->last)};
		if (!policy_service_clip(&v->service))
			continue;
		v->rule = x->rule;
		err = note(q, v);
	}
	return err;
}

/* All of one kind on one side against all of one on the other. */
static int check_pair(struct prover *q, const struct policy_crowd *from, uint32_t from_kind,
	const struct policy_crowd *to, uint32_t to_kind)
{
	struct policy_violation v = {
		.from_kind = from_kind,
		.to_kind = to_kind,
		.n_from = from->of[from_kind].n,
		.n_to = to->of[to_kind].n,
	};
	int err = TM_OK;

	if (!policy_crowd_pair(from, from_kind, to, to_kind, &v.from, &v.to))
		return TM_OK;
	q->p->n_pairs++;
	for (size_t i = 0; i < q->s->n_services && !err; i++)
		err = check_service(q, &q->s->services[i], &v);
	return err;
}

/* Lowest subjects first: they lie in one array. */
static int by_subjects(const void *a, const void *b)
{
	const struct policy_violation *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	if (x->service.proto != y->service.proto)
		return x->service.proto - y->service.proto;
	return x->service.first - y->service.first;
}

static int check_all(struct prover *q, const struct policy_crowd *from, const struct policy_crowd *to)
{
	int err = TM_OK;

	for (size_t i = 0; i < from->n_kinds && !err; i++)
		for (size_t k = 0; k < to->n_kinds && !err; k++)
			err = check_pair(q, from, from->kinds[i], to, to->kinds[k]);
	if (q->p->n)
		qsort(q->p->v, q->p->n, sizeof(*q->p->v), by_subjects);
	return err;
}

/* --- by way of others --- */

static void keep_path(struct policy_proof *p, const struct policy_closure *c)
{
	const struct policy_subject *way[POLICY_PATH_MAX];
	size_t n = policy_closure_path(c, p->v[0].from, way, ARRAY_LEN(way));

	p->path_length = n;
	p->n_path = MIN(n, (size_t)POLICY_PATH_MAX);
	memcpy(p->path, way, p->n_path * sizeof(*way));
}

/* What can be reached straight is said first: whoever mends that asks again. */
static int check_transitive(struct prover *q, const struct policy_crowd *to)
{
	_cleanup_(freep) bool *begin = NULL;
	_cleanup_(policy_crowd_deinit) struct policy_crowd reached = {0};
	_cleanup_(policy_closure_deinit) struct policy_closure c = {0};

	int err = policy_model_select(q->m, &q->s->from, &begin);
	if (!err)
		err = policy_closure_of(q->m, begin, &q->sweep, &c);
	if (!err)
		err = policy_closure_crowd(&c, &reached);
	if (!err)
		err = check_all(q, &reached, to);
	if (!err && q->p->n)
		keep_path(q->p, &c);
	return err;
}

/* --- of nobody --- */

/* New members, each with one of the tags that a side names. */
static size_t imagine(const struct policy_model *m, const struct policy_list *l,
	char (*texts)[NODE_TAG_MAX + 2], struct policy_newcomer *v)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct policy_selector *s = m->doc->selectors[l->v[i]];
		const struct policy_list one = {&l->v[i], 1}, *flat = s->group ? &s->group->flat : &one;

		for (size_t k = 0; k < flat->n; k++) {
			const struct policy_selector *t = m->doc->selectors[flat->v[k]];

			if (t->kind != POLICY_TAG)
				continue;
			memset(texts[n], 0, sizeof(texts[n])); /* one text, and the empty one behind it */
			memcpy(texts[n], t->name, strlen(t->name));
			v[n] = (struct policy_newcomer){
				.label = "a new node with that tag", .tags = texts[n], .many = true};
			n++;
		}
	}
	return n;
}

static size_t tags_at_most(const struct policy_model *m, const struct policy_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct policy_group *g = m->doc->selectors[l->v[i]]->group;

		n += g ? g->flat.n : 1;
	}
	return n;
}

static int prove_if_joined(const struct policy_model *m, const struct policy_statement *s, bool transitive,
	struct policy_proof *p)
{
	size_t room = tags_at_most(m, &s->from) + tags_at_most(m, &s->to) + m->world.n_newcomers, n;
	_cleanup_(freep) struct policy_newcomer *v = calloc(room + 1, sizeof(*v));
	_cleanup_(freep) char(*texts)[NODE_TAG_MAX + 2] = calloc(room + 1, sizeof(*texts));
	_cleanup_(policy_model_freep) struct policy_model *more = NULL;
	_cleanup_(policy_proof_deinit) struct policy_proof again = {0};
	struct policy_world w = m->world;

	if (!v || !texts)
		return TM_ENOMEM;
	n = p->nobody_from ? imagine(m, &s->from, texts, v) : 0;
	n += p->nobody_to ? imagine(m, &s->to, texts + n, v + n) : 0;
	if (n == 0)
		return TM_OK;
	if (w.n_newcomers)
		memcpy(v + n, w.newcomers, w.n_newcomers * sizeof(*v));
	w.newcomers = v;
	w.n_newcomers += n;
	int err = policy_model_new(m->doc, &w, &more);
	if (!err)
		err = policy_prove(more, s, transitive, &again);
	if (err)
		return err;
	p->if_joined_known = !again.nobody_from && !again.nobody_to;
	p->if_joined = again.holds;
	return TM_OK;
}

static int prove(const struct policy_model *m, const struct policy_statement *s, bool transitive,
	struct policy_proof *ret_p)
{
	_cleanup_(policy_crowd_deinit) struct policy_crowd from = {0}, to = {0};
	struct policy_proof p = {.holds = false};
	struct prover q = {.m = m, .s = s, .p = &p};

	int err = policy_crowd_of(m, &s->from, &from);
	if (!err)
		err = policy_crowd_of(m, &s->to, &to);
	if (err)
		return err;

	p.nobody_from = from.n_kinds == 0;
	p.nobody_to = to.n_kinds == 0;
	err = check_all(&q, &from, &to);
	if (!err && transitive && !p.n)
		err = check_transitive(&q, &to);
	policy_sweep_deinit(&q.sweep);
	p.holds = p.n_all == 0;
	if (err) {
		policy_proof_deinit(&p);
		return err;
	}
	*ret_p = p;
	return TM_OK;
}

int policy_prove_of_today(
	const struct policy_model *m, const struct policy_statement *s, struct policy_proof *ret_p)
{
	return prove(m, s, false, ret_p);
}

int policy_prove(const struct policy_model *m, const struct policy_statement *s, bool transitive,
	struct policy_proof *ret_p)
{
	struct policy_proof p;

	if (s->can && transitive)
		return TM_EINVAL;
	int err = prove(m, s, transitive, &p);
	if (err)
		return err;
	if (p.nobody_from || p.nobody_to)
		err = prove_if_joined(m, s, transitive, &p);
	if (err)
		policy_proof_deinit(&p);
	else
		*ret_p = p;
	return err;
}
