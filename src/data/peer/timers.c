/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The rules, as sentences (whitepaper 6; times are the defaults of struct wg_limits):
 *
 *  - A wanted handshake is tried at once, but initiations leave at least REKEY_TIMEOUT (5 s) after the last
 *    handshake message.
 *  - It is tried again REKEY_TIMEOUT plus a random part of up to a fifteenth of it (333 ms) after the last
 *    try.
 *  - A cookie that is demanded of an initiation without one lets the next one leave at once
 *    (docs/decisions/0026-a-cookie-is-used-at-once.md).
 *  - A way that is proved to work after an initiation should have been answered by it lets the next one leave
 *    at once, twice in a series (docs/decisions/0043-sent-again-when-a-way-was-dead.md).
 *  - It is given up REKEY_ATTEMPT_TIME (90 s) after someone last asked for it; asking again starts anew.
 *  - An old initiation come again (a recording, or a clock that was lost) gets one try, and adds nothing to a
 *    series under way.
 *  - Data sent and nothing authenticated back within KEEPALIVE_TIMEOUT + REKEY_TIMEOUT (15 s): a handshake is
 *    wanted, once.
 *  - Data received and nothing sent within KEEPALIVE_TIMEOUT (10 s): an empty packet is sent. Empty packets
 *    are not data, so two idle peers fall silent.
 *  - With a persistent keepalive an empty packet is sent when nothing authenticated passed in either
 *    direction for that long.
 *  - Three times REJECT_AFTER_TIME (540 s) without new keys: everything that could decrypt anything is wiped.
 */
#include "data/peer/timers.h"

#include "data/peer/keypair.h"

enum { JITTER_SHARE = 15, WIPE_AFTER_LIFETIMES = 3, EARLY_TRIES = 2 };
/* What an answer may take beyond a round trip: a Diffie-Hellman or two, and jitter of 30 ms each
 * way. */
#define ANSWER_SLACK(rtt) ((rtt) / 4 + 100 * MS)
_Static_assert(WG_REKEY_TIMEOUT / JITTER_SHARE / MS == WG_REKEY_JITTER / MS, "the default jitter is 333 ms");

static ns_t earliest_initiation(const struct timers *t, const struct wg_limits *l, ns_t now)
{
	ns_t allowed = t->last_sent ? t->last_sent + l->rekey_timeout : now;

	return MAX(now, allowed);
}

static ns_t retry_at(const struct wg_limits *l, ns_t now, uint32_t random)
{
	return now + l->rekey_timeout + (ns_t)random % (l->rekey_timeout / JITTER_SHARE + 1);
}

void timers_handshake_wanted(struct timers *t, const struct wg_limits *l, ns_t now)
{
	if (!t->wanted) {
		t->wanted = true;
		t->tries = t->early = 0;
		t->next_try = earliest_initiation(t, l, now);
	}
	t->wanted_since = now;
}

void timers_handshake_once(struct timers *t, const struct wg_limits *l, ns_t now)
{
	if (t->wanted)
		return;

	timers_handshake_wanted(t, l, now);
	/* Given up when the second try would be due: whoever is there and means it will say so again. */
	t->wanted_since = t->next_try + l->rekey_timeout - l->rekey_attempt;
}

void timers_endpoint_arrived(struct timers *t, const struct wg_limits *l, ns_t now)
{
	if (t->wanted && t->starved)
		t->next_try = earliest_initiation(t, l, now);
	t->starved = false;
}

void timers_initiation_sent(struct timers *t, const struct wg_limits *l, ns_t now, uint32_t random)
{
	t->last_sent = t->last_attempt = now;
	t->starved = false;
	t->tries++;
	t->next_try = retry_at(l, now, random);
}

void timers_initiation_starved(struct timers *t, const struct wg_limits *l, ns_t now, uint32_t random)
{
	t->last_attempt = now;
	t->starved = true;
	t->next_try = retry_at(l, now, random);
}

void timers_way_lives(struct timers *t, ns_t rtt, ns_t now)
{
	/* An answer that is still under way would find the question replaced. */
	const ns_t at = MAX(now, t->last_attempt + rtt + ANSWER_SLACK(rtt));

	if (!t->wanted || t->starved || !t->tries || t->early == EARLY_TRIES || at >= t->next_try)
		return;

	t->early++;
	t->next_try = at;
}

/* Whoever demands it is there, and where we said we are: nothing is to be tried in another way. */
void timers_cookie_arrived(struct timers *t, ns_t now)
{
	if (!t->wanted)
		return;

	t->next_try = now;
	t->tries = 0;
}

/* Our answer starts a session too: give it REKEY_TIMEOUT to be confirmed before we initiate ourselves. */
void timers_response_sent(struct timers *t, const struct wg_limits *l, ns_t now)
{
	t->last_sent = now;
	if (t->wanted && t->next_try < now + l->rekey_timeout)
		t->next_try = now + l->rekey_timeout;
}

void timers_keys_derived(struct timers *t, ns_t now)
{
	t->keys_derived = now;
}

void timers_handshake_complete(struct timers *t)
{
	t->wanted = t->starved = false;
	t->tries = 0;
}

void timers_gave_up(struct timers *t)
{
	timers_handshake_complete(t);
}

void timers_wiped(struct timers *t)
{
	t->keys_derived = 0;
}

struct due {
	ns_t now, next;
	unsigned acts;
};

static void due_at(struct due *d, ns_t at, enum timers_act act)
{
	if (at <= d->now)
		d->acts |= act;
	else
		d->next = ns_min(d->next, at);
}

unsigned timers_due(const struct timers *t, const struct wg_limits *l, const struct timers_in *in, ns_t now,
	ns_t *ret_next)
{
	struct due d = {.now = now, .next = NS_NEVER};

	if (t->wanted) {
		due_at(&d, t->wanted_since + l->rekey_attempt, TIMERS_GIVE_UP);
		if (!(d.acts & TIMERS_GIVE_UP))
			due_at(&d, t->next_try, TIMERS_TRY);
	}
	if (in->data_sent_unanswered)
		due_at(&d, in->data_sent_unanswered + l->keepalive_timeout + l->rekey_timeout,
			TIMERS_UNANSWERED);
	if (in->data_recv_unacked)
		due_at(&d, in->data_recv_unacked + l->keepalive_timeout, TIMERS_KEEPALIVE);
	/* While a first handshake is tried, the tries themselves keep the way open. */
	if (in->persistent_keepalive && (in->session || !t->wanted)) {
		ns_t last = MAX(MAX(in->last_auth_sent, in->last_auth_recv), t->last_attempt);

		due_at(&d, last + in->persistent_keepalive, TIMERS_KEEPALIVE);
	}
	if (t->keys_derived)
		due_at(&d, t->keys_derived + WIPE_AFTER_LIFETIMES * l->reject_after, TIMERS_WIPE);

	*ret_next = d.next;
	return d.acts;
}
