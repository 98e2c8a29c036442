/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/filter/track.h"

#include "base/bytes.h"

/* ICMP types (RFC 792; RFC 4443) */
enum {
	ECHO_REPLY = 0,
	UNREACHABLE = 3,
	QUENCH = 4,
	REDIRECT = 5,
	ECHO = 8,
	TIME_EXCEEDED = 11,
	PARAMETER = 12,
	TIMESTAMP = 13,
	TIMESTAMP_REPLY = 14,
	ECHO6 = 128,
	ECHO6_REPLY = 129,
};

static const uint8_t seconds_of[] = {
	[FLOW_BEGUN] = 30,
	[FLOW_ANSWERED] = 180,
	[FLOW_SYN_SENT] = 30,
	[FLOW_SYN_ANSWERED] = 30,
	[FLOW_HALF_CLOSED] = 240,
	[FLOW_CLOSING] = 30,
	[FLOW_TIME_WAIT] = 60,
	[FLOW_RESET] = 10,
};
enum { ESTABLISHED_S = 7440, ECHO_S = 30, OTHER_S = 600, KILLED_S = 180 };

static bool is_echo_proto(uint8_t version, uint8_t proto)
{
	return proto == (version == 4 ? PROTO_ICMP : PROTO_ICMP6);
}

static void prolong(struct flow *f, uint32_t tick)
{
	unsigned s = seconds_of[f->state];

	if (f->state == FLOW_ESTABLISHED)
		s = ESTABLISHED_S;
	else if (is_echo_proto(f->key.version, f->key.proto))
		s = ECHO_S;
	else if (f->key.proto != PROTO_TCP && f->key.proto != PROTO_UDP)
		s = OTHER_S;

	const uint32_t until = tick + flow_ticks(s * SEC);
	/* Mostly it is that already: do not dirty the line. */
	if (f->until != until)
		f->until = until;
}

/* --- what a packet is by itself --- */

static enum track_role icmp4_role(uint8_t type)
{
	switch (type) {
	case ECHO:
		return TRACK_BEGINS;
	case UNREACHABLE:
	case TIME_EXCEEDED:
	case PARAMETER:
		return TRACK_ABOUT;
	case ECHO_REPLY:
		return TRACK_STRAY;
	/* Source quench is out of use (RFC 6633), a redirect is no business of anybody behind a tunnel, and
	 * nobody sets his clock by ICMP. Of no flow, whatever stands where an echo has its identifier. */
	case QUENCH:
	case REDIRECT:
	case TIMESTAMP:
	case TIMESTAMP_REPLY:
		return TRACK_IMPOSSIBLE;
	default:
		return TRACK_ALONE;
	}
}

static enum track_role icmp6_role(uint8_t type)
{
	switch (type) {
	case ECHO6:
		return TRACK_BEGINS;
	case ECHO6_REPLY:
		return TRACK_STRAY;
	default:
		return type < ECHO6 ? TRACK_ABOUT : TRACK_ALONE; /* RFC 4443 2.1 */
	}
}

static enum track_role tcp_role(const struct ip_view *v)
{
	const uint8_t *tcp = v->p + v->l4;
	const size_t header = (size_t)(tcp[12] >> 4) * 4;

	/* Of a first fragment the options may be in the second. */
	if (header < TCP_HEADER || (!(v->flags & IP_FRAGMENT) && header > (size_t)v->total - v->l4))
		return TRACK_IMPOSSIBLE;
	switch (tcp[13] & TCP_HANDS) {
	case TCP_SYN:
		return TRACK_BEGINS;
	case TCP_ACK:
	case TCP_FIN | TCP_ACK:
		return TRACK_GOES_ON;
	case TCP_SYN | TCP_ACK:
	case TCP_RST:
	case TCP_RST | TCP_ACK:
		return TRACK_STRAY;
	default:
		return TRACK_IMPOSSIBLE;
	}
}

