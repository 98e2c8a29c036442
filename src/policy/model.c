/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/model.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "policy/routes.h"

/* Room for what one subject is to selectors: any, members, itself, its tags, and prefixes in one another. */
enum { SIGNATURE_MAX = 3 + NODE_TAGS_MAX + 129 };

struct signature {
	uint32_t v[SIGNATURE_MAX];
	size_t n;
};

struct maker {
	struct policy_model *m;
	struct hashset by_id; /* selectors of nodes that stand for their meaning */
	struct hashset by_signature; /* atoms */
	struct hashset by_rules; /* kinds: struct rules */
	const struct policy_selector **routes; /* selectors */
	size_t n_routes;
	uint64_t *from, *to; /* of each base selector: rules by rank */
};

/* What a kind is known by. */
struct rules {
	uint32_t kind;
	size_t n; /* bytes of key */
	uint64_t key[];
};

static const void *key_id(const void *record, size_t *ret_len)
{
	*ret_len = NODE_ID_LEN;
	return ((const struct policy_selector *)record)->id;
}

static const void *key_signature(const void *record, size_t *ret_len)
{
	const struct policy_atom *a = record;

	*ret_len = a->n * sizeof(*a->selectors);
	return a->selectors;
}

static const void *key_rules(const void *record, size_t *ret_len)
{
	const struct rules *r = record;

	*ret_len = r->n;
	return r->key;
}

/* --- selectors and rules --- */

/* Two names of one node are one selector. */
static int find_bases(struct maker *k)
{
	const struct policy_doc *doc = k->m->doc;

	k->m->base = calloc(doc->n_selectors + 1, sizeof(*k->m->base));
	k->routes = calloc(doc->n_selectors + 1, sizeof(*k->routes));
	if (!k->m->base || !k->routes)
		return TM_ENOMEM;
	int err = hashset_reserve(&k->by_id, doc->n_selectors);
	if (err)
		return err;

	for (uint32_t i = 0; i < doc->n_selectors; i++) {
		struct policy_selector *s = doc->selectors[i];
		const struct policy_selector *same = NULL;

		if (s->kind == POLICY_NODE && s->id[0]) {
			same = hashset_get(&k->by_id, s->id, NODE_ID_LEN);
			if (!same)
				hashset_put(&k->by_id, s);
		} else if (s->kind == POLICY_ROUTE) {
			k->routes[k->n_routes++] = s;
		}
		k->m->base[i] = same ? same->index : i;
	}
	return TM_OK;
}

static int find_ranks(struct maker *k)
{
	const struct policy_doc *doc = k->m->doc;
	uint32_t n = 0;

	k->m->words = (doc->n_rules + 63) / 64;
	k->m->by_rank = calloc(doc->n_rules + 1, sizeof(*k->m->by_rank));
	if (!k->m->by_rank)
		return TM_ENOMEM;
	for (int allows = 0; allows <= 1; allows++)
		for (uint32_t i = 0; i < doc->n_rules; i++)
			if ((doc->rules[i].action == POLICY_ALLOW) == allows)
				k->m->by_rank[n++] = i;
	return TM_OK;
}

static void set_bit(struct maker *k, uint64_t *sets, uint32_t selector, size_t rank)
{
	sets[k->m->base[selector] * k->m->words + rank / 64] |= UINT64_C(1) << rank % 64;
}

static void set_bits(struct maker *k, uint64_t *sets, const struct policy_list *l, size_t rank)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct policy_group *g = k->m->doc->selectors[l->v[i]]->group;

		if (!g)
			set_bit(k, sets, l->v[i], rank);
		for (size_t j = 0; g && j < g->flat.n; j++)
			set_bit(k, sets, g->flat.v[j], rank);
	}
}

static int find_rules(struct maker *k)
{
	const struct policy_doc *doc = k->m->doc;
	size_t n = doc->n_selectors * k->m->words + 1;

	k->from = calloc(n, sizeof(*k->from));
	k->to = calloc(n, sizeof(*k->to));
	if (!k->from || !k->to)
		return TM_ENOMEM;
	for (size_t rank = 0; rank < doc->n_rules; rank++) {
		const struct policy_rule *r = &doc->rules[k->m->by_rank[rank]];

		set_bits(k, k->from, &r->from, rank);
		set_bits(k, k->to, &r->to, rank);
	}
	return TM_OK;
}

/* --- what a subject is to selectors --- */

/* In ascending order, each once. */
static void sign(struct signature *g, uint32_t selector)
{
	size_t at = g->n;

	while (at && g->v[at - 1] > selector)
		at--;
	if (at && g->v[at - 1] == selector)
		return;
	assert(g->n < SIGNATURE_MAX);
	memmove(&g->v[at + 1], &g->v[at], (g->n - at) * sizeof(*g->v));
	g->v[at] = selector;
	g->n++;
}

static void sign_text(
	const struct maker *k, struct signature *g, enum policy_selector_kind kind, const char *text)
{
	const struct policy_selector *s = hashset_get(&k->m->doc->by_text, text, strlen(text));

	if (s && s->kind == kind)
		sign(g, k->m->base[s->index]);
}

