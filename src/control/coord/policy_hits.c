/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How often each rule of the policy in force decided, as nodes report it (docs/decisions/0071): a sum for
 * each rule and nothing for each node, so that it is as large as the document. For showing, like all reports.
 */
#include "control/coord/coord_private.h"
#include "policy/document.h"

#include <string.h>

_Static_assert((int)POLICY_ALLOW == REPORT_ALLOW && (int)POLICY_DENY == REPORT_DENY &&
		       (int)POLICY_REJECT == REPORT_REJECT && (int)POLICY_ID_MAX == REPORT_RULE_ID_MAX,
	"nodes report of rules as they are");

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct policy_sum *)a)->id, ((const struct policy_sum *)b)->id);
}

static struct policy_sums *sums_new(size_t n)
{
	struct policy_sums *s = calloc(1, sizeof(*s) + n * sizeof(s->v[0]));

	if (s)
		s->n = n;
	return s;
}

int policy_sums_of(const struct policy_doc *doc, struct policy_sums **ret_s)
{
	struct policy_sums *s = sums_new(doc->n_rules);

	if (!s)
		return TM_ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		memcpy(s->v[i].id, doc->rules[i].id, sizeof(s->v[i].id));
		s->v[i].action = doc->rules[i].action;
	}
	qsort(s->v, s->n, sizeof(s->v[0]), by_id);
	*ret_s = s;
	return TM_OK;
}

struct policy_sums *policy_sums_copy(const struct policy_sums *s)
{
	struct policy_sums *copy = s ? sums_new(s->n) : NULL;

	if (copy)
		memcpy(copy, s, sizeof(*s) + s->n * sizeof(s->v[0]));
	return copy;
}

/* It is the same rule as long as its id is, and what it does. s->n: there is none. */
static size_t find(const struct policy_sums *s, const char *id, unsigned action)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		const size_t mid = (low + high) / 2;
		const int order = strcmp(s->v[mid].id, id);

		if (order == 0)
			return s->v[mid].action == action ? mid : s->n;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return s->n;
}

uint64_t policy_sums_get(const struct policy_sums *s, const struct policy_rule *r)
{
	const size_t at = find(s, r->id, r->action);

	return at < s->n ? s->v[at].hits : 0;
}

/* --- control thread --- */

static void go_on(struct policy_sums *s, const struct policy_sums *before)
{
	s->since = before->since;
	s->none = before->none;
	for (size_t i = 0; i < before->n; i++) {
		const size_t at = find(s, before->v[i].id, before->v[i].action);

		if (at < s->n)
			s->v[at].hits = before->v[i].hits;
	}
}

void policy_sums_take(struct coord *c, struct policy_sums *fresh_take)
{
	struct policy_board *b = &c->policy;

	if (fresh_take && b->sums)
		go_on(fresh_take, b->sums);
	else if (fresh_take)
		fresh_take->since = c->tuning.unix_now();
	free(b->sums);
	b->sums = fresh_take;
}

/* They say what they like, and it is shown as a number of JSON. */
static void add(uint64_t *sum, uint64_t hits)
{
	*sum = MIN(*sum + hits, (uint64_t)INT64_MAX);
}

/* Of a rule that is in force no more, or not yet, nothing is shown. */
void policy_hit(struct coord *c, const struct report_rule *said)
{
	struct policy_sums *s = c->policy.sums;

	if (!s)
		return;
	const size_t at = find(s, said->id, said->action);
	if (at < s->n)
		add(&s->v[at].hits, said->hits);
	else if (!said->id[0] && said->action == REPORT_DENY)
		add(&s->none, said->hits);
}
