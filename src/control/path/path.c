/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/path.h"

#include <string.h>

void path_init(struct path *p)
{
	*p = (struct path){.chosen = -1, .retry_at = NS_NEVER};
}

const struct path_pair *path_chosen(const struct path *p)
{
	return p->chosen < 0 ? NULL : &p->pairs[p->chosen];
}

static bool is_private(const struct ip *ip)
{
	const uint8_t *b = ip->bytes;

	if (ip->family == IP_V6)
		return (b[0] & 0xfe) == 0xfc || ip_is_link_local(ip);
	return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168);
}

/* Lower is better: LAN and IPv6 without translation, then other direct ones, then relays. */
static unsigned rank(const struct candidate *c)
{
	if (c->type == CAND_RELAY)
		return 2;
	if (c->type == CAND_HOST && (c->ep.ip.family == IP_V6 || is_private(&c->ep.ip)))
		return 0;
	return 1;
}

/* Is `a` worth leaving `b`, which works? A better kind may cost a little, the same kind must be clearly
 * faster. */
static bool clearly_better(const struct path_pair *a, const struct path_pair *b)
{
	ns_t margin = b->rtt / 5 + 5 * MS;
	unsigned ra = rank(&a->remote), rb = rank(&b->remote);

	if (ra != rb)
		return ra < rb && (rb == 2 || a->rtt <= b->rtt + margin);
	return a->rtt + margin < b->rtt;
}

static void plan_check(struct path_pair *pair, ns_t at)
{
	pair->failed = false;
	pair->tries = 0;
	pair->next_check = at;
}

/* Without this, two nodes would answer each other's triggered check with another one for ever. */
static bool is_fresh(const struct path_pair *pair, ns_t now)
{
	return pair->last_ok && now - pair->last_ok < PATH_FRESH;
}

static int find_pair(const struct path *p, const struct endpoint *ep)
{
	for (size_t i = 0; i < p->n_pairs; i++)
		if (endpoint_eq(&p->pairs[i].remote.ep, ep))
			return (int)i;
	return -1;
}

static void remove_pair(struct path *p, size_t i)
{
	memmove(&p->pairs[i], &p->pairs[i + 1], (p->n_pairs - i - 1) * sizeof(p->pairs[0]));
	p->n_pairs--;
	if (p->chosen > (int)i)
		p->chosen--;
}

/* Room for one more: the oldest peer-reflexive pair that is not in use makes way, else a failed one. */
static bool make_room(struct path *p)
{
	if (p->n_pairs < PATH_PAIRS_MAX)
		return true;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < p->n_pairs; i++) {
			bool candidate =
				pass == 0 ? p->pairs[i].remote.type == CAND_PRFLX : p->pairs[i].failed;

			if (candidate && (int)i != p->chosen) {
				remove_pair(p, i);
				return true;
			}
		}
	return false;
}

static int add_pair(struct path *p, const struct candidate *c, ns_t now)
{
	if (!make_room(p))
		return -1;

	p->pairs[p->n_pairs] = (struct path_pair){.remote = *c};
	plan_check(&p->pairs[p->n_pairs], now);
	return (int)p->n_pairs++;
}

static void start_over(struct path *p, ns_t now)
{
	for (size_t i = 0; i < p->n_pairs; i++)
		plan_check(&p->pairs[i], now);
	p->ask = !p->helping;
	p->retry_at = NS_NEVER;
}

static void begin_checking(struct path *p, ns_t now)
{
	p->state = PATH_CHECKING;
	p->retry_wait = 0;
	start_over(p, now);
}

void path_want(struct path *p, ns_t now)
{
	p->wanted_at = now;
	p->helping = false;
	if (p->state == PATH_IDLE)
		begin_checking(p, now);
	else if (p->chosen < 0)
		p->ask = true; /* the coordinator may have come back, or the peer */
}

void path_restart(struct path *p, ns_t now)
{
	if (p->state == PATH_IDLE)
		return;

	p->retry_wait = 0;
	start_over(p, now);
}

/*
 * The peer wants us and we do not want it: check back, but for a moment only, and without asking for its
 * candidates: the question would tell the peer that we look for it, and two idle nodes would keep each other
 * busy.
 */
static void help_peer(struct path *p, ns_t now)
{
	p->helping = true;
	p->state = PATH_CHECKING;
	p->retry_wait = 0;
	p->wanted_at = now - PATH_WANTED_FOR + PATH_HELP_FOR;
}

