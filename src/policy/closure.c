/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/closure.h"

void policy_closure_deinit(struct policy_closure *c)
{
	policy_crowd_deinit(&c->all);
	free(c->of);
	*c = (struct policy_closure){0};
}

/* Kinds to go on from: each twice at most, as one of those who begin and as one that was reached. */
struct queue {
	struct {
		uint32_t kind;
		bool start;
	} * v;
	size_t n, done;
};

static void push(struct queue *q, uint32_t kind, bool start)
{
	q->v[q->n].kind = kind;
	q->v[q->n++].start = start;
}

static int passes(
	struct policy_sweep *s, const struct policy_model *m, uint32_t from, uint32_t to, bool *ret_passes)
{
	static const enum policy_proto carriers[] = {POLICY_TCP, POLICY_UDP, POLICY_OTHER};

	*ret_passes = false;
	for (size_t p = 0; p < ARRAY_LEN(carriers); p++) {
		int err = policy_sweep_pair(s, m, from, to, carriers[p]);
		if (err)
			return err;
		for (size_t i = 0; i < s->n; i++)
			if (s->v[i].action == POLICY_ALLOW || s->v[i].rule == POLICY_RULE_LOCAL)
				*ret_passes = true;
	}
	return TM_OK;
}

static int go_on(struct policy_closure *c, struct policy_sweep *sweep, struct queue *q)
{
	const uint32_t from = q->v[q->done].kind;
	const bool start = q->v[q->done].start;
	const struct policy_crowd *crowd = start ? c->start : &c->all;
	const struct policy_subject *a, *b;
	int err = TM_OK;

	for (uint32_t to = 0; to < c->m->n_kinds && !err; to++) {
		bool open = false;

		if (c->of[to].reached || !policy_crowd_pair(crowd, from, &c->all, to, &a, &b))
			continue;
		err = passes(sweep, c->m, from, to, &open);
		if (err || !open)
			continue;
		c->of[to].reached = true;
		c->of[to].from = from;
		c->of[to].from_start = start;
		push(q, to, false);
	}
	return err;
}

int policy_closure_of(const struct policy_model *m, const struct policy_crowd *start,
	struct policy_sweep *sweep, struct policy_closure *ret_c)
{
	struct policy_closure c = {.m = m, .start = start, .of = calloc(m->n_kinds + 1, sizeof(*c.of))};
	struct queue q = {.v = calloc(2 * m->n_kinds + 1, sizeof(*q.v))};
	int err = c.of && q.v ? policy_crowd_empty(m, &c.all) : TM_ENOMEM;

	for (size_t i = 0; i < m->n_subjects && !err; i++)
		policy_crowd_add(&c.all, &m->subjects[i]);
	for (size_t i = 0; i < start->n_kinds && !err; i++)
		push(&q, start->kinds[i], true);
	for (; q.done < q.n && !err; q.done++)
		err = go_on(&c, sweep, &q);
	free(q.v);
	if (err)
		policy_closure_deinit(&c);
	else
		*ret_c = c;
	return err;
}

int policy_closure_crowd(const struct policy_closure *c, struct policy_crowd *ret_crowd)
{
	struct policy_crowd v;

	int err = policy_crowd_empty(c->m, &v);
	if (err)
		return err;
	for (uint32_t k = 0; k < c->m->n_kinds; k++) {
		v.of[k] = c->of[k].reached ? c->all.of[k] : c->start->of[k];
		if (v.of[k].n)
			v.kinds[v.n_kinds++] = k;
	}
	*ret_crowd = v;
	return TM_OK;
}

size_t policy_closure_path(
	const struct policy_closure *c, uint32_t kind, const struct policy_subject **ret_v, size_t max)
{
	size_t n = 1, at;
	uint32_t k = kind;
	bool start = !c->of[k].reached;

	for (; !start; n++) {
		start = c->of[k].from_start;
		k = c->of[k].from;
	}
	at = n;
	k = kind;
	start = !c->of[k].reached;
	while (at--) {
		if (at < max)
			ret_v[at] = start ? c->start->of[k].first : c->all.of[k].first;
		if (!start) {
			start = c->of[k].from_start;
			k = c->of[k].from;
		}
	}
	return n;
}
