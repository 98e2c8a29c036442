/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/leg.h"

#include <string.h>

enum { HOPEFUL_TRIES = 2, REFUSED_MAX = 2 };

void leg_init(struct leg *l)
{
	*l = (struct leg){.due = NS_NEVER};
}

static ns_t part_of(ns_t whole, uint32_t random)
{
	return (ns_t)((double)whole * random / UINT32_MAX);
}

static const struct endpoint *server_of_try(const struct leg *l, unsigned try_no)
{
	return &l->servers[(l->first + try_no) % l->n_servers];
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
		l->tries %= LEG_TRIES;
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
	l->refused = 0;
	l->due = now;
}

/* Soon where it is known how long an answer takes, and doubled every other time: others may be sending to us
 * through it, and a relay that starts anew is back within a second or two. */
static ns_t wait_after(const struct leg *l)
{
	const ns_t first = l->rtt ? MAX(LEG_RTO / 2, 2 * l->rtt) : LEG_RTO;

	return first << l->tries / 2;
}

bool leg_step(struct leg *l, const struct leg_use *use, struct stun_self *self, const char *id,
	const uint8_t key[static STUN_KEY], ns_t now, uint8_t *out, size_t out_len, size_t *ret_n,
	struct endpoint *ret_to)
{
	struct stun_msg ask = {.has_lifetime = use->registers, .has_cookie = use->registers};

	*ret_n = 0;
	if (l->due > now)
		return false;

	if (l->tries == LEG_TRIES) {
		bool lost = endpoint_is_set(&l->reflexive) || l->registered;

		l->reflexive = (struct endpoint){0};
		l->registered = 0;
		l->seen = 0;
		l->silent = true;
		l->tries = 0;
		l->due = now + (use->registers || use->kept ? LEG_EVERY : LEG_SELDOM) -
			 part_of(LEG_JITTER, self->random(self->random_ctx));
		return lost;
	}
	ask.lifetime_s = LEG_LIFETIME;
	memcpy(ask.cookie, l->cookie, sizeof(ask.cookie));
	*ret_to = *server_of_try(l, l->tries);
	*ret_n = stun_ask(self, id, key, &ask, out, out_len, &l->stamps[l->tries]);
	l->sent[l->tries] = now;
	l->registering[l->tries] = use->registers;
	l->due = now + wait_after(l);
	l->tries++;
	return false;
}

bool leg_asked(const struct leg *l, const struct stun_msg *msg, const struct endpoint *from)
{
	if (msg->class != STUN_SUCCESS)
		return false;
	for (unsigned i = 0; i < l->tries; i++)
		if (l->stamps[i] == stun_stamp(msg))
			return endpoint_eq(from, server_of_try(l, i));
	return false;
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

bool leg_answered(struct leg *l, const struct leg_use *use, const struct stun_msg *msg,
	const struct endpoint *from, bool own, uint32_t random, ns_t now)
{
	bool changed = !endpoint_eq(&msg->mapped, &l->reflexive);
	const bool was = l->registered;
	bool keep = use->registers || (use->kept && !own), registering = false;

	for (unsigned i = 0; i < l->tries; i++)
		if (l->stamps[i] == stun_stamp(msg)) {
			ns_t rtt = MAX(now - l->sent[i], 1);

			l->rtt = l->rtt ? (3 * l->rtt + rtt) / 4 : rtt;
			registering = l->registering[i];
		}
	for (size_t i = 0; i < l->n_servers; i++)
		if (endpoint_eq(&l->servers[i], from))
			l->first = i;

	l->tries = 0;
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