enum track_role track_role(const struct ip_view *v)
{
	if (v->proto == PROTO_TCP)
		return tcp_role(v);
	if (!is_echo_proto(v->version, v->proto))
		return TRACK_BEGINS;
	/* An identifier has to be there. */
	if (v->total < v->l4 + 8)
		return TRACK_IMPOSSIBLE;
	return v->version == 4 ? icmp4_role(v->p[v->l4]) : icmp6_role(v->p[v->l4]);
}

struct track_ports track_ports(const struct ip_view *v)
{
	if (!is_echo_proto(v->version, v->proto))
		return (struct track_ports){.src = v->sport, .dst = v->dport};
	if (!(v->flags & IP_UPPER) || v->total < v->l4 + 8)
		return (struct track_ports){0};

	const uint16_t id = get_be16(v->p + v->l4 + 4);
	const uint8_t type = v->p[v->l4];
	return type == (v->version == 4 ? ECHO : ECHO6) ? (struct track_ports){.src = id}
							: (struct track_ports){.dst = id};
}

/* --- TCP --- */

enum {
	SCALE_MAX = 14, /* RFC 7323 2.3 */
	SCALE_NONE = 15, /* nothing was said about it */
	REACH_LEAST = 16, /* where nothing is known */
	OPTION_END = 0,
	OPTION_NOTHING = 1,
	OPTION_SCALE = 3,
};

struct segment {
	uint32_t seq, ack, end; /* end: behind what it takes of the numbers */
	uint16_t window;
	uint8_t flags; /* TCP_HANDS */
};

static size_t header_len(const struct ip_view *v)
{
	return MIN((size_t)(v->p[v->l4 + 12] >> 4) * 4, (size_t)v->total - v->l4);
}

static struct segment segment_of(const struct ip_view *v)
{
	const uint8_t *tcp = v->p + v->l4;
	struct segment s = {
		.seq = get_be32(tcp + 4),
		.ack = get_be32(tcp + 8),
		.window = get_be16(tcp + 14),
		.flags = tcp[13] & TCP_HANDS,
	};

	s.end = s.seq + (uint32_t)((size_t)v->total - v->l4 - header_len(v));
	s.end += s.flags & (TCP_SYN | TCP_FIN) ? 1 : 0;
	return s;
}

/* By how much its sender shifts windows: of a SYN. */
static unsigned scale_of(const struct ip_view *v)
{
	const uint8_t *at = v->p + v->l4 + TCP_HEADER, *end = v->p + v->l4 + header_len(v);

	while (end - at >= 3 && *at != OPTION_END) {
		if (*at == OPTION_NOTHING) {
			at++;
			continue;
		}
		if (at[0] == OPTION_SCALE && at[1] == 3)
			return MIN(at[2], SCALE_MAX);
		if (at[1] < 2 || at[1] > end - at)
			break;
		at += at[1];
	}
	return SCALE_NONE;
}

static void set_scale(struct flow *f, unsigned side, unsigned scale)
{
	f->scales = (uint8_t)((f->scales & (side ? 0x0f : 0xf0)) | scale << 4 * side);
}

static void set_edge(struct flow *f, unsigned side, uint32_t edge)
{
	f->edge[side] = edge;
	f->side[side].known = 1;
}

/* A window that `side` offers the other. That of a SYN is not shifted. */
static void take_window(struct flow *f, unsigned side, const struct segment *s)
{
	const unsigned said = f->scales >> 4 * side & 15u;
	const unsigned scale = s->flags & TCP_SYN || said == SCALE_NONE ? 0 : said;
	const uint32_t window = MAX((uint32_t)s->window << scale, 1u);
	const unsigned reach = 32 - (unsigned)__builtin_clz(window); /* above it, always */

	if (reach > f->side[side].reach)
		f->side[side].reach = reach & 31;
}

