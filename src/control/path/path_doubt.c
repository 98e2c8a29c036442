/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/path_private.h"

/* --- relays --- */

/* A stream for everybody who was used in the last ten minutes would never end. */
#define WANTED_NOW (60 * SEC)
/* Of a pair that is heard, and has not answered yet. */
#define RTT_GUESS (200 * MS)

static bool is_wanted(const struct path *p, ns_t now)
{
	return !p->helping && now - p->wanted_at < WANTED_NOW;
}

static bool is_among(const struct way_to *ways, size_t n, const struct pair *pair)
{
	for (size_t i = 0; i < n; i++)
		if (pair_is(pair, &ways[i]))
			return true;
	return false;
}

/* Proved, and nothing speaks against it. */
static bool chosen_is_well(const struct path *p)
{
	const struct pair *pair = path_chosen(p);

	return p->state == PATH_UP && pair && !p->alarm && pair->tries < 2 &&
	       (p->last_proof || pair->last_ok || pair->last_heard);
}

bool path_is_spare(const struct path *p, unsigned i)
{
	const struct pair *pair = &p->pairs[i];

	return pair->way.kind == WAY_RELAY_TCP && (int)i != p->chosen && (int)i != p->also &&
	       chosen_is_well(p) && path_chosen(p)->way.kind != WAY_RELAY_TCP;
}

/* A stream does not come back under its number: what is left of it would only take the room of the next. */
static void stream_ended(struct path *p, unsigned i, struct turn *t)
{
	if ((int)i == p->chosen)
		path_chosen_died(p, t);
	pairs_remove(p, i);
}

void path_stream_gone(struct path *p, uint32_t stream, struct turn *t)
{
	for (unsigned i = p->n_pairs; i-- > 0;)
		if (p->pairs[i].way.kind == WAY_RELAY_TCP && p->pairs[i].way.socket == stream)
			stream_ended(p, i, t);
}

/* A leg mostly comes back. */
static void lost_leg(struct pair *pair, ns_t now)
{
	pair->listed = false;
	if (pair->next_check == NS_NEVER)
		pair_plan(pair, now);
}

/*
 * Idle peers are silent, also one that is looked for: the peer checks. But what it sent by a relay that had
 * not us then is lost, and that the relay has us now it would find out by its next check, a second later
 * perhaps.
 */
static bool is_news(const struct path *p)
{
	return p->helping && p->relays_known && p->chosen < 0;
}

static void list(struct path *p, const struct way_to *ways, size_t n, bool wanted, struct turn *t)
{
	for (unsigned i = p->n_pairs; i-- > 0;) {
		struct pair *pair = &p->pairs[i];

		if (!pair->listed || is_among(ways, n, pair))
			continue;
		if (pair->way.kind == WAY_RELAY_TCP)
			stream_ended(p, i, t);
		else if ((int)i == p->chosen)
			lost_leg(pair, t->now);
		else
			pairs_remove(p, i);
	}
	for (size_t i = 0; i < n; i++) {
		int at = pairs_find(p, &ways[i]);

		if (at < 0 && (at = pairs_add(p, &ways[i], CAND_RELAY, t->now)) >= 0 &&
			((!wanted && !is_news(p)) || path_is_spare(p, (unsigned)at)))
			p->pairs[at].next_check = NS_NEVER;
		if (at >= 0)
			p->pairs[at].listed = true;
	}
}

/* Its check is not answered so far, longer than most are. */
static bool is_silent(const struct pair *pair)
{
	return pair->tries > 1 && pair->last_heard < pair->began;
}

/* Is `a` rather to be tried? */
static bool is_likelier(const struct pair *a, const struct pair *b)
{
	if (is_silent(a) != is_silent(b))
		return is_silent(b);
	return pair_rank(a) < pair_rank(b);
}

/* The best relay that nothing speaks against, but for the one in use. */
static int best_relay(const struct path *p)
{
	int best = -1;

	for (unsigned i = 0; i < p->n_pairs; i++) {
		const struct pair *pair = &p->pairs[i];

		if ((int)i == p->chosen || !pair_is_relayed(pair) || pair->failed || pair->vain)
			continue;
		if (best < 0 || is_likelier(pair, &p->pairs[best]))
			best = (int)i;
	}
	return best;
}

