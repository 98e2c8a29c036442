/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who is asked for reports, and how often. Once a minute of each node is what costs nothing; while somebody
 * watches all of them it is more, but of all together so many a second at most. Members that are watched one
 * by one are outside of that limit: each is as many requests as a person makes, and the administration alone
 * makes them. Those who are asked because of time alone are asked a slice at a time: after a restart all are.
 */
#include "control/coord/reports_private.h"

enum {
	EVERY_MS = 60 * 1000,
	WATCHED_MS = 2 * 1000,
	REPORTS_A_SECOND = 250, /* when all are watched; test/bench/scale: what one costs */
	QUIET_A_SECOND = 100, /* of all that are not */
	AGAIN_S = 60, /* who said too much begins anew, so far apart */
};

static uint32_t pace(size_t n_members, uint32_t at_least_ms, unsigned a_second)
{
	return MAX(at_least_ms, (uint32_t)(n_members * 1000 / a_second));
}

static void ask(struct conn *n, const struct msg_report_ask *a, ns_t now)
{
	struct reporter *rep = n->member->reporter;
	struct jsonout o = {0};

	msg_report_ask_put(&o, a);
	if (conn_send(n, &o) != TM_OK)
		return; /* its transport closes it */
	rep->asked = n->id;
	rep->every_ms = a->every_ms;
	rep->asked_until = a->for_ms ? now + a->for_ms * MS : 0;
	if (a->whole) {
		rep->lost = false;
		rep->whole_at = now;
	}
}

/* How far apart those are that somebody wants to see; 0: nobody does, or there are so many that it would be
 * no better than always. */
static uint32_t wanted_ms(const struct coord *c, const struct reporter *rep, ns_t now)
{
	const uint32_t all = pace(registry_size(c->reg), WATCHED_MS, REPORTS_A_SECOND);

	if (rep->watched_until > now)
		return WATCHED_MS;
	return c->reports->watched_until > now && all < EVERY_MS / 2 ? all : 0;
}

/* True when it was asked something now. */
static bool ask_if_due(struct coord *c, struct conn *n, ns_t now)
{
	struct reporter *rep = reporter_of(n->member);

	if (!rep)
		return false;
	const bool first = rep->asked != n->id;
	const bool again = rep->lost && now - rep->whole_at >= AGAIN_S * SEC;
	const uint32_t every_ms = wanted_ms(c, rep, now);

	if (first || again)
		ask(n,
			&(struct msg_report_ask){
				.every_ms = pace(registry_size(c->reg), EVERY_MS, QUIET_A_SECOND),
				.whole = true},
			now);
	/* Renewed when half of it is over. */
	if (!every_ms || (every_ms == rep->every_ms && rep->asked_until - now >= REPORTS_WATCH_FOR / 2))
		return first || again;
	ask(n, &(struct msg_report_ask){.every_ms = every_ms, .for_ms = (uint32_t)(REPORTS_WATCH_FOR / MS)},
		now);
	return true;
}

void reports_ask(struct coord *c, ns_t now)
{
	struct list asked;
	unsigned n_asked = 0;

	list_init(&asked);
	LIST_FOREACH_SAFE (n, &c->conns, struct conn, in_conns) {
		if (n_asked == c->reports->limits.asked_at_once)
			break;
		if (n->state != CONN_MEMBER || !ask_if_due(c, n, now))
			continue;
		list_remove(&n->in_conns);
		list_push_back(&asked, &n->in_conns);
		n_asked++;
	}
	/* Their order means nothing else: who was asked now is the last to be asked again. */
	for (struct list *n; (n = list_pop_front(&asked));)
		list_push_back(&c->conns, n);
}

void reports_watch(struct coord *c, const char *id)
{
	const ns_t now = time_monotonic();

	if (!id) {
		const bool news = c->reports->watched_until <= now;

		c->reports->watched_until = now + REPORTS_WATCH_FOR;
		if (news)
			reports_ask(c, now);
		return;
	}
	struct member *m = registry_by_id(c->reg, id);
	struct reporter *rep = m ? reporter_of(m) : NULL;
	if (!rep)
		return;
	rep->watched_until = now + REPORTS_WATCH_FOR;
	if (m->conn)
		(void)ask_if_due(c, m->conn, now);
}
