/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the findings mean for direct connections: the matrix of docs/decisions/0016 in sentences. */
#include "node/netcheck_view.h"

#include <stdio.h>

/* The family that says most: the one that works, IPv4 of two. NULL: neither does, in full or in part. */
static const struct nat_facts *telling(const struct nat_report *r)
{
	for (int udp = NAT_UDP_WORKS; udp >= NAT_UDP_FIRST_ONLY; udp--)
		for (size_t i = 0; i < ARRAY_LEN(r->family); i++)
			if (r->family[i].udp == (enum nat_udp)udp)
				return &r->family[i];
	return NULL;
}

static bool is_silent(const struct nat_report *r)
{
	bool silent = false;

	for (size_t i = 0; i < ARRAY_LEN(r->family); i++)
		silent |= r->family[i].udp == NAT_UDP_SILENT;
	return silent && !telling(r);
}

static bool has_no_address(const struct nat_report *r)
{
	return r->family[0].udp == NAT_UDP_ABSENT && r->family[1].udp == NAT_UDP_ABSENT;
}

static const char *nobody_says(const struct netcheck_view *v)
{
	if (has_no_address(v->report))
		return "This machine has no network: none of its interfaces has an address by which others "
		       "could be reached.";
	if (is_silent(v->report))
		return v->link.up ? "UDP does not pass this network: there are no direct connections, "
				    "members are "
				    "reached through relays by TCP."
				  : "Nobody answers by UDP, and there is no link to the coordinator: this "
				    "machine is offline, nothing is let out, or they are down.";
	if (v->coordinator)
		return "This machine is the coordinator, and there is no relay that could tell it how it is "
		       "seen: "
		       "direct connections work with everybody who reaches its UDP port.";
	return "Nobody is known yet who could tell how this machine is seen: there was no link to the "
	       "coordinator.";
}

static const char *by_filter(const struct nat_facts *f)
{
	if (!(f->filtering & NAT_ON_PORT))
		return "Direct connections work with everybody.";
	if (f->filtering == NAT_ON_PORT)
		return "Direct connections work with everybody except members whose router gives every "
		       "connection "
		       "another port (hard); those are tried by guessing, which takes longer.";
	return "Direct connections work with most members; with one whose router gives every connection "
	       "another "
	       "port (hard) it depends on whom the router here lets in, which could not be found out.";
}

/* The gateway leads everybody who writes to it to us. */
static bool is_mapped(const struct netcheck_view *v)
{
	for (size_t i = 0; i < ARRAY_LEN(v->ports.v); i++)
		if (v->ports.on && v->ports.v[i].protocol != PORTMAP_NONE && !v->ports.v[i].nested)
			return true;
	return false;
}

/* Nothing passes, and somebody else answers for the coordinator. */
static bool is_portal(const struct netcheck_view *v)
{
	return !v->link.up && !telling(v->report) && (v->http == PORTAL_SIGN_IN || v->http == PORTAL_OTHER);
}

const char *netcheck_verdict(const struct netcheck_view *v, char buf[static NETCHECK_TEXT])
{
	const struct nat_facts *f = telling(v->report);
	const char *text;

	if (is_portal(v))
		text = "Something else answers for the coordinator: this network wants a sign-in first "
		       "(captive "
		       "portal), or lets nothing through but its own pages.";
	else if (!f)
		text = nobody_says(v);
	else if (f->udp == NAT_UDP_FIRST_ONLY)
		text = "A firewall lets only the first datagram of each connection pass: there are no direct "
		       "connections, members are reached through relays by TCP.";
	else if (is_mapped(v))
		text = "Direct connections work with everybody: the router has a port for this machine.";
	else if (nat_is_hard(f))
		text = "Direct connections work with members that are open or whose router lets in what "
		       "comes from "
		       "an address that was written to; with others they are tried by guessing, or go "
		       "through a relay.";
	else if (nat_is_easy(f))
		text = by_filter(f);
	else
		text = "Direct connections are likely, but nobody with a second port could say whether the "
		       "router "
		       "here is an easy or a hard one.";
	snprintf(buf, NETCHECK_TEXT, "%s", text);
	return buf;
}

size_t netcheck_advice(const struct netcheck_view *v, char (*ret_v)[NETCHECK_TEXT])
{
	const struct nat_report *r = v->report;
	const struct nat_facts *f = telling(r);
	size_t n = 0;

	if (is_portal(v))
		snprintf(ret_v[n++], NETCHECK_TEXT,
			"Open any page in a browser on this machine and sign in; the link comes up by itself "
			"afterwards.");
	if (is_silent(r) && v->link.up)
		snprintf(ret_v[n++], NETCHECK_TEXT,
			"Have UDP let out to any address, or at least to the coordinator's data port, and "
			"its "
			"answers in.");
	if (f && f->udp == NAT_UDP_FIRST_ONLY)
		snprintf(ret_v[n++], NETCHECK_TEXT,
			"Have the firewall take UDP as what it is, without inspecting it, for port %u of "
			"this "
			"machine.",
			v->port);
	if (f && f->udp == NAT_UDP_SHORT_ONLY)
		snprintf(ret_v[n++], NETCHECK_TEXT,
			"Datagrams of %d bytes do not pass, %u do: between nodes the tunnel finds that out; "
			"where WireGuard clients come through this one, set a smaller mtu (1280) in the "
			"configuration.",
			NAT_LONG, f->payload);
	if (f && f->translated && !is_mapped(v) && !(nat_is_easy(f) && !(f->filtering & NAT_ON_PORT)))
		snprintf(ret_v[n++], NETCHECK_TEXT,
			"To be reached by everybody, forward a UDP port on the router to port %u of this "
			"machine, "
			"and name it under advertise in the configuration; or let the router do it by PCP, "
			"NAT-PMP "
			"or UPnP.",
			v->port);
	return n;
}