void path_use_relays(struct path *p, struct turn *t)
{
	struct way_to ways[LEGS_WAYS_MAX];

	if (p->state == PATH_IDLE)
		return;
	bool wanted = is_wanted(p, t->now);
	list(p, ways, turn_relays(t, wanted, ways), wanted, t);
	p->relays_known = true;
	if (p->chosen >= 0 || p->helping)
		return;
	int at = best_relay(p);
	if (at >= 0)
		path_choose(p, at, WHY_RELAYED, MAX(p->pairs[at].last_ok, p->pairs[at].last_heard), t);
}

void path_try(struct path *p, ns_t now)
{
	struct pair *pair = &p->pairs[p->chosen];

	if (pair_is_relayed(pair) || best_relay(p) < 0)
		return;
	p->trial = true;
	if (pair->next_check == NS_NEVER)
		pair_plan(pair, now + PATH_PACING);
}

bool path_is_trusting(const struct path *p, unsigned i)
{
	const struct pair *pair = &p->pairs[i];

	return (int)i == p->chosen && pair_is_relayed(pair) && !pair->last_ok && !pair->last_heard;
}

/* --- something better than a detour --- */

static void look_for_better(struct path *p, enum path_why why, struct turn *t)
{
	p->found = 0;
	p->asked_at = t->now;
	for (unsigned i = 0; i < p->n_pairs; i++)
		if ((int)i != p->chosen && !path_is_spare(p, i))
			path_check_now(p, (int)i, t->now);
	turn_emit(t, CORE_ASK, why, NULL);
}

void path_upgrade(struct path *p, struct turn *t)
{
	const struct pair *pair = path_chosen(p);

	if (p->ask_again && !p->helping)
		look_for_better(p, WHY_LINKED, t);
	p->ask_again = false;
	if (!pair || pair_rank(pair) < PAIR_RANK_DETOUR) {
		p->upgrade_at = NS_NEVER;
		p->upgrade_wait = 0;
		return;
	}
	if (p->upgrade_at == NS_NEVER) {
		p->upgrade_wait =
			p->upgrade_wait ? ns_min(2 * p->upgrade_wait, PATH_UPGRADE_MAX) : PATH_UPGRADE_FIRST;
		p->upgrade_at = t->now + p->upgrade_wait;
	}
	/* Not for a path that rests: its next traffic is what it waits for. */
	if (p->upgrade_at > t->now || t->now - p->last_sending >= PATH_UPGRADE_WAIT)
		return;
	p->upgrade_at = NS_NEVER;
	look_for_better(p, WHY_UPGRADE, t);
}

/* --- relays that come back --- */

void path_hurry(struct path *p, unsigned i, ns_t now)
{
	struct pair *pair = &p->pairs[i];

	if (pair->tries < 2 || pair->next_check <= now)
		return;
	pair->next_check = now;
	pair->hurried = 2; /* that try, and the one by which its answer is late */
	pair->in_doubt = true; /* what WireGuard heard was asked for when it began */
}

void path_relay_back(struct path *p, const struct endpoint *relay, ns_t now)
{
	for (unsigned i = 0; i < p->n_pairs; i++)
		if (p->pairs[i].way.kind == WAY_RELAY_UDP && endpoint_eq(&p->pairs[i].way.remote, relay))
			path_hurry(p, i, now);
}

/* --- doubt --- */

/* When something last showed that the chosen pair works. */
static ns_t proof_of(const struct path *p)
{
	const struct pair *pair = &p->pairs[p->chosen];

	return MAX(MAX(p->last_proof, pair->last_ok), pair->last_heard);
}

/* When the chosen pair has to be doubted; 0 = it has to since it was chosen. */
static ns_t doubt_at(const struct path *p)
{
	const struct pair *pair = &p->pairs[p->chosen];
	const ns_t proof = proof_of(p);

	if (!proof || p->alarm)
		return p->alarm;
	if (pair->tries && proof < pair->began)
		return ns_min(proof + PATH_STALE, pair->began + PATH_DOUBT(pair->rtt));
	return proof + PATH_STALE;
}

