/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/turn.h"

#include <assert.h>

struct core_out *queue_push(struct queue *q, enum core_out_kind kind, enum path_why why)
{
	assert(q->n < QUEUE_MAX);
	struct core_out *out = &q->v[(q->head + q->n++) % QUEUE_MAX];

	*out = (struct core_out){.kind = kind, .why = why};
	return out;
}

bool queue_pop(struct queue *q, struct core_out *ret_out)
{
	if (!q->n)
		return false;
	*ret_out = q->v[q->head];
	q->head = (q->head + 1) % QUEUE_MAX;
	q->n--;
	return true;
}

struct outlet core_outlet(const struct core_ops *ops, const struct way_to *way)
{
	struct outlet o = {.reach = REACH_PLAIN};

	if (ops->outlet)
		ops->outlet(ops->ctx, way, &o);
	return o;
}

struct outlet turn_outlet(const struct turn *t, const struct way_to *way)
{
	return core_outlet(t->ops, way);
}

struct core_out *turn_emit(
	struct turn *t, enum core_out_kind kind, enum path_why why, const struct way_to *way)
{
	struct core_out *out = queue_push(t->out, kind, why);

	out->peer = *t->peer;
	if (way)
		out->way = *way;
	return out;
}

size_t turn_relays(struct turn *t, bool wanted, struct way_to ret_ways[static LEGS_WAYS_MAX])
{
	return legs_ways(t->legs, t->pair, t->peer, t->told, t->n_told, wanted, t->now, ret_ways);
}

static uint64_t send_check(
	struct turn *t, enum path_why why, const struct way_to *way, const struct stun_msg *also)
{
	struct stun_msg ask = *also;
	struct core_out *out;
	uint64_t stamp = 0;

	if (!t->check_key)
		return 0;
	/* RFC 8445 7.1.1: the type that the pair would have if the peer learned of it by this check. */
	ask.priority = (uint32_t)(CAND_TYPE_N - CAND_PRFLX) << 24;
	out = queue_push(t->out, CORE_SEND, why);
	out->peer = *t->peer;
	out->way = *way;
	out->n = stun_ask(t->self, t->peer->id, t->check_key, &ask, out->msg, sizeof(out->msg), &stamp);
	return stamp;
}

uint64_t turn_check(struct turn *t, enum path_why why, const struct way_to *way, bool doubt)
{
	return send_check(t, why, way, &(struct stun_msg){.use_candidate = doubt});
}

uint64_t turn_probe(struct turn *t, const struct way_to *way, uint16_t n)
{
	return send_check(t, WHY_SIZE, way, &(struct stun_msg){.pad_to = (uint16_t)((n + 3) & ~3)});
}
