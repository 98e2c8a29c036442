/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is done when, at the gateway of one family. */
#include "control/portmap/portmap_private.h"

bool external_usable(const struct ip *ip)
{
	return ip->family != IP_NONE && !ip_is_unspecified(ip) && !ip_is_loopback(ip) &&
	       !ip_is_link_local(ip) && !ip_is_multicast(ip);
}

static void say(struct side *s, enum side_message what)
{
	s->say |= 1u << what;
}

static void look_for_services(struct side *s, ns_t now)
{
	s->state = SIDE_PROBING;
	s->due = now + (PORTMAP_WINDOW << s->tries);
	say(s, SAY_ANNOUNCE);
	if (s->own.family == IP_V4)
		say(s, SAY_ADDRESS);
	say(s, SAY_SEARCH_GATEWAY);
	say(s, SAY_SEARCH_ALL);
	say(s, SAY_SEARCH_IGD);
}

static void probe(struct side *s, ns_t now)
{
	for (size_t i = 0; i < PORTMAP_PROTOCOL_N; i++)
		s->services[i].seen = s->services[i].missing = false;
	s->upnp = (struct upnp){0};
	s->tries = 0;
	look_for_services(s, now);
}

static void wait_longer(struct side *s, enum portmap_problem why, ns_t now)
{
	s->state = SIDE_WAITING;
	s->wait = s->wait ? MIN(2 * s->wait, SIDE_WAIT_MAX) : SIDE_WAIT_MIN;
	s->due = now + s->wait;
	s->whole->changed |= s->problem != why;
	s->problem = why;
}

static bool is_willing(const struct service *v, ns_t now)
{
	return v->seen && now - v->seen_at < PORTMAP_FRESH && v->refused_until <= now;
}

static enum portmap_protocol best_service(const struct side *s, ns_t now)
{
	for (unsigned p = PORTMAP_PCP; p < PORTMAP_PROTOCOL_N; p++)
		if (is_willing(&s->services[p], now))
			return (enum portmap_protocol)p;
	return PORTMAP_NONE;
}

static void ask(struct side *s, enum portmap_protocol by, ns_t now)
{
	s->state = SIDE_ASKING;
	s->asked = by;
	s->tries = 0;
	if (by == PORTMAP_UPNP)
		upnp_ask(s);
	else
		lease_ask(s, now);
}

/* By the best that there is, or later. */
static void ask_anybody(struct side *s, enum portmap_problem otherwise, ns_t now)
{
	enum portmap_protocol best = best_service(s, now);

	if (best)
		ask(s, best, now);
	else
		wait_longer(s, otherwise, now);
}

static void forget_mapping(struct side *s)
{
	s->whole->changed |= s->mapping.by != PORTMAP_NONE;
	s->mapping.by = PORTMAP_NONE;
	s->mapping.external = (struct endpoint){0};
	s->mapping.lease = s->mapping.until = 0;
}

static void take_back(struct side *s, enum side_state state, ns_t now)
{
	s->state = state;
	s->asked = s->back.by;
	s->tries = 0;
	if (s->asked == PORTMAP_UPNP)
		upnp_take_back(s);
	else
		lease_ask(s, now);
}

/* Until the mapping is renewed. As long as we have it there is time for what else is to be done. */
static void stay_mapped(struct side *s, ns_t now)
{
	s->state = SIDE_MAPPED;
	s->due = s->mapping.renew_at;
	if (s->due <= now)
		ask(s, s->mapping.by, now);
	else if (owed_next(s, &s->back))
		take_back(s, SIDE_CLEARING, now);
}

static void released(struct side *s)
{
	forget_mapping(s);
	s->problem = PORTMAP_GIVEN_BACK;
	s->state = SIDE_OFF;
	s->due = NS_NEVER;
	s->say = 0;
}

/* --- what happened --- */

void side_start(struct side *s, ns_t now)
{
	owed_arrived(s);
	probe(s, now);
}

void side_confirm(struct side *s, ns_t now)
{
	if (s->state == SIDE_MAPPED) {
		if (now - s->services[s->mapping.by].seen_at >= SIDE_RENEW_MIN)
			ask(s, s->mapping.by, now);
	} else if (s->state == SIDE_WAITING) {
		s->wait = 0;
		probe(s, now);
	}
}

