/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/path.h"

#include "control/path/path_private.h"

#include <string.h>

void path_init(struct path *p, const struct path_memory *last)
{
	*p = (struct path){.chosen = -1,
		.also = -1,
		.resent = -1,
		.last = *last,
		.mtu.round_at = NS_NEVER,
		.retry_at = NS_NEVER,
		.sample_at = NS_NEVER,
		.upgrade_at = NS_NEVER};
}

void path_deinit(struct path *p)
{
	free(p->pairs);
	path_init(p, &p->last);
}

const struct pair *path_chosen(const struct path *p)
{
	return p->chosen < 0 ? NULL : &p->pairs[p->chosen];
}

/* --- addresses that nobody told us --- */

/*
 * Behind some translators every datagram comes from a port of its own. Two such nodes that let everybody in
 * would check back on each other's for ever, each check from one more port. So only so many in a round of
 * checks, or in ten minutes.
 */
static bool may_find(struct path *p, ns_t now)
{
	if (now - p->finding_since >= PATH_FINDS_EVERY) {
		p->finding_since = now;
		p->finds = 0;
	}
	if (now - p->round_since >= PATH_ROUND) {
		p->round_since = now;
		p->found = 0;
	}
	return p->found < PATH_FOUND_MAX && p->finds++ < PATH_FINDS_MAX && p->found++ < PATH_FOUND_MAX;
}

/* The pair by which that came, made when nobody had told us of it; -1 = no room. */
static int pair_of(struct path *p, const struct way_to *a, struct turn *t)
{
	int at = pairs_find(p, a);

	if (at >= 0)
		return at;
	at = pairs_add(p, a, a->kind == WAY_UDP ? CAND_PRFLX : CAND_RELAY, t->now);
	if (at >= 0)
		turn_emit(t, CORE_NOTE, WHY_FOUND, a);
	return at;
}

/* --- choosing --- */

void path_choose(struct path *p, int at, enum path_why why, ns_t proof, struct turn *t)
{
	const struct pair *pair = &p->pairs[at];
	const bool takes_over = p->chosen < 0 || pair_is_relayed(&p->pairs[p->chosen]);

	if (p->chosen >= 0 && p->chosen != at)
		path_leave(p);
	if (p->state != PATH_UP)
		p->sample_at = t->now; /* counts begin now */
	if (p->chosen != at)
		p->since = t->now;
	p->chosen = at;
	p->also = -1;
	p->state = PATH_UP;
	p->last_proof = proof;
	p->asking = p->alarm = 0;
	p->overdue = p->trial = false;
	if (takes_over)
		path_try(p, t->now);
	/* Not one that is only hoped for. */
	p->settled = proof && (why == WHY_SUCCESSOR || t->now - proof < PATH_PROVED);
	p->retry_wait = 0;
	p->retry_at = NS_NEVER;
	p->upgrade_at = NS_NEVER;
	/* A further socket does not outlive the path, nor does what was found with it. */
	if (!pair_is_relayed(pair) && !pair->way.socket)
		p->last = (struct path_memory){.way = pair->way, .type = pair->type};
	p->using = true;
	p->use_why = why;
}

void path_start_over(struct path *p, enum path_why why, struct turn *t)
{
	for (unsigned i = 0; i < p->n_pairs; i++)
		if (!path_is_spare(p, i))
			pair_plan(&p->pairs[i], t->now);
	p->found = 0;
	p->retry_at = NS_NEVER;
	if (p->helping)
		return;
	p->asked_at = t->now;
	turn_emit(t, CORE_ASK, why, NULL);
}

void path_begin_checking(struct path *p, enum path_why why, struct turn *t)
{
	p->state = PATH_CHECKING;
	p->retry_wait = 0;
	p->wake_since = 0;
	path_start_over(p, why, t);
}

static bool chosen_is_alive(const struct path *p)
{
	if (p->state != PATH_UP || p->chosen < 0)
		return false;
	/* The first try went without an answer for its whole wait; or more, while it is heard. */
	const struct pair *pair = &p->pairs[p->chosen];
	return pair->hurried || pair->tries < (p->last_proof >= pair->began ? PATH_HEARD_TRIES : 2);
}

/* --- what happened --- */

/* Without asking what is fresh, two nodes would answer each other's triggered check with another one for
 * ever. */
void path_check_now(struct path *p, int at, ns_t now)
{
	struct pair *pair = &p->pairs[at];

	if (pair->next_check == NS_NEVER && !pair_is_fresh(pair, now))
		pair_plan(pair, now);
}