/* What `side` acknowledges, the other has no use for any more. */
static void take_ack(struct flow *f, unsigned side, uint32_t ack)
{
	const unsigned other = 1 - side;
	const bool ahead = (int32_t)(ack - f->edge[other]) >= 0;

	if (f->side[other].fin)
		f->side[other].acked |= ahead;
	else if (ahead || !f->side[other].known)
		set_edge(f, other, ack);
}

static void close_side(struct flow *f, unsigned side, uint32_t end)
{
	if (f->side[side].fin)
		return; /* once more */
	set_edge(f, side, end);
	f->side[side].fin = 1;
}

/* What follows from who has closed. */
static void settle(struct flow *f)
{
	const struct flow_side *s = f->side;

	if (s[0].acked && s[1].acked)
		f->state = FLOW_TIME_WAIT;
	else if (s[0].fin && s[1].fin)
		f->state = FLOW_CLOSING;
	else if (s[0].fin || s[1].fin)
		f->state = FLOW_HALF_CLOSED;
}

static void tcp_begin(struct flow *f, const struct ip_view *v, unsigned side, uint32_t tick)
{
	const struct segment s = segment_of(v);

	f->side[0] = f->side[1] = (struct flow_side){0};
	f->scales = 0;
	if (s.flags & TCP_SYN) {
		f->state = FLOW_SYN_SENT;
		set_scale(f, side, scale_of(v));
		set_edge(f, side, s.seq + 1);
	} else {
		/* In its midst: how windows are shifted nobody knows. */
		f->state = FLOW_ESTABLISHED;
		f->scales = SCALE_MAX << 4 | SCALE_MAX;
		take_ack(f, side, s.ack);
		if (s.flags & TCP_FIN)
			close_side(f, side, s.end);
		settle(f);
	}
	take_window(f, side, &s);
	prolong(f, tick);
}

/* Whether a reset of `side` has a number that its receiver could take for right. */
static bool reset_fits(const struct flow *f, unsigned side, const struct segment *s)
{
	const unsigned reach = MAX((unsigned)f->side[1 - side].reach, (unsigned)REACH_LEAST);
	const uint32_t most = UINT32_C(1) << reach, edge = f->edge[side];

	if (f->state == FLOW_SYN_SENT) {
		/* To a SYN: by what it acknowledges (RFC 9293 3.10.7.3), with as much as a SYN may carry. */
		if (side == 1)
			return s->flags & TCP_ACK && s->ack - f->edge[0] < 1u << REACH_LEAST;
		/* Of the one who began: also to what he was told about an older connection. */
		return true;
	}
	if (!f->side[side].known)
		return true;
	if (f->side[side].fin)
		return edge - s->seq <= most;
	return s->seq - edge <= most;
}

static enum track next_reset(struct flow *f, unsigned side, const struct segment *s, uint32_t tick)
{
	/* RFC 1337: TIME-WAIT is there for what comes late, and ends by itself. */
	if (f->state == FLOW_TIME_WAIT || f->state == FLOW_RESET)
		return TRACK_PASS;
	if (!reset_fits(f, side, s))
		return TRACK_DROP;

	f->state = FLOW_RESET;
	prolong(f, tick);
	return TRACK_PASS;
}

static bool in_handshake(const struct flow *f)
{
	return f->state == FLOW_SYN_SENT || f->state == FLOW_SYN_ANSWERED;
}

static enum track next_syn(
	struct flow *f, const struct ip_view *v, unsigned side, const struct segment *s, uint32_t tick)
{
	/* Once more, or from the same ports: the other side's answer will show which. */
	if (side == 0) {
		tcp_begin(f, v, side, tick);
		return TRACK_PASS;
	}
	if (!in_handshake(f))
		return TRACK_ANEW;

	/* Both at once (RFC 9293 3.5, figure 7). */
	f->state = FLOW_SYN_ANSWERED;
	set_scale(f, side, scale_of(v));
	set_edge(f, side, s->seq + 1);
	take_window(f, side, s);
	prolong(f, tick);
	return TRACK_PASS;
}

