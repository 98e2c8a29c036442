/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a path does by itself: checks, retries, leaving what is dead, resting. */
#include "control/path/path_private.h"

#include <string.h>

/*
 * The chosen pair is silent. Another that lives takes over: one that answered a check, else one by which the
 * peer's packets came, since we began to ask the chosen one.
 */
static int successor(const struct path *p)
{
	ns_t since = p->pairs[p->chosen].began;
	int best = -1;

	for (unsigned i = 0; i < p->n_pairs; i++) {
		const struct pair *a = &p->pairs[i], *b = best < 0 ? NULL : &p->pairs[best];

		if ((int)i == p->chosen || MAX(a->last_ok, a->last_heard) < since)
			continue;
		if (!b || (a->last_ok >= since && (b->last_ok < since || pair_clearly_better(a, b))))
			best = (int)i;
	}
	return best;
}

/* Not in circles, though. */
void path_chosen_died(struct path *p, struct turn *t)
{
	const struct pair *pair = &p->pairs[p->chosen];

	turn_emit(t, CORE_NOTE, WHY_DEAD, &pair->way);
	path_be_unsure(p);
	p->lost = true;
	if (pair->outlet.reach == REACH_MESH)
		turn_emit(t, CORE_USE, WHY_LOOP, NULL);
	p->chosen = p->also = -1;
	p->using = false;
	path_begin_checking(p, WHY_DEAD, t);
}

/* Our network changed. */
static void step_restart(struct path *p, struct turn *t)
{
	struct pair *pair = p->chosen < 0 ? NULL : &p->pairs[p->chosen];
	const struct way_to used = pair ? pair->way : (struct way_to){.kind = WAY_UDP};

	p->restart = p->look_again = false;
	/* What left just before may have had no way out any more, and what the peer sent went elsewhere. */
	if (pair && p->state == PATH_UP && t->now - MAX(p->last_sending, p->last_proof) < PATH_SAMPLE_QUIET) {
		path_be_unsure(p);
		p->lost = true;
	}
	/* Where packets came in may be no address of ours any more. */
	for (unsigned i = 0; i < p->n_pairs; i++) {
		p->pairs[i].way.local = (struct ip){.family = IP_NONE};
		p->pairs[i].way.local_ifindex = 0;
	}
	path_mtu_forget(p);
	if (pair)
		(void)pairs_look(pair, t); /* its check, now due, says what follows from that */
	if (pair && (used.local.family != IP_NONE || used.payload != pair->way.payload)) {
		turn_emit(t, CORE_USE, WHY_NETWORK, &pair->way);
		p->also = -1;
	}
	p->retry_wait = 0;
	path_start_over(p, WHY_NETWORK, t);
}

/* Whatever else changed: this path starts over only when it leads elsewhere. */
static void step_look_again(struct path *p, struct turn *t)
{
	const struct pair *pair = path_chosen(p);

	p->look_again = false;
	if (!pair)
		return;
	const struct outlet now = pairs_outlet(&pair->way, t);
	if (!outlet_eq(&now, &pair->outlet))
		step_restart(p, t);
}

/* Nobody uses the path: the plane shall ask when somebody does again. */
static void rest(struct path *p, enum path_why why, struct turn *t)
{
	path_deinit(p);
	turn_emit(t, CORE_USE, why, NULL);
}

static bool checks_are_over(const struct path *p)
{
	for (unsigned i = 0; i < p->n_pairs; i++)
		if (p->pairs[i].next_check != NS_NEVER)
			return false;
	return true;
}

/* Nothing works (or nothing is known): plan the next round, or give up when nobody has wanted the peer for
 * long. */
static void step_retry(struct path *p, struct turn *t)
{
	if (t->now - p->wanted_at >= PATH_WANTED_FOR) {
		rest(p, WHY_GIVEN_UP, t);
		return;
	}
	if (p->retry_at == NS_NEVER) {
		ns_t first = p->n_pairs ? PATH_RETRY_WAIT : PATH_ASK_WAIT;

		p->retry_wait = p->retry_wait ? ns_min(2 * p->retry_wait, PATH_RETRY_MAX) : first;
		p->retry_at = t->now + p->retry_wait;
	} else if (p->retry_at <= t->now) {
		path_start_over(p, WHY_RETRY, t);
	}
}

static void sample(struct turn *t)
{
	turn_emit(t, CORE_SAMPLE, WHY_SAMPLE, NULL);
}

/* Whoever answers first takes over. */
static void ask_others(struct path *p, ns_t now)
{
	for (unsigned i = 0; i < p->n_pairs; i++)
		if ((int)i != p->chosen && p->pairs[i].next_check == NS_NEVER)
			pair_plan(&p->pairs[i], now);
}

/*
 * The chosen pair's check went without an answer for its whole wait. Before anything follows from that: has
 * WireGuard heard the peer meanwhile? Then only the check was lost. Returns whether the pair is settled.
 */