static void sign_tags(const struct maker *k, struct signature *g, const char *tags)
{
	char text[sizeof("tag:") + NODE_TAG_MAX];

	for (size_t i = 0; *tags && i < NODE_TAGS_MAX; i++, tags += strlen(tags) + 1) {
		snprintf(text, sizeof(text), "tag:%s", tags);
		sign_text(k, g, POLICY_TAG, text);
	}
}

static void sign_prefix(const struct maker *k, struct signature *g, const struct prefix *p)
{
	for (size_t i = 0; i < k->n_routes; i++)
		if (policy_prefix_holds(&k->routes[i]->prefix, p))
			sign(g, k->routes[i]->index);
}

static struct signature signature_of(const struct maker *k, const struct policy_subject *s, const char *tags)
{
	struct signature g = {.n = 0};

	sign_text(k, &g, POLICY_ANY, "any");
	if (s->type != POLICY_BEHIND)
		sign_text(k, &g, POLICY_MEMBERS, "members");
	if (s->type == POLICY_MEMBER) {
		const struct policy_selector *own = hashset_get(&k->by_id, s->node->id, NODE_ID_LEN);

		if (own)
			sign(&g, own->index);
	}
	if (tags)
		sign_tags(k, &g, tags);
	if (s->type == POLICY_BEHIND)
		sign_prefix(k, &g, &s->prefix);
	return g;
}

/* --- atoms and kinds --- */

static bool is_local(const struct policy_doc *doc, const struct signature *g)
{
	for (size_t i = 0; i < doc->local_allow.n; i++)
		for (size_t k = 0; k < g->n; k++)
			if (g->v[k] == doc->local_allow.v[i])
				return true;
	return false;
}

static void rules_of(
	const struct maker *k, const uint64_t *sets, const struct signature *g, uint64_t *ret_set)
{
	const size_t words = k->m->words;

	for (size_t i = 0; i < g->n; i++)
		for (size_t w = 0; w < words; w++)
			ret_set[w] |= sets[g->v[i] * words + w];
}

/* Who has no grant allows nothing by rules of its own. They come last, also among those that allow. */
static void drop_own_allows(const struct policy_model *m, uint64_t *set)
{
	for (size_t rank = m->doc->n_rules; rank--;) {
		const struct policy_rule *r = &m->doc->rules[m->by_rank[rank]];

		if (!r->own || r->action != POLICY_ALLOW)
			return;
		set[rank / 64] &= ~(UINT64_C(1) << rank % 64);
	}
}

static int kind_of(struct maker *k, const struct signature *g, uint32_t subject, uint32_t *ret_kind)
{
	const size_t words = k->m->words, n = (2 * words + 1) * sizeof(uint64_t);
	struct policy_model *m = k->m;
	struct rules *r = calloc(1, sizeof(*r) + n);

	if (!r)
		return TM_ENOMEM;
	r->n = n;
	rules_of(k, k->from, g, r->key);
	rules_of(k, k->to, g, r->key + words);
	r->key[2 * words] = is_local(m->doc, g);
	if (!r->key[2 * words])
		drop_own_allows(m, r->key + words);

	const struct rules *known = hashset_get(&k->by_rules, r->key, n);
	int err = known ? TM_OK : hashset_reserve(&k->by_rules, 1);
	/* Grown by doubling: full at each power of two. */
	if (!err && !known && (m->n_kinds & (m->n_kinds - 1)) == 0) {
		struct policy_kind *v = array_resize(m->kinds, m->n_kinds ? 2 * m->n_kinds : 1, sizeof(*v));

		m->kinds = v ? v : m->kinds;
		err = v ? TM_OK : TM_ENOMEM;
	}
	if (err || known) {
		free(r);
		if (!err)
			*ret_kind = known->kind;
		return err;
	}
	r->kind = (uint32_t)m->n_kinds++;
	m->kinds[r->kind] = (struct policy_kind){.local = r->key[2 * words], .first = subject};
	hashset_put(&k->by_rules, r);
	*ret_kind = r->kind;
	return TM_OK;
}

static int new_atom(struct maker *k, const struct signature *g, uint32_t subject, struct policy_atom **ret_a)
{
	struct policy_model *m = k->m;

	if ((m->n_atoms & (m->n_atoms - 1)) == 0) {
		struct policy_atom **v =
			array_resize(m->atoms, m->n_atoms ? 2 * m->n_atoms : 1, sizeof(struct policy_atom *));

		if (!v)
			return TM_ENOMEM;
		m->atoms = v;
	}
	int err = hashset_reserve(&k->by_signature, 1);
	struct policy_atom *a = err ? NULL : calloc(1, sizeof(*a) + g->n * sizeof(*g->v));
	if (!a)
		return TM_ENOMEM;

	a->selectors = memcpy(a + 1, g->v, g->n * sizeof(*g->v));
	a->n = g->n;
	err = kind_of(k, g, subject, &a->kind);
	if (err) {
		free(a);
		return err;
	}
	a->number = (uint32_t)m->n_atoms;
	m->atoms[m->n_atoms++] = a;
	hashset_put(&k->by_signature, a);
	*ret_a = a;
	return TM_OK;
}

