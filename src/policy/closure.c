/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/closure.h"

#include <string.h>

enum { BEGINS = UINT32_MAX - 1, UNREACHED = UINT32_MAX, END = UINT32_MAX };

/* Of those of a kind who are reached two in different places at most: who is elsewhere than one of them meets
 * the other. */
struct got {
	const struct policy_subject *v[2];
	unsigned n;
};

struct spread {
	const struct policy_model *m;
	struct policy_sweep *sweep;
	uint32_t *by;
	struct got *got; /* by kind */
	size_t *left; /* by kind: subjects that are not reached */
	uint32_t *first_of, *next_of; /* subjects of a kind */
	uint32_t *first_at, *next_at; /* addresses behind a node, by its host number */
	uint32_t *queue; /* kinds to go on from, each twice at most */
	size_t n, done;
};

void policy_closure_deinit(struct policy_closure *c)
{
	free(c->by);
	*c = (struct policy_closure){0};
}

static void spread_deinit(struct spread *s)
{
	free(s->by);
	free(s->got);
	free(s->left);
	free(s->first_of);
	free(s->next_of);
	free(s->first_at);
	free(s->next_at);
	free(s->queue);
}

static uint32_t *all_end(size_t n)
{
	uint32_t *v = malloc((n + 1) * sizeof(*v));

	if (v)
		memset(v, 0xff, (n + 1) * sizeof(*v));
	return v;
}

static int spread_init(struct spread *s)
{
	const struct policy_model *m = s->m;
	const struct mesh_node *n;
	size_t hosts = 0;

	for (size_t i = 0; (n = mesh_next(m->world.mesh, &i));)
		hosts = (size_t)n->host + 1;
	s->by = all_end(m->n_subjects);
	s->got = calloc(m->n_kinds + 1, sizeof(*s->got));
	s->left = calloc(m->n_kinds + 1, sizeof(*s->left));
	s->first_of = all_end(m->n_kinds);
	s->next_of = all_end(m->n_subjects);
	s->first_at = all_end(hosts);
	s->next_at = all_end(m->n_subjects);
	s->queue = calloc(2 * m->n_kinds + 1, sizeof(*s->queue));
	if (!s->by || !s->got || !s->left || !s->first_of || !s->next_of || !s->first_at || !s->next_at ||
		!s->queue)
		return TM_ENOMEM;

	/* From the last, so that the lists begin with the lowest. */
	for (uint32_t i = (uint32_t)m->n_subjects; i-- > 0;) {
		const struct policy_subject *x = &m->subjects[i];

		s->next_of[i] = s->first_of[x->kind];
		s->first_of[x->kind] = i;
		s->left[x->kind]++;
		if (x->type != POLICY_BEHIND)
			continue;
		s->next_at[i] = s->first_at[x->node->host];
		s->first_at[x->node->host] = i;
	}
	return TM_OK;
}

/* --- who is reached --- */

static bool mark(struct spread *s, const struct policy_subject *x, uint32_t by)
{
	const uint32_t i = (uint32_t)(x - s->m->subjects);
	struct got *g = &s->got[x->kind];

	if (s->by[i] != UNREACHED)
		return false;
	s->by[i] = by;
	s->left[x->kind]--;
	if (g->n == 0 || (g->n == 1 && g->v[0]->attached != x->attached)) {
		g->v[g->n++] = x;
		s->queue[s->n++] = x->kind;
	}
	return true;
}

/* And what is behind it. */
static void reach(struct spread *s, const struct policy_subject *x, uint32_t by)
{
	const uint32_t i = (uint32_t)(x - s->m->subjects);

	if (!mark(s, x, by) || x->type != POLICY_MEMBER)
		return;
	for (uint32_t k = s->first_at[x->node->host]; k != END; k = s->next_at[k])
		(void)mark(s, &s->m->subjects[k], i);
	for (const struct mesh_node *n = mesh_clients(s->m->world.mesh, x->node->id); n; n = n->next_client)
		(void)mark(s, policy_model_member(s->m, n), i);
}

