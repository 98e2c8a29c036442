/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/path.h"

#include "control/path/pairs.h"

#include <string.h>

void path_init(struct path *p, const struct path_memory *last)
{
	*p = (struct path){.chosen = -1, .last = *last, .retry_at = NS_NEVER, .sample_at = NS_NEVER};
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
 * would check back on each other's for ever, each check from one more port.
 */
static bool may_find(struct path *p, ns_t now)
{
	if (now - p->finding_since >= PATH_FINDS_EVERY) {
		p->finding_since = now;
		p->finds = 0;
	}
	return p->finds++ < PATH_FINDS_MAX;
}

/* The pair by which that came, made when nobody had told us of it; -1 = no room. */
static int pair_of(struct path *p, const struct way_to *a, struct turn *t)
{
	int at = pairs_find(p, a->socket, &a->remote);

	if (at >= 0)
		return at;
	at = pairs_add(p, a, CAND_PRFLX, t->now);
	if (at >= 0)
		turn_emit(t, CORE_NOTE, WHY_FOUND, a);
	return at;
}

/* --- choosing --- */

/* `proof`: when something authentic came over the pair; 0 = not yet. */
static void choose(struct path *p, int at, enum path_why why, ns_t proof, struct turn *t)
{
	const struct pair *pair = &p->pairs[at];

	if (p->state != PATH_UP)
		p->sample_at = t->now; /* counts begin now */
	p->chosen = at;
	p->state = PATH_UP;
	p->last_proof = proof;
	p->retry_wait = 0;
	p->retry_at = NS_NEVER;
	p->last = (struct path_memory){.way = pair->way, .type = pair->type};
	turn_emit(t, CORE_USE, why, &pair->way);
	turn_emit(t, CORE_WORKS, why, &pair->way);
}

static void start_over(struct path *p, enum path_why why, struct turn *t)
{
	for (unsigned i = 0; i < p->n_pairs; i++)
		pair_plan(&p->pairs[i], t->now);
	p->retry_at = NS_NEVER;
	if (!p->helping)
		turn_emit(t, CORE_ASK, why, NULL);
}

static void begin_checking(struct path *p, enum path_why why, struct turn *t)
{
	p->state = PATH_CHECKING;
	p->retry_wait = 0;
	start_over(p, why, t);
}

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

/* The plane keeps sending by the dead one until something better is known, but not in circles. */
static void chosen_died(struct path *p, struct turn *t)
{
	const struct pair *pair = &p->pairs[p->chosen];

	turn_emit(t, CORE_NOTE, WHY_DEAD, &pair->way);
	if (pair->outlet.reach == REACH_MESH)
		turn_emit(t, CORE_USE, WHY_LOOP, NULL);
	p->chosen = -1;
	begin_checking(p, WHY_DEAD, t);
}

static bool chosen_is_alive(const struct path *p)
{
	/* More than one try: the first went without an answer for its whole wait. */
	return p->state == PATH_UP && p->chosen >= 0 && p->pairs[p->chosen].tries < 2;
}

/* --- what happened --- */

/* Without asking what is fresh, two nodes would answer each other's triggered check with another one for
 * ever. */
static void check_now(struct path *p, int at, ns_t now)
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
			at = pairs_find(p, p->last.way.socket, &p->last.way.remote);
		if (at < 0 && endpoint_is_set(&p->last.way.remote)) {
			const struct way_to again = pairs_way_back(&p->last.way, t);

			at = pairs_add(p, &again, p->last.type, t->now);
		}
		begin_checking(p, WHY_ASKED, t);
		/* Packets leave at once by the way that worked last, while its check and the question for
		 * others are under way. */
		if (at >= 0 && pairs_look(&p->pairs[at], t))
			choose(p, at, WHY_REMEMBERED, 0, t);
	} else if (p->chosen < 0) {
		turn_emit(t, CORE_ASK, WHY_ASKED, NULL); /* the coordinator may have come back, or the peer */
	} else {
		check_now(p, p->chosen, t->now); /* no handshake gets through */
	}
}

void path_restart(struct path *p)
{
	p->restart = p->state != PATH_IDLE;
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
	p->state = PATH_CHECKING;
	p->retry_wait = 0;
	p->wanted_at = t->now - PATH_WANTED_FOR + PATH_HELP_FOR;
	turn_emit(t, CORE_NOTE, WHY_HELP, NULL);
}

static bool is_listed(const struct candidates *c, const struct pair *pair)
{
	for (size_t i = 0; i < c->n; i++)
		if (pair_is(pair, 0, &c->v[i].ep))
			return true;
	return false;
}

