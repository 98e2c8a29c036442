/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* PCP and NAT-PMP: what is said in one datagram and answered in one. */
#include "control/portmap/portmap_private.h"

#include <string.h>

#include "wire/natpmp.h"

/* What a gateway may say about how long it will refuse (RFC 6887 8.3 bounds it likewise). */
#define HOLD_MIN (30 * SEC)
#define HOLD_MAX (1800 * SEC)

/* --- asking --- */

/* 250 ms, then twice as long each time, after the first until something is missing no more. */
void lease_ask(struct side *s, ns_t now)
{
	s->due = now + (SIDE_RTO << s->tries);
	if (s->asked == PORTMAP_PCP) {
		s->say |= 1u << SAY_PCP_MAP;
		return;
	}
	if (s->tries == 0) {
		s->natpmp_external = (struct ip){0};
		s->natpmp_map.port = 0;
	}
	if (s->natpmp_external.family == IP_NONE && !side_takes_back(s))
		s->say |= 1u << SAY_ADDRESS;
	if (!s->natpmp_map.port)
		s->say |= 1u << SAY_NATPMP_MAP;
}

/* The one that we have, else the same as inside. */
static uint16_t wanted_port(const struct side *s)
{
	const uint16_t port = s->mapping.by ? s->mapping.external.port : s->whole->cfg.port;

	return port_usable(port) ? port : 0;
}

static uint16_t internal_port(const struct side *s)
{
	return side_takes_back(s) ? s->back.internal : s->whole->cfg.port;
}

static size_t write_pcp_map(const struct side *s, uint8_t *out, size_t out_len)
{
	struct pcp_map map = {.internal_port = internal_port(s)};

	memcpy(map.nonce, s->whole->cfg.nonce, PCP_NONCE);
	if (!side_takes_back(s)) {
		map.lifetime_s = (uint32_t)(s->whole->cfg.lease / SEC);
		map.external_port = wanted_port(s);
		map.external = s->mapping.external.ip;
	}
	return pcp_map_request(&s->own, &map, out, out_len);
}

size_t lease_write(struct side *s, enum side_message what, uint8_t *out, size_t out_len)
{
	const uint16_t port = internal_port(s);

	if (what == SAY_ANNOUNCE)
		return pcp_announce_request(&s->own, out, out_len);
	if (what == SAY_PCP_MAP)
		return write_pcp_map(s, out, out_len);
	if (what == SAY_ADDRESS)
		return natpmp_address_request(out);
	if (side_takes_back(s))
		return natpmp_map_request(port, 0, 0, out);
	return natpmp_map_request(port, wanted_port(s), (uint32_t)(s->whole->cfg.lease / SEC), out);
}

/* --- what is said by both --- */

static bool asks_by(const struct side *s, enum portmap_protocol p)
{
	return (s->state == SIDE_ASKING || side_takes_back(s)) && s->asked == p;
}

/* What is mapped is told anew by the answer to who asks for it; here it is another one that may be gone. */
static void taken_back(struct side *s, bool restarted, ns_t now)
{
	if (restarted)
		side_restarted(s, now);
	side_taken_back(s, true, now);
}

/* --- PCP --- */

static ns_t hold_of(const struct pcp_response *m)
{
	const ns_t told = (ns_t)m->lifetime_s * SEC;

	return MAX(HOLD_MIN, MIN(told, HOLD_MAX));
}

static void pcp_refused(struct side *s, const struct pcp_response *m, ns_t now)
{
	if (m->result == PCP_ADDRESS_MISMATCH)
		side_refused(s, PORTMAP_FAR, HOLD_MAX, now);
	else if (m->result == PCP_UNSUPP_VERSION || m->result == PCP_UNSUPP_OPCODE ||
		 m->result == PCP_UNSUPP_PROTOCOL)
		side_missing(s, PORTMAP_PCP, now);
	else
		side_refused(s, m->result == PCP_NETWORK_FAILURE ? PORTMAP_NO_ADDRESS : PORTMAP_REFUSED,
			hold_of(m), now);
}

static void read_pcp_map(struct side *s, const struct pcp_response *m, ns_t now)
{
	const struct endpoint external = {.ip = m->map.external, .port = m->map.external_port};

	/* Whoever does not know the nonce is not whom we asked (RFC 6887 11.4). */
	if (!asks_by(s, PORTMAP_PCP) || memcmp(m->map.nonce, s->whole->cfg.nonce, PCP_NONCE) != 0 ||
		m->map.internal_port != internal_port(s))
		return;
	const bool restarted = side_clock(s, PORTMAP_PCP, m->epoch_s, now);
	if (side_takes_back(s))
		taken_back(s, restarted, now);
	else if (m->result == PCP_SUCCESS)
		side_mapped(s, &external, (ns_t)m->lifetime_s * SEC, now);
	else
		pcp_refused(s, m, now);
}

