/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A node of which only its rules and its directory of peers are real. Plane and agent are stand-ins that the
 * linker puts in. */
#ifndef TM_TEST_RULES_RIG_H
#define TM_TEST_RULES_RIG_H

#include "unit/unit.h"

#include "data/filter/rules.h"
#include "node/node_private.h"
#include "node/own_rules.h"
#include "node/rules.h"
#include "unit/policy/rig.h"

#define WEB "rules: [{allow: tcp/80, from: any, to: any}]"
#define OPEN "rules: [{allow: any, from: any, to: any}]"

struct rig {
	char dir[64];
	struct node n;
	struct rules *rules; /* the plane's */
	int told; /* what the node said of the policy that it was told last */
	unsigned n_set;
	int err, making, taking, copying; /* what the plane's taking them, making them, taking the policy and
					     a copy of it fail with */
	unsigned takes_us, n_made; /* making them */
	uint64_t held; /* the version that the coordinator is told */
};

int rules_setup(void **state);
int rules_teardown(void **state);

/* The node is told it. */
void policy(struct rig *r, uint64_t version, const char *text);
void put_member(
	struct rig *r, const char *id, const char *name, uint32_t host, const char *tag, uint64_t version);
/* A member comes, or gets the tag. */
void member(struct rig *r, const char *name, uint32_t host, const char *tag, uint64_t version);
/* One turn of the loop. */
void run(struct rig *r);
void run_until_set(struct rig *r, unsigned times); /* the plane's rules */
enum verdict judge(const struct rig *r, uint32_t host, uint16_t port); /* TCP from that one to this node */

#endif