/* When its answer is overdue. One that has not answered yet has another measure (path_is_trusting). */
static ns_t overdue_at(const struct path *p)
{
	const struct pair *pair = &p->pairs[p->chosen];
	const ns_t proof = proof_of(p);

	if (!proof || !pair->tries || proof >= pair->began)
		return NS_NEVER;
	return pair->began + PATH_OVERDUE(pair->rtt ? pair->rtt : RTT_GUESS);
}

/* What proved it last answers what left a round trip before. Being heard proves nothing of what left since
 * its checks are not answered. */
void path_be_unsure(struct path *p)
{
	const struct pair *pair = &p->pairs[p->chosen];
	const ns_t proof = proof_of(p), last = pair->tries ? ns_min(proof, pair->began) : proof;

	if (!p->unsure)
		p->unsure = proof ? MAX(last - pair->rtt - PATH_SAMPLE_GRID, 1) : p->since;
}

/* Of what left in a gap nothing arrived, if nobody stood in: not what the answer to a lost check would say,
 * when it comes by what flows again. */
void path_hears_again(struct path *p, ns_t at, ns_t now)
{
	const struct pair *pair = &p->pairs[p->chosen];
	const ns_t overdue = PATH_OVERDUE(pair->rtt ? pair->rtt : RTT_GUESS);

	if (p->also >= 0 || !pair->tries || now - pair->began < overdue || at - p->last_proof < PATH_SILENCE)
		return;
	path_be_unsure(p);
	p->lost = true;
}

void path_leave(struct path *p)
{
	const struct pair *pair = &p->pairs[p->chosen];

	if (pair->tries > 1)
		path_be_unsure(p);
}

void path_lives_again(struct path *p, bool gap)
{
	const struct pair *pair = &p->pairs[p->chosen];
	const bool stood_in = p->resent >= 0 && p->pairs[p->resent].last_ok >= pair->began;

	p->settled = true;
	if (gap && !stood_in) {
		path_be_unsure(p);
		p->lost = true;
	}
	if (!p->lost)
		p->unsure = 0;
}

void path_recovers(struct path *p, unsigned i, ns_t now)
{
	const struct pair *pair = &p->pairs[i];
	const bool late = pair->tries > 1;

	if ((int)i == p->resent && late)
		p->resent = -1; /* what left by it did not arrive either */
	if ((int)i != p->chosen)
		return;

	if (!pair->last_ok || late)
		p->lives = 1;
	/* What was on its way when it died may have been heard after the question. */
	path_lives_again(p, late && (proof_of(p) < pair->began || now - proof_of(p) >= PATH_SILENCE));
}

static void send_again(struct path *p, int by, struct turn *t)
{
	if (!p->unsure || by == p->resent)
		return;
	turn_emit(t, CORE_AGAIN, WHY_UNSURE, &p->pairs[by].way)->since =
		MAX(p->unsure, t->now - PATH_AGAIN_MAX);
	p->resent = by;
}

/* By which direct pair the peer has come, and answered, since the chosen one was last proved; -1: by none. */
static int moved_to(const struct path *p)
{
	const ns_t proof = proof_of(p);
	int best = -1;

	for (unsigned i = 0; i < p->n_pairs; i++) {
		const struct pair *pair = &p->pairs[i];

		if ((int)i == p->chosen || pair_is_relayed(pair) || pair->failed ||
			pair->last_heard <= proof || pair->last_ok <= proof)
			continue;
		if (best < 0 || pair_clearly_better(pair, &p->pairs[best]))
			best = (int)i;
	}
	return best;
}

/* The answer of the chosen one became overdue. A peer that has moved is followed: it comes by another way,
 * and by this one no more. */
static void note_overdue(struct path *p, struct turn *t)
{
	int at = moved_to(p);

	p->overdue = true;
	path_be_unsure(p);
	if (at >= 0)
		path_choose(p, at, WHY_SUCCESSOR, p->pairs[at].last_ok, t);
}

