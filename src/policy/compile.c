/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/compile.h"

#include <string.h>

struct compiler {
	const struct policy_model *m;
	struct policy_share *s;
	struct policy_sweep sweep;
	uint32_t *ends; /* a kind for each end */
	uint32_t *classes; /* a kind that stands for each class */
	uint32_t *class_of_kind;
	struct hashset by_rights; /* struct rights */
};

/* What a class is known by: which rules are about it and each end, both ways. */
struct rights {
	uint32_t class;
	size_t n; /* bytes of key */
	uint64_t key[];
};

static const void *key_rights(const void *record, size_t *ret_len)
{
	const struct rights *r = record;

	*ret_len = r->n;
	return r->key;
}

const struct policy_spans *policy_share_spans(
	const struct policy_share *s, size_t end, size_t class, enum policy_dir dir, enum policy_proto proto)
{
	return &s->spans[((end * s->n_classes + class) * POLICY_DIRS + dir) * POLICY_PROTO_N + proto];
}

void policy_share_free(struct policy_share *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->spans && i < s->n_ends * s->n_classes * POLICY_DIRS * POLICY_PROTO_N; i++)
		free(s->spans[i].v);
	free(s->spans);
	free(s->local);
	free(s->class_of);
	free(s->end_of);
	free(s->routes);
	free(s->own);
	free(s);
}

/* --- our ends --- */

static uint32_t end_of_kind(struct compiler *c, uint32_t kind)
{
	for (size_t i = 1; i < c->s->n_ends; i++)
		if (c->ends[i] == kind)
			return (uint32_t)i;
	c->ends[c->s->n_ends] = kind;
	return (uint32_t)c->s->n_ends++;
}

static int find_ends(struct compiler *c, const struct mesh_node *self)
{
	const struct policy_model *m = c->m;
	struct policy_share *s = c->s;

	c->ends = calloc(m->n_kinds + 1, sizeof(*c->ends));
	s->end_of = malloc(s->n_hosts * sizeof(*s->end_of));
	s->own = calloc(m->n_subjects + 1, sizeof(*s->own));
	if (!c->ends || !s->end_of || !s->own)
		return TM_ENOMEM;

	memset(s->end_of, 0xff, s->n_hosts * sizeof(*s->end_of));
	c->ends[s->n_ends++] = policy_model_member(m, self)->kind;
	for (const struct mesh_node *n = mesh_clients(m->world.mesh, self->id); n; n = n->next_client)
		s->end_of[n->host] = end_of_kind(c, policy_model_member(m, n)->kind);
	for (size_t i = 0; i < m->n_subjects; i++) {
		const struct policy_subject *x = &m->subjects[i];

		if (x->type != POLICY_BEHIND || x->attached != self->host)
			continue;
		s->own[s->n_own].prefix = x->prefix;
		s->own[s->n_own++].end = end_of_kind(c, x->kind);
	}
	s->local = calloc(s->n_ends, sizeof(*s->local));
	if (!s->local)
		return TM_ENOMEM;
	for (size_t i = 0; i < s->n_ends; i++)
		s->local[i] = m->kinds[c->ends[i]].local;
	return TM_OK;
}

/* --- classes of others --- */

static struct rights *rights_of(const struct compiler *c, uint32_t kind)
{
	const struct policy_model *m = c->m;
	const size_t words = m->words, n = (c->s->n_ends * 2 * words + 1) * sizeof(uint64_t);
	struct rights *r = malloc(sizeof(*r) + n);
	uint64_t *at;

	if (!r)
		return NULL;
	r->n = n;
	at = r->key;
	*at++ = m->kinds[kind].local;
	for (size_t e = 0; e < c->s->n_ends; e++) {
		const struct policy_kind *ours = &m->kinds[c->ends[e]], *theirs = &m->kinds[kind];

		for (size_t w = 0; w < words; w++)
			*at++ = theirs->from[w] & ours->to[w];
		for (size_t w = 0; w < words; w++)
			*at++ = ours->from[w] & theirs->to[w];
	}
	return r;
}

static int class_of_kind(struct compiler *c, uint32_t kind, uint32_t *ret_class)
{
	if (c->class_of_kind[kind] != POLICY_NO_CLASS) {
		*ret_class = c->class_of_kind[kind];
		return TM_OK;
	}
	_cleanup_(freep) struct rights *r = rights_of(c, kind);
	int err = r ? hashset_reserve(&c->by_rights, 1) : TM_ENOMEM;
	if (err)
		return err;

	const struct rights *known = hashset_get(&c->by_rights, r->key, r->n);
	if (!known) {
		r->class = (uint32_t)c->s->n_classes;
		c->classes[c->s->n_classes++] = kind;
		known = r;
		hashset_put(&c->by_rights, TAKE(r));
	}
	*ret_class = c->class_of_kind[kind] = known->class;
	return TM_OK;
}

