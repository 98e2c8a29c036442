/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How long the messages may be that go by the chosen pair (mtu.h), while there is traffic. */
#include "control/path/path_private.h"
#include "wire/relay.h"
#include "wire/wg.h"

/* Questions go out only so long after the last traffic. */
#define FLOWING (5 * SEC)
/* By a relay: a direct pair mostly takes over sooner, and is the one that is worth a question. */
#define RELAY_WAIT (500 * MS)

/* What the network sees before a message. Behind a relay, of which that is the narrowest: IPv6. */
static uint16_t headers_of(const struct way_to *way)
{
	const bool v4 = way->kind != WAY_RELAY_TCP && way->remote.ip.family == IP_V4;

	return (uint16_t)((v4 ? 20 : 40) + 8 + (way->relay ? RELAY_HEADER : 0));
}

static bool is_about(const struct path *p, const struct pair *pair)
{
	return pair && endpoint_is_set(&p->mtu_way.remote) && pair_is(pair, &p->mtu_way);
}

/* Takes over what was found out. */
static void apply(struct path *p, struct pair *pair)
{
	if (pair->way.payload == p->mtu.use)
		return;
	pair->way.payload = p->mtu.use;
	if (pair_is(pair, &p->last.way))
		p->last.way.payload = p->mtu.use;
	if (!p->using)
		p->use_why = WHY_SIZE;
	p->using = true;
}

static void follow(struct path *p, const struct pair *pair, const struct turn *t)
{
	p->mtu_way = pair->way;
	mtu_begin(&p->mtu, t->longest, headers_of(&pair->way), pair->way.payload,
		t->now + (pair_is_relayed(pair) ? RELAY_WAIT : 0));
}

void path_mtu_forget(struct path *p)
{
	for (unsigned i = 0; i < p->n_pairs; i++)
		p->pairs[i].way.payload = pairs_payload(&p->pairs[i].way);
	p->mtu_way.remote.ip.family = IP_NONE;
	mtu_end(&p->mtu);
}

ns_t path_mtu_step(struct path *p, struct turn *t)
{
	struct pair *pair = p->state == PATH_UP && p->chosen >= 0 ? &p->pairs[p->chosen] : NULL;
	uint16_t sizes[MTU_SIZES];

	if (!pair) {
		p->mtu_way.remote.ip.family = IP_NONE;
		mtu_end(&p->mtu);
		return NS_NEVER;
	}
	/* One that never answered has other questions to answer first. */
	if (!t->longest || !pair->last_ok || p->helping ||
		t->now - MAX(p->last_sending, p->wanted_at) >= FLOWING)
		return NS_NEVER;
	if (!is_about(p, pair))
		follow(p, pair, t);

	const size_t n = mtu_round(&p->mtu, pair->rtt, t->now, sizes);

	for (size_t i = 0; i < n; i++)
		mtu_sent(&p->mtu, sizes[i], turn_probe(t, &pair->way, sizes[i]));
	apply(p, pair);
	return mtu_next(&p->mtu);
}

bool path_mtu_answered(struct path *p, uint64_t stamp, const struct way_to *a, ns_t now)
{
	struct pair *pair = p->chosen >= 0 ? &p->pairs[p->chosen] : NULL;

	if (!mtu_knows(&p->mtu, stamp))
		return false;
	/* From elsewhere it proves nothing (RFC 8445 7.2.5.2.1). */
	if (!is_about(p, pair) || !path_came_back(pair, a) || !mtu_answered(&p->mtu, stamp, now))
		return true;
	p->last_proof = now;
	apply(p, pair);
	return true;
}

uint16_t path_mtu(const struct path *p, uint16_t tunnel)
{
	if (!is_about(p, path_chosen(p)) || !p->mtu.found)
		return 0;
	return p->mtu.use ? (uint16_t)(p->mtu.use - WG_DATA_OVERHEAD) : tunnel;
}