void path_want(struct path *p, struct turn *t)
{
	int at = -1;

	p->wanted_at = t->now;
	p->helping = false;
	if (p->state == PATH_IDLE) {
		if (endpoint_is_set(&p->last.way.remote))
			at = pairs_find(p, &p->last.way);
		if (at < 0 && endpoint_is_set(&p->last.way.remote)) {
			const struct way_to again = pairs_way_back(&p->last.way, t);

			at = pairs_add(p, &again, p->last.type, t->now);
		}
		path_begin_checking(p, WHY_ASKED, t);
		/* Packets leave at once by the way that worked last, while its check and the question for
		 * others are under way. */
		if (at >= 0 && pairs_look(&p->pairs[at], t))
			path_choose(p, at, WHY_REMEMBERED, 0, t);
	} else if (p->chosen < 0) {
		turn_emit(t, CORE_ASK, WHY_ASKED, NULL); /* the coordinator may have come back, or the peer */
	} else {
		path_check_now(p, p->chosen, t->now); /* no handshake gets through */
	}
}

void path_restart(struct path *p)
{
	p->restart = p->state != PATH_IDLE;
}

void path_linked(struct path *p, ns_t now)
{
	p->ask_again = p->state != PATH_IDLE && p->asked_at && now - p->asked_at < PATH_ASKED_LATELY &&
		       now - p->wanted_at < PATH_UPGRADE_WAIT;
}

void path_look_again(struct path *p)
{
	p->look_again = p->state == PATH_UP;
}

/*
 * The peer wants us and we do not want it: check back, but for a moment only, and without asking for its
 * candidates: the question would tell the peer that we look for it, and two idle nodes would keep each other
 * busy.
 */
static void help_peer(struct path *p, struct turn *t)
{
	if (p->state != PATH_IDLE || !p->n_pairs)
		return;
	p->helping = true;
	p->relays_known = false;
	p->state = PATH_CHECKING;
	p->retry_wait = 0;
	p->wanted_at = t->now - PATH_WANTED_FOR + PATH_HELP_FOR;
	turn_emit(t, CORE_NOTE, WHY_HELP, NULL);
}

static bool is_listed(const struct candidates *c, const struct pair *pair)
{
	for (size_t i = 0; i < c->n; i++)
		if (pair_is(pair, &(struct way_to){.remote = c->v[i].ep}))
			return true;
	return false;
}

static void take_candidate(struct path *p, const struct candidate *c, bool checked, ns_t now)
{
	const struct way_to way = {.remote = c->ep};
	int at = pairs_find(p, &way);

	if (at >= 0)
		p->pairs[at].type = c->type;
	else if ((at = pairs_add(p, &way, c->type, now)) >= 0 && !checked)
		p->pairs[at].next_check = NS_NEVER;
}

void path_candidates(struct path *p, const struct candidates *c, bool looks, struct turn *t)
{
	const bool checked = looks || p->state == PATH_CHECKING ||
			     t->now - MAX(p->last_sending, p->wanted_at) < PATH_UPGRADE_WAIT;

	if (p->state == PATH_IDLE && !looks)
		return; /* whoever wants the peer asks */
	/* What is in use or was learned from the peer's own packets stays; other old candidates go. */
	for (unsigned i = p->n_pairs; i-- > 0;)
		if ((int)i != p->chosen && p->pairs[i].type != CAND_PRFLX && p->pairs[i].type != CAND_RELAY &&
			!is_listed(c, &p->pairs[i]))
			pairs_remove(p, i);

	for (size_t i = 0; i < c->n; i++)
		take_candidate(p, &c->v[i], checked, t->now);
	/* Check back on all pairs that did not answer just now, so that both sides' packets pass. Also on the
	 * one in use, whatever was heard over it: the peer may have closed to us meanwhile, or a translator
	 * before us to the peer. */
	for (unsigned i = 0; checked && i < p->n_pairs; i++)
		if (!path_is_spare(p, i))
			path_check_now(p, (int)i, t->now);
	help_peer(p, t);
	if (checked)
		p->retry_at = NS_NEVER;
}

/* The peer's packets come by another way: both may live, or the peer moved. What proved the chosen one just
 * now, as far as samples show, spares the question. */
static void doubt_chosen(struct path *p, ns_t now)
{
	struct pair *pair = &p->pairs[p->chosen];

	if (pair->next_check == NS_NEVER && now - MAX(p->last_proof, pair->last_ok) >= PATH_PROVED)
		pair_plan(pair, now);
}

