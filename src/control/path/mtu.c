/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/mtu.h"

#include "wire/wg.h"

/*
 * IP packets that networks end at: Ethernet, PPPoE, a tunnel of IPv4 or IPv6 in IPv4, IPsec and mobile
 * networks, WireGuard itself, what IPv6 must have and IPv4 should (RFC 8200 5, RFC 791). What lies between is
 * found afterwards.
 */
static const uint16_t known[] = {1500, 1492, 1480, 1460, 1420, 1400, 1360, MTU_BASE, 576};
_Static_assert(ARRAY_LEN(known) + 2 <= MTU_SIZES, "all of them, the longest and the least");

/* Until a probe counts as lost, at first and where round trips are short. */
#define WAIT_UNKNOWN (250 * MS)
#define WAIT_LEAST (100 * MS)

/* The longest message that such a packet holds. */
static uint16_t message_in(const struct mtu *m, uint16_t packet)
{
	const uint16_t room = (uint16_t)(packet - m->headers - WG_DATA_OVERHEAD);

	return (uint16_t)(room / MTU_STEP * MTU_STEP + WG_DATA_OVERHEAD);
}

static bool asks(const struct mtu *m, uint16_t n)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->v[i].n == n)
			return true;
	return false;
}

static void ask(struct mtu *m, uint16_t n)
{
	if (n > m->passes && n <= m->full && (!m->fails || n < m->fails) && !asks(m, n) && m->n < MTU_SIZES)
		m->v[m->n++] = (struct mtu_size){.n = n};
}

/* One length, and if it is not answered in time, all that may pass instead. */
static void begin(struct mtu *m, uint16_t n, ns_t at)
{
	m->n = m->rounds = 0;
	ask(m, n);
	m->round_at = at;
}

static void rest(struct mtu *m)
{
	m->n = 0;
	m->top = 0;
	m->round_at = NS_NEVER;
}

void mtu_begin(struct mtu *m, uint16_t full, uint16_t headers, uint16_t use, ns_t at)
{
	mtu_end(m);
	m->use = use;
	m->found = false;
	m->full = full;
	m->headers = headers;
	m->passes = m->fails = 0;
	m->raise_at = at + MTU_RAISE;
	m->top = full;
	begin(m, full, at);
}

void mtu_end(struct mtu *m)
{
	for (unsigned i = 0; i < MTU_SENT; i++)
		m->sent[i].size = 0;
	rest(m);
	m->full = 0;
}

/* Is what was believed in so still true? */
static void verify(struct mtu *m, ns_t now)
{
	m->top = m->use ? m->use : m->full;
	m->passes = 0;
	m->fails = 0;
	begin(m, m->top, now);
}

static void raise(struct mtu *m, ns_t now)
{
	m->fails = 0;
	m->raise_at = now + MTU_RAISE;
	begin(m, m->full, now);
}

void mtu_traffic(struct mtu *m, uint64_t bytes, ns_t now)
{
	if (!m->full || m->round_at != NS_NEVER)
		return;
	if (m->use && now >= m->raise_at) {
		raise(m, now);
	} else if (now - m->asked_at >= MTU_CONFIRM && bytes - m->bytes >= MTU_CONFIRM_BYTES) {
		m->bytes = bytes;
		verify(m, now);
	}
}

void mtu_doubt(struct mtu *m, ns_t now)
{
	if (m->full && m->round_at == NS_NEVER && now - m->asked_at >= MTU_DOUBT)
		verify(m, now);
}

/* What follows for the use. */
static void conclude(struct mtu *m)
{
	if (m->passes >= m->top)
		m->top = 0;
	if (m->top || !m->passes)
		return;
	m->found = true;
	m->use = m->passes >= m->full ? 0 : m->passes;
}

/* Those that were asked for often enough, in vain. Without any answer it is not their length: nothing
 * follows. */
static void give_up(struct mtu *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		const uint16_t n = m->v[i].n;

		if (m->v[i].tries < MTU_TRIES || n <= m->passes)
			continue;
		if (!m->fails || n < m->fails)
			m->fails = n;
		if (n == m->top)
			m->top = 0;
	}
	conclude(m);
}

static bool is_open(const struct mtu *m, const struct mtu_size *s)
{
	return s->tries < MTU_TRIES && s->n > m->passes && (!m->fails || s->n < m->fails);
}

static bool any_open(const struct mtu *m)
{
	for (unsigned i = 0; i < m->n; i++)
		if (is_open(m, &m->v[i]))
			return true;
	return false;
}

/* Halfway between what passes and what does not; false: there is no step between. */
static bool halve(struct mtu *m)
{
	const unsigned between = m->passes && m->fails ? (m->fails - m->passes - 1u) / MTU_STEP : 0;

	m->n = 0;
	if (between)
		ask(m, (uint16_t)(m->passes + (between + 1) / 2 * MTU_STEP));
	return between;
}

/* With the first, what nearly always passes: whether it is the length is known at once then. With the second,
 * everything. */
static void ask_more(struct mtu *m)
{
	if (m->rounds == 0 && m->top)
		ask(m, message_in(m, MTU_BASE));
	if (m->rounds != 1)
		return;
	for (unsigned i = 0; i < ARRAY_LEN(known); i++)
		ask(m, message_in(m, known[i]));
	ask(m, MTU_LEAST);
}

size_t mtu_round(struct mtu *m, ns_t rtt, ns_t now, uint16_t ret_sizes[static MTU_SIZES])
{
	size_t n = 0;

	if (!m->full || m->round_at > now)
		return 0;
	give_up(m);
	if (any_open(m))
		ask_more(m);
	else if (!halve(m)) {
		rest(m);
		return 0;
	}
	m->rounds = (uint8_t)MIN(m->rounds + 1, UINT8_MAX);
	for (unsigned i = 0; i < m->n; i++)
		if (is_open(m, &m->v[i])) {
			m->v[i].tries++;
			ret_sizes[n++] = m->v[i].n;
		}
	m->asked_at = now;
	m->round_at = now + (rtt ? MAX(2 * rtt, WAIT_LEAST) : WAIT_UNKNOWN);
	return n;
}

void mtu_sent(struct mtu *m, uint16_t size, uint64_t stamp)
{
	m->sent[m->next_sent].stamp = stamp;
	m->sent[m->next_sent].size = size;
	m->next_sent = (uint8_t)((m->next_sent + 1) % MTU_SENT);
}

static int sent_as(const struct mtu *m, uint64_t stamp)
{
	for (int i = 0; i < MTU_SENT && stamp; i++)
		if (m->sent[i].stamp == stamp)
			return i;
	return -1;
}

bool mtu_knows(const struct mtu *m, uint64_t stamp)
{
	return sent_as(m, stamp) >= 0;
}

bool mtu_answered(struct mtu *m, uint64_t stamp, ns_t now)
{
	const int i = sent_as(m, stamp);

	if (i < 0 || !m->sent[i].size)
		return false;
	m->sent[i].stamp = 0; /* a second one is a replay */
	if (m->sent[i].size <= m->passes)
		return true;

	m->passes = m->sent[i].size;
	if (m->passes >= m->fails)
		m->fails = 0;
	conclude(m);
	/* Nothing is left to be asked; what is not yet decided its time will tell. */
	if (m->round_at != NS_NEVER && !any_open(m))
		m->round_at = now;
	return true;
}
