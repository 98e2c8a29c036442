/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/policy/counts.h"

#include <string.h>

#include "base/hashset.h"
#include "base/list.h"
#include "data/filter/hits.h"

enum { KEY_MAX = 1 + POLICY_ID_MAX };
enum { OWN = 4 }; /* beside what it does */

/* Of a rule. */
struct count {
	char key[KEY_MAX + 1]; /* what it does and whether it is the node's own, and its id behind that */
	uint64_t n, told;
	size_t sets; /* that count for it */
	struct list in_all;
};

/* Of rules that are in force, or were and may still be asked by somebody. */
struct set {
	struct list in_sets;
	struct hits *hits;
	uint32_t n;
	struct rule_seen {
		struct count *count;
		uint64_t n;
	} rule[]; /* by number */
};

struct counts {
	unsigned parts;
	struct hashset by_key;
	struct list all; /* of struct count: who was told last is behind */
	size_t n_all;
	struct list sets; /* the newest first */
	uint64_t total[COUNTS_ACTIONS];
};

static const void *key_of(const void *record, size_t *ret_len)
{
	const struct count *k = record;

	*ret_len = strlen(k->key);
	return k->key;
}

static void make_key(const struct policy_rule *r, char ret_key[static KEY_MAX + 1])
{
	ret_key[0] = (char)('0' + (int)r->action + (r->own ? OWN : 0));
	memcpy(ret_key + 1, r->id, strlen(r->id) + 1);
}

static enum policy_action action_of(const struct count *k)
{
	return (enum policy_action)((k->key[0] - '0') & (OWN - 1));
}

static bool is_own(const struct count *k)
{
	return (k->key[0] - '0') & OWN;
}

int counts_new(unsigned parts, struct counts **ret_c)
{
	struct counts *c = calloc(1, sizeof(*c));

	if (!c)
		return TM_ENOMEM;
	c->parts = parts;
	list_init(&c->all);
	list_init(&c->sets);
	int err = hashset_init(&c->by_key, key_of);
	if (err) {
		free(c);
		return err;
	}
	*ret_c = c;
	return TM_OK;
}

static void let_go(struct counts *c, struct count *k)
{
	if (--k->sets)
		return;
	(void)hashset_remove(&c->by_key, k->key, strlen(k->key));
	list_remove(&k->in_all);
	c->n_all--;
	free(k);
}

static void set_free(struct counts *c, struct set *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->rule[i].count)
			let_go(c, s->rule[i].count);
	list_remove(&s->in_sets);
	hits_drop(s->hits);
	free(s);
}

void counts_free(struct counts *c)
{
	if (!c)
		return;
	LIST_FOREACH_SAFE (s, &c->sets, struct set, in_sets)
		set_free(c, s);
	hashset_deinit(&c->by_key);
	free(c);
}

/* --- what workers have counted --- */

static void look_at(struct counts *c, struct set *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct rule_seen *r = &s->rule[i];
		const uint64_t now = hits_of(s->hits, i), more = now - r->n;

		r->n = now;
		r->count->n += more;
		c->total[action_of(r->count)] += more;
	}
}

/* The newest stays, in force or not: what was counted for its rules is still to be told. */
static void look(struct counts *c)
{
	LIST_FOREACH_SAFE (s, &c->sets, struct set, in_sets) {
		const bool done = hits_are_done(s->hits) && c->sets.next != &s->in_sets;

		look_at(c, s);
		if (done)
			set_free(c, s);
	}
}

/* --- rules --- */

static struct count *count_for(struct counts *c, const struct policy_rule *r)
{
	char key[KEY_MAX + 1];

	make_key(r, key);
	struct count *k = hashset_get(&c->by_key, key, strlen(key));
	if (!k) {
		if (hashset_reserve(&c->by_key, 1) != TM_OK)
			return NULL;
		k = calloc(1, sizeof(*k));
		if (!k)
			return NULL;
		memcpy(k->key, key, strlen(key) + 1);
		list_push_back(&c->all, &k->in_all);
		c->n_all++;
		hashset_put(&c->by_key, k);
	}
	k->sets++;
	return k;
}

static int fill(struct counts *c, const struct policy_doc *doc, struct set *s)
{
	const struct policy_rule none = {.action = POLICY_DENY};

	for (uint32_t i = 0; i < s->n; i++) {
		s->rule[i].count = count_for(c, i ? &doc->rules[i - 1] : &none);
		if (!s->rule[i].count)
			return TM_ENOMEM;
	}
	return hits_new(c->parts, s->n, &s->hits);
}

int counts_begin(struct counts *c, const struct policy_doc *doc, struct hits **ret_h)
{
	const size_t n = doc->n_rules + 1;
	struct set *s = calloc(1, sizeof(*s) + n * sizeof(s->rule[0]));

	if (!s)
		return TM_ENOMEM;
	s->n = (uint32_t)n;
	list_init(&s->in_sets);
	int err = fill(c, doc, s);
	if (err) {
		set_free(c, s);
		return err;
	}
	list_push_front(&c->sets, &s->in_sets);
	*ret_h = hits_hold(s->hits);
	look(c);
	return TM_OK;
}

/* --- reading --- */

void counts_total(struct counts *c, uint64_t ret_by_action[static COUNTS_ACTIONS])
{
	look(c);
	memcpy(ret_by_action, c->total, sizeof(c->total));
}

size_t counts_tell(struct counts *c, struct counted *v, size_t max)
{
	size_t n = 0;

	look(c);
	for (size_t left = c->n_all; left && n < max; left--) {
		struct count *k = CONTAINER_OF(c->all.next, struct count, in_all);

		list_remove(&k->in_all);
		list_push_back(&c->all, &k->in_all);
		if (is_own(k) || k->n == k->told)
			continue;
		v[n++] = (struct counted){.id = k->key + 1, .action = action_of(k), .n = k->n - k->told};
		k->told = k->n;
	}
	return n;
}
