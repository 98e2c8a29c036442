/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a node says about the names of its mesh: NAME.mesh with both addresses of a member, this.mesh with
 * those of the coordinator, ID.mesh, and the names of all addresses, backwards (RFC 1035 3.5, RFC 3596 2.5).
 * Read from the directory of members as it is at that moment; nothing is kept. Control thread.
 */
#ifndef TM_DNS_ZONE_H
#define TM_DNS_ZONE_H

#include "dns/message.h"
#include "mesh/mesh.h"

/* A renamed or removed member is believed in for so long at most; who has just joined is looked for again
 * after that. */
enum { DNS_TTL_S = 5, DNS_TTL_NEGATIVE_S = 10 };
/* How many zones backwards a prefix makes at most: one that ends just behind an octet's first bit. */
enum { DNS_REVERSE_MAX = 128 };

struct dns_zone_config {
	const char *name; /* of the zone, "mesh" */
	const struct mesh *mesh; /* borrowed */
	struct prefix net4, net6; /* its own */
	const char *self_id;
	const uint8_t *coordinator_key; /* 32 bytes */
};

struct dns_zone {
	/* set once */
	const struct mesh *mesh;
	struct prefix net4, net6;
	struct dns_name name, coordinator, mailbox;
	char self_id[NODE_ID_LEN + 1];
	uint8_t coordinator_key[32];
};

NODISCARD int dns_zone_init(struct dns_zone *z, const struct dns_zone_config *cfg); /* TM_EINVAL: the name */

/*
 * The answer to a question of class IN. REFUSED: the name is in none of our zones; SERVFAIL: we know of no
 * members, not even of ourselves, as before the first word of the coordinator or after we were removed.
 * *ret_member: whose address was asked for and found, or NULL; it lives as long as the record in the mesh.
 */
void dns_zone_ask(const struct dns_zone *z, const struct dns_name *name, uint16_t type,
	struct dns_reply *ret_reply, const struct mesh_node **ret_member);

/* The zones of a prefix's addresses, "64.100.in-addr.arpa.", in order; at most DNS_REVERSE_MAX. */
size_t dns_reverse_zones(const struct prefix *net, struct dns_name *ret_zones, size_t max);

#endif
