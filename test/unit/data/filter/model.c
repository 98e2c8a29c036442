/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/data/filter/model.h"

#include <string.h>

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static unsigned version_of(const struct pkt *p)
{
	return p->version == 6 ? 6 : 4;
}

static unsigned proto_of(const struct pkt *p)
{
	return p->proto ? p->proto : p->flags ? 6 : 17;
}

static bool is_icmp(unsigned version, unsigned proto)
{
	return proto == (version == 6 ? 58u : 1u);
}

/* --- rules --- */

static const struct model_rule *rule_for(
	const struct model *m, bool inbound, unsigned end, unsigned class, unsigned proto, unsigned port)
{
	for (unsigned i = 0; i < m->n_rules; i++) {
		const struct model_rule *r = &m->rule[i];

		if (r->inbound == inbound && r->end == end && r->class == class && r->proto == proto &&
			r->first <= port && port <= r->last)
			return r;
	}
	return NULL;
}

static enum model_says ask(const struct model *m, bool inbound, uint32_t local, uint32_t remote,
	uint32_t peer, unsigned proto, unsigned port)
{
	const int end = m->end_of(local), class = m->class_of(remote, peer);

	if (end < 0 || class < 0)
		return MODEL_DENIED;
	const struct model_rule *r = rule_for(m, inbound, (unsigned)end, (unsigned)class, proto, port);

	return r ? r->verdict : m->otherwise;
}

/* In the midst of a connection that nobody knows: has the one whose port is high called one whose port is
 * not? */
static enum model_says outlaw(const struct model *m, const struct model_flow *name, uint32_t peer)
{
	const int end = m->end_of(name->local), class = m->class_of(name->remote, peer);
	const struct model_rule *r = NULL;

	if (end < 0 || class < 0)
		return MODEL_PASS; /* there are no rules about them */
	if (name->remote_port > 32767 && name->local_port <= 32767)
		r = rule_for(m, true, (unsigned)end, (unsigned)class, MODEL_TCP, name->local_port);
	else if (name->local_port > 32767 && name->remote_port <= 32767)
		r = rule_for(m, false, (unsigned)end, (unsigned)class, MODEL_TCP, name->remote_port);
	return r ? r->verdict : MODEL_PASS;
}

/* What the first packet of a flow asked for. */
static enum model_says ask_flow(
	const struct model *m, const struct model_flow *f, bool by_remote, uint32_t peer)
{
	const unsigned port = by_remote ? f->local_port : f->remote_port;

	if (f->proto == 6)
		return ask(m, by_remote, f->local, f->remote, peer, MODEL_TCP, port);
	if (f->proto == 17)
		return ask(m, by_remote, f->local, f->remote, peer, MODEL_UDP, port);
	if (is_icmp(f->version, f->proto))
		return ask(m, by_remote, f->local, f->remote, peer,
			f->version == 6 ? MODEL_ICMP6 : MODEL_ICMP, f->version == 6 ? 128 : 8);
	return ask(m, by_remote, f->local, f->remote, peer, MODEL_OTHER, f->proto);
}

/* --- flows --- */

/* The name of the flow that a packet belongs to. */
static struct model_flow name_of(bool out, const struct pkt *p)
{
	struct model_flow f = {.used = true, .version = version_of(p), .proto = proto_of(p)};
	uint16_t from = 0, to = 0;

	if (f.proto == 6 || f.proto == 17) {
		from = p->sport;
		to = p->dport;
	} else if (is_icmp(f.version, f.proto)) {
		const bool asks = p->type == (f.version == 6 ? 128 : 8);

		from = asks ? p->echo : 0;
		to = asks ? 0 : p->echo;
	}
	f.remote = out ? p->to : p->from;
	f.local = out ? p->from : p->to;
	f.remote_port = out ? to : from;
	f.local_port = out ? from : to;
	return f;
}

