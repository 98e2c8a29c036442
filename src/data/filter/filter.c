/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/filter/filter_private.h"

enum {
	ICMP_HEADER = 8,
	PORTS_TO_CALL_FROM = 32768, /* Linux's, and all others' that are not of the last century */
};

/* After filtering began, hosts go on with connections that nobody remembers: as long as the side that is
 * silent may wait for the other's next try (RFC 6298 2.4 and 5.5: a minute, and twice that). */
#define GRACE (5 * 60 * SEC)

/* --- parts of the memory --- */

/* One packet on its way through. */
struct judging {
	const struct filter *f;
	struct filter_memory *memory;
	const struct filter_question *q;
	struct filter_memo *memo; /* both */
	struct filter_part *held; /* whose lock we have */
	uint32_t tick;
};

static struct filter_part *part_of(const struct judging *j, const struct ip_view *v, const struct ends *e)
{
	const uint8_t *last = e->remote_addr + (v->version == 4 ? 2 : 14);

	return &j->memory->part[j->memory->parts == 1 ? 0 : get_be16(last) % j->memory->parts];
}

static void leave(struct judging *j)
{
	if (j->held && j->memory->parts > 1)
		spin_unlock(&j->held->lock);
	j->held = NULL;
}

/* One at a time, so that two workers cannot wait for each other. */
static void enter(struct judging *j, struct filter_part *part)
{
	if (LIKELY(j->held == part))
		return;

	leave(j);
	if (j->memory->parts > 1)
		spin_lock(&part->lock);
	j->held = part;
	if (part->swept != j->q->now) {
		part->swept = j->q->now;
		flows_sweep(part->members, j->q->now);
		flows_sweep(part->routed, j->q->now);
	}
}

/* --- flows --- */

static struct flows *flows_for(struct filter_part *part, const struct flow_id *id)
{
	return id->routed ? part->routed : part->members;
}

/* Of a client behind us: its end of the tunnel is here. */
static bool filters_for_remote(const struct judging *j, const struct ends *e)
{
	return e->remote && rules_end_of(j->f->rules, e->remote) != RULES_NO_END;
}

/*
 * They have decided about a connection. It counts where it is refused, and where it is let in: both ends ask
 * the same rules, and so it counts once. Returns what they say. Apart, since what goes on would save
 * registers for it.
 */
static __attribute__((noinline)) enum filter_says decided(
	const struct judging *j, const struct ends *e, const struct answer *a)
{
	if (a->says != FILTER_PASS || a->by_remote || filters_for_remote(j, e))
		rules_hit(j->f->rules, (unsigned)(j->held - j->memory->part), a->rule);
	return a->says;
}

/* By other rules than those that judged it last. Those that let it begin bring it back as it was; only what
 * they say otherwise than those before is a decision. Apart, likewise. */
static __attribute__((noinline)) bool judge_again(
	const struct judging *j, struct flows *t, const struct ends *e, struct flow *f)
{
	const bool was_killed = f->killed;

	f->generation = (uint32_t)j->q->generation;
	if (f->peer != j->q->peer)
		flows_move(t, f, (uint16_t)j->q->peer);
	const struct answer a = ask_rules(j->f, j->q, e, f->by_remote, asked_by(&f->key, f->by_remote));
	if (a.says == FILTER_PASS)
		f->killed = 0;
	else
		track_killed(f, j->tick);
	if (f->killed != was_killed)
		decided(j, e, &a);
	return !f->killed;
}

/* Whether the rules of today let it begin. */
static inline bool still_allowed(
	const struct judging *j, struct flows *t, const struct ends *e, struct flow *f)
{
	if (UNLIKELY(f->generation != (uint32_t)j->q->generation))
		return judge_again(j, t, e, f);
	return !f->killed;
}

