/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Port Control Protocol, RFC 6887: what a client needs to have one UDP port mapped. Requests and responses of
 * ANNOUNCE and MAP, without options. UDP, to port 5351 of the gateway. Pure.
 *
 *   request   version 2 | opcode | reserved 2 | lifetime 4 | client's address 16
 *   response  version 2 | 0x80 + opcode | reserved 1 | result 1 | lifetime 4 | epoch 4 | reserved 12
 *   MAP       nonce 12 | protocol 1 | reserved 3 | internal port 2 | external port 2 | external address 16
 *
 * Addresses are IPv6, IPv4 ones mapped (RFC 6887, 5); times in seconds.
 */
#ifndef TM_WIRE_PCP_H
#define TM_WIRE_PCP_H

#include "base/addr.h"
#include "base/err.h"

enum {
	PCP_PORT = 5351,
	PCP_CLIENT_PORT = 5350, /* to which gateways announce that they restarted, RFC 6887 14.1.2 */
	PCP_NONCE = 12,
	PCP_HEADER_LEN = 24,
	PCP_MAP_LEN = PCP_HEADER_LEN + PCP_NONCE + 4 + 2 + 2 + 16,
	PCP_MAX = 1100, /* RFC 6887 7 */
};
_Static_assert(PCP_MAP_LEN == 60, "RFC 6887 11.1");

enum pcp_opcode { PCP_ANNOUNCE = 0, PCP_MAP = 1 };

/* RFC 6887 7.4: those that make a difference to us. */
enum pcp_result {
	PCP_SUCCESS = 0,
	PCP_UNSUPP_VERSION = 1,
	PCP_NOT_AUTHORIZED = 2,
	PCP_UNSUPP_OPCODE = 4,
	PCP_NETWORK_FAILURE = 7, /* the gateway is not connected itself */
	PCP_UNSUPP_PROTOCOL = 9,
	PCP_ADDRESS_MISMATCH = 12, /* the gateway sees us under another address: a translator is between */
};

struct pcp_map {
	uint8_t nonce[PCP_NONCE];
	uint16_t internal_port;
	uint16_t external_port; /* asked for: a suggestion, 0 = any */
	struct ip external; /* likewise; IP_NONE = any, of the client's family */
	uint32_t lifetime_s; /* 0 deletes */
};

/* Both return the length, 0 when out_len is too short. client: our address, as the gateway should see it. */
size_t pcp_announce_request(const struct ip *client, uint8_t *out, size_t out_len);
size_t pcp_map_request(const struct ip *client, const struct pcp_map *map, uint8_t *out, size_t out_len);

struct pcp_response {
	uint8_t opcode; /* enum pcp_opcode */
	uint8_t result; /* enum pcp_result, or any other number */
	uint32_t lifetime_s; /* of the mapping; of an error: how long it will last */
	uint32_t epoch_s;
	struct pcp_map map; /* MAP only; lifetime_s is repeated in it */
};

/*
 * TM_EVERSION for another version (NAT-PMP gateways answer in theirs: wire/natpmp.h), TM_ESHORT, TM_EBADMSG
 * for requests, opcodes that we never ask, and mappings of other protocols than UDP.
 */
NODISCARD int pcp_response_decode(const uint8_t *p, size_t n, struct pcp_response *ret_m);

#endif
