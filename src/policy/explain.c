/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/explain.h"

void policy_explanation_deinit(struct policy_explanation *e)
{
	free(e->rules);
	*e = (struct policy_explanation){.rules = NULL};
}

static const struct mesh_node *filter_of(const struct policy_model *m, const struct policy_subject *s)
{
	if (s->type == POLICY_MEMBER && s->node->kind == NODE_CLIENT)
		return mesh_by_id(m->world.mesh, s->node->via);
	return s->node;
}

static bool is_about(const struct policy_rule *r, const struct policy_service *at)
{
	for (size_t i = 0; i < r->n_services; i++)
		if (r->services[i].proto == at->proto && r->services[i].first <= at->first &&
			at->first <= r->services[i].last)
			return true;
	return false;
}

static int find_rules(const struct policy_model *m, struct policy_explanation *e)
{
	const struct policy_kind *a = &m->kinds[e->from->kind], *b = &m->kinds[e->to->kind];

	e->rules = calloc(m->doc->n_rules + 1, sizeof(*e->rules));
	if (!e->rules)
		return TM_ENOMEM;
	for (size_t rank = 0; rank < m->doc->n_rules; rank++)
		if ((a->from[rank / 64] & b->to[rank / 64]) >> rank % 64 & 1 &&
			is_about(&m->doc->rules[m->by_rank[rank]], &e->service))
			e->rules[e->n_rules++] = m->by_rank[rank];
	return TM_OK;
}

int policy_explain(const struct policy_model *m, const struct policy_subject *from,
	const struct policy_subject *to, const struct policy_service *service,
	struct policy_explanation *ret_e)
{
	const uint16_t port = policy_service_lowest(service);
	struct policy_explanation e = {
		.from = from,
		.to = to,
		.service = {service->proto, port, port},
		.filter_from = filter_of(m, from),
		.filter_to = filter_of(m, to),
	};
	struct policy_sweep s = {0};

	if (!policy_subjects_meet(from, to))
		return TM_EINVAL;
	int err = policy_sweep_pair(&s, m, from->kind, to->kind, service->proto);
	if (!err)
		e.decision = policy_sweep_at(&s, port);
	if (!err)
		err = find_rules(m, &e);
	policy_sweep_deinit(&s);
	if (!err)
		*ret_e = e;
	return err;
}