/* One that may begin, as `a` says. */
static enum filter_says remember(struct judging *j, struct flows *t, const struct flow_id *id,
	const struct ends *e, const struct ip_view *v, const struct answer *a)
{
	const bool from_remote = j->q->dir == FILTER_INGRESS;
	struct flow *f = flows_add(t, id, (uint16_t)j->q->peer, j->tick);

	if (!f)
		return FILTER_FULL;

	f->generation = (uint32_t)j->q->generation;
	f->by_remote = a->by_remote;
	track_begin(f, v, a->by_remote == from_remote ? 0 : 1, j->tick);
	return decided(j, e, a);
}

/* In the midst of a connection that nobody remembers, and that may not begin in this direction. */
static enum filter_says pick_up(struct judging *j, struct flows *t, const struct flow_id *id,
	const struct ends *e, const struct ip_view *v, const struct answer *denied)
{
	const bool from_remote = j->q->dir == FILTER_INGRESS, by_remote = !from_remote;

	if (from_remote && j->q->now - j->f->since >= GRACE)
		return decided(j, e, denied);

	const struct answer a = ask_rules(j->f, j->q, e, by_remote, asked_by(&id->key, by_remote));
	if (a.says != FILTER_PASS)
		return decided(j, e, denied);
	return from_remote ? FILTER_PASS : remember(j, t, id, e, v, &a);
}

/*
 * A connection that nobody remembers may be either side's. Where one port is such as programs are called at,
 * and the other such as hosts call from, it is known whose; if a rule forbids just that, and not only the
 * lack of one, then it has ended it, before a restart say. Else what is allowed is not to be broken by what
 * might be.
 */
static bool is_forbidden(
	const struct judging *j, const struct flow_id *id, const struct ends *e, struct answer *ret_a)
{
	const bool remote_calls = flow_remote(id->key.ports) >= PORTS_TO_CALL_FROM,
		   local_calls = flow_local(id->key.ports) >= PORTS_TO_CALL_FROM;

	if (remote_calls == local_calls)
		return false;

	*ret_a = ask_rules(j->f, j->q, e, remote_calls, asked_by(&id->key, remote_calls));
	return ret_a->says != FILTER_PASS && ret_a->rule != RULE_NONE;
}

static enum filter_says judge_new(struct judging *j, struct flows *t, const struct flow_id *id,
	const struct ends *e, const struct ip_view *v, enum track_role role)
{
	const bool from_remote = j->q->dir == FILTER_INGRESS;
	struct answer a;

	if (role == TRACK_STRAY)
		return FILTER_STRAY;
	if (role == TRACK_GOES_ON && is_forbidden(j, id, e, &a))
		return decided(j, e, &a);

	a = ask_rules(j->f, j->q, e, from_remote, asked_by(&id->key, from_remote));
	if (a.says == FILTER_PASS)
		return remember(j, t, id, e, v, &a);
	return role == TRACK_GOES_ON ? pick_up(j, t, id, e, v, &a) : decided(j, e, &a);
}

static enum filter_says begin_anew(
	struct judging *j, struct flow *f, const struct ends *e, const struct ip_view *v)
{
	const bool from_remote = j->q->dir == FILTER_INGRESS;
	const struct answer a = ask_rules(j->f, j->q, e, from_remote, asked_by(&f->key, from_remote));

	if (a.says == FILTER_PASS) {
		f->by_remote = from_remote;
		f->killed = 0;
		track_begin(f, v, 0, j->tick);
	}
	return decided(j, e, &a);
}

/* Rules have ended it. Of either side only the beginning of another connection counts. */
static enum filter_says judge_killed(struct judging *j, struct flow *f, const struct ends *e,
	const struct ip_view *v, enum track_role role)
{
	if (f->key.proto == PROTO_TCP && role == TRACK_BEGINS && begin_anew(j, f, e, v) == FILTER_PASS)
		return FILTER_PASS;

	track_killed(f, j->tick);
	return ask_rules(j->f, j->q, e, f->by_remote, asked_by(&f->key, f->by_remote)).says;
}

static enum filter_says judge_known(
	struct judging *j, struct flow *f, const struct ends *e, const struct ip_view *v)
{
	const bool from_remote = j->q->dir == FILTER_INGRESS;

