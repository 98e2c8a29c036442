/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * UPnP: a conversation over HTTP, one question at a time.
 *
 *   descriptions  what connections to the world are there?
 *   status, address  of each of them; one that is up and has an address of the internet is taken at once
 *   map  on it; a renewal asks for the address again, and then for the same mapping
 *
 * For IPv6 the description is followed by pinhole.c.
 */
#include "control/portmap/portmap_private.h"

#include <stdlib.h>
#include <string.h>

#include "wire/xml.h"

/* SOAP: what AddPortMapping is refused for, where another attempt helps. WANIPConnection:1, 2.4.16. */
enum {
	FAULT_INVALID_ARGS = 402, /* so say some that take no leases */
	FAULT_CONFLICT = 718, /* somebody else has that port */
	FAULT_ONLY_PERMANENT = 725,
};

#define HOLD (1800 * SEC)

void upnp_found(struct side *s, const struct igd_place *place, ns_t now)
{
	struct upnp *u = &s->upnp;

	for (size_t i = 0; i < u->n_places; i++)
		if (u->places[i].port == place->port && strcmp(u->places[i].path, place->path) == 0)
			return;
	if (u->n_places < UPNP_PLACES)
		u->places[u->n_places++] = *place;
	side_seen(s, PORTMAP_UPNP, now);
}

/* --- asking --- */

static bool is_pinhole(const struct side *s)
{
	return s->own.family == IP_V6;
}

void upnp_go(struct side *s, enum upnp_step step, size_t at)
{
	s->upnp.step = step;
	s->upnp.at = at;
	s->say |= 1u << SAY_UPNP;
	s->due = NS_NEVER; /* the owner has the deadline */
}

/* One that nobody has by rule or habit: RFC 6335 6. */
static uint16_t some_port(const struct side *s)
{
	return (uint16_t)(49152 + s->whole->cfg.random(s->whole->cfg.ctx) % 16384);
}

static void begin(struct side *s)
{
	s->upnp.n_services = 0;
	s->upnp.permanent = false;
	upnp_go(s, UPNP_DESCRIPTION, 0);
}

void upnp_ask(struct side *s)
{
	struct upnp *u = &s->upnp;

	u->ports_tried = 0;
	u->port = s->mapping.by ? s->mapping.external.port : owed_port(s);
	if (!u->port)
		u->port = s->whole->cfg.port;
	if (!port_usable(u->port))
		u->port = some_port(s);
	if (u->chosen)
		upnp_go(s, is_pinhole(s) ? UPNP_OPEN : UPNP_ADDRESS, u->at);
	else
		begin(s);
}

/* What we have is ours. What we had may be somebody else's by now: that is asked first. */
void upnp_take_back(struct side *s)
{
	s->upnp.port = s->back.external;
	s->upnp.closing = s->upnp.pinhole;
	if (s->state == SIDE_RELEASING)
		upnp_go(s, is_pinhole(s) ? UPNP_CLOSE : UPNP_DELETE, s->upnp.at);
	else if (s->upnp.chosen)
		upnp_go(s, is_pinhole(s) ? UPNP_OPEN : UPNP_CHECK, s->upnp.at);
	else
		begin(s);
}

static size_t write_map(const struct side *s, char *out, size_t out_len)
{
	const struct upnp *u = &s->upnp;
	const struct igd_argument args[] = {
		igd_text("NewRemoteHost", ""), /* from everybody */
		igd_number("NewExternalPort", u->port),
		igd_text("NewProtocol", "UDP"), /* some take no small letters */
		igd_number("NewInternalPort", s->whole->cfg.port),
		igd_address("NewInternalClient", &s->own),
		igd_number("NewEnabled", 1),
		igd_text("NewPortMappingDescription", "TunnelMesh"),
		igd_number("NewLeaseDuration", u->permanent ? 0 : (uint64_t)(s->whole->cfg.lease / SEC)),
	};

	return igd_call(&s->gateway.ip, &u->services[u->at].at, "AddPortMapping", args, ARRAY_LEN(args), out,
		out_len);
}

