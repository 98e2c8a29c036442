/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * report.list and report.node: what members told, as answers. The administration sees all of it; a member
 * itself, and the pairs that it is one of. Only the administration makes others report more often.
 */
#include "control/coord/reports_private.h"

#include <stdlib.h>
#include <string.h>

enum {
	SHOWN_PAIRS = 256, /* of one node, those that want attention first */
	SHOWN_HISTORIES = 6, /* of these, with how they were: 20 KiB each at most */
};

static void put_bytes(struct jsonout *o, const char *key, uint64_t n)
{
	jsonout_int(o, key, (int64_t)MIN(n, (uint64_t)INT64_MAX));
}

/* --- a member --- */

static void put_self(struct jsonout *o, const struct report_self *s)
{
	jsonout_int(o, "uptime_s", s->uptime_s);
	jsonout_int(o, "cpu", s->cpu_permille);
	put_bytes(o, "memory_bytes", s->memory);
	put_bytes(o, "drops", s->drops);
	put_bytes(o, "relayed_bytes", s->relayed);
	jsonout_int(o, "relay_members", s->relay_members);
	jsonout_int_or_null(o, "mtu", s->mtu);
	jsonout_int_or_null(o, "workers", s->workers);
	jsonout_text_or_null(o, "offloads", s->offloads);
	report_alarms_put(o, s->alarms);
}

/* A client tells nothing, and who has not told yet neither. */
static void put_member(struct coord *c, struct jsonout *o, const char *key, const struct member *m)
{
	struct member_report r;

	if (!reports_member(c, m->s.rec.id, &r))
		return;
	jsonout_object(o, key);
	jsonout_text(o, "id", r.id);
	jsonout_text(o, "name", r.name);
	jsonout_bool(o, "told", r.told);
	jsonout_text(o, "mapping", nat_maps_name(r.nat.mapping));
	if (r.told) {
		jsonout_int(o, "age_s", r.age / SEC);
		put_self(o, &r.self);
		put_bytes(o, "rx_rate", r.rx_rate);
		put_bytes(o, "tx_rate", r.tx_rate);
	}
	jsonout_object_end(o);
}

/* --- a pair --- */

/* Whose word is the reason why it is as it is. */
static const struct pair_end *worse_end(const struct pair_report *p)
{
	for (unsigned i = 0; i < 2; i++)
		if (p->ends[i].told && p->ends[i].path == p->path && p->ends[i].not_direct)
			return &p->ends[i];
	return p->ends[1].told && p->ends[1].path == p->path ? &p->ends[1] : &p->ends[0];
}

static void put_way(struct jsonout *o, enum report_path path, const struct pair_end *e, uint32_t rtt_us)
{
	jsonout_text(o, "path", report_path_word(path));
	jsonout_int_or_null(o, "family", e->family);
	jsonout_text_or_null(o, "not_direct", path_not_text(e->not_direct));
	jsonout_text_or_null(o, "relay", e->relay_name);
	jsonout_int_or_null(o, "rtt_us", rtt_us);
}

static void put_joined(struct jsonout *o, const struct pair_report *p)
{
	put_way(o, p->path, worse_end(p), p->rtt_us);
	put_bytes(o, "rate", p->rate);
}

struct put_pairs {
	struct jsonout *o;
	const char *low; /* only pairs of which this is the first end; NULL: all */
};

static void put_pair(void *ctx, const struct pair_report *p)
{
	const struct put_pairs *put = ctx;

	if (put->low && strcmp(p->ends[0].id, put->low) != 0)
		return;
	jsonout_object(put->o, NULL);
	jsonout_text(put->o, "a", p->ends[0].id);
	jsonout_text(put->o, "b", p->ends[1].id);
	put_joined(put->o, p);
	jsonout_object_end(put->o);
}

/* --- report.list --- */

static void put_total(struct coord *c, struct jsonout *o)
{
	struct reports_total t;

	reports_total(c, &t);
	jsonout_object(o, "total");
	put_bytes(o, "linked", t.linked);
	put_bytes(o, "telling", t.telling);
	for (unsigned i = REPORT_CHECKING; i < REPORT_PATH_N; i++)
		put_bytes(o, report_path_word((enum report_path)i), t.pairs[i]);
	put_bytes(o, "ip4", t.pairs_ip4);
	put_bytes(o, "ip6", t.pairs_ip6);
	put_bytes(o, "rate", t.rate);
	put_bytes(o, "relayed_rate", t.relayed_rate);
	jsonout_object_end(o);
}

