/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A network address and port translator for UDP over IPv4, by the words of RFC 4787, and the firewalls that
 * are its half without translation (also for IPv6, RFC 6092). It stands between a segment of its own and the
 * one outside, which may itself lie behind a NAT (a provider's).
 *
 * Mapping (RFC 4787 4.1): what a new mapping is made for. Filtering (5): whose datagrams a mapping lets in.
 * Both by the remote side's endpoint, its address, or not at all. Ports (4.2.1): the outside port asked for;
 * one that is taken gives the next one that is free, never a shared one (REQ-3). NAT_BLOCK: any one of a
 * block that each outside address has for the host; no mapping when the block is full, as with providers.
 * Expiry (4.3): outbound datagrams keep a mapping (REQ-6), inbound ones if so chosen. Hairpin (6): what an
 * inside host sends to an outside address of its own NAT. Pool (4.1): paired gives a host always the same
 * outside address.
 */
#ifndef TM_TEST_SIM_NAT_H
#define TM_TEST_SIM_NAT_H

#include "sim/segment.h"

enum nat_scope { NAT_ENDPOINT_INDEPENDENT, NAT_ADDRESS_DEPENDENT, NAT_ADDRESS_AND_PORT_DEPENDENT };
enum nat_ports { NAT_PRESERVING, NAT_SEQUENTIAL, NAT_RANDOM, NAT_BLOCK };
enum nat_hairpin { NAT_NO_HAIRPIN, NAT_INTERNAL_SOURCE, NAT_EXTERNAL_SOURCE };

enum { NAT_POOL_MAX = 8 };

struct nat_kind {
	enum nat_scope mapping, filtering;
	enum nat_ports ports;
	enum nat_hairpin hairpin;
	bool firewall; /* translates nothing: mapping, ports, hairpin and pool have no meaning */
	bool parity; /* an even port stays even (REQ-4) */
	bool refresh_inbound;
	bool first_only; /* of each flow one datagram in each direction passes; with a filter by port alone */
	/* Each flow has a mapping, with the port of the socket's others, or else the inside port, unless
	 * another flow with that remote endpoint has it; and what nobody inside has asked for makes such a
	 * flow, too: the router's own, which it answers. */
	bool answers;
	bool arbitrary_pool;
	unsigned block; /* ports in one, a power of two */
	unsigned pool; /* outside addresses; 0 = 1 */
	ns_t expiry; /* 0 = 120 s (REQ-5 asks for 2 minutes at least) */
};

/* A remote endpoint that the inside wrote to, and when. */
struct nat_contact {
	struct endpoint remote;
	ns_t used;
	unsigned out, in; /* datagrams since it was new */
};

struct nat_mapping {
	struct endpoint inside, outside;
	struct endpoint remote; /* as far as the mapping depends on it; else unset */
	ns_t used;
	struct nat_contact *contacts;
	size_t n_contacts, cap_contacts;
};

struct nat {
	struct node from_inside, from_outside;
	struct owned owned;
	struct sim *sim;
	struct nat_kind kind;
	struct segment *inside, *outside;
	struct ip pool[NAT_POOL_MAX];
	uint16_t next_port;
	struct nat_mapping *mappings;
	size_t n_mappings, cap_mappings;
};

/* What a well-behaved home router does: endpoint-independent mapping, address-dependent filtering. */
extern const struct nat_kind nat_home;
/* A Linux router that masquerades, without a firewall on its outside. */
extern const struct nat_kind nat_bare_linux;

/* With an inside segment of the given IPv4 prefix. */
struct nat *nat_new(struct sim *s, struct segment *outside, const struct nat_kind *kind, const char *net4);
/* A firewall around a new segment whose members have addresses of the segment outside. Only filtering and
 * expiry of the kind count. */
struct nat *firewall_new(struct sim *s, struct segment *outside, const struct nat_kind *kind);
/* A router's IPv6 half: the inside of a NAT gets addresses of the outside too, behind a firewall. */
struct nat *firewall_for_ip6(struct nat *beside, const struct nat_kind *kind);

/* The NAT that leads out of the segment by IPv4; NULL: the internet itself. */
struct nat *nat_of(const struct segment *g);
/* Forgets every mapping, as after a power cut: the next ones get other ports. */
void nat_reboot(struct nat *t);
/* New outside addresses: the provider's, after a reconnection. */
void nat_renumber(struct nat *t);
/* The live mapping of an inside endpoint, NULL when none; of several the first. For tests of NATs. */
const struct nat_mapping *nat_mapping_of(struct nat *t, const struct endpoint *inside);

#endif
