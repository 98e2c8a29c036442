/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/diff.h"

#include <assert.h>
#include <string.h>

#include "base/siphash.h"
#include "policy/crowd.h"

/* Subjects that are of one kind before and of one kind after. */
struct class
{
	uint32_t before, after; /* kinds */
	size_t n;
	const struct policy_subject *first, *elsewhere; /* as in a crowd */
};

struct differ {
	const struct policy_model *before, *after;
	struct policy_diff *d;
	struct class *classes;
	size_t n_classes;
	uint64_t *weight_before, *weight_after; /* of each rule by rank */
	struct policy_sweep old, new;
};

void policy_diff_deinit(struct policy_diff *d)
{
	free(d->v);
	free(d->class_of);
	*d = (struct policy_diff){.v = NULL};
}

/* --- classes --- */

static int by_kinds(const void *a, const void *b)
{
	const struct class *x = a, *y = b;

	if (x->before != y->before)
		return x->before < y->before ? -1 : 1;
	return x->after < y->after ? -1 : x->after > y->after;
}

/* One that is there. */
static size_t class_find(const struct differ *f, uint32_t before, uint32_t after)
{
	const struct class key = {.before = before, .after = after};
	size_t low = 0, high = f->n_classes;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (by_kinds(&f->classes[mid], &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void take(struct class *c, const struct policy_subject *s)
{
	if (!c->n++)
		c->first = s;
	else if (!c->elsewhere && s->attached != c->first->attached)
		c->elsewhere = s;
}

/* Both models have the same subjects in the same order. */
static int find_classes(struct differ *f)
{
	const size_t n = f->before->n_subjects;
	size_t kept = 0;

	f->classes = calloc(n + 1, sizeof(*f->classes));
	f->d->class_of = calloc(n + 1, sizeof(*f->d->class_of));
	if (!f->classes || !f->d->class_of)
		return TM_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		f->classes[i].before = f->before->subjects[i].kind;
		f->classes[i].after = f->after->subjects[i].kind;
	}
	qsort(f->classes, n, sizeof(*f->classes), by_kinds);
	for (size_t i = 0; i < n; i++)
		if (!kept || by_kinds(&f->classes[i], &f->classes[kept - 1]) != 0)
			f->classes[kept++] = f->classes[i];
	f->n_classes = kept;
	for (size_t i = 0; i < n; i++) {
		size_t class = class_find(f, f->before->subjects[i].kind, f->after->subjects[i].kind);

		f->d->class_of[i] = (uint32_t) class;
		take(&f->classes[class], &f->before->subjects[i]);
	}
	f->d->n_classes = kept;
	f->d->n_subjects = n;
	return TM_OK;
}

static bool pair_of(const struct class *from, const struct class *to, const struct policy_subject **ret_from,
	const struct policy_subject **ret_to)
{
	const struct policy_subject *const a[] = {from->first, from->elsewhere};
	const struct policy_subject *const b[] = {to->first, to->elsewhere};

	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < 2; k++)
			if (a[i] && b[k] && policy_subjects_meet(a[i], b[k])) {
				*ret_from = a[i];
				*ret_to = b[k];
				return true;
			}
	return false;
}

/* --- pairs that the same rules are about need no look --- */

static int find_weights(const struct policy_model *m, const struct siphash_key *key, uint64_t **ret_weights)
{
	uint64_t *v = calloc(m->doc->n_rules + 1, sizeof(*v));

	if (!v)
		return TM_ENOMEM;
	for (size_t rank = 0; rank < m->doc->n_rules; rank++) {
		const struct policy_rule *r = &m->doc->rules[m->by_rank[rank]];
		uint64_t w = siphash(key, &r->action, sizeof(r->action));

		for (size_t i = 0; i < r->n_services; i++) {
			const uint64_t s[] = {
				w, r->services[i].proto, r->services[i].first, r->services[i].last};

			w = siphash(key, s, sizeof(s));
		}
		v[rank] = w;
	}
	*ret_weights = v;
	return TM_OK;
}

/* Sums of keyed hashes: equal for different rules with a chance of 2^-64. */
static uint64_t weigh(const struct policy_model *m, const uint64_t *weights, uint32_t from, uint32_t to)
{
	const struct policy_kind *a = &m->kinds[from], *b = &m->kinds[to];
	uint64_t sum = b->local;

	for (size_t w = 0; w < m->words; w++)
		for (uint64_t bits = a->from[w] & b->to[w]; bits; bits &= bits - 1)
			sum += weights[w * 64 + (size_t)__builtin_ctzll(bits)];
	return sum;
}

/* --- what changes --- */

static int note(struct differ *f, const struct policy_change *c)
{
	struct policy_diff *d = f->d;

	d->n_all++;
	if (d->n == POLICY_CHANGES_MAX)
		return TM_OK;
	if (!d->v) {
		d->v = calloc(POLICY_CHANGES_MAX, sizeof(*d->v));
		if (!d->v)
			return TM_ENOMEM;
	}
	d->v[d->n++] = *c;
	return TM_OK;
}

/* Neighbours in the same sense are one change, by whatever rules. */
static bool continues(const struct policy_diff *d, size_t first, const struct policy_change *c)
{
	const struct policy_change *last = d->n > first ? &d->v[d->n - 1] : NULL;

	return last && last->gained == c->gained && last->service.proto == c->service.proto &&
	       last->service.last + 1 == c->service.first;
}

/* What the asked one's own rules may allow can be reached: that is how it is proved, too. */
static bool may_pass(const struct policy_span *x)
{
	return x->action == POLICY_ALLOW || x->rule == POLICY_RULE_LOCAL;
}

static int compare(struct differ *f, struct policy_change *c, enum policy_proto proto)
{
	const size_t first = f->d->n;
	size_t i = 0, k = 0;
	uint32_t at = 0;

	while (i < f->old.n && k < f->new.n) {
		const struct policy_span *x = &f->old.v[i], *y = &f->new.v[k];
		const uint16_t last = MIN(x->last, y->last);
		const bool was = may_pass(x), is = may_pass(y);
		int err = TM_OK;

		c->service = (struct policy_service){(uint8_t)proto, (uint16_t)at, last};
		c->gained = is;
		c->before = x->rule;
		c->after = y->rule;
		if (was != is && policy_service_clip(&c->service)) {
			if (continues(f->d, first, c))
				f->d->v[f->d->n - 1].service.last = c->service.last;
			else
				err = note(f, c);
		}
		if (err)
			return err;
		at = (uint32_t)last + 1;
		i += x->last == last;
		k += y->last == last;
	}
	return TM_OK;
}

static int compare_pair(struct differ *f, const struct class *from, const struct class *to)
{
	struct policy_change c = {
		.n_from = from->n,
		.n_to = to->n,
		.from_class = (uint32_t)(from - f->classes),
		.to_class = (uint32_t)(to - f->classes),
	};
	int err = TM_OK;

	if (weigh(f->before, f->weight_before, from->before, to->before) ==
			weigh(f->after, f->weight_after, from->after, to->after) ||
		!pair_of(from, to, &c.from, &c.to))
		return TM_OK;
	for (int p = 0; p < POLICY_PROTO_N && !err; p++) {
		err = policy_sweep_pair(&f->old, f->before, from->before, to->before, (enum policy_proto)p);
		if (!err)
			err = policy_sweep_pair(
				&f->new, f->after, from->after, to->after, (enum policy_proto)p);
		if (!err)
			err = compare(f, &c, (enum policy_proto)p);
	}
	return err;
}

static int compare_all(struct differ *f)
{
	struct siphash_key key;

	int err = siphash_key_random(&key);
	if (!err)
		err = find_weights(f->before, &key, &f->weight_before);
	if (!err)
		err = find_weights(f->after, &key, &f->weight_after);
	if (!err)
		err = find_classes(f);
	for (size_t i = 0; i < f->n_classes && !err; i++)
		for (size_t k = 0; k < f->n_classes && !err; k++)
			err = compare_pair(f, &f->classes[i], &f->classes[k]);
	return err;
}

int policy_diff_of(
	const struct policy_model *before, const struct policy_model *after, struct policy_diff *ret_d)
{
	struct policy_diff d = {.v = NULL};
	struct differ f = {.before = before, .after = after, .d = &d};

	assert(before->n_subjects == after->n_subjects);
	int err = compare_all(&f);
	policy_sweep_deinit(&f.old);
	policy_sweep_deinit(&f.new);
	free(f.classes);
	free(f.weight_before);
	free(f.weight_after);
	if (err)
		policy_diff_deinit(&d);
	else
		*ret_d = d;
	return err;
}