static struct model_flow *find(struct model *m, const struct model_flow *name)
{
	for (unsigned i = 0; i < m->n_flows; i++) {
		struct model_flow *f = &m->flow[i];

		if (f->used && f->version == name->version && f->proto == name->proto &&
			f->remote == name->remote && f->local == name->local &&
			f->remote_port == name->remote_port && f->local_port == name->local_port)
			return f;
	}
	return NULL;
}

static struct model_flow *new_flow(struct model *m, const struct model_flow *name)
{
	struct model_flow *f = find(m, name);

	for (unsigned i = 0; !f && i < m->n_flows; i++)
		if (!m->flow[i].used)
			f = &m->flow[i];
	if (!f && m->n_flows < MODEL_FLOWS)
		f = &m->flow[m->n_flows++];
	if (f)
		*f = *name;
	return f;
}

static void live_for(const struct model *m, struct model_flow *f, int seconds)
{
	f->until = m->now + seconds * SEC;
}

/* --- TCP --- */

static uint64_t window_of(const struct model_flow *f, int s, const struct pkt *p)
{
	const bool shifted = !(p->flags & SYN) && !f->side[s].no_scale;

	return (uint64_t)p->window << (shifted ? f->side[s].scale : 0);
}

static void widen(struct model_flow *f, int s, const struct pkt *p)
{
	const uint64_t w = window_of(f, s, p);

	if (w > f->side[s].window)
		f->side[s].window = w;
}

static void scale_from(struct model_flow *f, int s, const struct pkt *p)
{
	f->side[s].no_scale = p->scale == 0;
	f->side[s].scale = p->scale ? p->scale - 1u : 0;
	if (f->side[s].scale > 14)
		f->side[s].scale = 14;
}

/* x is y or behind it. */
static bool not_before(uint32_t x, uint32_t y)
{
	return x - y < 0x80000000u;
}

static void acknowledge(struct model_flow *f, int s, uint32_t ack)
{
	const int o = !s;

	if (f->side[o].fin) {
		if (not_before(ack, f->side[o].edge))
			f->side[o].acked = true;
	} else if (!f->side[o].known || not_before(ack, f->side[o].edge)) {
		f->side[o].edge = ack;
		f->side[o].known = true;
	}
}

static void finish(struct model_flow *f, int s, const struct pkt *p)
{
	if (!(p->flags & FIN) || f->side[s].fin)
		return;
	f->side[s].fin = true;
	f->side[s].known = true;
	f->side[s].edge = p->seq + (uint32_t)p->payload + 1;
}

/* How long it lives on after a packet that counts. */
static void tcp_time(const struct model *m, struct model_flow *f)
{
	const int fins = f->side[0].fin + f->side[1].fin;

	/* Who closes has been connected. */
	if (fins)
		f->state = M_UP;
	if (f->side[0].acked && f->side[1].acked) {
		f->state = M_WAIT;
		live_for(m, f, 60);
	} else if (fins == 2) {
		live_for(m, f, 30);
	} else if (fins == 1) {
		live_for(m, f, 240);
	} else {
		live_for(m, f, f->state == M_UP ? 7440 : 30);
	}
}

static void tcp_first(const struct model *m, struct model_flow *f, int s, const struct pkt *p)
{
	memset(f->side, 0, sizeof(f->side));
	if (p->flags & SYN) {
		f->state = M_SYN;
		scale_from(f, s, p);
		f->side[!s].no_scale = true;
		f->side[s].edge = p->seq + 1;
		f->side[s].known = true;
	} else {
		f->state = M_UP;
		f->side[0].scale = f->side[1].scale = 14;
		acknowledge(f, s, p->ack);
		finish(f, s, p);
	}
	widen(f, s, p);
	tcp_time(m, f);
}

static bool reset_believed(const struct model_flow *f, int s, const struct pkt *p)
{
	const uint64_t window = f->side[!s].window > 65536 ? f->side[!s].window : 65536;
	const uint32_t edge = f->side[s].edge;

	if (f->state == M_SYN)
		return s == 0 || (p->flags & ACK && p->ack - f->side[0].edge < 65536);
	if (!f->side[s].known)
		return true;
	return (f->side[s].fin ? edge - p->seq : p->seq - edge) <= window;
}

