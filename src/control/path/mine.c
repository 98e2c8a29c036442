/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/mine.h"

static void add(
	const struct mine_in *in, enum candidate_type type, const struct endpoint *ep, struct candidates *c)
{
	if (c->n == CANDIDATES_MAX || !candidate_usable(ep, &in->net4, &in->net6))
		return;
	for (size_t i = 0; i < c->n; i++)
		if (endpoint_eq(&c->v[i].ep, ep))
			return;
	c->v[c->n++] = (struct candidate){type, *ep};
}

void mine_gather(const struct mine_in *in, struct candidates *ret_c)
{
	const size_t n_reflexive = MIN(in->n_reflexive, (size_t)MINE_KIND_MAX);
	struct candidates c = {.n = 0};

	/* What was configured by hand and what the world sees come first: hosts with many addresses fill the
	 * rest. */
	for (size_t i = 0; i < in->n_advertise; i++)
		add(in, CAND_SRFLX, &in->advertise[i], &c);
	size_t end = CANDIDATES_MAX - MIN(n_reflexive, (size_t)MINE_REFLEXIVE_ROOM);
	end = MIN(end, c.n + MINE_KIND_MAX);
	for (size_t i = 0; i < in->n_local && c.n < end; i++)
		add(in, CAND_HOST, &(struct endpoint){.ip = in->local[i], .port = in->port}, &c);
	for (size_t i = 0; i < n_reflexive; i++)
		add(in, CAND_SRFLX, &in->reflexive[i], &c);
	*ret_c = c;
}
