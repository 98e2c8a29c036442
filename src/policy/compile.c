/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/compile.h"

#include <string.h>

#include "base/text.h"

struct compiler {
	const struct policy_model *m;
	struct policy_share *s;
	struct policy_sweep sweep;
	uint32_t *ends; /* a kind for each end */
	uint32_t *class_of_kind;
	struct hashset by_rights; /* struct rights */
	struct rights *asked; /* scratch */
	size_t sets_cap;
	struct hashset by_row; /* struct row */
};

/* What a set of spans is known by: which rules are about two kinds, both ways, and what they may allow
 * themselves. */
struct rights {
	uint32_t set;
	size_t n; /* bytes of key */
	uint64_t key[];
};

/* A class: for each end its set. */
struct row {
	uint32_t class;
	size_t n; /* bytes of set */
	uint32_t set[];
};

static const void *key_rights(const void *record, size_t *ret_len)
{
	const struct rights *r = record;

	*ret_len = r->n;
	return r->key;
}

static const void *key_row(const void *record, size_t *ret_len)
{
	const struct row *r = record;

	*ret_len = r->n;
	return r->set;
}

static size_t spans_of(uint32_t set, enum policy_dir dir, enum policy_proto proto)
{
	return ((size_t)set * POLICY_DIRS + dir) * POLICY_PROTO_N + proto;
}

const struct policy_spans *policy_share_spans(
	const struct policy_share *s, size_t end, size_t class, enum policy_dir dir, enum policy_proto proto)
{
	return &s->spans[spans_of(s->set[class * s->n_ends + end], dir, proto)];
}

void policy_share_free(struct policy_share *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_sets * POLICY_DIRS * POLICY_PROTO_N; i++)
		free(s->spans[i].v);
	free(s->spans);
	free(s->set);
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
	if (s->n_ends > POLICY_ENDS_MAX)
		return TM_EFULL;
	s->local = calloc(s->n_ends, sizeof(*s->local));
	if (!s->local)
		return TM_ENOMEM;
	for (size_t i = 0; i < s->n_ends; i++)
		s->local[i] = m->kinds[c->ends[i]].local;
	return TM_OK;
}

/* --- what two kinds may do --- */

/* What the other end may allow by rules of its own is for that end to stop. */
static void leave_to_them(struct policy_spans *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->v[i].rule == POLICY_RULE_LOCAL)
			v->v[i].action = POLICY_ALLOW;
}

static int compile_list(struct compiler *c, uint32_t ours, uint32_t theirs, enum policy_dir dir,
	enum policy_proto proto, struct policy_spans *ret_v)
{
	int err = dir == POLICY_IN ? policy_sweep_pair(&c->sweep, c->m, theirs, ours, proto)
				   : policy_sweep_pair(&c->sweep, c->m, ours, theirs, proto);
	if (err)
		return err;
	ret_v->v = malloc(c->sweep.n * sizeof(*ret_v->v));
	if (!ret_v->v)
		return TM_ENOMEM;
	memcpy(ret_v->v, c->sweep.v, c->sweep.n * sizeof(*ret_v->v));
	ret_v->n = c->sweep.n;
	if (dir == POLICY_OUT)
		leave_to_them(ret_v);
	return TM_OK;
}

static int reserve_set(struct compiler *c)
{
	const size_t lists = (size_t)POLICY_DIRS * POLICY_PROTO_N;
	struct policy_share *s = c->s;

	if (s->n_sets == POLICY_SETS_MAX)
		return TM_EFULL;
	if (s->n_sets < c->sets_cap)
		return TM_OK;

	const size_t cap = c->sets_cap ? 2 * c->sets_cap : 64;
	struct policy_spans *v = array_resize(s->spans, cap * lists, sizeof(*v));
	if (!v)
		return TM_ENOMEM;
	s->spans = v;
	c->sets_cap = cap;
	return TM_OK;
}