static bool is_listed(const struct candidates *c, const struct endpoint *ep)
{
	for (size_t i = 0; i < c->n; i++)
		if (endpoint_eq(&c->v[i].ep, ep))
			return true;
	return false;
}

void path_candidates(struct path *p, const struct candidates *c, ns_t now)
{
	/* What is in use or was learned from the peer's own packets stays; other old candidates go. */
	for (size_t i = p->n_pairs; i-- > 0;)
		if ((int)i != p->chosen && p->pairs[i].remote.type != CAND_PRFLX &&
			!is_listed(c, &p->pairs[i].remote.ep))
			remove_pair(p, i);

	for (size_t i = 0; i < c->n; i++) {
		int at = find_pair(p, &c->v[i].ep);

		if (at < 0)
			add_pair(p, &c->v[i], now);
		else
			p->pairs[at].remote.type = c->v[i].type;
	}
	/* Candidates come unasked when the peer looks for us: check back on all pairs that are not known to
	 * work just now, so that both sides' packets pass. */
	for (size_t i = 0; i < p->n_pairs; i++)
		if (p->pairs[i].next_check == NS_NEVER && !is_fresh(&p->pairs[i], now) &&
			!((int)i == p->chosen && now - p->last_proof < PATH_FRESH))
			plan_check(&p->pairs[i], now);
	if (p->state == PATH_IDLE && p->n_pairs)
		help_peer(p, now);
	p->retry_at = NS_NEVER;
}

void path_check_received(struct path *p, const struct endpoint *from, ns_t now)
{
	int at = find_pair(p, from);

	if (at < 0)
		at = add_pair(p, &(struct candidate){CAND_PRFLX, *from}, now);
	else if (at != p->chosen && p->pairs[at].next_check == NS_NEVER && !is_fresh(&p->pairs[at], now))
		plan_check(&p->pairs[at], now); /* RFC 8445 7.3.1.4 */
	if (p->state == PATH_IDLE && p->n_pairs)
		help_peer(p, now);
}

static void choose(struct path *p, int at, ns_t now)
{
	p->chosen = at;
	p->state = PATH_UP;
	p->last_proof = now;
	p->retry_wait = 0;
	p->retry_at = NS_NEVER;
}

bool path_check_answered(struct path *p, const uint8_t txid[static 12], const struct endpoint *from, ns_t now)
{
	for (size_t i = 0; i < p->n_pairs; i++) {
		struct path_pair *pair = &p->pairs[i];

		for (size_t t = 0; t < pair->tries; t++) {
			if (memcmp(pair->txid[t], txid, 12) != 0)
				continue;
			if (!endpoint_eq(from, &pair->remote.ep))
				return true;

			ns_t rtt = now - pair->sent_at[t];
			pair->rtt = pair->rtt ? (3 * pair->rtt + rtt) / 4 : MAX(rtt, 1);
			pair->last_ok = now;
			pair->tries = 0;
			pair->failed = false;
			pair->next_check = NS_NEVER;
			if ((int)i == p->chosen)
				p->last_proof = now;
			else if (p->state != PATH_UP || p->chosen < 0 ||
				 clearly_better(pair, &p->pairs[p->chosen])) {
				choose(p, (int)i, now);
				p->changed = true;
			}
			return true;
		}
	}
	return false;
}

void path_authentic(struct path *p, const struct endpoint *from, ns_t now)
{
	int at = find_pair(p, from);

	if (at < 0) {
		at = add_pair(p, &(struct candidate){CAND_PRFLX, *from}, now);
		if (at < 0)
			return;
	}
	p->pairs[at].last_ok = now;
	p->pairs[at].failed = false; /* its checks may have failed while the peer's side was still closed */
	choose(p, at, now);
}

void path_heard_elsewhere(struct path *p, const struct endpoint *from, ns_t now)
{
	path_check_received(p, from, now);
	if (p->chosen >= 0 && p->pairs[p->chosen].next_check == NS_NEVER)
		plan_check(&p->pairs[p->chosen], now);
}

void path_heard(struct path *p, ns_t at)
{
	if (p->chosen >= 0 && at > p->last_proof)
		p->last_proof = at;
}

void path_sending(struct path *p, ns_t now)
{
	p->last_sending = now;
	p->wanted_at = now;
	p->helping = false;
}

static unsigned tries_allowed(const struct path *p, size_t i)
{
	return (int)i == p->chosen && p->state == PATH_UP ? PATH_HEARTBEAT_TRIES : PATH_CHECK_TRIES;
}

