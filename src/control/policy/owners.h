/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Through whom each network behind nodes is reached from here. Most networks have one node that leads there;
 * where several do (`ha`) this node chooses: the one with the lowest host number at first, which is the same
 * for all, and whoever has it keeps it until it is lost, that is, until nothing of what is sent to it is
 * answered by any way. Coming back it gets nothing back: the one that took over stays.
 *
 * A network of our own is nobody else's. Which networks count is the owner's rule (accept); the internet is
 * one like others, but only through the node that was chosen for it. Pure; control thread.
 */
#ifndef TM_CONTROL_POLICY_OWNERS_H
#define TM_CONTROL_POLICY_OWNERS_H

#include "base/time.h"
#include "mesh/mesh.h"

struct owners;

/* One network, and who leads there. */
struct owned {
	struct prefix prefix;
	uint32_t host; /* of the owner */
	unsigned others; /* who could take over */
};

struct owners_rule {
	bool none; /* no network is taken */
	bool all; /* not only those of private addresses */
	uint32_t self_host;
	struct prefix net4, net6; /* of the mesh: what overlaps them is no network behind a node */
	char exit[NODE_ID_LEN + 1]; /* whose way to the internet is taken; "" = nobody's */
};

/* How long one that was lost counts as lost, unless it is heard. */
#define OWNERS_LOST_FOR (60 * SEC)

NODISCARD int owners_new(struct owners **ret_owners);
void owners_free(struct owners *o); /* NULL is fine */

/*
 * The mesh or the rule is another one, or a member was lost or found. Each gives the hosts whose networks are
 * others now (ret_hosts, to be freed); TM_ENOMEM: nothing has changed.
 */
NODISCARD int owners_follow(struct owners *o, const struct mesh *m, const struct owners_rule *rule, ns_t now,
	uint32_t **ret_hosts, size_t *ret_n);
/* Does it own anything that others could take over? Then it is worth telling that it is lost. */
bool owners_may_leave(const struct owners *o, uint32_t host);
void owners_lost(struct owners *o, uint32_t host, ns_t now);
void owners_found(struct owners *o, uint32_t host);

/* All, in the order of their prefixes. */
const struct owned *owners_all(const struct owners *o, size_t *ret_n);

#endif