void path_candidates(struct path *p, const struct candidates *c, struct turn *t)
{
	/* What is in use or was learned from the peer's own packets stays; other old candidates go. */
	for (unsigned i = p->n_pairs; i-- > 0;)
		if ((int)i != p->chosen && p->pairs[i].type != CAND_PRFLX && !is_listed(c, &p->pairs[i]))
			pairs_remove(p, i);

	for (size_t i = 0; i < c->n; i++) {
		int at = pairs_find(p, 0, &c->v[i].ep);

		if (at < 0)
			pairs_add(p, &(struct way_to){.remote = c->v[i].ep}, c->v[i].type, t->now);
		else
			p->pairs[at].type = c->v[i].type;
	}
	/* Candidates come unasked when the peer looks for us: check back on all pairs that did not answer
	 * just now, so that both sides' packets pass. Also on the one in use, whatever was heard over it: the
	 * peer may have closed to us meanwhile, or a translator before us to the peer. */
	for (unsigned i = 0; i < p->n_pairs; i++)
		check_now(p, (int)i, t->now);
	help_peer(p, t);
	p->retry_at = NS_NEVER;
}

void path_check_received(struct path *p, const struct way_to *a, struct turn *t)
{
	int at = pairs_find(p, a->socket, &a->remote);

	if (at < 0 && may_find(p, t->now)) {
		const struct way_to back = pairs_way_back(a, t);

		at = pair_of(p, &back, t);
	}
	if (at >= 0 && at != p->chosen)
		check_now(p, at, t->now); /* RFC 8445 7.3.1.4 */
	help_peer(p, t);
}

bool path_check_answered(struct path *p, uint64_t stamp, const struct way_to *a, struct turn *t)
{
	unsigned i = 0;

	while (i < p->n_pairs && !pair_asked(&p->pairs[i], stamp))
		i++;
	if (i == p->n_pairs)
		return false;
	if (!pair_is(&p->pairs[i], a->socket, &a->remote))
		return true;

	if (!p->pairs[i].last_ok || p->pairs[i].failed)
		turn_emit(t, CORE_NOTE, WHY_ANSWERED, &p->pairs[i].way);
	pair_answered(&p->pairs[i], stamp, t->now);
	if ((int)i == p->chosen)
		p->last_proof = t->now;
	else if (p->chosen < 0)
		choose(p, (int)i, WHY_FIRST, t->now, t);
	else if (pair_clearly_better(&p->pairs[i], &p->pairs[p->chosen]))
		choose(p, (int)i, WHY_BETTER, t->now, t);
	return true;
}

/* The peer's packets come by another way: both may live, or the peer moved. What proved the chosen one just
 * now, as far as samples show, spares the question. */
static void doubt_chosen(struct path *p, ns_t now)
{
	struct pair *pair = &p->pairs[p->chosen];

	if (pair->next_check == NS_NEVER && now - MAX(p->last_proof, pair->last_ok) >= 2 * PATH_SAMPLE_BUSY)
		pair_plan(pair, now);
}

void path_heard(struct path *p, const struct way_to *a, struct turn *t)
{
	const struct way_to back = pairs_way_back(a, t);
	int at = pair_of(p, &back, t);

	if (at < 0 || !pairs_look(&p->pairs[at], t))
		return;
	if (at == p->chosen && p->state == PATH_UP) {
		/* Only our own address is news: the peer reaches us by this one. Said also when it is the one
		 * that we know: the plane has given it up, and took what came for another way since. */
		p->last_proof = t->now;
		p->pairs[at].way = back;
		turn_emit(t, CORE_USE, WHY_SOURCE, &back);
		return;
	}
	p->pairs[at].last_heard = t->now;
	p->pairs[at].failed = false; /* its checks may have failed while the peer's side was still closed */
	check_now(p, at, t->now);
	if (!chosen_is_alive(p)) {
		choose(p, at, WHY_HEARD, t->now, t); /* authentic packets are a proof */
		return;
	}
	doubt_chosen(p, t->now);
}

void path_activity(struct path *p, ns_t last_recv, uint64_t tx_bytes, struct turn *t)
{
	ns_t wait = PATH_SAMPLE_QUIET;

	if (p->state != PATH_UP)
		return;
	if (last_recv > p->last_proof)
		p->last_proof = last_recv;
	/* The first sample only says from where to count: peer and plane may be older than this path. */
	if (p->counted && tx_bytes != p->tx_bytes) {
		p->last_sending = p->wanted_at = t->now;
		p->helping = false;
		wait = PATH_SAMPLE_BUSY;
	}
	p->counted = true;
	p->tx_bytes = tx_bytes;
	p->sample_at = (t->now / wait + 1) * wait;
}