/* --- subjects --- */

static int add_subject(struct maker *k, const struct policy_subject *s, const char *tags)
{
	struct policy_model *m = k->m;
	const struct signature g = signature_of(k, s, tags);
	uint32_t index = (uint32_t)m->n_subjects;
	struct policy_atom *a = hashset_get(&k->by_signature, g.v, g.n * sizeof(*g.v));

	int err = a ? TM_OK : new_atom(k, &g, index, &a);
	if (err)
		return err;

	m->subjects[index] = *s;
	m->subjects[index].kind = a->kind;
	m->subjects[index].local = m->kinds[a->kind].local;
	m->subjects[index].atom = a->number;
	m->n_subjects++;
	return TM_OK;
}

static int add_routes(struct maker *k, const struct policy_route *v, size_t n)
{
	int err = TM_OK;

	for (size_t i = 0; i < n && !err; i++) {
		const struct policy_subject s = {
			.type = POLICY_BEHIND,
			.attached = v[i].via->host,
			.node = v[i].via,
			.prefix = v[i].prefix,
		};

		err = add_subject(k, &s, NULL);
	}
	return err;
}

static int add_subjects(struct maker *k)
{
	const struct policy_world *w = &k->m->world;
	_cleanup_(freep) struct policy_route *pieces = NULL;
	const struct mesh_node *n;
	size_t n_pieces = 0;

	int err = w->n_routes ? policy_routes_cut(
					k->m->doc, w->beside, w->routes, w->n_routes, &pieces, &n_pieces)
			      : TM_OK;
	if (err)
		return err;
	k->m->subjects = calloc(mesh_size(w->mesh) + n_pieces + w->n_newcomers + 1, sizeof(*k->m->subjects));
	if (!k->m->subjects)
		return TM_ENOMEM;

	for (size_t i = 0; !err && (n = mesh_next(w->mesh, &i));) {
		const struct policy_subject s = {.type = POLICY_MEMBER, .attached = n->host, .node = n};

		err = add_subject(k, &s, n->tags);
	}
	if (!err)
		err = add_routes(k, pieces, n_pieces);
	for (size_t i = 0; i < w->n_newcomers && !err; i++) {
		const struct policy_newcomer *c = &w->newcomers[i];
		const struct policy_subject s = {
			.type = POLICY_NEWCOMER,
			.many = c->many,
			.attached = UINT32_MAX - (uint32_t)i, /* no host number */
			.label = c->label,
		};

		err = add_subject(k, &s, c->tags);
	}
	return err;
}

/* The sets of rules move to one piece of memory of the model's. */
static int keep_rules(struct maker *k)
{
	struct policy_model *m = k->m;
	const struct rules *r;

	m->bits = calloc(2 * m->n_kinds * m->words + 1, sizeof(*m->bits));
	if (!m->bits)
		return TM_ENOMEM;
	for (size_t i = 0; (r = hashset_next(&k->by_rules, &i));) {
		uint64_t *at = m->bits + 2 * r->kind * m->words;

		memcpy(at, r->key, 2 * m->words * sizeof(*at));
		m->kinds[r->kind].from = at;
		m->kinds[r->kind].to = at + m->words;
	}
	return TM_OK;
}

static void maker_deinit(struct maker *k)
{
	struct rules *r;

	for (size_t i = 0; (r = hashset_next(&k->by_rules, &i));)
		free(r);
	hashset_deinit(&k->by_id);
	hashset_deinit(&k->by_signature);
	hashset_deinit(&k->by_rules);
	free(k->routes);
	free(k->from);
	free(k->to);
}

static int make(struct maker *k)
{
	int err = hashset_init(&k->by_id, key_id);

	if (!err)
		err = hashset_init(&k->by_signature, key_signature);
	if (!err)
		err = hashset_init(&k->by_rules, key_rules);
	if (!err)
		err = find_bases(k);
	if (!err)
		err = find_ranks(k);
	if (!err)
		err = find_rules(k);
	if (!err)
		err = add_subjects(k);
	return err ? err : keep_rules(k);
}

int policy_model_new(const struct policy_doc *doc, const struct policy_world *w, struct policy_model **ret_m)
{
	_cleanup_(policy_model_freep) struct policy_model *m = calloc(1, sizeof(*m));
	struct maker k = {.m = m};

	if (!m)
		return TM_ENOMEM;
	m->doc = doc;
	m->world = *w;
	int err = make(&k);
	maker_deinit(&k);
	if (!err)
		*ret_m = TAKE(m);
	return err;
}

void policy_model_free(struct policy_model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_atoms; i++)
		free(m->atoms[i]);
	free(m->atoms);
	free(m->subjects);
	free(m->kinds);
	free(m->by_rank);
	free(m->base);
	free(m->bits);
	free(m);
}
