/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What members tell of themselves and of their pairs: the latest of each, bounded per member and in all. */
#include "control/coord/reports_private.h"

#include <string.h>

enum {
	PAIRS_MAX =
		1 << 17, /* of the mesh: half of the members of the largest one talk with 26 others each */
	TOLD_MAX = 1024, /* of one member */
	/* Of one member: so many messages a second, and at once; who has 1,024 peers needs 4 in two seconds.
	 */
	MESSAGES_A_SECOND = 8,
	MESSAGES_AT_ONCE = 64,
	MESSAGE = 1000, /* in the unit of struct spending */
	OLD_PER_TICK = 64,
};
#define HISTORIES_MAX ((size_t)32 << 20)
#define PAIR_KEPT_FOR (24 * 3600 * SEC) /* nobody has told of it for so long */

int reports_init(struct coord *c)
{
	struct reports *r = calloc(1, sizeof(*r));

	if (!r)
		return TM_ENOMEM;
	list_init(&r->order);
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
}

static void untell(struct pair_kept *p, unsigned i)
{
	struct side *s = &p->sides[i];

	if (!s->told)
		return;
	s->told = false;
	s->rx_rate = s->tx_rate = 0;
	p->members[i]->reporter->n_told--;
}

static void pair_free(struct reports *r, struct pair_kept *p)
{
	for (unsigned i = 0; i < 2; i++) {
		untell(p, i);
		list_remove(&p->sides[i].in_reporter);
	}
	history_drop(r, p);
	list_remove(&p->in_order);
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
	free(TAKE(m->reporter));
}

void reports_deinit(struct coord *c)
{
	struct reports *r = c->reports;

	if (!r)
		return;
	LIST_FOREACH_SAFE (p, &r->order, struct pair_kept, in_order)
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
	if (m->reporter)
		list_init(&m->reporter->sides);
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
	if (r->n_pairs < PAIRS_MAX)
		return true;
	struct pair_kept *oldest = CONTAINER_OF(r->order.next, struct pair_kept, in_order);
	if (oldest->sides[0].told || oldest->sides[1].told)
		return false;
	pair_free(r, oldest);
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
	list_push_back(&r->order, &p->in_order);
	r->n_pairs++;
	return p;
}

enum report_path pair_path(const struct pair_kept *p)
{
	enum report_path worst = REPORT_GONE;

	for (unsigned i = 0; i < 2; i++)
		if (side_counts(p, i) && p->sides[i].said.path > worst)
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
	LIST_FOREACH (old, &r->order, struct pair_kept, in_order) {
		if (r->bytes <= HISTORIES_MAX || old == p)
			break;
		history_drop(r, old);
	}
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
	return over_ms && after > before ? (uint64_t)((double)(after - before) * 1000 / over_ms) : 0;
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
		untell(p, i);
	} else {
		/* Without a word before there is nothing to subtract from. */
		s->rx_rate = was_told ? rate(before.rx, said->rx, over_ms) : 0;
		s->tx_rate = was_told ? rate(before.tx, said->tx, over_ms) : 0;
		s->rates_until = now + 2 * MAX((ns_t)over_ms, (ns_t)m->reporter->every_ms) * MS;
		s->said = *said;
		m->reporter->n_told += !was_told;
		s->told = true;
	}
	s->at = p->at = now;
	list_remove(&p->in_order);
	list_push_back(&c->reports->order, &p->in_order);
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
	if (!(p && p->sides[side_of(p, m)].told) && m->reporter->n_told >= TOLD_MAX)
		return;
	if (!p)
		p = pair_make(c, m, other);
	if (p)
		tell(c, p, side_of(p, m), said, over_ms);
}

/* What is told again at once keeps its counters, so that its traffic is known from now on. */
static void begin_anew(struct reporter *rep)
{
	LIST_FOREACH (s, &rep->sides, struct side, in_reporter)
		untell(s->pair, s == &s->pair->sides[1]);
}

static bool may_speak(struct reporter *rep, ns_t now)
{
	const uint64_t forgotten = (uint64_t)((now - rep->spent.at) / MS) * MESSAGES_A_SECOND;

	if (forgotten) {
		rep->spent.spent -= MIN(rep->spent.spent, forgotten);
		rep->spent.at = now;
	}
	if (rep->spent.spent + MESSAGE > MESSAGES_AT_ONCE * MESSAGE)
		return false;
	rep->spent.spent += MESSAGE;
	return true;
}

void reports_told(struct conn *n, const msg_object *j)
{
	struct reporter *rep = reporter_of(n->member);
	struct msg_report m;

	if (!rep)
		return;
	/* What is left out now would be missed for ever: it is to begin anew. */
	if (!may_speak(rep, time_monotonic())) {
		rep->lost = true;
		return;
	}
	msg_report_get(j, &m);
	if (m.whole)
		begin_anew(rep);
	for (size_t i = 0; i < m.n_peers; i++)
		tell_peer(n->c, n->member, &m.peers[i], m.over_ms);
	if (m.has_self)
		rep->self = m.self;
	rep->told_by = n->id;
	rep->at = time_monotonic();
}

void reports_expire(struct coord *c, ns_t now)
{
	struct reports *r = c->reports;

	for (unsigned i = 0; i < OLD_PER_TICK && !list_empty(&r->order); i++) {
		struct pair_kept *p = CONTAINER_OF(r->order.next, struct pair_kept, in_order);

		if (now - p->at < PAIR_KEPT_FOR)
			break;
		if (pair_path(p) == REPORT_GONE) {
			pair_free(r, p);
			continue;
		}
		p->at = now; /* it rests, and is still so */
		list_remove(&p->in_order);
		list_push_back(&r->order, &p->in_order);
	}
	reports_ask(c, now);
}