static bool has_more(struct coord *c, uint32_t after)
{
	return registry_after(c->reg, after) != NULL;
}

/* The members of a page; where the next one begins. */
static uint32_t put_members(struct coord *c, struct jsonout *o, uint32_t after)
{
	const struct member *m;

	jsonout_list(o, "members");
	for (unsigned n = 0; n < LIST_PAGE && (m = registry_after(c->reg, after)); n++) {
		if (m->reporter)
			put_member(c, o, NULL, m);
		after = m->s.rec.host;
	}
	jsonout_list_end(o);
	return after;
}

static void put_pairs_of(struct coord *c, struct jsonout *o, uint32_t after, uint32_t last)
{
	const struct member *m;

	jsonout_list(o, "pairs");
	while ((m = registry_after(c->reg, after)) && m->s.rec.host <= last) {
		struct put_pairs put = {o, m->s.rec.id};

		reports_pairs(c, m->s.rec.id, put_pair, &put);
		after = m->s.rec.host;
	}
	jsonout_list_end(o);
}

static void list_all(struct coord *c, struct jsonout *o, const struct msg_reports *q)
{
	if (q->watch)
		reports_watch(c, NULL);
	if (!q->after)
		put_total(c, o);
	const uint32_t last = put_members(c, o, q->after);
	put_pairs_of(c, o, q->after, last);
	if (has_more(c, last))
		jsonout_int(o, "next", last);
}

static void list_own(struct coord *c, struct jsonout *o, const struct member *by)
{
	struct put_pairs put = {o, NULL};

	jsonout_list(o, "members");
	put_member(c, o, NULL, by);
	jsonout_list_end(o);
	jsonout_list(o, "pairs");
	reports_pairs(c, by->s.rec.id, put_pair, &put);
	jsonout_list_end(o);
}

/* Whose reports and pairs are shown alone; NULL: everybody's. False: it is refused. */
static bool sees_of(struct coord *c, const struct asker *a, const struct member **ret_alone)
{
	*ret_alone = asker_sees_all(c, a) ? NULL : asker_member(c, a);
	if (*ret_alone || asker_sees_all(c, a))
		return true;
	answer_refuse(c, a, TM_EPERM, NULL);
	return false;
}

void reports_list(struct coord *c, const struct asker *a, const union msg_request *r)
{
	const struct member *by;
	struct jsonout o = {0};

	if (!sees_of(c, a, &by))
		return;
	answer_begin(a, &o);
	if (by)
		list_own(c, &o, by);
	else
		list_all(c, &o, &r->reports);
	answer_end(c, a, &o);
}

/* --- report.node --- */

struct gathered {
	struct pair_report *v;
	size_t n, room;
	bool failed;
};

static void gather(void *ctx, const struct pair_report *p)
{
	struct gathered *g = ctx;

	if (g->n == g->room) {
		const size_t room = MAX(2 * g->room, (size_t)16);
		struct pair_report *v = realloc(g->v, room * sizeof(*v));

		if (!v) {
			g->failed = true;
			return;
		}
		g->v = v;
		g->room = room;
	}
	g->v[g->n++] = *p;
}

/* What is relayed first, then what carries most; paths are in the order of how good they are. */
static int by_attention(const void *a, const void *b)
{
	const struct pair_report *x = a, *y = b;

	if (x->path != y->path)
		return x->path < y->path ? 1 : -1;
	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	int other = strcmp(x->ends[0].id, y->ends[0].id);
	return other ? other : strcmp(x->ends[1].id, y->ends[1].id);
}

static void put_end(struct jsonout *o, const struct pair_end *e)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "id", e->id);
	jsonout_text(o, "name", e->name);
	jsonout_bool(o, "told", e->told);
	if (e->told) {
		jsonout_int(o, "age_s", e->age / SEC);
		put_way(o, e->path, e, e->rtt_us);
		jsonout_int_or_null(o, "mtu", e->mtu);
		jsonout_int(o, "path_age_s", e->path_age_s);
		put_bytes(o, "rx_bytes", e->rx);
		put_bytes(o, "tx_bytes", e->tx);
		put_bytes(o, "rx_rate", e->rx_rate);
		put_bytes(o, "tx_rate", e->tx_rate);
	}
	jsonout_object_end(o);
}

