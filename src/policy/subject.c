/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who is in a model: looking for them, and what they are called. */
#include <stdio.h>
#include <string.h>

#include "policy/model.h"

/* Members come first, in the order of host numbers. */
const struct policy_subject *policy_model_member(const struct policy_model *m, const struct mesh_node *n)
{
	size_t low = 0, high = mesh_size(m->world.mesh);

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (m->subjects[mid].node->host < n->host)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->n_subjects && m->subjects[low].node == n ? &m->subjects[low] : NULL;
}

/* The longest prefix, as packets go. */
static const struct policy_subject *behind(const struct policy_model *m, const struct ip *ip)
{
	const struct policy_subject *best = NULL;

	for (size_t i = mesh_size(m->world.mesh); i < m->n_subjects; i++) {
		const struct policy_subject *s = &m->subjects[i];

		if (s->type == POLICY_BEHIND && prefix_contains(&s->prefix, ip) &&
			(!best || s->prefix.len > best->prefix.len))
			best = s;
	}
	return best;
}

const struct policy_subject *policy_model_find(const struct policy_model *m, const char *text)
{
	const struct mesh_node *n = mesh_lookup(m->world.mesh, text);
	struct ip ip;

	if (n)
		return policy_model_member(m, n);
	return ip_parse(text, &ip) == TM_OK ? behind(m, &ip) : NULL;
}

int policy_model_select(const struct policy_model *m, const struct policy_list *l, bool **ret_atoms)
{
	_cleanup_(freep) bool *chosen = calloc(m->doc->n_selectors + 1, sizeof(*chosen));
	bool *atoms = calloc(m->n_atoms + 1, sizeof(*atoms));

	if (!chosen || !atoms) {
		free(atoms);
		return TM_ENOMEM;
	}
	for (size_t i = 0; i < l->n; i++) {
		const struct policy_group *g = m->doc->selectors[l->v[i]]->group;

		if (!g)
			chosen[m->base[l->v[i]]] = true;
		for (size_t k = 0; g && k < g->flat.n; k++)
			chosen[m->base[g->flat.v[k]]] = true;
	}
	for (size_t i = 0; i < m->n_atoms; i++)
		for (size_t k = 0; k < m->atoms[i]->n && !atoms[i]; k++)
			atoms[i] = chosen[m->atoms[i]->selectors[k]];
	*ret_atoms = atoms;
	return TM_OK;
}

bool policy_subjects_meet(const struct policy_subject *a, const struct policy_subject *b)
{
	return a == b ? a->many : a->attached != b->attached;
}

const char *policy_subject_format(const struct policy_subject *s, char buf[static POLICY_SUBJECT_LEN])
{
	char prefix[PREFIX_STR_LEN];

	if (s->type == POLICY_NEWCOMER)
		snprintf(buf, POLICY_SUBJECT_LEN, "%s", s->label);
	else if (s->type == POLICY_BEHIND)
		snprintf(buf, POLICY_SUBJECT_LEN, "%s behind %s", prefix_format(&s->prefix, prefix),
			s->node->name);
	else
		snprintf(buf, POLICY_SUBJECT_LEN, "%s", s->node->name);
	return buf;
}