static bool still_known(const struct model_flow *f)
{
	return f->state == M_SYN || f->state == M_SYNACK;
}

/* MODEL_DENIED stands for: ask the rules whether the other side may begin. */
static enum model_says tcp_more(const struct model *m, struct model_flow *f, int s, const struct pkt *p)
{
	if (p->flags & RST) {
		if (f->state == M_WAIT || f->state == M_DOWN)
			return MODEL_PASS;
		if (!reset_believed(f, s, p))
			return MODEL_STRAY;
		f->state = M_DOWN;
		live_for(m, f, 10);
		return MODEL_PASS;
	}
	if ((p->flags & (SYN | ACK)) == SYN) {
		if (s == 0) {
			tcp_first(m, f, s, p);
			return MODEL_PASS;
		}
		if (!still_known(f))
			return MODEL_DENIED;
		f->state = M_SYNACK;
		scale_from(f, s, p);
		f->side[s].edge = p->seq + 1;
		f->side[s].known = true;
		widen(f, s, p);
		live_for(m, f, 30);
		return MODEL_PASS;
	}
	if (p->flags & SYN) {
		if (s == 0 && f->state != M_SYNACK)
			return MODEL_STRAY;
		if (!still_known(f) || p->ack - f->side[!s].edge >= 65536)
			return MODEL_PASS;
		f->state = M_SYNACK;
		acknowledge(f, s, p->ack);
		f->side[s].edge = p->seq + 1;
		f->side[s].known = true;
		scale_from(f, s, p);
		if (f->side[0].no_scale || f->side[1].no_scale)
			f->side[0].no_scale = f->side[1].no_scale = true;
		widen(f, s, p);
		live_for(m, f, 30);
		return MODEL_PASS;
	}
	if (f->state == M_WAIT || f->state == M_DOWN)
		return MODEL_PASS;
	if (f->state == M_SYN) {
		if (s == 1) {
			f->side[1].edge = p->seq;
			f->side[1].known = true;
			return MODEL_PASS;
		}
		if (!f->side[1].known)
			return MODEL_PASS;
		f->state = M_UP;
		f->side[0].scale = f->side[1].scale = 14;
		f->side[0].no_scale = f->side[1].no_scale = false;
	}
	if (f->state == M_SYNACK && s == 0)
		f->state = M_UP;
	acknowledge(f, s, p->ack);
	widen(f, s, p);
	finish(f, s, p);
	tcp_time(m, f);
	return MODEL_PASS;
}

/* --- one packet --- */

static void first(const struct model *m, struct model_flow *f, int s, const struct pkt *p)
{
	if (f->proto == 6) {
		tcp_first(m, f, s, p);
		return;
	}
	f->state = M_OPEN;
	live_for(m, f, f->proto == 17 || is_icmp(f->version, f->proto) ? 30 : 600);
}

static enum model_says more(const struct model *m, struct model_flow *f, int s, const struct pkt *p)
{
	if (f->proto == 6)
		return tcp_more(m, f, s, p);
	if (s == 1)
		f->state = M_ANSWERED;
	if (f->proto == 17)
		live_for(m, f, f->state == M_ANSWERED ? 180 : 30);
	else
		live_for(m, f, is_icmp(f->version, f->proto) ? 30 : 600);
	return MODEL_PASS;
}

/* The flow, unless it is over; dead if the rules do not want it any more. */
static struct model_flow *living(struct model *m, const struct model_flow *name, uint32_t peer)
{
	struct model_flow *f = find(m, name);

	if (!f || f->until <= m->now)
		return NULL;
	if (f->generation != m->generation) {
		const bool was = f->dead;

		f->dead = ask_flow(m, f, f->by_remote, peer) != MODEL_PASS;
		if (f->dead && (f->proto == 6 || !was))
			live_for(m, f, f->proto == 6 ? 7440 : 180);
		f->generation = m->generation;
		f->peer = peer;
	}
	return f;
}

