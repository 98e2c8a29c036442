/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What members told, read out. */
#include "control/coord/reports_private.h"

#include <string.h>

#define TOTAL_GOOD_FOR (1 * SEC) /* it is a walk over all pairs */

static bool has_told(const struct member *m)
{
	return m->reporter && m->conn && m->reporter->told_by == m->conn->id;
}

static uint64_t rx_rate(const struct side *s, ns_t now)
{
	return now < s->rates_until ? s->rx_rate : 0;
}

static uint64_t tx_rate(const struct side *s, ns_t now)
{
	return now < s->rates_until ? s->tx_rate : 0;
}

bool reports_member(struct coord *c, const char *id, struct member_report *ret_m)
{
	const struct member *m = registry_by_id(c->reg, id);
	const ns_t now = time_monotonic();

	if (!m)
		return false;
	*ret_m = (struct member_report){.id = m->s.rec.id, .name = m->s.rec.name, .nat = m->nat};
	if (!has_told(m))
		return true;
	ret_m->told = true;
	ret_m->age = now - m->reporter->at;
	ret_m->self = m->reporter->self;
	LIST_FOREACH (s, &m->reporter->sides, struct side, in_reporter) {
		if (!s->told)
			continue;
		ret_m->pairs[s->said.path]++;
		ret_m->rx_rate += rx_rate(s, now);
		ret_m->tx_rate += tx_rate(s, now);
	}
	return true;
}

static void read_end(
	const struct coord *c, const struct pair_kept *p, unsigned i, ns_t now, struct pair_end *ret_e)
{
	const struct member *m = p->members[i];
	const struct side *s = &p->sides[i];
	struct pair_end e = {.id = m->s.rec.id, .name = m->s.rec.name, .relay_name = ""};

	if (s->told) {
		const struct member *relay = s->said.relay[0] ? registry_by_id(c->reg, s->said.relay) : NULL;

		e.told = true;
		e.age = now - s->at;
		e.path = s->said.path;
		e.family = s->said.family;
		e.not_direct = s->said.not_direct;
		e.relay_name = relay ? relay->s.rec.name : "";
		e.rtt_us = s->said.rtt_us;
		e.mtu = s->said.mtu;
		e.path_age_s = s->said.age_s + (uint32_t)(e.age / SEC);
		e.rx = s->said.rx;
		e.tx = s->said.tx;
		e.rx_rate = rx_rate(s, now);
		e.tx_rate = tx_rate(s, now);
	}
	*ret_e = e;
}

/* Both count the same packets, and one of them may not count at all, or may have begun later. */
static uint64_t pair_rate(const struct pair_end e[static 2])
{
	return MAX(e[0].tx_rate, e[1].rx_rate) + MAX(e[1].tx_rate, e[0].rx_rate);
}

static void read_pair(const struct coord *c, const struct pair_kept *p, ns_t now, struct pair_report *ret_p)
{
	for (unsigned i = 0; i < 2; i++)
		read_end(c, p, i, now, &ret_p->ends[i]);
	const struct pair_end *a = &ret_p->ends[0], *b = &ret_p->ends[1];
	const struct pair_end *last =
		b->told && b->rtt_us && (!a->told || !a->rtt_us || b->age < a->age) ? b : a;

	ret_p->path = pair_path(p);
	ret_p->rtt_us = last->rtt_us;
	ret_p->rate = pair_rate(ret_p->ends);
}

static void give(const struct coord *c, const struct pair_kept *p, ns_t now, reports_pair_fn *each, void *ctx)
{
	struct pair_report out;

	if (pair_path(p) == REPORT_GONE)
		return;
	read_pair(c, p, now, &out);
	each(ctx, &out);
}

void reports_pairs(struct coord *c, const char *id, reports_pair_fn *each, void *ctx)
{
	const struct member *m = id ? registry_by_id(c->reg, id) : NULL;
	const ns_t now = time_monotonic();

	if (!id)
		LIST_FOREACH (p, &c->reports->told, struct pair_kept, in_pairs)
			give(c, p, now, each, ctx);
	else if (m && m->reporter)
		LIST_FOREACH (s, &m->reporter->sides, struct side, in_reporter)
			give(c, s->pair, now, each, ctx);
}

static struct pair_kept *find(struct coord *c, const char *id, const char *other)
{
	const struct member *a = registry_by_id(c->reg, id), *b = registry_by_id(c->reg, other);

	return a && b ? pair_find(c, a, b) : NULL;
}

bool reports_pair(struct coord *c, const char *id, const char *other, struct pair_report *ret_p)
{
	const struct pair_kept *p = find(c, id, other);

	if (p)
		read_pair(c, p, time_monotonic(), ret_p);
	return p != NULL;
}

size_t reports_samples(struct coord *c, const char *id, const char *other, enum reports_span span,
	struct pair_sample *v, size_t max)
{
	const struct pair_kept *p = find(c, id, other);

	if (!p || !p->history)
		return 0;
	return samples_read(span == REPORTS_SPAN_DAY ? &p->history->day : &p->history->recent, v, max);
}

size_t reports_changes(struct coord *c, const char *id, const char *other, struct pair_change *v, size_t max)
{
	const struct pair_kept *p = find(c, id, other);

	return p && p->history ? changes_read(p->history, v, max) : 0;
}

/* --- the mesh --- */

static void add_member(const struct member *m, struct reports_total *t)
{
	t->linked++;
	if (!has_told(m))
		return;
	t->telling++;
	for (unsigned i = 0; i < REPORT_ALARM_N; i++)
		t->alarms[i] += m->reporter->self.alarms >> i & 1;
}

static void add_pair(void *ctx, const struct pair_report *p)
{
	const struct pair_end *e = p->ends[1].told ? &p->ends[1] : &p->ends[0];
	struct reports_total *t = ctx;

	t->pairs[p->path]++;
	t->rate += p->rate;
	if (p->path == REPORT_RELAY || p->path == REPORT_TCP)
		t->relayed_rate += p->rate;
	if (p->path == REPORT_CHECKING)
		return;
	t->pairs_ip4 += e->family == 4;
	t->pairs_ip6 += e->family == 6;
}

void reports_total(struct coord *c, struct reports_total *ret_t)
{
	struct reports *r = c->reports;
	const ns_t now = time_monotonic();

	if (!r->total_at || now - r->total_at >= TOTAL_GOOD_FOR) {
		struct reports_total t = {.memory = r->bytes + r->n_pairs * sizeof(struct pair_kept)};

		LIST_FOREACH (n, &c->conns, struct conn, in_conns)
			if (n->state == CONN_MEMBER)
				add_member(n->member, &t);
		reports_pairs(c, NULL, add_pair, &t);
		r->total = t;
		r->total_at = now;
	}
	*ret_t = r->total;
}
