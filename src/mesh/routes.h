/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Networks behind a node, and the way to the internet through it (docs/protocol.md, "Routes"). The node
 * offers them, the administration approves them; what is both counts, and only that. Part of a node's record.
 *
 *   JSON:  "routes":[{"net":"10.1.0.0/24","offered":true,"approved":true,"ha":true}]
 *          "exit":{"ip4":true,"ip6":true,"approved":true}
 *   text:  "10.1.0.0/24 oah;exit 46a", as databases have it
 *
 * Flags that are false are left out. Pure.
 */
#ifndef TM_MESH_ROUTES_H
#define TM_MESH_ROUTES_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"

struct jsonout;

enum { NODE_ROUTES_MAX = 16, ROUTES_TEXT_MAX = NODE_ROUTES_MAX * (PREFIX_STR_LEN + 6) + 16 };

struct node_route {
	struct prefix prefix; /* without host bits */
	bool offered, approved;
	bool ha; /* others may lead there, too: the node says so of itself */
};

/* Both families of an exit are one thing: which of them it has, and whether it may be one. */
enum { EXIT_IP4 = 1, EXIT_IP6 = 2, EXIT_FAMILIES = EXIT_IP4 | EXIT_IP6, EXIT_APPROVED = 4 };

struct node_routes {
	struct node_route v[NODE_ROUTES_MAX];
	uint8_t n;
	uint8_t exit; /* EXIT_ */
};

static inline bool route_counts(const struct node_route *r)
{
	return r->offered && r->approved;
}

/* EXIT_IP4, EXIT_IP6: by which the node leads to the internet, as far as it may; 0 = it does not. */
static inline unsigned exit_families(unsigned exit)
{
	return exit & EXIT_APPROVED ? exit & EXIT_FAMILIES : 0;
}

bool node_routes_eq(const struct node_routes *a, const struct node_routes *b);
struct node_route *node_routes_find(struct node_routes *r, const struct prefix *p); /* NULL = not there */
/* The one of that prefix, made when there is none; NULL: there is no room. */
struct node_route *node_routes_add(struct node_routes *r, const struct prefix *p);
/* Those that are neither offered nor approved. */
void node_routes_tidy(struct node_routes *r);

/*
 * May this be a network behind a node of a mesh with these ranges (family IP_NONE: not known)? Not what
 * overlaps the mesh itself, nor what no network is behind: loopback, link-local, multicast, all there is
 * (which is an exit). TM_EINVAL with a sentence.
 */
NODISCARD int route_check(
	const struct prefix *p, const struct prefix *net4, const struct prefix *net6, struct diag *d);
/* What a person writes: "10.1.0.0/24"; host bits are a mistake, told with what was meant. Then as above. */
NODISCARD int route_parse(const char *text, const struct prefix *net4, const struct prefix *net6,
	struct prefix *ret_prefix, struct diag *d);
/*
 * The one of `theirs` that leads where r does, though not both say that others may: one network of two nodes,
 * or one inside the other. Only what counts does. NULL = there is none.
 */
const struct node_route *route_clash(const struct node_route *r, const struct node_routes *theirs);

/* Members of an object; nothing where there are none. */
void node_routes_put(struct jsonout *o, const struct node_routes *r);

void node_routes_join(const struct node_routes *r, char ret_text[static ROUTES_TEXT_MAX]);
NODISCARD int node_routes_split(const char *text, struct node_routes *ret_r); /* TM_EBADMSG */

#endif
