/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Host numbers inside the mesh's prefixes. IPv4 and IPv6 of a node share one: net4 + n and net6 + n. The
 * lowest free one is given out, from 1 on (1 = the first node); 0 and the last address of net4 as a whole
 * (network, broadcast) never. Pure; the registry's owner keeps it: a number is taken before its record is
 * written and released when that failed or the node is gone.
 */
#ifndef TM_CONTROL_COORD_IPAM_H
#define TM_CONTROL_COORD_IPAM_H

#include "base/addr.h"
#include "base/err.h"
#include "mesh/model.h"

struct ipam;

NODISCARD int ipam_new(uint32_t limit, struct ipam **ret_ipam);
void ipam_free(struct ipam *a);
DEFINE_CLEANUP(struct ipam, ipam_free)

NODISCARD int ipam_take_lowest(struct ipam *a, uint32_t *ret_host); /* TM_EFULL */
NODISCARD int ipam_take(struct ipam *a, uint32_t host); /* TM_EEXIST, TM_ERANGE */
void ipam_release(struct ipam *a, uint32_t host); /* a free or impossible one is fine */
uint32_t ipam_used(const struct ipam *a);

#endif