	switch (track_next(f, v, f->by_remote == from_remote ? 0 : 1, j->tick)) {
	case TRACK_PASS:
		return FILTER_PASS;
	case TRACK_ANEW:
		return begin_anew(j, f, e, v);
	case TRACK_DROP:
	default:
		return FILTER_STRAY;
	}
}

/* --- ICMP errors --- */

/*
 * It has to be about a packet of a flow, in the other direction, and to go to where that one came from. Its
 * own source may be anybody on the way, that is to say behind the same peer.
 */
static enum filter_says judge_error(struct judging *j, const struct ip_view *v)
{
	const enum filter_dir back = j->q->dir == FILTER_INGRESS ? FILTER_EGRESS : FILTER_INGRESS;
	const size_t at = (size_t)v->l4 + ICMP_HEADER;
	struct ip_view quote;
	struct flow_id id;

	if (ip_view_of_quote(v->p + at, v->total - at, &quote) != TM_OK || quote.version != v->version ||
		!(quote.flags & IP_UPPER) ||
		memcmp(ip_dst(v->p), ip_src(quote.p), v->version == 4 ? 4 : 16) != 0)
		return FILTER_STRAY;

	struct ends e;

	find_ends(j->f, &quote, back, &e);
	name_flow(j->f, &quote, back, &e, &id);
	enter(j, part_of(j, &quote, &e));
	struct flows *t = flows_for(j->held, &id);
	flows_hash(t, &id);
	struct flow *f = flows_find(t, &id, j->tick);

	if (!f || f->peer != j->q->peer || !still_allowed(j, t, &e, f))
		return FILTER_STRAY;
	return FILTER_PASS;
}

/* --- a batch --- */

/* A packet, as far as it can be known without a look into memory. */
struct look {
	enum track_role role;
	bool named; /* `id` is set, and its hash */
	struct ends ends;
	struct filter_part *part;
	struct flow_id id;
};

static inline bool is_memo(
	const struct filter_memo *m, const struct filter_question *q, const struct ip_view *v)
{
	if (m->now != q->now || m->sport != v->sport || m->dport != v->dport || m->proto != v->proto ||
		m->version != v->version || m->generation != (uint32_t)q->generation)
		return false;
	/* Both addresses, which lie side by side; by lengths that the compiler knows. */
	return v->version == 4 ? memcmp(m->addr, ip_src(v->p), 8) == 0
			       : memcmp(m->addr, ip_src(v->p), 32) == 0;
}

static void set_memo(struct filter_memo *m, const struct filter_question *q, const struct ip_view *v)
{
	m->now = q->now;
	m->generation = (uint32_t)q->generation;
	m->version = v->version;
	m->proto = v->proto;
	m->sport = v->sport;
	m->dport = v->dport;
	if (v->version == 4)
		memcpy(m->addr, ip_src(v->p), 8);
	else
		memcpy(m->addr, ip_src(v->p), 32);
}

static void look_at(const struct judging *j, const struct ip_view *v, struct look *ret_look)
{
	find_ends(j->f, v, j->q->dir, &ret_look->ends);
	ret_look->part = part_of(j, v, &ret_look->ends);
	ret_look->named = false;
	if (UNLIKELY(!(v->flags & IP_UPPER)))
		return;

	ret_look->role = track_role(v);
	if (ret_look->role != TRACK_BEGINS && ret_look->role != TRACK_GOES_ON &&
		ret_look->role != TRACK_STRAY)
		return;

	name_flow(j->f, v, j->q->dir, &ret_look->ends, &ret_look->id);
	flows_hash(flows_for(ret_look->part, &ret_look->id), &ret_look->id);
	ret_look->named = true;
}

static enum filter_says judge_flow(struct judging *j, const struct ip_view *v, const struct look *look)
{
	struct flows *t = flows_for(look->part, &look->id);
	struct flow *f = flows_find(t, &look->id, j->tick);
	enum filter_says says;

	if (!f)
		return judge_new(j, t, &look->id, &look->ends, v, look->role);
	if (UNLIKELY(!still_allowed(j, t, &look->ends, f)))
		return judge_killed(j, f, &look->ends, v, look->role);

