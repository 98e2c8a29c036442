/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/crowd.h"

void policy_crowd_deinit(struct policy_crowd *c)
{
	free(c->of);
	free(c->kinds);
	*c = (struct policy_crowd){0};
}

int policy_crowd_empty(const struct policy_model *m, struct policy_crowd *ret_c)
{
	struct policy_crowd c = {.of = calloc(m->n_kinds + 1, sizeof(*c.of)),
		.kinds = calloc(m->n_kinds + 1, sizeof(*c.kinds))};

	if (!c.of || !c.kinds) {
		policy_crowd_deinit(&c);
		return TM_ENOMEM;
	}
	*ret_c = c;
	return TM_OK;
}

void policy_crowd_add(struct policy_crowd *c, const struct policy_subject *s)
{
	if (!c->of[s->kind].n++) {
		c->kinds[c->n_kinds++] = s->kind;
		c->of[s->kind].first = s;
	} else if (!c->of[s->kind].elsewhere && s->attached != c->of[s->kind].first->attached) {
		c->of[s->kind].elsewhere = s;
	}
}

int policy_crowd_of(const struct policy_model *m, const struct policy_list *l, struct policy_crowd *ret_c)
{
	_cleanup_(freep) bool *atoms = NULL;

	int err = policy_model_select(m, l, &atoms);
	if (!err)
		err = policy_crowd_empty(m, ret_c);
	for (size_t i = 0; i < m->n_subjects && !err; i++)
		if (atoms[m->subjects[i].atom])
			policy_crowd_add(ret_c, &m->subjects[i]);
	return err;
}

bool policy_crowd_pair(const struct policy_crowd *from, uint32_t from_kind, const struct policy_crowd *to,
	uint32_t to_kind, const struct policy_subject **ret_from, const struct policy_subject **ret_to)
{
	/* Lowest first. Were there a pair, and none of these: all that send and all that are asked would be
	 * attached to one place. */
	const struct policy_subject *const a[] = {from->of[from_kind].first, from->of[from_kind].elsewhere};
	const struct policy_subject *const b[] = {to->of[to_kind].first, to->of[to_kind].elsewhere};

	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < 2; k++)
			if (a[i] && b[k] && policy_subjects_meet(a[i], b[k])) {
				*ret_from = a[i];
				*ret_to = b[k];
				return true;
			}
	return false;
}
