/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What members tell of themselves and of their pairs: the latest of each, bounded per member and in all. */
#include "control/coord/reports_private.h"

#include <string.h>

enum {
	/* Of one member: so many messages a second, and at once; who has 1,024 peers needs 4 in two seconds.
	 */
	MESSAGES_A_SECOND = 8,
	MESSAGES_AT_ONCE = 64,
	OLD_PER_TICK = 64,
};
static const struct reports_limits limits_default = {
	.pairs = 1 << 17, /* half of the members of the largest mesh talk with 26 others each */
	.told = 1024,
	.histories = (size_t)32 << 20,
	.asked_at_once = 1000,
};
#define PAIR_KEPT_FOR (24 * 3600 * SEC) /* since the last of both ends told of it */

int reports_init(struct coord *c)
{
	struct reports *r = calloc(1, sizeof(*r));

	if (!r)
		return TM_ENOMEM;
	r->limits = limits_default;
	list_init(&r->told);
	list_init(&r->untold);
	list_init(&r->histories);
	list_init(&r->late);
	int err = map_new(sizeof(uint64_t), &r->pairs);
	if (err) {
		free(r);
		return err;
	}
	c->reports = r;
	return TM_OK;
}

static size_t history_bytes(const struct pair_history *h)
{
	return h ? sizeof(*h) + samples_bytes(&h->recent) + samples_bytes(&h->day) : 0;
}

static void history_drop(struct reports *r, struct pair_kept *p)
{
	r->bytes -= history_bytes(p->history);
	pair_history_free(TAKE(p->history));
	list_remove(&p->in_histories);
}

static void move_to(struct list *to, struct list *n)
{
	list_remove(n);
	list_push_back(to, n);
}

static void untell(struct reports *r, struct pair_kept *p, unsigned i)
{
	struct side *s = &p->sides[i];

	if (!s->told)
		return;
	s->told = false;
	s->rx_rate = s->tx_rate = 0;
	p->members[i]->reporter->n_told--;
	if (p->sides[1 - i].told)
		return;
	p->untold_at = time_monotonic();
	move_to(&r->untold, &p->in_pairs);
}

static void pair_free(struct reports *r, struct pair_kept *p)
{
	for (unsigned i = 0; i < 2; i++) {
		untell(r, p, i);
		list_remove(&p->sides[i].in_reporter);
	}
	history_drop(r, p);
	list_remove(&p->in_pairs);
	map_remove(r->pairs, &p->key);
	r->n_pairs--;
	free(p);
}

void reports_forget(struct coord *c, struct member *m)
{
	struct reporter *rep = m->reporter;

	if (!rep)
		return;
	while (!list_empty(&rep->sides)) {
		struct side *s = CONTAINER_OF(rep->sides.next, struct side, in_reporter);

		pair_free(c->reports, s->pair);
	}
	list_remove(&rep->in_late);
	free(TAKE(m->reporter));
}

void reports_deinit(struct coord *c)
{
	struct reports *r = c->reports;

	if (!r)
		return;
	LIST_FOREACH_SAFE (p, &r->told, struct pair_kept, in_pairs)
		pair_free(r, p);
	LIST_FOREACH_SAFE (p, &r->untold, struct pair_kept, in_pairs)
		pair_free(r, p);
	for (struct member *m = c->reg ? registry_after(c->reg, 0) : NULL; m;
		m = registry_after(c->reg, m->s.rec.host))
		free(TAKE(m->reporter));
	map_free(r->pairs);
	free(TAKE(c->reports));
}

struct reporter *reporter_of(struct member *m)
{
	if (m->reporter)
		return m->reporter;
	m->reporter = calloc(1, sizeof(*m->reporter));
	if (!m->reporter)
		return NULL;
	m->reporter->member = m;
	list_init(&m->reporter->sides);
	list_init(&m->reporter->in_late);
	return m->reporter;
}

static uint64_t key_of(const struct member *a, const struct member *b)
{
	const uint64_t low = MIN(a->s.rec.host, b->s.rec.host), high = MAX(a->s.rec.host, b->s.rec.host);

	return low << 32 | high;
}

struct pair_kept *pair_find(struct coord *c, const struct member *a, const struct member *b)
{
	const uint64_t key = key_of(a, b);

	return map_get(c->reports->pairs, &key);
}

/* Room for one more, if need be in place of the one that nobody has told of for longest. */
static bool make_room(struct reports *r)
{
	if (r->n_pairs < r->limits.pairs)
		return true;
	if (list_empty(&r->untold))
		return false;
	pair_free(r, CONTAINER_OF(r->untold.next, struct pair_kept, in_pairs));
	return true;
}

static struct pair_kept *pair_make(struct coord *c, struct member *a, struct member *b)
{
	struct reports *r = c->reports;
	struct member *low = a->s.rec.host < b->s.rec.host ? a : b, *high = low == a ? b : a;

	if (!reporter_of(low) || !reporter_of(high) || !make_room(r))
		return NULL;
	struct pair_kept *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->key = key_of(a, b);
	if (map_put(r->pairs, &p->key, p) != TM_OK) {
		free(p);
		return NULL;
	}
	p->members[0] = low;
	p->members[1] = high;
	for (unsigned i = 0; i < 2; i++) {
		p->sides[i].pair = p;
		list_push_back(&p->members[i]->reporter->sides, &p->sides[i].in_reporter);
	}
	p->untold_at = time_monotonic();
	list_push_back(&r->untold, &p->in_pairs);
	list_init(&p->in_histories);
	r->n_pairs++;
	return p;
}

enum report_path pair_path(const struct pair_kept *p)
{
	enum report_path worst = REPORT_GONE;

