/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/reporting_told.h"

#include <string.h>

enum {
	/* Less traffic than this is what keeps tunnels and ways alive: who rests is silent. */
	BYTES_MIN = 1024,
	RTT_MIN_US = 200,
	PART = 8, /* a change of less than so much of it is none */
	CPU_MIN = 20,
	DROPS_MIN = 16,
	RELAYED_MIN = 64 << 10,
};

struct told_peer {
	struct report_peer said;
	uint32_t round;
	struct list in_all;
};

static const void *key_of(const void *record, size_t *ret_len)
{
	*ret_len = NODE_ID_LEN;
	return ((const struct told_peer *)record)->said.node;
}

int told_init(struct told_peers *t)
{
	t->round = 0;
	list_init(&t->all);
	return hashset_init(&t->by_id, key_of);
}

static void forget(struct told_peers *t, struct told_peer *p)
{
	(void)hashset_remove(&t->by_id, p->said.node, NODE_ID_LEN);
	list_remove(&p->in_all);
	free(p);
}

void told_deinit(struct told_peers *t)
{
	told_begin(t, true);
	hashset_deinit(&t->by_id);
}

void told_begin(struct told_peers *t, bool whole)
{
	t->round++;
	if (!whole)
		return;
	LIST_FOREACH_SAFE (p, &t->all, struct told_peer, in_all)
		forget(t, p);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool is_another(const struct report_peer *a, const struct report_peer *b)
{
	return a->path != b->path || a->family != b->family || a->not_direct != b->not_direct ||
	       a->mtu != b->mtu || strcmp(a->relay, b->relay) != 0 ||
	       b->age_s < a->age_s || /* another way of the same kind */
	       distance(a->rtt_us, b->rtt_us) > MAX(a->rtt_us / PART, (uint32_t)RTT_MIN_US) ||
	       distance(a->rx, b->rx) >= BYTES_MIN || distance(a->tx, b->tx) >= BYTES_MIN;
}

bool told_differs(struct told_peers *t, const struct report_peer *now)
{
	struct told_peer *p = hashset_get(&t->by_id, now->node, NODE_ID_LEN);

	if (p) {
		p->round = t->round;
		if (!is_another(&p->said, now))
			return false;
		p->said = *now;
		return true;
	}
	if (hashset_reserve(&t->by_id, 1) != TM_OK)
		return false;
	p = calloc(1, sizeof(*p));
	if (!p)
		return false;
	p->said = *now;
	p->round = t->round;
	list_push_back(&t->all, &p->in_all);
	hashset_put(&t->by_id, p);
	return true;
}

bool told_gone(struct told_peers *t, struct report_peer *ret_gone)
{
	LIST_FOREACH (p, &t->all, struct told_peer, in_all) {
		if (p->round == t->round)
			continue;
		*ret_gone = (struct report_peer){.path = REPORT_GONE};
		memcpy(ret_gone->node, p->said.node, sizeof(ret_gone->node));
		forget(t, p);
		return true;
	}
	return false;
}

bool told_self_differs(const struct report_self *told, const struct report_self *now)
{
	return told->alarms != now->alarms || told->mtu != now->mtu || told->workers != now->workers ||
	       told->metrics_port != now->metrics_port || told->relay_members != now->relay_members ||
	       strcmp(told->offloads, now->offloads) != 0 ||
	       distance(told->cpu_permille, now->cpu_permille) >= CPU_MIN ||
	       distance(told->memory, now->memory) > told->memory / PART ||
	       distance(told->drops, now->drops) >= DROPS_MIN ||
	       distance(told->relayed, now->relayed) >= RELAYED_MIN;
}
