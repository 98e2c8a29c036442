/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A mapping that is read can be asked for again, and its response, as the gateway writes it, reads as the
 * same. */
#include "fuzz/fuzz.h"
#include "wire/pcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ip client = {.family = IP_V6};
	uint8_t *p = fuzz_copy(data, size), out[PCP_MAP_LEN];
	struct pcp_response m, back;

	if (pcp_response_decode(p, size, &m) == TM_OK && m.opcode == PCP_MAP) {
		assert(pcp_map_request(&client, &m.map, out, sizeof(out)) == PCP_MAP_LEN);
		memcpy(out, p, PCP_HEADER_LEN);
		assert(pcp_response_decode(out, sizeof(out), &back) == TM_OK);
		assert(memcmp(m.map.nonce, back.map.nonce, PCP_NONCE) == 0);
		assert(ip_eq(&m.map.external, &back.map.external));
		assert(m.map.internal_port == back.map.internal_port);
		assert(m.map.external_port == back.map.external_port);
	}
	free(p);
	return 0;
}