/* One mapping, by what identifies it. */
static size_t write_about(const struct side *s, const char *action, char *out, size_t out_len)
{
	const struct upnp *u = &s->upnp;
	const struct igd_argument args[] = {
		igd_text("NewRemoteHost", ""),
		igd_number("NewExternalPort", u->port),
		igd_text("NewProtocol", "UDP"),
	};

	return igd_call(&s->gateway.ip, &u->services[u->at].at, action, args, ARRAY_LEN(args), out, out_len);
}

size_t upnp_write(struct side *s, char *out, size_t out_len, uint16_t *ret_port)
{
	struct upnp *u = &s->upnp;
	const struct ip *gateway = &s->gateway.ip;
	const struct igd_service *service = &u->services[u->at].at;

	u->fetch = ++s->whole->fetches;
	if (u->step == UPNP_DESCRIPTION) {
		*ret_port = u->places[u->at].port;
		return igd_get(gateway, &u->places[u->at], out, out_len);
	}
	*ret_port = service->control.port;
	switch (u->step) {
	case UPNP_STATUS:
		return igd_call(gateway, service, "GetStatusInfo", NULL, 0, out, out_len);
	case UPNP_ADDRESS:
		return igd_call(gateway, service, "GetExternalIPAddress", NULL, 0, out, out_len);
	case UPNP_MAP:
		return write_map(s, out, out_len);
	case UPNP_CHECK:
		return write_about(s, "GetSpecificPortMappingEntry", out, out_len);
	case UPNP_DELETE:
		return write_about(s, "DeletePortMapping", out, out_len);
	case UPNP_FIREWALL:
	case UPNP_OPEN:
	case UPNP_CLOSE:
		return pinhole_write(s, out, out_len);
	case UPNP_DESCRIPTION:
		break;
	}
	return 0;
}

/* --- which connection --- */

/* Up and of the internet; up; of the internet; any that has an address. 0: of no use. */
static unsigned worth(const struct upnp_service *v)
{
	if (v->external.family == IP_NONE)
		return 0;
	return 1 + (v->connected ? 2 : 0) + (ip_is_private(&v->external) ? 0 : 1);
}

enum { WORTH_MOST = 4 };

static void choose(struct side *s, ns_t now)
{
	struct upnp *u = &s->upnp;
	size_t best = 0;

	for (size_t i = 1; i < u->n_services; i++)
		if (worth(&u->services[i]) > worth(&u->services[best]))
			best = i;
	if (!worth(&u->services[best])) {
		side_refused(s, PORTMAP_NO_ADDRESS, SIDE_WAIT_MIN, now);
		return;
	}
	u->chosen = true;
	upnp_go(s, s->state == SIDE_CLEARING ? UPNP_CHECK : UPNP_MAP, best);
}

/* --- answers --- */

static void read_description(struct side *s, const struct igd_answer *a, ns_t now)
{
	struct upnp *u = &s->upnp;
	struct igd_service found[IGD_SERVICES_MAX];
	size_t n = a->status == 200 ? igd_services(a->body, a->n, &u->places[u->at],
					      is_pinhole(s) ? IGD_FIREWALL : IGD_CONNECTION, found)
				    : 0;

	for (size_t i = 0; i < n && u->n_services < ARRAY_LEN(u->services); i++)
		u->services[u->n_services++] = (struct upnp_service){.at = found[i]};
	if (u->at + 1 < u->n_places)
		upnp_go(s, UPNP_DESCRIPTION, u->at + 1);
	else if (u->n_services)
		upnp_go(s, is_pinhole(s) ? UPNP_FIREWALL : UPNP_STATUS, 0);
	else
		side_refused(s, PORTMAP_NO_SERVICE, HOLD, now);
}

static void read_status(struct side *s, const struct igd_answer *a)
{
	struct upnp *u = &s->upnp;
	char text[32];

	u->services[u->at].connected = a->status == 200 &&
				       xml_value(a->body, a->n, "NewConnectionStatus", text, sizeof(text)) &&
				       strcmp(text, "Connected") == 0;
	upnp_go(s, UPNP_ADDRESS, u->at);
}