static enum track next_syn_ack(
	struct flow *f, const struct ip_view *v, unsigned side, const struct segment *s, uint32_t tick)
{
	/* The one who began answers only where both did. */
	if (side == 0 && f->state != FLOW_SYN_ANSWERED)
		return TRACK_DROP;
	/* Late, or to another SYN: the host knows what to say to that. */
	if (!in_handshake(f) || s->ack - f->edge[1 - side] >= 1u << REACH_LEAST)
		return TRACK_PASS;

	f->state = FLOW_SYN_ANSWERED;
	take_ack(f, side, s->ack);
	set_edge(f, side, s->seq + 1);
	set_scale(f, side, scale_of(v));
	/* Nobody shifts who has not heard from the other that he can, too (RFC 7323 2.2). */
	if (f->scales >> 4 == SCALE_NONE || (f->scales & 15) == SCALE_NONE)
		f->scales = SCALE_NONE << 4 | SCALE_NONE;
	take_window(f, side, s);
	prolong(f, tick);
	return TRACK_PASS;
}

/*
 * An acknowledgement is no answer to a SYN: the other side has a connection of these ports already. If the
 * one who began knows of none, he resets it. Else the SYN was an old one, and nothing has happened.
 */
static bool outlives_syn(struct flow *f, unsigned side, const struct segment *s)
{
	if (side == 1)
		set_edge(f, 1, s->seq);
	else if (f->side[1].known)
		return true;
	return false;
}

static enum track next_ack(struct flow *f, unsigned side, const struct segment *s, uint32_t tick)
{
	if (f->state == FLOW_RESET || f->state == FLOW_TIME_WAIT)
		return TRACK_PASS;
	if (f->state == FLOW_SYN_SENT) {
		if (!outlives_syn(f, side, s))
			return TRACK_PASS;
		f->state = FLOW_ESTABLISHED;
		f->scales = SCALE_MAX << 4 | SCALE_MAX;
	}

	if (f->state == FLOW_SYN_ANSWERED && side == 0)
		f->state = FLOW_ESTABLISHED;
	take_ack(f, side, s->ack);
	take_window(f, side, s);
	if (s->flags & TCP_FIN)
		close_side(f, side, s->end);
	settle(f);
	prolong(f, tick);
	return TRACK_PASS;
}

static enum track tcp_next(struct flow *f, const struct ip_view *v, unsigned side, uint32_t tick)
{
	const struct segment s = segment_of(v);

	if (s.flags & TCP_RST)
		return next_reset(f, side, &s, tick);
	if (s.flags == TCP_SYN)
		return next_syn(f, v, side, &s, tick);
	if (s.flags & TCP_SYN)
		return next_syn_ack(f, v, side, &s, tick);
	return next_ack(f, side, &s, tick);
}

/* --- all --- */

void track_begin(struct flow *f, const struct ip_view *v, unsigned side, uint32_t tick)
{
	if (v->proto == PROTO_TCP) {
		tcp_begin(f, v, side, tick);
		return;
	}
	f->state = FLOW_BEGUN;
	prolong(f, tick);
}

enum track track_next(struct flow *f, const struct ip_view *v, unsigned side, uint32_t tick)
{
	if (LIKELY(v->proto == PROTO_TCP))
		return tcp_next(f, v, side, tick);

	if (side == 1 && f->state == FLOW_BEGUN)
		f->state = FLOW_ANSWERED;
	prolong(f, tick);
	return TRACK_PASS;
}

void track_killed(struct flow *f, uint32_t tick)
{
	const bool tcp = f->key.proto == PROTO_TCP;

	if (tcp || !f->killed)
		f->until = tick + flow_ticks((tcp ? ESTABLISHED_S : KILLED_S) * SEC);
	f->killed = 1;
}

bool track_is_steady(const struct flow *f, const struct ip_view *v)
{
	return track_may_be_steady(v) && (v->proto == PROTO_UDP || f->state == FLOW_ESTABLISHED);
}