static int passes(
	struct policy_sweep *s, const struct policy_model *m, uint32_t from, uint32_t to, bool *ret_passes)
{
	static const enum policy_proto carriers[] = {POLICY_TCP, POLICY_UDP, POLICY_OTHER};

	*ret_passes = false;
	for (size_t p = 0; p < ARRAY_LEN(carriers) && !*ret_passes; p++) {
		int err = policy_sweep_pair(s, m, from, to, carriers[p]);
		if (err)
			return err;
		for (size_t i = 0; i < s->n; i++)
			if (s->v[i].action == POLICY_ALLOW || s->v[i].rule == POLICY_RULE_LOCAL)
				*ret_passes = true;
	}
	return TM_OK;
}

/* Who of those that are reached meets it; NULL: nobody does, or it is reached already. */
static const struct policy_subject *who_meets(
	const struct spread *s, const struct got *g, const struct policy_subject *x)
{
	if (s->by[x - s->m->subjects] != UNREACHED)
		return NULL;
	for (unsigned k = 0; k < g->n; k++)
		if (policy_subjects_meet(g->v[k], x))
			return g->v[k];
	return NULL;
}

static int go_on_to(struct spread *s, uint32_t from, uint32_t to)
{
	const struct policy_model *m = s->m;
	/* As it was: that more of `from` are reached on the way is another turn's. */
	const struct got g = s->got[from];
	bool open = false, asked = false;

	for (uint32_t i = s->first_of[to]; i != END; i = s->next_of[i]) {
		const struct policy_subject *by = who_meets(s, &g, &m->subjects[i]);

		if (!by)
			continue;
		int err = asked ? TM_OK : passes(s->sweep, m, from, to, &open);
		if (err || !open)
			return err;
		asked = true;
		reach(s, &m->subjects[i], (uint32_t)(by - m->subjects));
	}
	return TM_OK;
}

static int spread(struct spread *s, const bool *atoms)
{
	const struct policy_model *m = s->m;
	int err = TM_OK;

	for (size_t i = 0; i < m->n_subjects; i++)
		if (atoms[m->subjects[i].atom])
			reach(s, &m->subjects[i], BEGINS);
	for (; s->done < s->n && !err; s->done++)
		for (uint32_t to = 0; to < m->n_kinds && !err; to++)
			if (s->left[to])
				err = go_on_to(s, s->queue[s->done], to);
	return err;
}

int policy_closure_of(const struct policy_model *m, const bool *atoms, struct policy_sweep *sweep,
	struct policy_closure *ret_c)
{
	struct spread s = {.m = m, .sweep = sweep};

	int err = spread_init(&s);
	if (!err)
		err = spread(&s, atoms);
	if (!err)
		*ret_c = (struct policy_closure){.m = m, .by = TAKE(s.by)};
	spread_deinit(&s);
	return err;
}

/* --- what is known then --- */

int policy_closure_crowd(const struct policy_closure *c, struct policy_crowd *ret_crowd)
{
	int err = policy_crowd_empty(c->m, ret_crowd);

	for (size_t i = 0; i < c->m->n_subjects && !err; i++)
		if (c->by[i] != UNREACHED)
			policy_crowd_add(ret_crowd, &c->m->subjects[i]);
	return err;
}

size_t policy_closure_path(const struct policy_closure *c, const struct policy_subject *s,
	const struct policy_subject **ret_v, size_t max)
{
	size_t n = 1;

	for (uint32_t i = (uint32_t)(s - c->m->subjects); c->by[i] != BEGINS; i = c->by[i])
		n++;
	for (size_t at = n; at-- > 0; s = at ? &c->m->subjects[c->by[s - c->m->subjects]] : s)
		if (at < max)
			ret_v[at] = s;
	return n;
}