void side_end(struct side *s, ns_t now)
{
	s->say = 0;
	s->upnp.fetch = 0;
	if (!s->mapping.by) {
		/* What was asked for and not answered yet may be mapped all the same: the next run, or its
		 * lease, ends it. */
		released(s);
		return;
	}
	s->back = (struct portmap_owed){.by = s->mapping.by,
		.gateway = s->gateway.ip,
		.own = s->own,
		.internal = s->whole->cfg.port,
		.external = s->mapping.by == PORTMAP_UPNP && s->own.family == IP_V4 ? s->mapping.external.port
										    : 0};
	take_back(s, SIDE_RELEASING, now);
}

void side_taken_back(struct side *s, bool answered, ns_t now)
{
	if (answered)
		owed_forget(s->whole, &s->back);
	if (s->state == SIDE_RELEASING) {
		released(s);
		return;
	}
	owed_tried(s->whole, &s->back);
	stay_mapped(s, now);
}

void side_seen(struct side *s, enum portmap_protocol p, ns_t now)
{
	s->services[p].seen = true;
	s->services[p].seen_at = now;
	if (s->state != SIDE_PROBING)
		return;
	/* Nothing better can come. */
	enum portmap_protocol best = best_service(s, now);
	for (unsigned better = PORTMAP_PCP; better < best; better++)
		if (!s->services[better].missing && s->services[better].refused_until <= now)
			return;
	if (best && best != PORTMAP_UPNP) /* of which there may be several */
		ask(s, best, now);
}

void side_missing(struct side *s, enum portmap_protocol p, ns_t now)
{
	enum portmap_protocol best;

	s->services[p].missing = true;
	if (s->state == SIDE_ASKING && s->asked == p)
		side_refused(s, PORTMAP_NO_SERVICE, SIDE_WAIT_MAX, now);
	else if (s->state == SIDE_PROBING && (best = best_service(s, now)))
		side_seen(s, best, s->services[best].seen_at);
}

/*
 * RFC 6887 8.5 for PCP: the clock may go a second back, for answers may overtake each other, and otherwise
 * both clocks run at the same pace within a sixteenth and two seconds. RFC 6886 3.6 for NAT-PMP: theirs may
 * be up to an eighth slower.
 */
bool side_clock(struct side *s, enum portmap_protocol p, uint32_t server_s, ns_t now)
{
	struct epoch *e = &s->epochs[p], last = *e;

	*e = (struct epoch){true, server_s, now};
	if (!last.known)
		return false;
	int64_t client = (now - last.at) / SEC, server = (int64_t)server_s - (int64_t)last.server_s;
	if (p == PORTMAP_NATPMP)
		return server + 2 < client - client / 8;
	return server < -1 || client + 2 < server - server / 16 || server + 2 < client - client / 16;
}

void side_restarted(struct side *s, ns_t now)
{
	if (s->mapping.by)
		s->mapping.until = MIN(s->mapping.until, now + SIDE_LOST_GRACE);
	switch (s->state) {
	case SIDE_MAPPED:
		ask(s, s->mapping.by, now);
		break;
	case SIDE_CLEARING:
		s->mapping.renew_at = now; /* as soon as that has an end */
		break;
	case SIDE_WAITING:
		/* It speaks now, or again. Anybody could say so: not more often than a few seconds apart. */
		s->due = MIN(s->due, now + SIDE_RENEW_MIN);
		s->wait = 0;
		for (size_t i = 0; i < PORTMAP_PROTOCOL_N; i++)
			s->services[i].refused_until = 0;
		break;
	case SIDE_OFF:
	case SIDE_PROBING:
	case SIDE_ASKING:
	case SIDE_RELEASING:
		break;
	}
}

/* --- what came of it --- */

