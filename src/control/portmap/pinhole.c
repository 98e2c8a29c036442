/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * UPnP for IPv6: a hole in the gateway's firewall (WANIPv6FirewallControl:1), the end of the conversation
 * that upnp.c begins. A hole that is asked for again is the same hole with another lease (2.5.2 of the
 * service), so it is renewed, and found again after a crash, by the question that made it. Gateways let a
 * hole be made by the address alone to which it leads: our questions come from there.
 */
#include "control/portmap/portmap_private.h"

#include <stdlib.h>
#include <string.h>

#include "wire/xml.h"

enum { IPPROTO_NUMBER_UDP = 17 };
#define HOLD (1800 * SEC)
#define SHORTEST SEC /* a lease: what an earlier run left is asked for again, to be closed by its number */

static size_t write_open(const struct side *s, char *out, size_t out_len)
{
	const bool again = side_takes_back(s);
	const struct igd_argument args[] = {
		igd_text("RemoteHost", ""), /* from everybody */
		igd_number("RemotePort", 0),
		igd_address("InternalClient", &s->own),
		igd_number("InternalPort", again ? s->back.internal : s->whole->cfg.port),
		igd_number("Protocol", IPPROTO_NUMBER_UDP),
		igd_number("LeaseTime", (uint64_t)((again ? SHORTEST : s->whole->cfg.lease) / SEC)),
	};

	return igd_call(&s->gateway.ip, &s->upnp.services[s->upnp.at].at, "AddPinhole", args, ARRAY_LEN(args),
		out, out_len);
}

size_t pinhole_write(const struct side *s, char *out, size_t out_len)
{
	const struct upnp *u = &s->upnp;
	const struct igd_argument number = igd_number("UniqueID", u->closing);

	if (u->step == UPNP_FIREWALL)
		return igd_call(
			&s->gateway.ip, &u->services[u->at].at, "GetFirewallStatus", NULL, 0, out, out_len);
	if (u->step == UPNP_OPEN)
		return write_open(s, out, out_len);
	return igd_call(&s->gateway.ip, &u->services[u->at].at, "DeletePinhole", &number, 1, out, out_len);
}

/* XML Schema's booleans, and how some write them. */
static bool says_yes(const struct igd_answer *a, const char *name)
{
	char text[8];

	return xml_value(a->body, a->n, name, text, sizeof(text)) &&
	       (strcmp(text, "1") == 0 || strcmp(text, "true") == 0 || strcmp(text, "yes") == 0);
}

static void read_status(struct side *s, const struct igd_answer *a, ns_t now)
{
	struct upnp *u = &s->upnp;

	if (a->status == 200 && says_yes(a, "FirewallEnabled") && says_yes(a, "InboundPinholeAllowed")) {
		u->chosen = true;
		upnp_go(s, UPNP_OPEN, u->at);
	} else if (u->at + 1 < u->n_services) {
		upnp_go(s, UPNP_FIREWALL, u->at + 1);
	} else {
		/* Nothing to make a hole in, or not by us. */
		side_refused(s,
			a->status == 200 && !says_yes(a, "FirewallEnabled") ? PORTMAP_NOT_NEEDED
									    : PORTMAP_REFUSED,
			HOLD, now);
	}
}

static bool read_number(const struct igd_answer *a, uint16_t *ret_number)
{
	char text[8], *end;

	if (a->status != 200 || !xml_value(a->body, a->n, "UniqueID", text, sizeof(text)) || !text[0])
		return false;
	unsigned long number = strtoul(text, &end, 10);
	*ret_number = (uint16_t)number;
	return !*end && number <= UINT16_MAX;
}

static void read_open(struct side *s, const struct igd_answer *a, ns_t now)
{
	const struct endpoint own = {.ip = s->own, .port = s->whole->cfg.port};
	const bool back = side_takes_back(s),
		   open = read_number(a, back ? &s->upnp.closing : &s->upnp.pinhole);

	if (back && open)
		upnp_go(s, UPNP_CLOSE, s->upnp.at);
	else if (back)
		side_taken_back(s, true, now);
	else if (open)
		side_mapped(s, &own, s->whole->cfg.lease, now);
	else
		side_refused(s, PORTMAP_REFUSED, HOLD, now);
}

void pinhole_read(struct side *s, const struct igd_answer *a, ns_t now)
{
	if (s->upnp.step == UPNP_FIREWALL)
		read_status(s, a, now);
	else if (s->upnp.step == UPNP_OPEN)
		read_open(s, a, now);
}