static enum model_says begin(struct model *m, const struct model_flow *name, bool by_remote, bool out,
	uint32_t peer, const struct pkt *p)
{
	struct model_flow *f = new_flow(m, name);

	if (!f)
		return MODEL_STRAY;
	f->by_remote = by_remote;
	f->peer = peer;
	f->generation = m->generation;
	first(m, f, by_remote == out, p);
	return MODEL_PASS;
}

/* Of a flow that rules have ended only another connection is heard. */
static enum model_says more_of_dead(
	struct model *m, struct model_flow *f, bool out, uint32_t peer, const struct pkt *p)
{
	if (f->proto == 6 && (p->flags & (FIN | SYN | RST | ACK)) == SYN &&
		ask_flow(m, f, !out, peer) == MODEL_PASS) {
		f->dead = false;
		f->by_remote = !out;
		first(m, f, 0, p);
		return MODEL_PASS;
	}
	if (f->proto == 6)
		live_for(m, f, 7440);
	return ask_flow(m, f, f->by_remote, peer);
}

static enum model_says judge_tcp_udp_other(struct model *m, bool out, uint32_t peer, const struct pkt *p)
{
	const struct model_flow name = name_of(out, p);
	const unsigned hands = p->flags & (FIN | SYN | RST | ACK);
	const bool tcp = name.proto == 6;
	struct model_flow *f;
	enum model_says s;

	if (tcp && hands != SYN && hands != (SYN | ACK) && hands != ACK && hands != (FIN | ACK) &&
		hands != RST && hands != (RST | ACK))
		return MODEL_STRAY;
	f = living(m, &name, peer);
	if (f && f->dead)
		return more_of_dead(m, f, out, peer, p);
	if (f) {
		s = more(m, f, f->by_remote == out, p);
		if (s != MODEL_DENIED)
			return s;
		s = ask_flow(m, f, !out, peer);
		if (s == MODEL_PASS) {
			f->by_remote = !out;
			first(m, f, 0, p);
		}
		return s;
	}
	if (tcp && (hands & RST || hands == (SYN | ACK)))
		return MODEL_STRAY;
	s = tcp && hands != SYN ? outlaw(m, &name, peer) : MODEL_PASS;
	if (s != MODEL_PASS)
		return s;
	s = ask_flow(m, &name, !out, peer);
	if (s == MODEL_PASS)
		return begin(m, &name, !out, out, peer, p);
	if (!tcp || hands == SYN || ask_flow(m, &name, out, peer) != MODEL_PASS)
		return s;
	if (out)
		return begin(m, &name, true, out, peer, p);
	return m->now - m->since < 300 * SEC ? MODEL_PASS : s;
}

static enum model_says judge_error(struct model *m, bool out, uint32_t peer, const struct pkt *p)
{
	const struct pkt *q = p->about;
	const unsigned proto = q ? proto_of(q) : 0;

	if (!q || version_of(q) != version_of(p) || q->from != p->to || (q->piece && q->at))
		return MODEL_STRAY;
	const struct model_flow name = name_of(!out, q);
	const struct model_flow *f = find(m, &name);

	(void)proto;
	if (!f || f->until <= m->now || f->peer != peer)
		return MODEL_STRAY;
	return living(m, &name, peer)->dead ? MODEL_STRAY : MODEL_PASS;
}

static enum model_says judge_icmp(struct model *m, bool out, uint32_t peer, const struct pkt *p)
{
	const bool v6 = version_of(p) == 6;
	const unsigned t = p->type;

