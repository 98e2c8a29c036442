/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/leg.h"

#include <string.h>

enum { HOPEFUL_TRIES = 2, REFUSED_MAX = 2 };
/* Waits of a round, as multiples of the first: 1, 1, 2, 2, 4, 4, 8. */
enum { ROUND = 22, DOUBLED_MAX = 3 };
/* After it, of pauses: 16, 32 and so on; enough for any that is chosen below. */
enum { PAUSE_DOUBLED = 4, PAUSE_DOUBLED_MAX = 16 };
/* No line is slower. What took longer lay in the socket of one of us, who stood still. */
#define RTT_MAX (2 * SEC)

void leg_init(struct leg *l)
{
	*l = (struct leg){.due = NS_NEVER};
}

static ns_t part_of(ns_t whole, uint32_t random)
{
	return (ns_t)((double)whole * random / UINT32_MAX);
}

const struct endpoint *leg_server(const struct leg *l)
{
	return &l->servers[l->first];
}

static bool same_list(const struct leg *l, const struct endpoint *v, size_t n)
{
	bool same = n == l->n_servers;

	for (size_t i = 0; same && i < n; i++)
		same = endpoint_eq(&v[i], &l->servers[i]);
	return same;
}

static bool has_the_one_that_answers(const struct leg *l, const struct endpoint *v, size_t n)
{
	for (size_t i = 0; endpoint_is_set(&l->reflexive) && i < n; i++)
		if (endpoint_eq(&v[i], leg_server(l)))
			return true;
	return false;
}

/* With the address that answers, which stays the one that is asked; when it dies, the others of the new list
 * are. */
static void take_list(struct leg *l, const struct endpoint *v, size_t n)
{
	const struct endpoint answers = l->servers[l->first];

	l->n_servers = n;
	for (size_t i = 0; i < n; i++) {
		l->servers[i] = v[i];
		if (endpoint_eq(&v[i], &answers))
			l->first = i;
	}
}

/* Soon where it is known how long an answer takes: others may be sending to us through it. */
static ns_t first_wait(const struct leg *l)
{
	return l->rtt ? MAX(LEG_RTO / 2, 2 * l->rtt) : LEG_RTO;
}

/* How often the wait was doubled by now. */
static unsigned doubled(const struct leg *l, ns_t now)
{
	unsigned n = 0;

	while (n < DOUBLED_MAX && now - l->began >= ((2 << (n + 1)) - 2) * first_wait(l))
		n++;
	return n;
}

void leg_set_servers(struct leg *l, const struct endpoint *v, size_t n, bool again, ns_t wait, ns_t now)
{
	n = MIN(n, (size_t)LEG_SERVERS);
	if (n == 0) {
		leg_init(l);
		return;
	}
	if (has_the_one_that_answers(l, v, n)) {
		take_list(l, v, n);
		if (again)
			l->due = ns_min(l->due, now + wait);
		return;
	}
	if (same_list(l, v, n)) { /* it may be back */
		if (l->pauses)
			l->pauses = 1;
		else if (doubled(l, now) == DOUBLED_MAX)
			l->tries = 0;
		l->due = ns_min(l->due, now + wait);
		return;
	}
	leg_init(l);
	take_list(l, v, n);
	l->due = now + wait;
}

void leg_ask_now(struct leg *l, ns_t now)
{
	if (!l->n_servers)
		return;
	l->tries = 0;
	l->pauses = 0;
	l->refused = 0;
	l->due = now;
}

/* --- asking --- */

static const struct leg_try *last_try(const struct leg *l)
{
	return &l->asked[(l->tries - 1) % LEG_ASKED];
}

/*
 * Within a round: doubled every other time, unless somebody waits. A relay that starts anew is back within a
 * second or two, and what is said meanwhile is kept no longer.
 */
static ns_t wait_after(const struct leg *l, ns_t now)
{
	const bool missed = l->missed && now - l->missed < LEG_MISSED_FOR;
	const ns_t wait = first_wait(l) << (missed ? 0 : doubled(l, now));

	return ns_min(wait, l->began + ROUND * first_wait(l) - now);
}

static bool round_is_over(const struct leg *l, ns_t now)
{
	return l->tries && !l->pauses && now >= l->began + ROUND * first_wait(l);
}

static ns_t every(const struct leg_use *use)
{
	return use->registers || use->kept ? LEG_EVERY : LEG_SELDOM;
}

/*
 * After a round in vain, and then between single questions to each address: somewhere in a time that doubles.
 * All members of a mesh miss a dead relay at once, and while they ask at their rounds' pace none that starts
 * would get on its feet.
 */
static ns_t pause(struct leg *l, const struct leg_use *use, uint32_t random)
{
	const ns_t longest = ns_min(first_wait(l) << (PAUSE_DOUBLED + l->pauses), every(use));

	l->pauses = MIN(l->pauses + 1, (unsigned)PAUSE_DOUBLED_MAX);
	return part_of(longest, random);
}

void leg_miss(struct leg *l, ns_t now)
{
	if (!l->n_servers)
		return;
	l->missed = now;
	if (l->pauses)
		return; /* that is known */
	if (l->tries)
		l->due = ns_min(l->due, MAX(now, last_try(l)->at + first_wait(l)));
	else if (now - l->began >= LEG_AGAIN)
		leg_ask_now(l, now);
}

void leg_ended(struct leg *l, ns_t now)
{
	leg_miss(l, now);
	if (l->n_servers && !l->pauses)
		l->due = now;
}

