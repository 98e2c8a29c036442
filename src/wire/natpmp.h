/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * NAT Port Mapping Protocol, RFC 6886: the predecessor of PCP, which many gateways still speak alone. IPv4
 * and UDP mappings only. UDP, to port 5351 of the gateway. Pure.
 *
 *   external address   0 | 0
 *
 *   its answer         0 | 128 | result 2 | epoch 4 | address 4
 *
 *   map a UDP port     0 | 1 | 0 2 | internal 2 | external 2 | life 4
 *
 *   its answer         0 | 129 | result 2 | epoch 4 | internal 2 | external 2 | life 4
 */
#ifndef TM_WIRE_NATPMP_H
#define TM_WIRE_NATPMP_H

#include "base/addr.h"
#include "base/err.h"

enum {
	NATPMP_ADDRESS_LEN = 2,
	NATPMP_MAP_LEN = 12,
	NATPMP_ADDRESS_ANSWER_LEN = 12,
	NATPMP_MAP_ANSWER_LEN = 16,
};

enum natpmp_opcode { NATPMP_ADDRESS = 0, NATPMP_MAP_UDP = 1 };

/* RFC 6886 3.5: those that make a difference to us. */
enum natpmp_result {
	NATPMP_SUCCESS = 0,
	NATPMP_UNSUPP_VERSION = 1,
	NATPMP_NETWORK_FAILURE = 3, /* the gateway is not connected itself */
};

size_t natpmp_address_request(uint8_t out[static NATPMP_ADDRESS_LEN]);
/* lifetime 0 deletes; external 0 = any, which a deletion says (RFC 6886 3.4). */
size_t natpmp_map_request(
	uint16_t internal, uint16_t external, uint32_t lifetime_s, uint8_t out[static NATPMP_MAP_LEN]);

struct natpmp_answer {
	uint8_t opcode; /* enum natpmp_opcode, what was asked */
	uint16_t result; /* enum natpmp_result, or any other number; with an error only the epoch is told */
	uint32_t epoch_s;
	struct ip external; /* ADDRESS */
	uint16_t internal_port, external_port; /* MAP_UDP */
	uint32_t lifetime_s;
};

/* TM_EVERSION, TM_ESHORT, TM_EBADMSG for requests and opcodes that we never ask. */
NODISCARD int natpmp_answer_decode(const uint8_t *p, size_t n, struct natpmp_answer *ret_m);

#endif
