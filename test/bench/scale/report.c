/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What members tell of themselves and their pairs: each of `pairs` with those that come next in the herd, one
 * of ten through the coordinator, round trips and traffic of all sizes.
 */
#include "bench/scale/herd.h"

#include "control/link/clink.h"

enum { PEERS_A_MESSAGE = 128 };

static json_t *pair_of(const struct member *m, unsigned k, unsigned round)
{
	const struct herd *h = m->herd;
	const struct member *peer = h->members[(m->index + k) % h->n];
	const unsigned mixed = m->index * 31 + k * 17;
	char id[NODE_ID_STR_LEN];
	const bool relayed = mixed % 10 == 0;

	identity_node_id(peer->id.ed_pub, id);
	return json_pack("{s:s, s:s, s:s, s:i, s:I, s:i, s:i, s:I, s:I}", "node", id, "path",
		relayed ? "relay" : "direct", "not_direct", relayed ? "silent" : "", "family", 4, "rtt_us",
		(json_int_t)(1000 + mixed * 100 % 90000 + round * 10), "mtu", 1420, "age_s", 60, "rx",
		(json_int_t)round * mixed * 1000, "tx", (json_int_t)round * mixed * 500);
}

/* round: a later one has later counters. */
void member_report(struct member *m, unsigned pairs, unsigned round)
{
	for (unsigned k = 1; k <= pairs; k += PEERS_A_MESSAGE) {
		json_t *peers = json_array();

		for (unsigned i = k; i <= pairs && i < k + PEERS_A_MESSAGE; i++)
			json_array_append_new(peers, pair_of(m, i, round));
		json_t *j = json_pack("{s:s, s:b, s:i, s:{s:i, s:i, s:i, s:i, s:i, s:s}, s:o}", "t", "report",
			"whole", round == 0 && k == 1, "over_ms", 2000, "self", "uptime_s", 3600 + m->index,
			"cpu", 12, "memory", 9000000, "mtu", 1420, "workers", 2, "offloads", "gso gro",
			"peers", peers);
		if (m->state == MEMBER_UP)
			(void)!clink_send(m->link, j);
		json_decref(j);
	}
}
