/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The packet filter's place in the data path: asked once for each packet, after the check of its source on
 * ingress, after its route is known on egress (there once for a super-packet, before it is cut). Without a
 * filter everything passes.
 *
 * A filter is immutable, belongs to the snapshots that carry it (data/plane/snapshot.h), and is asked by all
 * workers at once. What it remembers of flows lies beside the snapshots and outlives them, with locks of its
 * own. Each flow keeps the `generation` of the question that admitted it. When a packet of it asks with
 * another generation, the flow is judged anew by the rules at hand, and updated or forgotten: so new rules
 * hold from the next packet on, and changing them walks no table.
 */
#ifndef TM_DATA_FILTER_FILTER_H
#define TM_DATA_FILTER_FILTER_H

#include "base/time.h"
#include "data/filter/rules.h"
#include "packet/ip.h"

enum filter_dir { FILTER_EGRESS, FILTER_INGRESS };

struct filter_question {
	enum filter_dir dir;
	const struct ip_view *packet;
	/* Who is at the other end of the tunnel. For a client behind a gateway that is the gateway: rules
	 * about clients go by their addresses. */
	uint32_t peer; /* plane_peer.id */
	uint64_t tags; /* plane_peer.tags */
	uint64_t generation; /* of the snapshot; grows with each that is published */
	ns_t now; /* of the batch */
};

/* What every filter begins with. */
struct filter {
	enum verdict (*judge)(const struct filter *f, const struct filter_question *q); /* workers */
	void (*free)(struct filter *f); /* control thread, when no worker can be in it any more */
};

#endif