static void put_samples(struct coord *c, struct jsonout *o, const char *key, const struct pair_report *p,
	enum reports_span span)
{
	struct pair_sample v[MAX((int)REPORTS_RECENT, (int)REPORTS_DAY)];
	const size_t n = reports_samples(c, p->ends[0].id, p->ends[1].id, span, v, ARRAY_LEN(v));

	jsonout_list(o, key);
	for (size_t i = 0; i < n; i++) {
		jsonout_object(o, NULL);
		jsonout_int(o, "at", v[i].at);
		jsonout_text(o, "path", report_path_word(v[i].path));
		jsonout_int_or_null(o, "rtt_us", v[i].rtt_us);
		jsonout_object_end(o);
	}
	jsonout_list_end(o);
}

static void put_changes(struct coord *c, struct jsonout *o, const struct pair_report *p)
{
	struct pair_change v[REPORTS_CHANGES];
	const size_t n = reports_changes(c, p->ends[0].id, p->ends[1].id, v, ARRAY_LEN(v));

	jsonout_list(o, "changes");
	for (size_t i = 0; i < n; i++) {
		jsonout_object(o, NULL);
		jsonout_int(o, "at", v[i].at);
		jsonout_text(o, "by", p->ends[v[i].by_second].name);
		jsonout_text(o, "path", report_path_word(v[i].path));
		jsonout_text_or_null(o, "not_direct", path_not_text(v[i].not_direct));
		jsonout_object_end(o);
	}
	jsonout_list_end(o);
}

static void put_whole_pair(
	struct coord *c, struct jsonout *o, const char *id, const struct pair_report *p, bool history)
{
	const unsigned own = strcmp(p->ends[1].id, id) == 0;

	jsonout_object(o, NULL);
	put_joined(o, p);
	jsonout_list(o, "ends");
	put_end(o, &p->ends[own]);
	put_end(o, &p->ends[!own]);
	jsonout_list_end(o);
	if (history) {
		put_samples(c, o, "recent", p, REPORTS_SPAN_RECENT);
		put_samples(c, o, "day", p, REPORTS_SPAN_DAY);
		put_changes(c, o, p);
	}
	jsonout_object_end(o);
}

static void put_gathered(struct coord *c, struct jsonout *o, const char *id, struct gathered *g)
{
	if (g->n)
		qsort(g->v, g->n, sizeof(*g->v), by_attention);
	jsonout_list(o, "pairs");
	for (size_t i = 0; i < MIN(g->n, (size_t)SHOWN_PAIRS); i++)
		put_whole_pair(c, o, id, &g->v[i], i < SHOWN_HISTORIES);
	jsonout_list_end(o);
	put_bytes(o, "pairs_in_all", g->n);
}

/* Of that member, with that one alone (NULL: with all). One that rests has its history still. */
static void gather_pairs(
	struct coord *c, const struct member *m, const struct member *peer, struct gathered *g)
{
	struct pair_report p;

	if (!peer)
		reports_pairs(c, m->s.rec.id, gather, g);
	else if (peer != m && reports_pair(c, m->s.rec.id, peer->s.rec.id, &p))
		gather(g, &p);
}

void reports_node(struct coord *c, const struct asker *a, const union msg_request *r)
{
	const struct member *by, *m, *peer = NULL;
	struct gathered g = {0};
	struct jsonout o = {0};

	if (!sees_of(c, a, &by) || !(m = nodes_find(c, a, r->reports.node)))
		return;
	if (r->reports.peer[0] && !(peer = nodes_find(c, a, r->reports.peer)))
		return;
	if (by && by != m && peer && peer != by) {
		answer_refuse_text(c, a, "a node sees the pairs that it is one of alone",
			"an administrator sees all, `tunnelmesh peers` those of this node");
		return;
	}
	if (!by && r->reports.watch)
		reports_watch(c, m->s.rec.id);
	gather_pairs(c, m, by && by != m ? by : peer, &g);
	if (g.failed) {
		answer_refuse(c, a, TM_ENOMEM, NULL);
	} else {
		answer_begin(a, &o);
		if (!by || by == m)
			put_member(c, &o, "member", m);
		put_gathered(c, &o, m->s.rec.id, &g);
		answer_end(c, a, &o);
	}
	free(g.v);
}