static bool step_doubt(struct path *p, struct pair *pair, struct turn *t)
{
	bool heard;
	int next;

	if (!pair->in_doubt) {
		pair->in_doubt = true;
		sample(t);
		pair->next_check = t->now + PATH_PACING; /* the answer has come by then */
		return true;
	}
	/* In doubt it may be heard because of what goes by the relay: only an answer proves our direction.
	 * One that was lost is no reason to leave, though: both ways are used meanwhile. */
	heard = p->last_proof >= pair->began;
	next = successor(p);
	/* So it may on trial, where everything goes by the relay, too. */
	if (p->trial && heard && !p->alarm) {
		p->alarm = t->now;
		ask_others(p, t->now);
	}
	if (heard && (!p->alarm || (next < 0 && pair->tries == PAIR_HEARTBEAT_TRIES))) {
		p->alarm = 0;
		p->trial = false;
		path_lives_again(p, p->unsure != 0);
		pair_gave_up(pair, true);
		return true;
	}
	if (heard && pair->tries < PATH_HEARD_TRIES)
		return false;
	/* Leave it to one that lives, and see whether it comes back. */
	if (next >= 0)
		path_choose(
			p, next, WHY_SUCCESSOR, MAX(p->pairs[next].last_ok, p->pairs[next].last_heard), t);
	else if (pair->tries == 1)
		ask_others(p, t->now);
	return false;
}

/* --- checks of what never answered --- */

static bool is_blind(const struct pair *pair)
{
	return !pair->last_ok && !pair->last_heard && !pair_is_relayed(pair);
}

/* When the next one may be sent. */
static ns_t blind_at(const struct path *p)
{
	return p->blind_until - PATH_BLIND_MAX * PATH_BLIND_EVERY;
}

static void blind_sent(struct path *p, ns_t now)
{
	p->blind_until = MAX(p->blind_until, now) + PATH_BLIND_EVERY;
}

/* --- */

/* The pair's next check, if it is due and there is room, or its end. Returns whether one was sent. */
static bool step_pair(struct path *p, unsigned i, bool may_send, struct turn *t)
{
	struct pair *pair = &p->pairs[i];
	bool trusting = path_is_trusting(p, i), in_use = (int)i == p->chosen && !trusting;
	enum pair_due due = pair_due(pair, in_use, t->now);

	may_send = may_send && (!is_blind(pair) || blind_at(p) <= t->now);
	if (due == PAIR_WAITS || (due == PAIR_SENDS && !may_send))
		return false;
	if ((in_use || (trusting && pair->tries > 2)) && pair->tries && step_doubt(p, pair, t))
		return false;

	in_use = (int)i == p->chosen && !trusting;
	if (due == PAIR_GIVES_UP) {
		pair_gave_up(pair, false);
		turn_emit(t, CORE_NOTE, WHY_FAILED, &pair->way);
		return false;
	}
	if (!pairs_look(pair, t)) {
		pair_gave_up(pair, false);
		turn_emit(t, CORE_NOTE, WHY_LOOP, &pair->way);
		return false;
	}
	if (is_blind(pair))
		blind_sent(p, t->now);
	if (pair->tries)
		legs_doubt(t->legs, &pair->way, t->now);
	pair_sent(pair,
		turn_check(
			t, in_use ? WHY_HEARTBEAT : WHY_CHECK, &pair->way, p->overdue && (int)i == p->also),
		in_use, t->now);
	return true;
}

static ns_t earliest(const struct path *p, bool throttled, ns_t now)
{
	ns_t next = p->state == PATH_UP ? p->sample_at : NS_NEVER;

	if (p->state == PATH_CHECKING && checks_are_over(p))
		next = ns_min(next, p->retry_at);
	for (unsigned i = 0; i < p->n_pairs; i++) {
		ns_t at = p->pairs[i].next_check;

		if (at <= now && throttled)
			at = now + PATH_PACING;
		else if (at <= now && is_blind(&p->pairs[i]))
			at = MAX(at, blind_at(p));
		next = ns_min(next, at);
	}
	return ns_min(next, path_doubt_next(p, now));
}

ns_t path_step(struct path *p, struct turn *t)
{
	unsigned sent = 0;

	if (p->restart)
		step_restart(p, t);
	else if (p->look_again)
		step_look_again(p, t);
	path_use_relays(p, t);
	path_upgrade(p, t);
	if (p->state == PATH_UP) {
		if (t->now - MAX(MAX(p->last_sending, p->last_proof), p->wanted_at) >= PATH_WANTED_FOR) {
			rest(p, WHY_IDLE, t);
			return NS_NEVER;
		}
		if (p->sample_at <= t->now) {
			sample(t);
			p->sample_at = t->now + PATH_SAMPLE_QUIET; /* in case nobody answers */
		}
	}
	if (p->state == PATH_CHECKING && checks_are_over(p))
		step_retry(p, t);

	for (unsigned i = 0; i < p->n_pairs; i++) {
		sent += step_pair(p, i, sent < PATH_SENDS_MAX, t);
		if ((int)i == p->chosen && p->pairs[i].failed) {
			path_chosen_died(p, t);
			return t->now;
		}
	}
	ns_t next = path_mtu_step(p, t);

	path_use(p, t);
	if (p->state == PATH_CHECKING && checks_are_over(p) && p->retry_at == NS_NEVER)
		step_retry(p, t);
	return ns_min(next, earliest(p, sent == PATH_SENDS_MAX, t->now));
}
