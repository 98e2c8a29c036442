/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/portmap/portmap.h"

#include "control/portmap/portmap_private.h"

#include <string.h>

int portmap_new(const struct portmap_config *cfg, struct portmap **ret_portmap)
{
	struct portmap *m = calloc(1, sizeof(*m));

	if (!m)
		return TM_ENOMEM;
	m->cfg = *cfg;
	for (size_t i = 0; i < SIDES; i++)
		m->side[i] = (struct side){.whole = m, .due = NS_NEVER, .problem = PORTMAP_NO_GATEWAY};
	*ret_portmap = m;
	return TM_OK;
}

void portmap_free(struct portmap *m)
{
	free(m);
}

static struct side *side_of(struct portmap *m, const struct ip *ip)
{
	return ip->family == IP_NONE ? NULL : &m->side[ip->family == IP_V6];
}

/* --- what happened --- */

/* Behind a translator that only the gateway can be, or behind its firewall. */
static enum portmap_problem needs(const struct endpoint *gateway, const struct ip *own)
{
	if (!endpoint_is_set(gateway))
		return PORTMAP_NO_GATEWAY;
	if (own->family != gateway->ip.family || ip_is_link_local(own))
		return PORTMAP_NOT_NEEDED;
	return ip_is_private(own) == (own->family == IP_V4) ? PORTMAP_FINE : PORTMAP_NOT_NEEDED;
}

void portmap_gateway(struct portmap *m, enum ip_family family, const struct endpoint *gateway,
	const struct ip *own, ns_t now)
{
	struct side *s = &m->side[family == IP_V6];
	struct endpoint there = *gateway;

	if (m->ending)
		return;
	there.port = there.ip.family == IP_NONE ? 0 : PCP_PORT;
	if (endpoint_eq(&there, &s->gateway) && ip_eq(own, &s->own)) {
		side_confirm(s, now);
		return;
	}
	m->changed = true;
	*s = (struct side){.whole = m, .due = NS_NEVER, .gateway = there, .own = *own};
	s->problem = needs(&there, own);
	if (s->problem == PORTMAP_FINE)
		side_start(s, now);
}

static bool is_gateway(const struct side *s, const struct endpoint *from)
{
	return s && endpoint_is_set(&s->gateway) && s->state != SIDE_OFF &&
	       ip_eq(&s->gateway.ip, &from->ip) && s->gateway.scope == from->scope;
}

void portmap_datagram(struct portmap *m, const struct endpoint *from, const uint8_t *p, size_t n, ns_t now)
{
	struct side *s = side_of(m, &from->ip);
	struct igd_place place;

	if (is_gateway(s, from) && from->port == PCP_PORT)
		lease_read(s, p, n, now);
	/* Some answer from another port or address of theirs; whatever they say, the gateway is asked. Late
	 * ones are kept for when the better protocol fails. */
	else if (s && s->state != SIDE_OFF &&
		 !((s->state == SIDE_ASKING || side_takes_back(s)) && s->asked == PORTMAP_UPNP) &&
		 igd_found((const char *)p, n, &place) == TM_OK)
		upnp_found(s, &place, now);
}

void portmap_announced(struct portmap *m, const struct endpoint *from, const uint8_t *p, size_t n, ns_t now)
{
	struct side *s = side_of(m, &from->ip);

	if (is_gateway(s, from))
		lease_announced(s, p, n, now);
}

bool portmap_fetched(struct portmap *m, unsigned fetch, char *text, size_t n, bool closed, ns_t now)
{
	struct side *s = &m->side[0];
	struct igd_answer a;

	while (s < m->side + SIDES && s->upnp.fetch != fetch)
		s++;
	if (!fetch || s == m->side + SIDES)
		return true; /* nobody waits for it any more */
	int err = igd_answer(text, n, closed, &a);
	if (err == TM_EAGAIN)
		return false;
	s->upnp.fetch = 0;
	upnp_read(s, err ? NULL : &a, now);
	return true;
}

void portmap_end(struct portmap *m, ns_t now)
{
	m->ending = true;
	for (size_t i = 0; i < SIDES; i++)
		side_end(&m->side[i], now);
}

bool portmap_ended(const struct portmap *m)
{
	for (size_t i = 0; i < SIDES; i++)
		if (m->side[i].state != SIDE_OFF)
			return false;
	return m->ending && !m->owed.changed && !m->changed;
}

/* --- what to do --- */

static size_t write_search(const struct side *s, enum side_message what, struct portmap_out *out)
{
	/* The gateway by itself first: what answers is expected then, and firewalls of hosts let it in. */
	const enum ip_family family = s->own.family;
	const char *gateway = family == IP_V6 ? "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"
					      : "urn:schemas-upnp-org:device:InternetGatewayDevice:1";

	out->to = s->gateway;
	out->to.port = IGD_PORT;
	if (what != SAY_SEARCH_GATEWAY)
		out->to.ip = igd_group(family);
	return igd_search(
		what == SAY_SEARCH_IGD ? gateway : "ssdp:all", &out->to.ip, out->msg, sizeof(out->msg));
}