/* What we send does not arrive, perhaps, while all that the peer sends comes in well. Only an answer can
 * tell. */
static void be_alarmed(struct path *p, ns_t now)
{
	struct pair *pair = &p->pairs[p->chosen];

	if (!p->unsure)
		p->unsure = MAX(now - PATH_AGAIN_TOLD, 1);
	if (p->alarm)
		return;
	p->alarm = now;
	if (pair->next_check == NS_NEVER)
		pair_plan(pair, now);
}

void path_check_received(struct path *p, const struct way_to *a, bool doubted, struct turn *t)
{
	int at = pairs_find(p, a);

	p->checked_at = t->now;
	if (at < 0 && may_find(p, t->now)) {
		const struct way_to back = pairs_way_back(a, t);

		at = pair_of(p, &back, t);
	}
	if (at >= 0 && at != p->chosen)
		path_check_now(p, at, t->now); /* RFC 8445 7.3.1.4 */
	if (at >= 0 && pair_is_relayed(&p->pairs[at]))
		path_hurry(p, (unsigned)at, t->now); /* the relay has both of us again */
	if (doubted && p->state == PATH_UP && at != p->chosen && pair_rank(path_chosen(p)) < PAIR_RANK_DETOUR)
		be_alarmed(p, t->now);
	help_peer(p, t);
}

void path_relay_doubted(struct path *p, const struct endpoint *relay, ns_t now)
{
	const struct pair *pair = path_chosen(p);

	/* A peer to whom nobody speaks is told nothing either. */
	if (p->state != PATH_UP || !pair || pair->way.kind != WAY_RELAY_UDP ||
		!endpoint_eq(&pair->way.remote, relay) ||
		now - MAX(p->last_sending, p->last_proof) >= PATH_SAMPLE_QUIET)
		return;
	/* Until it knows both of us again it drops all, however soon that is. */
	path_be_unsure(p);
	p->lost = true;
	be_alarmed(p, now);
}

/* Those that answered before the chosen one did could not be compared with it. */
static void compare_again(struct path *p, struct turn *t)
{
	int best = p->chosen;

	for (unsigned i = 0; i < p->n_pairs; i++)
		/* One that is being asked again is compared when it has answered. */
		if (pair_is_fresh(&p->pairs[i], t->now) && !p->pairs[i].failed && !p->pairs[i].tries &&
			pair_clearly_better(&p->pairs[i], &p->pairs[best]))
			best = (int)i;
	if (best != p->chosen)
		path_choose(p, best, WHY_BETTER, p->pairs[best].last_ok, t);
}

bool path_came_back(const struct pair *pair, const struct way_to *a)
{
	return pair_is(pair, a) ||
	       (pair_is_relayed(pair) && a->kind != WAY_UDP && a->relay == pair->way.relay);
}

bool path_check_answered(struct path *p, uint64_t stamp, const struct way_to *a, struct turn *t)
{
	unsigned i = 0;
	bool first;

	if (path_mtu_answered(p, stamp, a, t->now))
		return true;
	while (i < p->n_pairs && !pair_asked(&p->pairs[i], stamp))
		i++;
	if (i == p->n_pairs)
		return false;
	if (!path_came_back(&p->pairs[i], a))
		return true;

	first = !p->pairs[i].last_ok || p->pairs[i].failed;
	if (first)
		turn_emit(t, CORE_NOTE, WHY_ANSWERED, &p->pairs[i].way);
	path_recovers(p, i, t->now);
	pair_answered(&p->pairs[i], stamp, t->now);
	if ((int)i == p->chosen) {
		if (p->asking)
			mtu_doubt(&p->mtu, t->now);
		p->last_proof = t->now;
		p->alarm = 0;
		p->trial = false;
		if (first)
			path_try(p, t->now);
		compare_again(p, t);
	} else if (p->chosen < 0)
		path_choose(p, (int)i, WHY_FIRST, t->now, t);
	else if (pair_clearly_better(&p->pairs[i], &p->pairs[p->chosen]))
		path_choose(p, (int)i, WHY_BETTER, t->now, t);
	else if (!chosen_is_alive(p))
		path_choose(p, (int)i, WHY_SUCCESSOR, t->now, t);
	if (p->using && (int)i == p->chosen)
		p->lives = PATH_ELSEWHERE;
	return true;
}