/* By which relay each datagram leaves as well now; -1: by none. news: an answer became overdue just now. */
static int stand_in(struct path *p, bool news, struct turn *t)
{
	const struct pair *pair = &p->pairs[p->chosen];
	int also;

	if (doubt_at(p) > t->now)
		return p->trial ? best_relay(p) : -1;
	also = best_relay(p);
	/* Where only time has passed, both are quiet, and nothing is asked. */
	if (also < 0 || !pair->tries)
		return also;
	if (!p->alarm)
		p->alarm = t->now;
	/* If it lives, it is to take over as soon as the chosen one is given up. */
	if (p->unsure)
		path_check_now(p, also, t->now);
	if (news)
		p->pairs[also].next_check = t->now; /* however fresh: the question tells the peer */
	return also;
}

/*
 * Who looks for us may have kept a session that we lost in a restart, and sends into the void. Mostly it has
 * none either, and asks for one as soon as its own check is answered: where we have no traffic for it, it is
 * given the time for that, lest each first contact take two handshakes. If no check of its came through yet
 * it cannot ask, and we do.
 */
void path_wake(struct path *p, struct turn *t)
{
	if (p->state != PATH_UP)
		return;
	if (!p->helping)
		turn_emit(t, CORE_WAKE, WHY_ANSWER, NULL);
	else if (!p->wake_since)
		p->wake_since = t->now;
}

static ns_t wake_due(const struct path *p)
{
	/* Later ones are about something else. */
	const ns_t checked = MIN(p->checked_at, p->wake_since + PATH_WAKE);

	return MAX(p->wake_since, checked + path_chosen(p)->rtt) + PATH_WAKE;
}

static void say_wake(struct path *p, struct turn *t)
{
	if (!p->wake_since || wake_due(p) > t->now)
		return;
	p->wake_since = 0;
	turn_emit(t, CORE_WAKE, WHY_ANSWER, NULL);
}

static void say_use(struct path *p, int also, struct turn *t)
{
	const struct pair *pair = &p->pairs[p->chosen];
	enum path_why why = p->using ? p->use_why : also < 0 ? WHY_SURE : WHY_DOUBT;
	struct core_out *out = turn_emit(t, CORE_USE, why, &pair->way);

	if (also >= 0)
		out->also = p->pairs[also].way;
	if (p->using && !pair_is_relayed(pair) && why != WHY_SOURCE && why != WHY_SIZE)
		turn_emit(t, CORE_WORKS, why, &pair->way);
	/* Its next check would say so, too, but may be seconds away: it asks only when its packets have gone
	 * unanswered for a while. */
	if (p->using && p->helping)
		path_wake(p, t);
	p->using = false;
	p->also = also;
}

/* By whom it may not have arrived: the one in use once that lives, until then the one beside it. */
static void say_again(struct path *p, struct turn *t)
{
	if (p->settled)
		send_again(p, p->chosen, t);
	else if (p->also >= 0)
		send_again(p, p->also, t);
	if (!p->settled)
		return;
	p->settled = p->overdue = p->lost = false;
	p->unsure = 0;
	p->resent = -1;
}

void path_use(struct path *p, struct turn *t)
{
	bool news;
	int also;

	if (p->state != PATH_UP || p->chosen < 0)
		return;
	news = !p->overdue && overdue_at(p) <= t->now;
	if (news)
		note_overdue(p, t);
	also = stand_in(p, news, t);
	if (p->using || also != p->also)
		say_use(p, also, t);
	say_again(p, t);
	say_wake(p, t);
	if (p->lives)
		turn_emit(t, CORE_LIVES, WHY_ANSWERED, &path_chosen(p)->way)->rtt =
			MAX(p->lives, path_chosen(p)->rtt);
	p->lives = 0;
}

ns_t path_doubt_next(const struct path *p, ns_t now)
{
	ns_t next = NS_NEVER;

	if (p->state != PATH_UP || p->chosen < 0)
		return next;
	if (p->using)
		return now;
	if (p->wake_since)
		next = MAX(wake_due(p), now);
	if (p->also < 0 && best_relay(p) >= 0)
		next = ns_min(next, MAX(doubt_at(p), now));
	if (!p->overdue)
		next = ns_min(next, MAX(overdue_at(p), now));
	if (p->upgrade_at != NS_NEVER && now - p->last_sending < PATH_UPGRADE_WAIT)
		next = ns_min(next, MAX(p->upgrade_at, now));
	return next;
}