static int compile_set(struct compiler *c, uint32_t ours, uint32_t theirs, uint32_t *ret_set)
{
	struct policy_share *s = c->s;

	int err = reserve_set(c);
	if (err)
		return err;
	const uint32_t set = (uint32_t)s->n_sets++;
	memset(&s->spans[spans_of(set, 0, 0)], 0, sizeof(*s->spans) * POLICY_DIRS * POLICY_PROTO_N);
	for (int dir = 0; dir < POLICY_DIRS; dir++)
		for (int p = 0; p < POLICY_PROTO_N && !err; p++)
			err = compile_list(c, ours, theirs, (enum policy_dir)dir, (enum policy_proto)p,
				&s->spans[spans_of(set, (enum policy_dir)dir, (enum policy_proto)p)]);
	*ret_set = set;
	return err;
}

static struct rights *rights_new(const struct policy_model *m)
{
	const size_t n = (2 * m->words + 1) * sizeof(uint64_t);
	struct rights *r = malloc(sizeof(*r) + n);

	if (r)
		r->n = n;
	return r;
}

static void fill_rights(const struct policy_model *m, uint32_t ours, uint32_t theirs, struct rights *r)
{
	const struct policy_kind *a = &m->kinds[ours], *b = &m->kinds[theirs];
	uint64_t *at = r->key;

	*at++ = (uint64_t)a->local | (uint64_t)b->local << 1;
	for (size_t w = 0; w < m->words; w++)
		*at++ = b->from[w] & a->to[w];
	for (size_t w = 0; w < m->words; w++)
		*at++ = a->from[w] & b->to[w];
}

/* Most pairs have the same rights as some other: what is asked first is whether they are known. */
static int set_of_kinds(struct compiler *c, uint32_t ours, uint32_t theirs, uint32_t *ret_set)
{
	fill_rights(c->m, ours, theirs, c->asked);
	const struct rights *known = hashset_get(&c->by_rights, c->asked->key, c->asked->n);
	if (known) {
		*ret_set = known->set;
		return TM_OK;
	}
	struct rights *next = rights_new(c->m);
	int err = next ? hashset_reserve(&c->by_rights, 1) : TM_ENOMEM;
	if (!err)
		err = compile_set(c, ours, theirs, &c->asked->set);
	if (err) {
		free(next);
		return err;
	}
	*ret_set = c->asked->set;
	hashset_put(&c->by_rights, c->asked);
	c->asked = next;
	return TM_OK;
}

/* --- classes of others --- */

static int row_of_kind(struct compiler *c, uint32_t kind, struct row **ret_row)
{
	const size_t n = c->s->n_ends * sizeof(uint32_t);
	_cleanup_(freep) struct row *r = malloc(sizeof(*r) + n);
	int err = TM_OK;

	if (!r)
		return TM_ENOMEM;
	r->n = n;
	for (size_t e = 0; e < c->s->n_ends && !err; e++)
		err = set_of_kinds(c, c->ends[e], kind, &r->set[e]);
	if (!err)
		*ret_row = TAKE(r);
	return err;
}

static int add_class(struct compiler *c, struct row *r)
{
	struct policy_share *s = c->s;

	if (s->n_classes == POLICY_CLASSES_MAX || (s->n_classes + 1) * s->n_ends > POLICY_PAIRS_MAX)
		return TM_EFULL;
	r->class = (uint32_t)s->n_classes++;
	return TM_OK;
}

static int class_of_kind(struct compiler *c, uint32_t kind, uint32_t *ret_class)
{
	_cleanup_(freep) struct row *r = NULL;

	if (c->class_of_kind[kind] != POLICY_NO_CLASS) {
		*ret_class = c->class_of_kind[kind];
		return TM_OK;
	}
	int err = row_of_kind(c, kind, &r);
	if (err)
		return err;

	const struct row *known = hashset_get(&c->by_row, r->set, r->n);
	if (!known) {
		err = hashset_reserve(&c->by_row, 1);
		if (!err)
			err = add_class(c, r);
		if (err)
			return err;
		known = r;
		hashset_put(&c->by_row, TAKE(r));
	}
	*ret_class = c->class_of_kind[kind] = known->class;
	return TM_OK;
}