static void read_address(struct side *s, const struct igd_answer *a, ns_t now)
{
	struct upnp *u = &s->upnp;
	struct upnp_service *v = &u->services[u->at];
	char text[IP_STR_LEN];
	struct ip ip;

	v->external = (struct ip){0};
	if (a->status == 200 && xml_value(a->body, a->n, "NewExternalIPAddress", text, sizeof(text)) &&
		ip_parse(text, &ip) == TM_OK && ip.family == IP_V4 && external_usable(&ip))
		v->external = ip;
	if (u->chosen && v->external.family != IP_NONE)
		upnp_go(s, UPNP_MAP, u->at);
	else if (!u->chosen && worth(v) < WORTH_MOST && u->at + 1 < u->n_services)
		upnp_go(s, UPNP_STATUS, u->at + 1);
	else
		choose(s, now);
}

static void try_another_port(struct side *s, ns_t now)
{
	struct upnp *u = &s->upnp;

	owed_refused(s);
	if (++u->ports_tried == UPNP_PORTS) {
		side_refused(s, PORTMAP_REFUSED, HOLD, now);
		return;
	}
	u->port = some_port(s);
	upnp_go(s, UPNP_MAP, u->at);
}

static void read_map(struct side *s, const struct igd_answer *a, ns_t now)
{
	struct upnp *u = &s->upnp;
	const unsigned fault = igd_fault(a);
	const struct endpoint external = {.ip = u->services[u->at].external, .port = u->port};

	if (a->status == 200) {
		u->misses = 0;
		side_mapped(s, &external, u->permanent ? NS_NEVER : s->whole->cfg.lease, now);
	} else if (!u->permanent && (fault == FAULT_ONLY_PERMANENT || fault == FAULT_INVALID_ARGS)) {
		u->permanent = true;
		upnp_go(s, UPNP_MAP, u->at);
	} else if (fault == FAULT_CONFLICT) {
		try_another_port(s, now);
	} else {
		side_refused(s, PORTMAP_REFUSED, HOLD, now);
	}
}

/* Does it still lead to where an earlier run of ours listened? */
static void read_check(struct side *s, const struct igd_answer *a, ns_t now)
{
	char client[IP_STR_LEN], port[8], own[IP_STR_LEN];

	if (a->status == 200 && xml_value(a->body, a->n, "NewInternalClient", client, sizeof(client)) &&
		xml_value(a->body, a->n, "NewInternalPort", port, sizeof(port)) &&
		strcmp(client, ip_format(&s->own, own)) == 0 && strtoul(port, NULL, 10) == s->back.internal)
		upnp_go(s, UPNP_DELETE, s->upnp.at);
	else
		side_taken_back(s, true, now);
}

/* The whole conversation begins anew at the next time: what lay behind the addresses may have moved. */
static void broken_off(struct side *s, ns_t now)
{
	s->upnp.chosen = false;
	if (s->mapping.by && ++s->upnp.misses < UPNP_MISSES)
		side_postpone(s, now);
	else
		side_refused(s, PORTMAP_NO_SERVICE, SIDE_WAIT_MIN, now);
}

static void read_answer(struct side *s, const struct igd_answer *a, ns_t now)
{
	switch (s->upnp.step) {
	case UPNP_DESCRIPTION:
		read_description(s, a, now);
		break;
	case UPNP_STATUS:
		read_status(s, a);
		break;
	case UPNP_ADDRESS:
		read_address(s, a, now);
		break;
	case UPNP_MAP:
		read_map(s, a, now);
		break;
	case UPNP_CHECK:
		read_check(s, a, now);
		break;
	case UPNP_FIREWALL:
	case UPNP_OPEN:
		pinhole_read(s, a, now);
		break;
	case UPNP_DELETE:
	case UPNP_CLOSE:
		break;
	}
}

void upnp_read(struct side *s, const struct igd_answer *a, ns_t now)
{
	if ((s->state != SIDE_ASKING && !side_takes_back(s)) || s->asked != PORTMAP_UPNP)
		return;
	if (side_takes_back(s) && (!a || s->upnp.step == UPNP_DELETE || s->upnp.step == UPNP_CLOSE)) {
		side_taken_back(s, a != NULL, now);
	} else if (!a) {
		/* One of several may be broken. */
		if (s->upnp.step == UPNP_DESCRIPTION && s->upnp.at + 1 < s->upnp.n_places)
			upnp_go(s, UPNP_DESCRIPTION, s->upnp.at + 1);
		else
			broken_off(s, now);
	} else {
		read_answer(s, a, now);
	}
}