/* --- what is due --- */

static void step_heartbeat(struct path *p, struct turn *t)
{
	struct pair *pair = &p->pairs[p->chosen];

	/* Only while traffic flows: the last packet went out after the silence began, and not long ago. */
	bool silent = p->last_sending > p->last_proof && t->now - p->last_proof >= PATH_SILENCE;
	if (silent && pair->next_check == NS_NEVER && t->now - p->last_sending < 2 * PATH_SILENCE)
		pair_plan(pair, t->now);
}

/* Our network changed. */
static void step_restart(struct path *p, struct turn *t)
{
	bool bound = p->chosen >= 0 && p->pairs[p->chosen].way.local.family != IP_NONE;

	p->restart = p->look_again = false;
	/* Where packets came in may be no address of ours any more. */
	for (unsigned i = 0; i < p->n_pairs; i++) {
		p->pairs[i].way.local = (struct ip){.family = IP_NONE};
		p->pairs[i].way.local_ifindex = 0;
	}
	if (p->chosen >= 0)
		(void)pairs_look(
			&p->pairs[p->chosen], t); /* its check, now due, says what follows from that */
	if (bound)
		turn_emit(t, CORE_USE, WHY_NETWORK, &p->pairs[p->chosen].way);
	p->retry_wait = 0;
	start_over(p, WHY_NETWORK, t);
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
		start_over(p, WHY_RETRY, t);
	}
}

static void sample(struct turn *t)
{
	turn_emit(t, CORE_SAMPLE, WHY_SAMPLE, NULL);
}

/*
 * The chosen pair's check went without an answer for its whole wait. Before anything follows from that: has
 * WireGuard heard the peer meanwhile? Then only the check was lost. Returns whether the pair is settled.
 */
static bool step_doubt(struct path *p, struct pair *pair, struct turn *t)
{
	int next;

	if (!pair->in_doubt) {
		pair->in_doubt = true;
		sample(t);
		pair->next_check = t->now + PATH_PACING; /* the answer has come by then */
		return true;
	}
	if (p->last_proof >= pair->began) {
		pair_gave_up(pair, true);
		return true;
	}
	/* Leave it to one that lives, and see whether it comes back. */
	next = successor(p);
	if (next >= 0)
		choose(p, next, WHY_SUCCESSOR, MAX(p->pairs[next].last_ok, p->pairs[next].last_heard), t);
	return false;
}

/* --- checks of what never answered --- */

static bool is_blind(const struct pair *pair)
{
	return !pair->last_ok && !pair->last_heard;
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
	bool in_use = (int)i == p->chosen;
	enum pair_due due = pair_due(pair, in_use, t->now);

	may_send = may_send && (!is_blind(pair) || blind_at(p) <= t->now);
	if (due == PAIR_WAITS || (due == PAIR_SENDS && !may_send))
		return false;
	if (in_use && pair->tries && step_doubt(p, pair, t))
		return false;

	in_use = (int)i == p->chosen;
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
	pair_sent(pair, turn_check(t, in_use ? WHY_HEARTBEAT : WHY_CHECK, &pair->way), in_use, t->now);
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
	return next;
}

ns_t path_step(struct path *p, struct turn *t)
{
	unsigned sent = 0;

	if (p->restart)
		step_restart(p, t);
	else if (p->look_again)
		step_look_again(p, t);
	if (p->state == PATH_UP) {
		if (t->now - MAX(MAX(p->last_sending, p->last_proof), p->wanted_at) >= PATH_WANTED_FOR) {
			rest(p, WHY_IDLE, t);
			return NS_NEVER;
		}
		if (p->sample_at <= t->now) {
			sample(t);
			p->sample_at = t->now + PATH_SAMPLE_QUIET; /* in case nobody answers */
		}
		step_heartbeat(p, t);
	}
	if (p->state == PATH_CHECKING && checks_are_over(p))
		step_retry(p, t);

	for (unsigned i = 0; i < p->n_pairs; i++) {
		sent += step_pair(p, i, sent < PATH_SENDS_MAX, t);
		if ((int)i == p->chosen && p->pairs[i].failed) {
			chosen_died(p, t);
			return t->now;
		}
	}
	if (p->state == PATH_CHECKING && checks_are_over(p) && p->retry_at == NS_NEVER)
		step_retry(p, t);
	return earliest(p, sent == PATH_SENDS_MAX, t->now);
}