	for (unsigned i = 0; i < 2; i++)
		if (p->sides[i].told && p->sides[i].said.path > worst)
			worst = p->sides[i].said.path;
	return worst;
}

/* --- history --- */

static void note_sample(struct coord *c, struct pair_kept *p, uint32_t rtt_us)
{
	struct reports *r = c->reports;
	const struct pair_sample s = {.at = c->tuning.unix_now(), .rtt_us = rtt_us, .path = pair_path(p)};

	if (!p->history)
		p->history = calloc(1, sizeof(*p->history));
	else
		r->bytes -= history_bytes(p->history);
	if (!p->history)
		return;
	samples_add(&p->history->recent, REPORTS_RECENT, 1, &s);
	samples_add(&p->history->day, REPORTS_DAY, 24 * 3600 / REPORTS_DAY, &s);
	r->bytes += history_bytes(p->history);
	move_to(&r->histories, &p->in_histories);
	while (r->bytes > r->limits.histories && r->histories.next != &p->in_histories)
		history_drop(r, CONTAINER_OF(r->histories.next, struct pair_kept, in_histories));
}

static void note_change(struct coord *c, struct pair_kept *p, unsigned i)
{
	const struct report_peer *said = &p->sides[i].said;

	if (p->history)
		changes_add(p->history, &(struct pair_change){.at = c->tuning.unix_now(),
						.by_second = i == 1,
						.path = p->sides[i].told ? said->path : REPORT_GONE,
						.not_direct = said->not_direct});
}

/* --- what a member says --- */

static uint64_t rate(uint64_t before, uint64_t after, uint32_t over_ms)
{
	if (!over_ms || after <= before)
		return 0;
	return (uint64_t)MIN((double)(after - before) * 1000 / over_ms, (double)REPORTS_RATE_MAX);
}

static void tell(
	struct coord *c, struct pair_kept *p, unsigned i, const struct report_peer *said, uint32_t over_ms)
{
	struct member *m = p->members[i];
	struct side *s = &p->sides[i];
	const struct report_peer before = s->said;
	const bool was_told = s->told, gone = said->path == REPORT_GONE;
	const ns_t now = time_monotonic();

	if (gone) {
		untell(c->reports, p, i);
	} else {
		/* Without a word before there is nothing to subtract from. */
		s->rx_rate = was_told ? rate(before.rx, said->rx, over_ms) : 0;
		s->tx_rate = was_told ? rate(before.tx, said->tx, over_ms) : 0;
		s->rates_until = now + 2 * MAX((ns_t)over_ms, (ns_t)m->reporter->every_ms) * MS;
		s->said = *said;
		m->reporter->n_told += !was_told;
		s->told = true;
		move_to(&c->reports->told, &p->in_pairs);
	}
	s->at = now;
	note_sample(c, p, gone ? 0 : said->rtt_us);
	if (gone ? was_told : !was_told || before.path != said->path)
		note_change(c, p, i);
}

static void tell_peer(struct coord *c, struct member *m, const struct report_peer *said, uint32_t over_ms)
{
	/* Its map may be older than a removal; and it speaks of its own pairs alone. */
	struct member *other = registry_by_id(c->reg, said->node);

	if (!other || other == m)
		return;
	struct pair_kept *p = pair_find(c, m, other);
	if (said->path == REPORT_GONE) {
		if (p && p->sides[side_of(p, m)].told)
			tell(c, p, side_of(p, m), said, over_ms);
		return;
	}
	if (!(p && p->sides[side_of(p, m)].told) && m->reporter->n_told >= c->reports->limits.told)
		return;
	if (!p)
		p = pair_make(c, m, other);
	if (p)
		tell(c, p, side_of(p, m), said, over_ms);
}

/* What is told again at once keeps its counters, so that its traffic is known from now on. */
static void begin_anew(struct reports *r, struct reporter *rep)
{
	LIST_FOREACH (s, &rep->sides, struct side, in_reporter)
		untell(r, s->pair, s == &s->pair->sides[1]);
}

void reports_link(struct coord *c, struct member *m)
{
	if (m->reporter)
		begin_anew(c->reports, m->reporter);
}

void reports_told(struct conn *n, const msg_object *j)
{
	struct reporter *rep = reporter_of(n->member);
	struct msg_report m;

	if (!rep)
		return;
	/* What is left out now would be missed for ever: it is to begin anew. */
	if (!spend_message(&rep->spent, MESSAGES_A_SECOND * 60, MESSAGES_AT_ONCE)) {
		rep->lost = true;
		return;
	}
	msg_report_get(j, &m);
	if (m.whole)
		begin_anew(n->c->reports, rep);
	for (size_t i = 0; i < m.n_peers; i++)
		tell_peer(n->c, n->member, &m.peers[i], m.over_ms);
	for (size_t i = 0; i < m.n_rules; i++)
		policy_hit(n->c, &m.rules[i]);
	if (m.has_self) {
		rep->self = m.self;
		alarms_told(n->c, n->member);
	}
	rep->told_by = n->id;
	rep->at = time_monotonic();
	coord_changed(n->c);
}

void reports_expire(struct coord *c, ns_t now)
{
	struct reports *r = c->reports;

	for (unsigned i = 0; i < OLD_PER_TICK && !list_empty(&r->untold); i++) {
		struct pair_kept *p = CONTAINER_OF(r->untold.next, struct pair_kept, in_pairs);

		if (now - p->untold_at < PAIR_KEPT_FOR)
			break;
		pair_free(r, p);
	}
	alarms_expire(c);
	reports_ask(c, now);
}