static void write_message(struct side *s, enum side_message what, struct portmap_out *out)
{
	*out = (struct portmap_out){.kind = PORTMAP_SEND, .to = s->gateway, .from = s->own};
	switch (what) {
	case SAY_SEARCH_GATEWAY:
	case SAY_SEARCH_ALL:
	case SAY_SEARCH_IGD:
		out->n = write_search(s, what, out);
		break;
	case SAY_UPNP:
		out->kind = PORTMAP_FETCH;
		out->n = upnp_write(s, out->msg, sizeof(out->msg), &out->to.port);
		out->fetch = s->upnp.fetch;
		break;
	case SAY_ANNOUNCE:
	case SAY_ADDRESS:
	case SAY_PCP_MAP:
	case SAY_NATPMP_MAP:
	case SAY_N:
		out->n = lease_write(s, what, (uint8_t *)out->msg, sizeof(out->msg));
		break;
	}
}

static bool say(struct side *s, struct portmap_out *ret_out)
{
	for (unsigned what = 0; what < SAY_N; what++) {
		if (!(s->say & 1u << what))
			continue;
		s->say &= ~(1u << what);
		write_message(s, (enum side_message)what, ret_out);
		return true;
	}
	return false;
}

/* The next message may have something mapped. */
static bool asks_for_mapping(const struct side *s)
{
	return s->state == SIDE_ASKING &&
	       (s->say & (1u << SAY_PCP_MAP | 1u << SAY_NATPMP_MAP) ||
		       (s->say & 1u << SAY_UPNP && (s->upnp.step == UPNP_MAP || s->upnp.step == UPNP_OPEN)));
}

bool portmap_output(struct portmap *m, ns_t now, struct portmap_out *ret_out)
{
	for (size_t i = 0; i < SIDES; i++) {
		struct side *s = &m->side[i];

		if (!s->say && side_next(s) <= now)
			side_step(s, now);
		if (asks_for_mapping(s))
			owed_note(s);
		if (m->owed.changed) {
			m->owed.changed = false;
			*ret_out = (struct portmap_out){.kind = PORTMAP_KEEP};
			return true;
		}
		if (say(s, ret_out))
			return true;
	}
	if (!m->changed)
		return false;
	m->changed = false;
	*ret_out = (struct portmap_out){.kind = PORTMAP_CHANGED};
	return true;
}

ns_t portmap_next(const struct portmap *m)
{
	ns_t next = NS_NEVER;

	for (size_t i = 0; i < SIDES; i++)
		next = MIN(next, m->side[i].say ? 0 : side_next(&m->side[i]));
	return m->changed || m->owed.changed ? 0 : next;
}

/* --- what is so --- */

void portmap_look(const struct portmap *m, enum ip_family family, struct portmap_view *ret_view)
{
	const struct side *s = &m->side[family == IP_V6];
	struct portmap_view v = {
		.protocol = s->mapping.by,
		.external = s->mapping.external,
		.nested = s->mapping.by && ip_is_private(&s->mapping.external.ip),
		.lease = s->mapping.lease,
		.until = s->mapping.until,
		.gateway = s->gateway.ip,
		.problem = s->mapping.by ? PORTMAP_FINE : s->problem,
	};

	for (size_t i = 0; i < PORTMAP_PROTOCOL_N; i++)
		v.seen[i] = s->services[i].seen;
	*ret_view = v;
}

const char *portmap_protocol_name(enum portmap_protocol p)
{
	static const char *const names[PORTMAP_PROTOCOL_N] = {
		[PORTMAP_NONE] = "none",
		[PORTMAP_PCP] = "pcp",
		[PORTMAP_NATPMP] = "nat-pmp",
		[PORTMAP_UPNP] = "upnp",
	};

	return names[p];
}

const char *portmap_problem_text(enum portmap_problem p)
{
	static const char *const texts[PORTMAP_PROBLEM_N] = {
		[PORTMAP_FINE] = "",
		[PORTMAP_NO_GATEWAY] = "there is no router",
		[PORTMAP_NOT_NEEDED] = "no router changes this machine's address",
		[PORTMAP_NO_SERVICE] = "the router offers no ports, by PCP, NAT-PMP or UPnP",
		[PORTMAP_REFUSED] = "the router refuses, so a port has to be forwarded by hand",
		[PORTMAP_NO_ADDRESS] = "the router has no address outside, as if it were not connected",
		[PORTMAP_GIVEN_BACK] = "it was given back",
		[PORTMAP_FAR] = "the router is behind another one, which its ports do not pass",
	};

	return texts[p];
}