	if (v6 ? t < 128 : t == 3 || t == 11 || t == 12)
		return judge_error(m, out, peer, p);
	if (t == (v6 ? 128u : 8u))
		return judge_tcp_udp_other(m, out, peer, p);
	if (!v6 && (t == 4 || t == 5 || t == 13 || t == 14))
		return MODEL_STRAY;
	if (t == (v6 ? 129u : 0u)) {
		const struct model_flow name = name_of(out, p);
		struct model_flow *f = living(m, &name, peer);

		if (f && f->dead)
			return more_of_dead(m, f, out, peer, p);
		return f ? more(m, f, f->by_remote == out, p) : MODEL_STRAY;
	}
	return ask(m, !out, out ? p->from : p->to, out ? p->to : p->from, peer, v6 ? MODEL_ICMP6 : MODEL_ICMP,
		t);
}

static struct model_whole *whole_of(struct model *m, const struct pkt *p)
{
	for (unsigned i = 0; i < m->n_wholes; i++) {
		struct model_whole *w = &m->whole[i];

		if (w->used && w->until > m->now && w->version == version_of(p) && w->from == p->from &&
			w->to == p->to && w->id == p->id && (w->version == 6 || w->proto == proto_of(p)))
			return w;
	}
	return NULL;
}

static void take_piece(struct model_whole *w, const struct pkt *p)
{
	w->seen += p->len;
	if (!p->more)
		w->end = (uint32_t)p->at + p->len;
	if (w->end && w->seen >= w->end)
		w->used = false;
}

static void new_whole(struct model *m, const struct pkt *p)
{
	struct model_whole *w = NULL;

	for (unsigned i = 0; !w && i < m->n_wholes; i++)
		if (!m->whole[i].used || m->whole[i].until <= m->now)
			w = &m->whole[i];
	if (!w)
		w = &m->whole[m->n_wholes++ % MODEL_WHOLES];
	*w = (struct model_whole){
		.used = true,
		.version = version_of(p),
		.proto = proto_of(p),
		.from = p->from,
		.to = p->to,
		.id = p->id,
		.first = p->len,
		.until = m->now + 10 * SEC,
	};
	take_piece(w, p);
}

/* How much of its header the first piece has to show. */
static unsigned least_of(const struct pkt *p)
{
	switch (proto_of(p)) {
	case 6:
		return 20;
	case 17:
		return 8;
	case 1:
	case 58:
		return 4;
	default:
		return 0;
	}
}

static enum model_says judge_whole(struct model *m, bool out, uint32_t peer, const struct pkt *p)
{
	if (is_icmp(version_of(p), proto_of(p)))
		return p->piece && p->len < 8 ? MODEL_STRAY : judge_icmp(m, out, peer, p);
	return judge_tcp_udp_other(m, out, peer, p);
}

static enum model_says judge_piece(struct model *m, bool out, uint32_t peer, const struct pkt *p)
{
	struct model_whole *w = whole_of(m, p);
	enum model_says s;

	if (p->at) {
		if (!w)
			return MODEL_PIECE;
		if (p->at < w->first)
			w->spoilt = true;
		if (w->spoilt)
			return MODEL_PIECE;
		take_piece(w, p);
		return MODEL_PASS;
	}
	if (w)
		w->spoilt = true;
	if (w || p->len < least_of(p))
		return MODEL_PIECE;
	s = judge_whole(m, out, peer, p);
	if (s == MODEL_PASS)
		new_whole(m, p);
	return s;
}

enum model_says model_judge(struct model *m, bool out, uint32_t peer, const struct pkt *p)
{
	if (p->extensions > (version_of(p) == 6 ? 8u : 10u))
		return MODEL_HIDDEN;
	if (p->piece && (p->at || p->more))
		return judge_piece(m, out, peer, p);
	/* All there is, and too short. */
	if (p->piece && p->len < least_of(p))
		return MODEL_HIDDEN;
	return judge_whole(m, out, peer, p);
}

const struct model_flow *model_flow_of(struct model *m, bool out, const struct pkt *p)
{
	const struct model_flow name = name_of(out, p);

	return find(m, &name);
}

const struct model_flow *model_flow_at(const struct model *m, unsigned i)
{
	return m->n_flows && m->flow[i % m->n_flows].used ? &m->flow[i % m->n_flows] : NULL;
}
