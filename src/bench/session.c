/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/session.h"

#include "base/secret.h"

enum bench_code bench_session_open(
	struct bench_session *s, ns_t now, const struct ip *from, const uint8_t id[static BENCH_ID])
{
	if (s->open)
		return BENCH_BUSY;

	*s = (struct bench_session){
		.open = true,
		.peer = *from,
		.idle_at = now + BENCH_SESSION_IDLE,
		.end_at = now + BENCH_SESSION_MAX,
	};
	memcpy(s->id, id, BENCH_ID);
	return BENCH_OK;
}

void bench_session_close(struct bench_session *s)
{
	*s = (struct bench_session){0};
}

static bool is_holder(
	const struct bench_session *s, ns_t now, const struct ip *from, const uint8_t id[static BENCH_ID])
{
	return s->open && now < bench_session_due(s) && ip_eq(&s->peer, from) && ct_eq(s->id, id, BENCH_ID);
}

static void stay(struct bench_session *s, ns_t now)
{
	s->idle_at = now + BENCH_SESSION_IDLE;
}

enum bench_code bench_session_stream(struct bench_session *s, ns_t now, const struct ip *from,
	const struct bench_request *r, ns_t *ret_end)
{
	ns_t duration = r->duration_ms * MS;

	if (!is_holder(s, now, from, r->id))
		return BENCH_NO_SESSION;
	if (s->streams >= BENCH_STREAMS_MAX)
		return BENCH_REFUSED;

	s->streams++;
	s->window = duration;
	stay(s, now);
	*ret_end = ns_min(now + duration + (r->type == BENCH_UPLOAD ? BENCH_DRAIN : 0), s->end_at);
	return BENCH_OK;
}

void bench_session_moved(struct bench_session *s, uint32_t run, ns_t now, size_t n)
{
	stay(s, now);
	if (run != s->run)
		return;

	if (!s->first)
		s->first = now;
	if (now - s->first <= s->window)
		s->bytes += n;
}

/* Unknown stays unknown, and a sum stops short of that. */
static uint32_t add_retransmits(uint32_t a, uint32_t b)
{
	if (a == BENCH_RETRANSMITS_UNKNOWN || b == BENCH_RETRANSMITS_UNKNOWN)
		return BENCH_RETRANSMITS_UNKNOWN;

	return a + b < a ? BENCH_RETRANSMITS_UNKNOWN - 1 : a + b;
}

void bench_session_stream_ended(struct bench_session *s, uint32_t run, uint32_t retransmits)
{
	if (s->streams)
		s->streams--;
	if (run == s->run)
		s->retransmits = add_retransmits(s->retransmits, retransmits);
}

enum bench_code bench_session_result(struct bench_session *s, ns_t now, const struct ip *from,
	const struct bench_request *r, uint32_t live_retransmits, struct bench_reply *ret_reply)
{
	if (!is_holder(s, now, from, r->id))
		return BENCH_NO_SESSION;

	ret_reply->bytes = s->bytes;
	ret_reply->elapsed = s->first ? ns_min(now - s->first, s->window) : 0;
	ret_reply->retransmits = add_retransmits(s->retransmits, live_retransmits);
	s->run++;
	s->first = s->window = 0;
	s->bytes = 0;
	s->retransmits = 0;
	stay(s, now);
	return BENCH_OK;
}

bool bench_session_echoes(
	struct bench_session *s, ns_t now, const struct ip *from, const struct bench_echo *e)
{
	if (e->type != BENCH_ECHO_REQUEST || !is_holder(s, now, from, e->id))
		return false;

	stay(s, now);
	return true;
}

ns_t bench_session_due(const struct bench_session *s)
{
	return s->open ? ns_min(s->idle_at, s->end_at) : NS_NEVER;
}