void path_heard(struct path *p, const struct way_to *a, struct turn *t)
{
	struct way_to back = pairs_way_back(a, t);
	int at = pair_of(p, &back, t);

	if (at < 0 || !pairs_look(&p->pairs[at], t))
		return;
	if (at == p->chosen && p->state == PATH_UP) {
		/* Only our own address is news: the peer reaches us by this one. Said also when it is the one
		 * that we know: the plane has given it up, and took what came for another way since. */
		p->last_proof = t->now;
		back.payload = p->pairs[at].way.payload;
		p->pairs[at].way = back;
		p->using = true;
		p->use_why = WHY_SOURCE;
		return;
	}
	p->pairs[at].last_heard = t->now;
	p->pairs[at].failed = p->pairs[at].vain =
		false; /* its checks may have failed while the peer's side was still closed */
	path_check_now(p, at, t->now);
	/* Of two of our sockets the peer took one, without knowing which we take: so we follow. */
	if (!chosen_is_alive(p) || pair_is_twin(&p->pairs[at], &p->pairs[p->chosen])) {
		path_choose(p, at, WHY_HEARD, t->now, t); /* authentic packets are a proof */
		return;
	}
	doubt_chosen(p, t->now);
}

/* Traffic goes out, and has for PATH_SILENCE, and nothing has come back. */
static void check_silence(struct path *p, ns_t now)
{
	struct pair *pair = &p->pairs[p->chosen];

	if (p->asking && now - p->asking >= PATH_SILENCE && pair->next_check == NS_NEVER)
		pair_plan(pair, now);
}

void path_activity(struct path *p, ns_t last_recv, uint64_t tx_bytes, struct turn *t)
{
	/* The first sample only says from where to count: peer and plane may be older than this path. */
	bool sending = p->counted && tx_bytes != p->tx_bytes,
	     flowing = t->now - p->last_sending < PATH_FLOWING;
	ns_t grid = PATH_SAMPLE_QUIET, next = t->now;

	if (p->state != PATH_UP)
		return;
	p->counted = true;
	p->tx_bytes = tx_bytes;
	if (last_recv > p->last_proof) {
		path_hears_again(p, last_recv, t->now);
		p->last_proof = last_recv;
	}
	if (p->last_proof > p->asking)
		p->asking = 0;
	if (sending) {
		/* Where it flows, all since the last proof is unanswered; what has just begun could not be
		 * yet.
		 */
		if (!p->asking)
			p->asking = flowing ? MAX(p->last_proof, 1) : t->now;
		p->last_sending = p->wanted_at = t->now;
		p->helping = false;
		mtu_traffic(&p->mtu, tx_bytes, t->now);
	}
	check_silence(p, t->now);
	if (sending || flowing || p->asking) {
		grid = PATH_SAMPLE_GRID;
		next = MAX(next, MAX(p->asking, p->last_proof) + PATH_SILENCE - 1);
	}
	p->sample_at = (next / grid + 1) * grid;
}

/* --- further sockets --- */

ns_t path_last_direct(const struct path *p)
{
	ns_t last = 0;

	for (unsigned i = 0; i < p->n_pairs; i++)
		if (!pair_is_relayed(&p->pairs[i]))
			last = MAX(last, p->pairs[i].last_ok);
	return last;
}

/* Several pairs may be: a peer whose address changed is written to by the same socket at both. */
static bool is_by_socket(const struct pair *pair, uint32_t socket)
{
	return pair->way.kind == WAY_UDP && pair->way.socket == socket;
}

const struct way_to *path_by_socket(const struct path *p, uint32_t socket, ns_t since)
{
	const struct pair *chosen = path_chosen(p), *latest = NULL;
	/* While a relay stands in for it, it may still live. */
	const bool relayed = chosen && pair_is_relayed(chosen);

	if (chosen && is_by_socket(chosen, socket))
		return &chosen->way;
	for (unsigned i = 0; i < p->n_pairs; i++) {
		const struct pair *pair = &p->pairs[i];

		if (!is_by_socket(pair, socket) ||
			!(pair->last_heard > since || (relayed && pair->last_ok > since)))
			continue;
		if (!latest || pair->last_heard > latest->last_heard)
			latest = pair;
	}
	return latest ? &latest->way : NULL;
}

void path_forget_socket(struct path *p, uint32_t socket)
{
	const struct pair *chosen = path_chosen(p);

	if (chosen && is_by_socket(chosen, socket))
		return;
	for (unsigned i = p->n_pairs; i-- > 0;)
		if (is_by_socket(&p->pairs[i], socket))
			pairs_remove(p, i);
}