/* What answers in PCP speaks it, whatever it says to an announcement of ours. */
static void read_pcp_announce(struct side *s, const struct pcp_response *m, ns_t now)
{
	if (m->result == PCP_UNSUPP_VERSION) {
		side_missing(s, PORTMAP_PCP, now);
		return;
	}
	if (side_clock(s, PORTMAP_PCP, m->epoch_s, now))
		side_restarted(s, now);
	side_seen(s, PORTMAP_PCP, now);
}

/* --- NAT-PMP --- */

static void natpmp_refused(struct side *s, unsigned result, ns_t now)
{
	if (result == NATPMP_NETWORK_FAILURE)
		side_refused(s, PORTMAP_NO_ADDRESS, SIDE_WAIT_MIN, now);
	else
		side_refused(s, PORTMAP_REFUSED, HOLD_MAX, now);
}

/* Both halves: the address and the port. */
static void natpmp_done(struct side *s, ns_t now)
{
	const struct endpoint external = {.ip = s->natpmp_external, .port = s->natpmp_map.port};

	if (s->natpmp_external.family != IP_NONE && s->natpmp_map.port)
		side_mapped(s, &external, (ns_t)s->natpmp_map.lifetime_s * SEC, now);
}

static void read_natpmp_address(struct side *s, const struct natpmp_answer *m, ns_t now)
{
	/* That is how a gateway answers PCP which it does not know (RFC 6887, appendix A). */
	if (m->result == NATPMP_UNSUPP_VERSION) {
		side_missing(s, PORTMAP_PCP, now);
		return;
	}
	const bool restarted = side_clock(s, PORTMAP_NATPMP, m->epoch_s, now);
	if (asks_by(s, PORTMAP_NATPMP) && s->state == SIDE_ASKING) {
		if (m->result != NATPMP_SUCCESS) {
			natpmp_refused(s, m->result, now);
			return;
		}
		s->natpmp_external = m->external;
		natpmp_done(s, now);
		return;
	}
	if (restarted)
		side_restarted(s, now);
	side_seen(s, PORTMAP_NATPMP, now);
}

static void read_natpmp_map(struct side *s, const struct natpmp_answer *m, ns_t now)
{
	if (!asks_by(s, PORTMAP_NATPMP) ||
		(m->result == NATPMP_SUCCESS && m->internal_port != internal_port(s)))
		return;
	const bool restarted = side_clock(s, PORTMAP_NATPMP, m->epoch_s, now);
	if (side_takes_back(s)) {
		taken_back(s, restarted, now);
	} else if (m->result != NATPMP_SUCCESS || !port_usable(m->external_port)) {
		natpmp_refused(s, m->result, now);
	} else {
		s->natpmp_map.port = m->external_port;
		s->natpmp_map.lifetime_s = m->lifetime_s;
		natpmp_done(s, now);
	}
}

/* --- both --- */

static void read_natpmp(struct side *s, const uint8_t *p, size_t n, ns_t now)
{
	struct natpmp_answer m;

	if (s->own.family == IP_V6 || natpmp_answer_decode(p, n, &m) != TM_OK)
		return;
	if (m.opcode == NATPMP_ADDRESS)
		read_natpmp_address(s, &m, now);
	else if (m.result == NATPMP_UNSUPP_VERSION)
		side_missing(s, PORTMAP_PCP, now);
	else
		read_natpmp_map(s, &m, now);
}

void lease_read(struct side *s, const uint8_t *p, size_t n, ns_t now)
{
	struct pcp_response m;

	switch (pcp_response_decode(p, n, &m)) {
	case TM_OK:
		if (m.opcode == PCP_MAP)
			read_pcp_map(s, &m, now);
		else
			read_pcp_announce(s, &m, now);
		break;
	case TM_EVERSION:
		read_natpmp(s, p, n, now);
		break;
	default:
		break;
	}
}

/* Told to everybody, unasked: RFC 6887 14.1.2, RFC 6886 3.2.1. */
void lease_announced(struct side *s, const uint8_t *p, size_t n, ns_t now)
{
	struct natpmp_answer a;
	struct pcp_response m;
	int err = pcp_response_decode(p, n, &m);

	if (!err && m.opcode == PCP_ANNOUNCE && m.result == PCP_SUCCESS) {
		if (side_clock(s, PORTMAP_PCP, m.epoch_s, now) || s->state == SIDE_WAITING)
			side_restarted(s, now);
	} else if (err == TM_EVERSION && natpmp_answer_decode(p, n, &a) == TM_OK &&
		   a.opcode == NATPMP_ADDRESS && a.result == NATPMP_SUCCESS) {
		const bool moved =
			s->mapping.by == PORTMAP_NATPMP && !ip_eq(&a.external, &s->mapping.external.ip);

		if (side_clock(s, PORTMAP_NATPMP, a.epoch_s, now) || moved || s->state == SIDE_WAITING)
			side_restarted(s, now);
	}
}