void side_mapped(struct side *s, const struct endpoint *external, ns_t lease, ns_t now)
{
	ns_t renew;

	if (!external_usable(&external->ip)) {
		side_refused(s, PORTMAP_NO_ADDRESS, SIDE_WAIT_MIN, now);
		return;
	}
	if (!port_usable(external->port) || lease < SEC) {
		side_refused(s, PORTMAP_REFUSED, SIDE_WAIT_MAX, now);
		return;
	}
	s->whole->changed |= s->mapping.by != s->asked || !endpoint_eq(&s->mapping.external, external);
	s->mapping.by = s->asked;
	s->mapping.external = *external;
	s->mapping.lease = lease == NS_NEVER ? lease : MIN(lease, SIDE_LEASE_MAX);
	s->mapping.until = lease == NS_NEVER ? lease : now + s->mapping.lease;
	s->services[s->asked].seen = true;
	s->services[s->asked].seen_at = now;
	s->problem = PORTMAP_FINE;
	s->wait = 0;
	/* From half of the lease on, each client at another moment (RFC 6887 11.2.1). */
	renew = lease == NS_NEVER ? PORTMAP_FRESH : s->mapping.lease / 2;
	if (s->asked == PORTMAP_UPNP)
		renew = MIN(renew, PORTMAP_FRESH);
	renew += (ns_t)(s->whole->cfg.random(s->whole->cfg.ctx) % 1024) * renew / 4096;
	s->mapping.renew_at = now + MAX(renew, SIDE_RENEW_MIN);
	stay_mapped(s, now);
}

void side_refused(struct side *s, enum portmap_problem why, ns_t hold, ns_t now)
{
	if (side_takes_back(s)) {
		side_taken_back(s, false, now);
		return;
	}
	forget_mapping(s);
	s->services[s->asked].refused_until = now + hold;
	/* Then no other protocol maps the right address either: some would not even notice. */
	for (size_t i = 0; why == PORTMAP_FAR && i < PORTMAP_PROTOCOL_N; i++)
		s->services[i].refused_until = now + hold;
	ask_anybody(s, why, now);
}

void side_postpone(struct side *s, ns_t now)
{
	const ns_t wait = MIN((s->mapping.until - now) / 2, SIDE_WAIT_MIN);

	s->state = SIDE_MAPPED;
	s->due = now + MAX(wait, SIDE_RENEW_MIN);
}

/* No answer. Of a renewal: again after half of the time that is left. */
static void give_up(struct side *s, ns_t now)
{
	if (side_takes_back(s)) {
		side_taken_back(s, false, now);
	} else if (s->mapping.by) {
		s->state = SIDE_MAPPED;
		s->due = now + MAX((s->mapping.until - now) / 2, SIDE_RENEW_MIN);
	} else {
		side_refused(s, PORTMAP_NO_SERVICE, SIDE_WAIT_MIN, now);
	}
}

/* --- time --- */

static bool is_any_seen(const struct side *s)
{
	for (size_t i = 0; i < PORTMAP_PROTOCOL_N; i++)
		if (s->services[i].seen)
			return true;
	return false;
}

static void end_probe(struct side *s, ns_t now)
{
	if (!is_any_seen(s) && ++s->tries < SIDE_PROBES)
		look_for_services(s, now);
	else /* who refused, and for how long, is remembered */
		ask_anybody(s, is_any_seen(s) ? s->problem : PORTMAP_NO_SERVICE, now);
}

void side_step(struct side *s, ns_t now)
{
	if (s->mapping.by && s->mapping.until <= now) {
		forget_mapping(s);
		if (s->state == SIDE_MAPPED || s->state == SIDE_ASKING || s->state == SIDE_CLEARING)
			probe(s, now);
		return;
	}
	switch (s->state) {
	case SIDE_PROBING:
		end_probe(s, now);
		break;
	case SIDE_ASKING:
	case SIDE_CLEARING:
	case SIDE_RELEASING:
		if (++s->tries < SIDE_TRIES)
			lease_ask(s, now);
		else
			give_up(s, now);
		break;
	case SIDE_MAPPED:
		ask(s, s->mapping.by, now);
		break;
	case SIDE_WAITING:
		probe(s, now);
		break;
	case SIDE_OFF:
		s->due = NS_NEVER;
		break;
	}
}

ns_t side_next(const struct side *s)
{
	return s->mapping.by ? MIN(s->due, s->mapping.until) : s->due;
}