static ns_t rto(const struct path *p, size_t i)
{
	ns_t wait = MAX(PATH_CHECK_RTO, 2 * p->pairs[i].rtt);

	if (tries_allowed(p, i) == PATH_HEARTBEAT_TRIES)
		return wait;
	return ns_min(wait << (p->pairs[i].tries - 1), MAX(PATH_CHECK_RTO_MAX, wait));
}

/* The chosen pair stopped answering: look everywhere. The plane keeps sending there until something better is
 * known. */
static void chosen_died(struct path *p, ns_t now)
{
	p->chosen = -1;
	p->state = PATH_CHECKING;
	p->retry_wait = 0;
	start_over(p, now);
}

/* Sends the pair's next check if it is due and there is room, or declares it failed. */
static void step_pair(struct path *p, size_t i, ns_t now,
	void (*new_txid)(void *ctx, uint8_t txid[static 12]), void *ctx, struct path_out *out)
{
	struct path_pair *pair = &p->pairs[i];

	if (pair->next_check > now) {
		out->next = ns_min(out->next, pair->next_check);
		return;
	}
	if (pair->tries >= tries_allowed(p, i)) {
		/* WireGuard may have heard the peer meanwhile: then only the checks are lost. */
		pair->failed = (int)i != p->chosen || p->last_proof < pair->sent_at[0];
		pair->tries = 0;
		pair->next_check = NS_NEVER;
		return;
	}
	if (out->n_send == PATH_SENDS_MAX) {
		out->next = ns_min(out->next, now + PATH_PACING);
		return;
	}
	new_txid(ctx, pair->txid[pair->tries]);
	pair->sent_at[pair->tries] = now;
	out->send[out->n_send].to = pair->remote.ep;
	memcpy(out->send[out->n_send].txid, pair->txid[pair->tries], 12);
	out->n_send++;
	pair->tries++;
	pair->next_check = now + rto(p, i);
	out->next = ns_min(out->next, pair->next_check);
}

static void step_heartbeat(struct path *p, ns_t now)
{
	struct path_pair *pair = &p->pairs[p->chosen];

	/* Only while traffic flows: the last packet went out after the silence began, and not long ago. */
	bool silent = p->last_sending > p->last_proof && now - p->last_proof >= PATH_SILENCE;
	if (silent && pair->next_check == NS_NEVER && now - p->last_sending < 2 * PATH_SILENCE)
		plan_check(pair, now);
}

static bool all_failed(const struct path *p)
{
	for (size_t i = 0; i < p->n_pairs; i++)
		if (!p->pairs[i].failed)
			return false;
	return true;
}

/* Nothing works (or nothing is known): plan the next round, or give up when nobody has wanted the peer for
 * long. */
static void step_retry(struct path *p, ns_t now)
{
	if (now - p->wanted_at >= PATH_WANTED_FOR) {
		path_init(p);
		p->changed = true;
		return;
	}
	if (p->retry_at == NS_NEVER) {
		ns_t first = p->n_pairs ? PATH_RETRY_WAIT : PATH_ASK_WAIT;

		p->retry_wait = p->retry_wait ? ns_min(2 * p->retry_wait, PATH_RETRY_MAX) : first;
		p->retry_at = now + p->retry_wait;
	} else if (p->retry_at <= now) {
		start_over(p, now);
	}
}

void path_step(struct path *p, ns_t now, void (*new_txid)(void *ctx, uint8_t txid[static 12]), void *ctx,
	struct path_out *ret_out)
{
	struct path_out out = {.next = NS_NEVER};

	if (p->state == PATH_UP)
		step_heartbeat(p, now);
	if (p->state == PATH_CHECKING && all_failed(p))
		step_retry(p, now);

	for (size_t i = 0; i < p->n_pairs && p->state != PATH_IDLE; i++) {
		step_pair(p, i, now, new_txid, ctx, &out);
		if ((int)i == p->chosen && p->pairs[i].failed) {
			chosen_died(p, now);
			out.next = now;
		}
	}
	if (p->state == PATH_CHECKING) {
		if (all_failed(p) && p->retry_at == NS_NEVER)
			step_retry(p, now);
		out.next = ns_min(out.next, p->retry_at);
	}
	out.ask_candidates = p->ask;
	out.chosen_changed = p->changed;
	p->ask = p->changed = false;
	*ret_out = out;
}
