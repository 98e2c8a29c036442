/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Asking for peers' candidates: at most once in a while per peer, without a link later, and answered from
 * what we know meanwhile. */
#include "control/agent/agent_private.h"
#include "loop/timer.h"

static bool ask_now(struct agent *a, struct contact *c, ns_t now)
{
	if (a->state != AGENT_UP)
		return false;

	struct jsonout o = {0};
	msg_want_put(&o, c->id);
	if (!session_send(a, &o))
		return false;

	c->asked = now;
	list_remove(&c->to_ask);
	return true;
}

void agent_want_candidates(struct agent *a, const char *id)
{
	ns_t now = time_monotonic();
	struct contact *c = peers_meet(a->peers, id);

	if (!c || (c->asked && now - c->asked < a->tuning.want_every))
		return;

	c->asked = now;
	list_remove(&c->to_ask);
	if (!ask_now(a, c, now))
		list_push_back(&a->to_ask, &c->to_ask);
	if (c->n_candidates > 0 || endpoint_is_set(&c->worked)) {
		list_remove(&c->to_answer);
		list_push_back(&a->to_answer, &c->to_answer);
		loop_timer_in(a->soon, 0);
	}
}

void want_again(struct agent *a)
{
	ns_t now = time_monotonic();

	LIST_FOREACH_SAFE (c, &a->to_ask, struct contact, to_ask)
		if (!ask_now(a, c, now))
			break;
}

/* The endpoint that worked comes first, as what it was: an address seen by ourselves. */
static void recall(const struct contact *known, struct candidates *ret_c)
{
	struct candidates c = {0};

	if (endpoint_is_set(&known->worked))
		c.v[c.n++] = (struct candidate){.type = CAND_PRFLX, .ep = known->worked};
	for (size_t i = 0; i < known->n_candidates && c.n < CANDIDATES_MAX; i++)
		if (!endpoint_eq(&known->candidates[i].ep, &known->worked))
			c.v[c.n++] = known->candidates[i];
	*ret_c = c;
}

void want_answer(struct agent *a)
{
	struct list *first;

	while ((first = list_pop_front(&a->to_answer))) {
		const struct contact *c = CONTAINER_OF(first, struct contact, to_answer);
		struct candidates known;

		recall(c, &known);
		if (a->events.candidates)
			a->events.candidates(a->events.ctx, c->id, &known, false);
	}
}

void want_told(struct agent *a, const char *id, const struct candidates *told, bool looks)
{
	struct contact *c = peers_meet(a->peers, id);

	if (!c)
		return; /* not a member, as far as we know */

	list_remove(&c->to_answer);
	peers_set_candidates(a->peers, c, told);
	if (a->events.candidates)
		a->events.candidates(a->events.ctx, id, told, looks);
}
