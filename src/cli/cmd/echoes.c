/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/cmd/echoes.h"

#include "base/util.h"

/* Lost handshake messages are repeated after REKEY_TIMEOUT, 5 s (WireGuard 6.1). */
#define WAIT_FOR_HANDSHAKE (6 * SEC)
#define WAIT_MIN (2 * SEC)
#define FLOOD_INTERVAL (10 * MS)

_Static_assert((ECHOES_REMEMBERED & (ECHOES_REMEMBERED - 1)) == 0, "numbers wrap without a gap");
_Static_assert(ECHOES_REMEMBERED <= UINT16_MAX, "a sequence number names one that is remembered");

#define RECENT(e, n) ((e)->recent[(n) % ECHOES_REMEMBERED])

static ns_t patience(const struct echoes *e)
{
	if (!e->received)
		return WAIT_FOR_HANDSHAKE;
	return ns_min(ns_max(2 * e->max, WAIT_MIN), WAIT_FOR_HANDSHAKE);
}

static bool all_left(const struct echoes *e)
{
	return e->count && e->sent >= e->count;
}

/* The oldest that is waited for; 0 = none. */
static uint32_t oldest_awaited(struct echoes *e)
{
	while (e->settled < e->sent && RECENT(e, e->settled + 1).answered)
		e->settled++;
	return e->settled < e->sent ? e->settled + 1 : 0;
}

static void leave(struct echoes *e, ns_t now)
{
	ns_t interval = e->interval ? e->interval : FLOOD_INTERVAL;

	e->sent++;
	RECENT(e, e->sent).sent_at = now;
	RECENT(e, e->sent).answered = false;
	/* In step, but what was missed is not made up for: answers must have their turn. */
	e->next += interval;
	if (e->next <= now)
		e->next = now + interval;
}

enum echoes_act echoes_next(struct echoes *e, ns_t now, struct echo *ret_echo, ns_t *ret_until)
{
	uint32_t oldest = oldest_awaited(e);
	ns_t lost_at = oldest ? RECENT(e, oldest).sent_at + patience(e) : NS_NEVER;
	bool due = !all_left(e) && now >= e->next;
	bool needs_its_place = due && oldest && e->sent + 1 - oldest >= ECHOES_REMEMBERED;

	if (now >= lost_at || needs_its_place) {
		*ret_echo = (struct echo){oldest, now - RECENT(e, oldest).sent_at};
		e->settled = oldest;
		return ECHOES_LOST;
	}
	if (due) {
		leave(e, now);
		*ret_echo = (struct echo){e->sent, 0};
		return ECHOES_SEND;
	}
	if (all_left(e) && !oldest)
		return ECHOES_DONE;

	*ret_until = all_left(e) ? lost_at : ns_min(lost_at, e->next);
	return ECHOES_WAIT;
}

bool echoes_answered(struct echoes *e, ns_t now, uint16_t seq, struct echo *ret_echo)
{
	uint32_t ago = (uint16_t)(e->sent - seq);
	uint32_t n = e->sent - ago;

	if (ago >= e->sent || ago >= ECHOES_REMEMBERED || RECENT(e, n).answered)
		return false;

	ns_t rtt = now - RECENT(e, n).sent_at;

	RECENT(e, n).answered = true;
	e->min = e->received ? ns_min(e->min, rtt) : rtt;
	e->max = ns_max(e->max, rtt);
	e->sum += rtt;
	e->received++;
	if (!e->interval)
		e->next = ns_min(e->next, now);
	*ret_echo = (struct echo){n, rtt};
	return true;
}

void echoes_stop(struct echoes *e)
{
	uint32_t awaited = 0;

	for (uint32_t n = e->settled + 1; n <= e->sent; n++)
		awaited += !RECENT(e, n).answered;
	if (e->received)
		e->sent -= awaited;
	e->count = e->sent;
	e->settled = e->sent;
}