static int find_classes(struct compiler *c, const struct mesh_node *self)
{
	const struct policy_model *m = c->m;
	struct policy_share *s = c->s;
	int err = TM_OK;

	c->class_of_kind = malloc((m->n_kinds + 1) * sizeof(*c->class_of_kind));
	s->class_of = malloc(s->n_hosts * sizeof(*s->class_of));
	s->routes = calloc(m->n_subjects + 1, sizeof(*s->routes));
	if (!c->class_of_kind || !s->class_of || !s->routes)
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
		if (s->n_routes == POLICY_ROUTES_MAX)
			return TM_EFULL;
		s->routes[s->n_routes].prefix = x->prefix;
		s->routes[s->n_routes].via = x->node->host;
		s->routes[s->n_routes++].class = class;
	}
	return err;
}

/* The rows, side by side. */
static int make_table(struct compiler *c)
{
	struct policy_share *s = c->s;
	struct row *r;

	s->set = calloc(s->n_classes * s->n_ends + 1, sizeof(*s->set));
	if (!s->set)
		return TM_ENOMEM;
	for (size_t i = 0; (r = hashset_next(&c->by_row, &i));)
		memcpy(&s->set[r->class * s->n_ends], r->set, r->n);
	return TM_OK;
}

static int compile(struct compiler *c, const struct mesh_node *self)
{
	const struct mesh_node *n;

	for (size_t i = 0; (n = mesh_next(c->m->world.mesh, &i));)
		c->s->n_hosts = (size_t)n->host + 1;
	c->asked = rights_new(c->m);
	int err = c->asked ? hashset_init(&c->by_rights, key_rights) : TM_ENOMEM;
	if (!err)
		err = hashset_init(&c->by_row, key_row);
	if (!err)
		err = find_ends(c, self);
	if (!err)
		err = find_classes(c, self);
	return err ? err : make_table(c);
}

static void compiler_deinit(struct compiler *c)
{
	void *r;

	for (size_t i = 0; (r = hashset_next(&c->by_rights, &i));)
		free(r);
	for (size_t i = 0; (r = hashset_next(&c->by_row, &i));)
		free(r);
	hashset_deinit(&c->by_rights);
	hashset_deinit(&c->by_row);
	free(c->asked);
	policy_sweep_deinit(&c->sweep);
	free(c->ends);
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

/* --- whether it fits --- */

/* Who filters for a subject; NULL: nobody does yet, or nobody that is known. */
static const struct mesh_node *filter_of(const struct policy_model *m, const struct policy_subject *s)
{
	if (s->type == POLICY_MEMBER && s->node->kind == NODE_CLIENT)
		return mesh_by_id(m->world.mesh, s->node->via);
	return s->node;
}

static int ascending(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The node that filters for most who differ: a network that the document cuts to pieces is many ends. */
static int find_largest(const struct policy_model *m, const struct mesh_node **ret_node, size_t *ret_behind)
{
	_cleanup_(freep) uint64_t *ends = calloc(m->n_subjects + 1, sizeof(*ends)); /* node, and kind */
	size_t n = 0, most = 0;

	if (!ends)
		return TM_ENOMEM;
	for (size_t i = 0; i < m->n_subjects; i++) {
		const struct mesh_node *by = filter_of(m, &m->subjects[i]);

		if (by)
			ends[n++] = (uint64_t)by->host << 32 | m->subjects[i].kind;
	}
	qsort(ends, n, sizeof(*ends), ascending);
	for (size_t first = 0, end; first < n; first = end) {
		size_t differ = 1;

		for (end = first + 1; end < n && ends[end] >> 32 == ends[first] >> 32; end++)
			differ += ends[end] != ends[end - 1];
		if (differ <= most)
			continue;
		most = differ;
		*ret_node = mesh_by_host(m->world.mesh, (uint32_t)(ends[first] >> 32));
		*ret_behind = end - first - 1;
	}
	return TM_OK;
}

int policy_fits(const struct policy_model *m, struct diag *d)
{
	const struct mesh_node *most = NULL;
	struct policy_share *s = NULL;
	size_t behind = 0;

	int err = find_largest(m, &most, &behind);
	if (err || !most)
		return err;

	err = policy_compile(m, most->id, &s);
	policy_share_free(s);
	if (err != TM_EFULL)
		return err;
	diag_hint(d, "let more members share their rules, by tags and groups, or name fewer networks");
	return diag_what(d, err,
		"%s could not hold this policy: for its %zu clients and networks it gives too many different "
		"rights",
		most->name, behind);
}
