/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/pair.h"

struct pair pair_make(const struct way_to *way, enum candidate_type type, ns_t now)
{
	return (struct pair){.way = *way, .type = type, .next_check = now};
}

bool outlet_eq(const struct outlet *a, const struct outlet *b)
{
	return a->reach == b->reach && a->ifindex == b->ifindex && ip_eq(&a->source, &b->source);
}

bool pair_is(const struct pair *p, const struct way_to *way)
{
	return p->way.kind == way->kind && p->way.socket == way->socket && p->way.relay == way->relay &&
	       endpoint_eq(&p->way.remote, &way->remote);
}

bool pair_is_relayed(const struct pair *p)
{
	return p->way.kind != WAY_UDP;
}

bool pair_is_twin(const struct pair *a, const struct pair *b)
{
	return !pair_is_relayed(a) && !pair_is_relayed(b) && a->way.socket && b->way.socket &&
	       endpoint_eq(&a->way.remote, &b->way.remote);
}

void pair_plan(struct pair *p, ns_t at)
{
	p->failed = false;
	p->tries = p->hurried = 0;
	p->in_doubt = false;
	p->next_check = at;
}

bool pair_is_fresh(const struct pair *p, ns_t now)
{
	return p->last_ok && now - p->last_ok < PAIR_FRESH;
}

enum pair_due pair_due(const struct pair *p, bool in_use, ns_t now)
{
	if (p->next_check > now)
		return PAIR_WAITS;
	return p->tries < (in_use ? PAIR_HEARTBEAT_TRIES : PAIR_TRIES) ? PAIR_SENDS : PAIR_GIVES_UP;
}

/* A pair in use is asked at an even pace, so that its death is noticed soon. */
static ns_t wait_after(const struct pair *p, bool in_use)
{
	static const ns_t first[] = {200 * MS, 300 * MS, 500 * MS};

	if (in_use)
		return MAX(PAIR_RTO, 2 * p->rtt);
	return p->tries <= ARRAY_LEN(first) ? first[p->tries - 1] : 1 * SEC;
}

void pair_sent(struct pair *p, uint64_t stamp, bool in_use, ns_t now)
{
	if (!p->tries)
		p->began = now;
	p->stamps[p->tries] = stamp;
	p->sent_us[p->tries] = (uint32_t)((now - p->began) / US);
	p->tries++;
	p->hurried -= p->hurried > 0;
	p->in_doubt = false;
	p->next_check = now + wait_after(p, in_use);
}

void pair_gave_up(struct pair *p, bool works)
{
	p->failed = p->vain = !works;
	p->tries = p->hurried = 0;
	p->in_doubt = false;
	p->next_check = NS_NEVER;
}

bool pair_asked(const struct pair *p, uint64_t stamp)
{
	for (unsigned i = 0; i < p->tries; i++)
		if (p->stamps[i] == stamp)
			return true;
	return false;
}

void pair_answered(struct pair *p, uint64_t stamp, ns_t now)
{
	for (unsigned i = 0; i < p->tries; i++)
		if (p->stamps[i] == stamp) {
			ns_t rtt = now - p->began - p->sent_us[i] * US;

			p->rtt = p->rtt ? (3 * p->rtt + rtt) / 4 : MAX(rtt, 1);
		}
	p->last_ok = now;
	p->failed = p->vain = false;
	p->tries = p->hurried = 0;
	p->in_doubt = false;
	p->next_check = NS_NEVER;
}

static bool is_private(const struct ip *ip)
{
	const uint8_t *b = ip->bytes;

	if (ip->family == IP_V6)
		return (b[0] & 0xfe) == 0xfc || ip_is_link_local(ip);
	return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168);
}

unsigned pair_rank(const struct pair *p)
{
	const struct ip *ip = &p->way.remote.ip;

	if (pair_is_relayed(p))
		return PAIR_RANK_DETOUR + (p->way.kind == WAY_RELAY_UDP ? 1 : 2);
	/* The address of another VPN looks like one of a LAN. */
	if (p->outlet.reach == REACH_TUNNEL)
		return PAIR_RANK_DETOUR;
	return p->type == CAND_HOST && (ip->family == IP_V6 || is_private(ip)) ? 0 : 1;
}

/* Whichever of the peer's ports it leads to: round trips that were measured apart differ by what a line does
 * by itself. */
static bool is_one_line(const struct pair *a, const struct pair *b)
{
	return !pair_is_relayed(a) && !pair_is_relayed(b) && ip_eq(&a->way.remote.ip, &b->way.remote.ip);
}

bool pair_clearly_better(const struct pair *a, const struct pair *b)
{
	ns_t margin = MAX(PAIR_MARGIN, b->rtt / 5);
	unsigned ra = pair_rank(a), rb = pair_rank(b);

	if (ra < rb && rb >= PAIR_RANK_DETOUR)
		return true;
	/* `b` was believed without an answer of its own: one that has answered is safer, unless b may still.
	 */
	if (!b->last_ok)
		return !b->tries && b->next_check == NS_NEVER && !pair_is_twin(a, b);
	if (is_one_line(a, b))
		return false;
	if (ra != rb)
		return ra < rb && a->rtt <= b->rtt + margin;
	return a->rtt + margin < b->rtt;
}