	says = judge_known(j, f, &look->ends, v);
	if (says == FILTER_PASS && track_is_steady(f, v))
		set_memo(&j->memo[j->q->dir], j->q, v);
	else
		j->memo[0].now = j->memo[1].now =
			0; /* what the other direction did may mean something else now */
	return says;
}

static enum filter_says judge_alone(struct judging *j, const struct ip_view *v, const struct look *look)
{
	const struct answer a = ask_rules(
		j->f, j->q, &look->ends, j->q->dir == FILTER_INGRESS, icmp_asked(v->version, v->p[v->l4]));

	return decided(j, &look->ends, &a);
}

static enum filter_says judge_one(struct judging *j, const struct ip_view *v, const struct look *look)
{
	enum filter_says says;

	enter(j, look->part);
	if (UNLIKELY(v->flags & IP_FRAGMENT)) {
		if (v->flags & IP_LATER)
			return pieces_pass(j->held->pieces, v, j->tick) ? FILTER_PASS : FILTER_PIECE;
		if (pieces_spoil(j->held->pieces, v, j->tick) || !(v->flags & IP_UPPER))
			return FILTER_PIECE;
	}
	if (UNLIKELY(!(v->flags & IP_UPPER)))
		return FILTER_HIDDEN;

	if (LIKELY(look->named))
		says = judge_flow(j, v, look);
	else if (look->role == TRACK_ABOUT)
		says = judge_error(j, v);
	else if (look->role == TRACK_ALONE)
		says = judge_alone(j, v, look);
	else
		says = FILTER_STRAY;
	if (UNLIKELY(v->flags & IP_FRAGMENT) && says == FILTER_PASS) {
		enter(j, look->part);
		pieces_begin(j->held->pieces, v, (uint16_t)j->q->peer, j->tick);
	}
	return says;
}

/* Memory is asked for all of it before anything waits for it: of one part, and that is what a batch mostly is
 * of. */
static void fetch_all(struct judging *j, const struct look *look, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (look[i].part != look[0].part)
			return;

	enter(j, look[0].part);
	for (size_t i = 0; i < n; i++)
		if (look[i].named)
			flows_fetch_tags(flows_for(look[i].part, &look[i].id), &look[i].id);
	for (size_t i = 0; i < n; i++)
		if (look[i].named)
			flows_fetch(flows_for(look[i].part, &look[i].id), &look[i].id);
}

static bool passes_by_memo(
	const struct filter_memo *m, const struct filter_question *q, const struct ip_view *v)
{
	return track_may_be_steady(v) && is_memo(m, q, v);
}

/* Those from `first` on. */
static unsigned judge_rest(struct filter_worker *w, const struct filter_question *q, const struct ip_view *v,
	size_t first, size_t n, enum filter_says *ret_says)
{
	struct judging j = {
		.f = w->filter,
		.memory = w->memory,
		.q = q,
		.memo = w->memo,
		.tick = flow_tick(q->now),
	};
	UNINITIALIZED struct look look[FILTER_BATCH];
	unsigned refused = 0;

	for (size_t i = first; i < n; i++)
		look_at(&j, &v[i], &look[i]);
	if (n - first > 1)
		fetch_all(&j, look + first, n - first);
	for (size_t i = first; i < n; i++) {
		if (i > first && passes_by_memo(&w->memo[q->dir], q, &v[i]))
			continue;
		ret_says[i] = judge_one(&j, &v[i], &look[i]);
		refused |= (unsigned)(ret_says[i] != FILTER_PASS) << i;
	}
	leave(&j);
	return refused;
}

unsigned filter_judge(struct filter_worker *w, const struct filter_question *q, const struct ip_view *v,
	size_t n, enum filter_says *ret_says)
{
	size_t done = 0;

	while (done < n && passes_by_memo(&w->memo[q->dir], q, &v[done]))
		done++;
	return done == n ? 0 : judge_rest(w, q, v, done, n, ret_says);
}
