/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Streams to relays: which of them stand by, and when they are our legs. */
#include "control/path/legs_private.h"

#include <string.h>

void legs_stream(struct legs *r, const char *id, uint32_t socket, const struct endpoint *remote, ns_t now)
{
	struct legs_relay *v = legs_get(r, id);

	if (!v)
		return;
	if (endpoint_is_set(remote)) {
		v->stream = STREAM_UP;
		v->up_since = now;
		v->claimed = 0;
		leg_hurry(&v->leg[v->family], now);
		v->stream_way = (struct way_to){.kind = WAY_RELAY_TCP, .socket = socket, .remote = *remote};
	} else if (v->stream == STREAM_UP) {
		v->stream = STREAM_OPENING; /* whoever opened it goes on trying */
		v->opening_since = now;
		leg_ended(&v->leg[v->family], now);
	}
	r->changed = true;
}

void legs_stream_forget(struct legs *r, const struct legs_relay *v)
{
	if (v->stream != STREAM_NONE && r->n_closing < ARRAY_LEN(r->closing))
		r->closing[r->n_closing++] = v->member;
}

/* --- the first message --- */

size_t legs_stream_question(
	struct legs *r, struct stun_self *self, const char *id, ns_t now, uint8_t *out, size_t out_len)
{
	struct legs_relay *v = legs_get(r, id);
	struct stun_msg ask = {.has_lifetime = true, .has_cookie = true};

	if (!v)
		return 0;
	ask.lifetime_s = leg_registered(&v->leg[v->family], now) ? 0 : LEG_LIFETIME;
	if (ask.lifetime_s)
		v->by_stream = now;
	return stun_ask(self, v->member.id, v->key, &ask, out, out_len, &v->stream_stamp);
}

bool legs_stream_answered(
	const struct legs *r, const char *id, const struct stun_msg *msg, const uint8_t *p, size_t n)
{
	const struct legs_relay *v = legs_find(r, id);

	return v && msg->class == STUN_SUCCESS && v->stream_stamp && stun_stamp(msg) == v->stream_stamp &&
	       stun_verify(p, n, msg, v->key) == TM_OK;
}

/* --- which are wanted --- */

bool legs_udp_blocked(const struct legs *r)
{
	bool asked = false;

	for (size_t i = 0; i < r->n; i++) {
		if (leg_hopeful(&r->v[i].leg[0]) || leg_hopeful(&r->v[i].leg[1]))
			return false;
		asked = true;
	}
	return asked;
}

static size_t count_wanted(const struct legs *r, ns_t now)
{
	if (legs_udp_blocked(r))
		return LEGS_LIVING;
	return r->busy_at && now - r->busy_at < LEGS_STREAM_FOR;
}

/* It is up, or may be soon. */
static bool is_promising(const struct legs_relay *v, ns_t now)
{
	return v->stream != STREAM_OPENING || now - v->opening_since < LEGS_STREAM_PATIENCE;
}

/* The first in the common order that take streams, besides those where none has come up for a while. */
static bool is_wanted(const struct legs *r, const struct legs_relay *v, ns_t now)
{
	const size_t wanted = count_wanted(r, now);
	size_t n = 0;

	for (size_t i = 0; i < r->n && n < wanted; i++) {
		if (!r->v[i].streams)
			continue;
		if (&r->v[i] == v)
			return true;
		n += is_promising(&r->v[i], now);
	}
	return false;
}

static bool step_open_and_close(struct legs *r, ns_t now, struct legs_out *ret_out)
{
	if (r->n_closing) {
		*ret_out = (struct legs_out){.kind = CORE_STREAM_CLOSE, .to = &r->closing[--r->n_closing]};
		return true;
	}
	for (size_t i = 0; i < r->n; i++) {
		struct legs_relay *v = &r->v[i];
		const bool wanted = is_wanted(r, v, now);

		if (wanted == (v->stream != STREAM_NONE))
			continue;
		*ret_out = (struct legs_out){.to = &v->member};
		ret_out->kind = wanted ? CORE_STREAM_OPEN : CORE_STREAM_CLOSE;
		r->changed |= v->stream == STREAM_UP;
		v->stream = wanted ? STREAM_OPENING : STREAM_NONE;
		v->opening_since = now;
		return true;
	}
	return false;
}

/* --- claiming --- */

/* A relay that has started anew is reached by TCP a moment sooner, perhaps: then UDP has its chance, as what
 * a new stream takes at once is little. */
static ns_t claim_at(const struct legs_relay *v, ns_t now)
{
	const struct leg *leg = &v->leg[v->family];

	if (v->stream != STREAM_UP || leg_is_sure(leg, now))
		return NS_NEVER;
	if (v->claimed)
		return v->claimed + LEG_EVERY;
	return leg_registered(leg, now) ? MAX(now, v->up_since + 2 * leg->rtt + 50 * MS) : now;
}

/*
 * By the stream, if that is how the relay is to reach us: UDP does not pass now. An answer would say nothing
 * that TCP does not.
 */
static bool step_claim(struct legs *r, struct stun_self *self, ns_t now, struct legs_out *ret_out)
{
	for (size_t i = 0; i < r->n; i++) {
		struct legs_relay *v = &r->v[i];
		struct stun_msg ask = {.has_lifetime = true, .has_cookie = true, .lifetime_s = LEG_LIFETIME};

		if (claim_at(v, now) > now)
			continue;
		v->claimed = v->by_stream = now;
		*ret_out = (struct legs_out){.kind = CORE_SEND, .to = &v->member, .way = v->stream_way};
		ret_out->n = stun_ask(self, v->member.id, v->key, &ask, ret_out->msg, sizeof(ret_out->msg),
			&v->stream_stamp);
		return true;
	}
	return false;
}

/* --- what is due --- */

bool legs_step_streams(struct legs *r, struct stun_self *self, ns_t now, struct legs_out *ret_out)
{
	return step_open_and_close(r, now, ret_out) || step_claim(r, self, now, ret_out);
}

/* When one of another relay is wanted, since this one's does not come up. */
static ns_t patience_ends(const struct legs_relay *v, ns_t now)
{
	const ns_t at = v->opening_since + LEGS_STREAM_PATIENCE;

	return v->stream == STREAM_OPENING && at > now ? at : NS_NEVER;
}

ns_t legs_streams_next(const struct legs *r, ns_t now)
{
	ns_t next = NS_NEVER;
	bool any = false;

	if (r->n_closing)
		return now;
	for (size_t i = 0; i < r->n; i++) {
		const struct legs_relay *v = &r->v[i];

		if (is_wanted(r, v, now) != (v->stream != STREAM_NONE))
			return now;
		any |= v->stream != STREAM_NONE;
		next = ns_min(next, ns_min(claim_at(v, now), patience_ends(v, now)));
	}
	return any && r->busy_at && !legs_udp_blocked(r) ? ns_min(next, r->busy_at + LEGS_STREAM_FOR) : next;
}
