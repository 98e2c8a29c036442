/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Groups of groups come down to nodes, tags and routes. */
#include <string.h>

#include "policy/document_private.h"

enum mark { NEW, OPEN, DONE };

struct walk {
	struct policy_doc *doc;
	uint8_t *mark; /* of each group, enum mark */
	uint32_t *seen; /* of each selector: 1 + the last group that took it */
	const struct policy_group *circle;
};

static bool take(struct walk *w, size_t group, uint32_t selector)
{
	if (w->seen[selector] == group + 1)
		return false;
	w->seen[selector] = (uint32_t)group + 1;
	return true;
}

/* Each selector once; those of groups, which are flat by now, instead of the groups. */
static int collect(struct walk *w, size_t at)
{
	struct policy_group *g = &w->doc->groups[at];
	size_t room = 0;

	for (size_t i = 0; i < g->members.n; i++) {
		const struct policy_group *in = w->doc->selectors[g->members.v[i]]->group;

		room += in ? in->flat.n : 1;
	}
	g->flat.v = calloc(room + 1, sizeof(*g->flat.v));
	if (!g->flat.v)
		return TM_ENOMEM;

	for (size_t i = 0; i < g->members.n; i++) {
		const struct policy_selector *s = w->doc->selectors[g->members.v[i]];
		const struct policy_list own = {.v = &g->members.v[i], .n = 1},
					 *l = s->group ? &s->group->flat : &own;

		for (size_t k = 0; k < l->n; k++)
			if (take(w, at, l->v[k]))
				g->flat.v[g->flat.n++] = l->v[k];
	}
	return TM_OK;
}

/* Depth first, with a stack of its own: a chain may be as long as there are groups. */
static int flatten_from(struct walk *w, uint32_t *stack, size_t first)
{
	size_t n = 0;

	stack[n++] = (uint32_t)first;
	while (n) {
		size_t at = stack[n - 1];
		const struct policy_group *g = &w->doc->groups[at];
		bool waits = false;

		w->mark[at] = OPEN;
		for (size_t i = 0; i < g->members.n && !waits; i++) {
			const struct policy_group *in = w->doc->selectors[g->members.v[i]]->group;
			size_t next = in ? (size_t)(in - w->doc->groups) : 0;

			if (!in || w->mark[next] == DONE)
				continue;
			if (w->mark[next] == OPEN) {
				w->circle = in;
				return TM_EINVAL;
			}
			stack[n++] = (uint32_t)next;
			waits = true;
		}
		if (waits)
			continue;
		int err = collect(w, at);
		if (err)
			return err;
		w->mark[at] = DONE;
		n--;
	}
	return TM_OK;
}

int policy_groups_flatten(struct policy_doc *doc, const struct policy_group **ret_which)
{
	_cleanup_(freep) uint8_t *mark = calloc(doc->n_groups + 1, sizeof(*mark));
	_cleanup_(freep) uint32_t *stack = calloc(doc->n_groups + 1, sizeof(*stack));
	_cleanup_(freep) uint32_t *seen = calloc(doc->n_selectors + 1, sizeof(*seen));
	struct walk w = {.doc = doc, .mark = mark, .seen = seen};
	int err = mark && stack && seen ? TM_OK : TM_ENOMEM;

	for (size_t i = 0; i < doc->n_groups && !err; i++)
		if (mark[i] == NEW)
			err = flatten_from(&w, stack, i);
	if (err == TM_EINVAL)
		*ret_which = w.circle;
	return err;
}