void leg_hurry(struct leg *l, ns_t now)
{
	if (l->pauses)
		leg_ask_now(l, now);
	else if (l->tries)
		l->due = ns_min(l->due, now);
}

/* What we had is lost. The cookie, too: it says that we receive at our address, and of two questions in a row
 * only the second tells that more than the first datagram of a flow comes through. */
static bool lose(struct leg *l, const struct leg_use *use, uint32_t random, ns_t now)
{
	const bool lost = endpoint_is_set(&l->reflexive) || l->registered;

	l->reflexive = (struct endpoint){0};
	l->registered = 0;
	memset(l->cookie, 0, sizeof(l->cookie));
	l->seen = 0;
	l->silent = true;
	l->due = now + pause(l, use, random);
	return lost;
}

bool leg_step(struct leg *l, const struct leg_use *use, struct stun_self *self, const char *id,
	const uint8_t key[static STUN_KEY], ns_t now, uint8_t *out, size_t out_len, size_t *ret_n,
	struct endpoint *ret_to)
{
	struct stun_msg ask = {.has_lifetime = use->registers, .has_cookie = use->registers};
	struct leg_try *try = &l->asked[l->tries % LEG_ASKED];

	*ret_n = 0;
	if (l->due > now)
		return false;
	if (round_is_over(l, now))
		return lose(l, use, self->random(self->random_ctx), now);

	if (!l->tries)
		l->began = now;
	ask.lifetime_s = LEG_LIFETIME;
	memcpy(ask.cookie, l->cookie, sizeof(ask.cookie));
	*try = (struct leg_try){.at = now,
		.to = l->servers[(l->first + l->tries) % l->n_servers],
		.registering = use->registers};
	*ret_to = try->to;
	*ret_n = stun_ask(self, id, key, &ask, out, out_len, &try->stamp);
	l->tries++;
	if (!l->pauses)
		l->due = now + wait_after(l, now);
	else if (l->tries % l->n_servers)
		l->due = now + first_wait(l);
	else
		l->due = now + first_wait(l) + pause(l, use, self->random(self->random_ctx));
	return false;
}

/* NULL: none of those is answered by it. */
static const struct leg_try *try_of(const struct leg *l, const struct stun_msg *msg)
{
	for (unsigned i = 0; i < MIN(l->tries, (unsigned)LEG_ASKED); i++)
		if (l->asked[i].stamp == stun_stamp(msg))
			return &l->asked[i];
	return NULL;
}

bool leg_asked(const struct leg *l, const struct stun_msg *msg, const struct endpoint *from)
{
	const struct leg_try *try = msg->class == STUN_SUCCESS ? try_of(l, msg) : NULL;

	return try && endpoint_eq(from, &try->to);
}

/* The answer to a question with our cookie, or with none yet. True: show it the new one, now. */
static bool registration_answered(struct leg *l, const struct stun_msg *msg, ns_t now)
{
	if (msg->has_cookie)
		memcpy(l->cookie, msg->cookie, sizeof(l->cookie));
	if (msg->has_lifetime && msg->lifetime_s) {
		l->refused = 0;
		l->registered = l->registered ? l->registered : now;
		l->registered_until = now + MIN(msg->lifetime_s, 2U * LEG_LIFETIME) * SEC;
		return false;
	}
	l->registered = 0;
	return msg->has_cookie && l->refused++ < REFUSED_MAX;
}

/* Of one that was away: it may have stood still, and go through what was asked meanwhile, in order. */
static void take_sample(struct leg *l, ns_t rtt)
{
	rtt = MIN(MAX(rtt, 1), RTT_MAX);
	if (!l->pauses)
		l->rtt = l->rtt ? (3 * l->rtt + rtt) / 4 : rtt;
}

bool leg_answered(struct leg *l, const struct leg_use *use, const struct stun_msg *msg,
	const struct endpoint *from, bool own, uint32_t random, ns_t now)
{
	const struct leg_try *try = try_of(l, msg);
	const bool changed = !endpoint_eq(&msg->mapped, &l->reflexive), was = l->registered;
	const bool keep = use->registers || (use->kept && !own), registering = try && try->registering;

	if (try) {
		take_sample(l, now - try->at);
		l->answered = try->at;
	}
	for (size_t i = 0; i < l->n_servers; i++)
		if (endpoint_eq(&l->servers[i], from))
			l->first = i;

	l->tries = 0;
	l->pauses = 0;
	l->silent = false;
	l->seen = changed ? 1 : l->seen + 1;
	l->reflexive = msg->mapped;
	l->due = now + (keep ? LEG_EVERY : LEG_SELDOM) - part_of(LEG_JITTER, random);
	if (!use->registers)
		l->registered = 0;
	else if (!registering)
		l->due = now; /* it was asked before we knew that it relays */
	else if (registration_answered(l, msg, now))
		l->due = now;
	else if (l->refused > REFUSED_MAX)
		l->refused = 0; /* until the next time */
	return changed || was != (bool)l->registered;
}

bool leg_registered(const struct leg *l, ns_t now)
{
	return l->registered && now < l->registered_until;
}

bool leg_is_sure(const struct leg *l, ns_t now)
{
	return leg_registered(l, now) && l->tries < 2;
}

bool leg_hopeful(const struct leg *l)
{
	return l->n_servers && !l->silent && l->tries <= HOPEFUL_TRIES;
}
