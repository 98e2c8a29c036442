/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A gateway in virtual time, made by hand from the documents and not from our codecs, and a node behind it.
 * It answers at once; what it was asked is counted, what it mapped is a table of one.
 */
#ifndef TM_TEST_PORTMAP_GATEWAY_H
#define TM_TEST_PORTMAP_GATEWAY_H

#include "unit/unit.h"

#include "control/portmap/portmap.h"

enum { GATEWAY_SERVICES = 3, OUR_PORT = 51820 };

struct gateway {
	/* what it is */
	bool pcp, natpmp, upnp;
	bool old; /* to a PCP question it says that it does not know that version */
	ns_t started; /* its clock's zero */
	unsigned deaf; /* so many datagrams get lost on the way to it */
	unsigned deaf_to_deletes; /* so many of those that delete */
	const char *external; /* of PCP and NAT-PMP */
	uint8_t pcp_result, natpmp_result;
	uint32_t error_lifetime_s; /* of PCP */
	uint32_t grant_max_s; /* 0: as asked */
	uint32_t grant_s; /* whatever is asked; 0: as above */
	uint16_t port; /* that it maps whatever is asked; 0: as asked */
	bool wrong_nonce;
	const char *answers_from; /* instead of itself */
	uint16_t search_port; /* from which searches are answered; 0 = 1900 */
	const char *location; /* of the description */
	const char *broken; /* of another one, told before, that nobody answers for */
	struct {
		bool connected;
		const char *external;
	} services[GATEWAY_SERVICES];
	size_t n_services;
	unsigned fault; /* of AddPortMapping with a lease */
	unsigned taken; /* so many ports are somebody else's */
	bool no_http;
	/* what it was asked */
	unsigned announces, addresses, searches, maps[PORTMAP_PROTOCOL_N], deletes, fetches;
	uint16_t asked_internal, asked_external;
	uint32_t asked_lease_s;
	unsigned asked_service;
	ns_t asked_at; /* the last map or deletion */
	char asked_client[64];
	unsigned asked_unkept; /* questions for what was not to be kept before */
	/* what it mapped for an earlier run of ours, until that is deleted: internal 0 then */
	struct {
		uint16_t internal, external;
		const char *client; /* NULL: UPnP does not know of it */
	} left;
	/* the node's dice: the last number, and by how much the next is larger */
	uint32_t thrown, chance;
	/* what it mapped */
	bool mapped;
	uint16_t external_port;
};

extern struct gateway gw;
extern struct portmap *map;
extern ns_t now;
extern unsigned changes, keeps;

int gateway_set_up(void **state); /* instead of what is there: one that speaks nothing, and a node that has
				     not heard of it */
int gateway_tear_down(void **state);
void node_listens_on(uint16_t port); /* instead of OUR_PORT; before it arrives */

/* The node learns of its gateway: 192.168.1.1, by which it is 192.168.1.7. */
void node_arrives(void);
void node_waits(ns_t time);
struct portmap_view node_view(void);
/* The node's mapping, as text: "pcp 203.0.113.9:51820", or the problem. Good until the next call. */
const char *node_shows(void);

struct ip ip_of(const char *text);
struct endpoint endpoint_of(const char *text);
/* A datagram of the gateway's that nobody asked for, in hex; "EPOCH" in it becomes its clock. */
void gateway_announces(const char *from, const char *hex);

#endif