static int find_classes(struct compiler *c, const struct mesh_node *self)
{
	const struct policy_model *m = c->m;
	struct policy_share *s = c->s;
	int err = TM_OK;

	c->classes = calloc(m->n_kinds + 1, sizeof(*c->classes));
	c->class_of_kind = malloc((m->n_kinds + 1) * sizeof(*c->class_of_kind));
	s->class_of = malloc(s->n_hosts * sizeof(*s->class_of));
	s->routes = calloc(m->n_subjects + 1, sizeof(*s->routes));
	if (!c->classes || !c->class_of_kind || !s->class_of || !s->routes)
		return TM_ENOMEM;

	memset(c->class_of_kind, 0xff, (m->n_kinds + 1) * sizeof(*c->class_of_kind));
	memset(s->class_of, 0xff, s->n_hosts * sizeof(*s->class_of));
	for (size_t i = 0; i < m->n_subjects && !err; i++) {
		const struct policy_subject *x = &m->subjects[i];
		uint32_t class;

		if (x->attached == self->host || x->type == POLICY_NEWCOMER)
			continue;
		err = class_of_kind(c, x->kind, &class);
		if (err)
			break;
		if (x->type == POLICY_MEMBER) {
			s->class_of[x->node->host] = class;
			continue;
		}
		s->routes[s->n_routes].prefix = x->prefix;
		s->routes[s->n_routes].via = x->node->host;
		s->routes[s->n_routes++].class = class;
	}
	return err;
}

/* --- what they may do --- */

/* What the other end may allow by rules of its own is for that end to stop. */
static void leave_to_them(struct policy_spans *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->v[i].rule == POLICY_RULE_LOCAL)
			v->v[i].action = POLICY_ALLOW;
}

static int compile_list(
	struct compiler *c, size_t end, size_t class, enum policy_dir dir, enum policy_proto proto)
{
	struct policy_spans *v =
		&c->s->spans[((end * c->s->n_classes + class) * POLICY_DIRS + dir) * POLICY_PROTO_N + proto];
	uint32_t ours = c->ends[end], theirs = c->classes[class];

	int err = dir == POLICY_IN ? policy_sweep_pair(&c->sweep, c->m, theirs, ours, proto)
				   : policy_sweep_pair(&c->sweep, c->m, ours, theirs, proto);
	if (err)
		return err;
	v->v = malloc(c->sweep.n * sizeof(*v->v));
	if (!v->v)
		return TM_ENOMEM;
	memcpy(v->v, c->sweep.v, c->sweep.n * sizeof(*v->v));
	v->n = c->sweep.n;
	if (dir == POLICY_OUT)
		leave_to_them(v);
	return TM_OK;
}

static int compile_lists(struct compiler *c)
{
	struct policy_share *s = c->s;
	int err = TM_OK;

	s->spans = calloc(s->n_ends * s->n_classes * POLICY_DIRS * POLICY_PROTO_N + 1, sizeof(*s->spans));
	if (!s->spans)
		return TM_ENOMEM;
	for (size_t e = 0; e < s->n_ends; e++)
		for (size_t k = 0; k < s->n_classes; k++)
			for (int dir = 0; dir < POLICY_DIRS; dir++)
				for (int p = 0; p < POLICY_PROTO_N && !err; p++)
					err = compile_list(
						c, e, k, (enum policy_dir)dir, (enum policy_proto)p);
	return err;
}

static int compile(struct compiler *c, const struct mesh_node *self)
{
	const struct mesh_node *n;

	for (size_t i = 0; (n = mesh_next(c->m->world.mesh, &i));)
		c->s->n_hosts = (size_t)n->host + 1;
	int err = hashset_init(&c->by_rights, key_rights);
	if (!err)
		err = find_ends(c, self);
	if (!err)
		err = find_classes(c, self);
	return err ? err : compile_lists(c);
}

static void compiler_deinit(struct compiler *c)
{
	struct rights *r;

	for (size_t i = 0; (r = hashset_next(&c->by_rights, &i));)
		free(r);
	hashset_deinit(&c->by_rights);
	policy_sweep_deinit(&c->sweep);
	free(c->ends);
	free(c->classes);
	free(c->class_of_kind);
}

int policy_compile(const struct policy_model *m, const char *self_id, struct policy_share **ret_s)
{
	const struct mesh_node *self = mesh_by_id(m->world.mesh, self_id);
	_cleanup_(policy_share_freep) struct policy_share *s = self ? calloc(1, sizeof(*s)) : NULL;
	struct compiler c = {.m = m, .s = s};

	if (!self)
		return TM_ENOENT;
	if (!s)
		return TM_ENOMEM;
	int err = compile(&c, self);
	compiler_deinit(&c);
	if (!err)
		*ret_s = TAKE(s);
	return err;
}
