/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The packet filter: stateful, at both ends of each tunnel, after the check of a packet's source on ingress,
 * after its route is known on egress (there once for a super-packet, before it is cut). Without a filter
 * everything passes.
 *
 * The rules (rules.h) say who may begin what; a flow that has begun is remembered (memory.h) and passes both
 * ways until it ends or falls silent (track.h). Each keeps the generation of the question that admitted it:
 * when a packet of it asks with another one, the flow is judged anew: updated, or ended. So new rules hold
 * from the next packet on, and changing them walks no table. What they ended stays known: neither side's
 * packets bring it back, also where the rules would let the other side begin one; another connection may
 * begin.
 *
 * What is of no flow and begins none, passes only
 *   - in the midst of a TCP connection that the rules would let begin in this direction: it was forgotten, in
 * a restart perhaps, and is remembered again; unless its ports say that the other side has called, and a rule
 * forbids that;
 *   - likewise, out of the tunnel's near end, if the other side might have begun it;
 *   - for some minutes after filtering began, into it, if this side might have begun it: nothing is
 * remembered, but a host that knows the connection answers, and then it is. One that does not answers with a
 * reset, which goes nowhere (docs/decisions/0050);
 *   - as an ICMP error about a packet of a flow, or as other ICMP by the rules about its type.
 * What nobody can know the ports of (IP_UPPER) never passes, but pieces do that follow a first one which did
 * (pieces.h).
 */
#ifndef TM_DATA_FILTER_FILTER_H
#define TM_DATA_FILTER_FILTER_H

#include "data/filter/memory.h"
#include "data/filter/rules.h"
#include "packet/ip.h"

/* Packets into the tunnel and out of it. */
enum filter_dir { FILTER_EGRESS, FILTER_INGRESS };

enum filter_says {
	FILTER_PASS,
	FILTER_DENIED, /* by the rules, in silence */
	FILTER_REJECTED, /* by the rules, and its sender is to be told (packet/reject.h) */
	FILTER_STRAY, /* of no flow, and it cannot begin one */
	FILTER_HIDDEN, /* nobody can tell what it is */
	FILTER_PIECE, /* of a packet whose beginning was not seen or did not pass, or that contradicts itself
		       */
	FILTER_FULL, /* its peer has as many flows as there is room for */
};

/* Immutable: rules, and which addresses are whose. */
struct filter;

/* Members' addresses are host numbers behind these (mesh/model.h). */
struct filter_space {
	struct prefix net4, net6; /* IP_NONE: all are other addresses */
	uint32_t host; /* ours; 0: none */
};
/* since: when filtering began; the filter that this one takes the place of has the same. */
NODISCARD int filter_new(
	const struct filter_space *space, struct rules *rules_take, ns_t since, struct filter **ret_f);
void filter_free(struct filter *f);
DEFINE_CLEANUP(struct filter, filter_free)
ns_t filter_since(const struct filter *f);

/* A flow that passed in the same batch, so that what follows of it costs a comparison. A worker's own; all
 * zero at first. */
struct filter_memo {
	ns_t now; /* of that batch; 0: none */
	uint32_t generation;
	uint8_t version, proto;
	uint16_t sport, dport;
	uint8_t addr[32];
};

struct filter_worker {
	const struct filter *filter;
	struct filter_memory *memory;
	struct filter_memo memo[2]; /* by direction */
};

/* What all packets of a batch have in common. */
struct filter_question {
	enum filter_dir dir;
	/* Who is at the other end of the tunnel; for clients behind another node that is the node. */
	uint32_t peer; /* host number; 0: none */
	uint64_t generation; /* of the snapshot; grows with each that is published */
	ns_t now; /* of the batch, not 0 */
};

enum { FILTER_BATCH = 16 };
/* n <= FILTER_BATCH packets, in their order. Returns a bit for each that must not pass; of those alone
 * ret_says is set. */
unsigned filter_judge(struct filter_worker *w, const struct filter_question *q, const struct ip_view *v,
	size_t n, enum filter_says *ret_says);

#endif
