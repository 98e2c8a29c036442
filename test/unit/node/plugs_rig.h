/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A node of which only the plugs, its directory of peers and its keeper are real. Plane, path core and agent
 * are stand-ins that the linker puts in: they note what they are told.
 */
#ifndef TM_TEST_PLUGS_RIG_H
#define TM_TEST_PLUGS_RIG_H

#include "unit/unit.h"

#include "node/node_private.h"

enum { TOLD_MAX = 64, CLIENT = 5 /* the node that some tests make a client of ours */ };

struct rig {
	char dir[64], clock_path[96];
	struct node n;
	struct node_rec nodes[8]; /* the first is this node */
	uint64_t version;
	char exit[NODE_ID_LEN + 1]; /* in force; "": none */
	/* what was told */
	struct plane_peer put[TOLD_MAX]; /* without what it borrows */
	uint8_t removed[TOLD_MAX][32], seeded[TOLD_MAX][32];
	uint8_t seeded_stamp[TOLD_MAX]; /* first bytes */
	uint64_t seeded_check[TOLD_MAX];
	size_t n_put, n_removed, n_seeded;
	struct {
		enum core_in_kind kind;
		uint8_t key[32];
		bool link_up;
	} input[TOLD_MAX];
	size_t n_input;
	unsigned cleared, commits, kicks, warnings, n_news, n_relaying;
	/* what is answered */
	int commit_err;
	const uint8_t *impossible; /* a key that the plane refuses */
	bool has_server;
	uint64_t stamp, registered;
	struct endpoint at; /* where the plane has the peers */
	struct way_to way; /* set last */
	unsigned ways, nudges;
};

int rig_setup(void **state);
int rig_teardown(void **state);
/* As the agent: the directory first, then those who follow it. */
void tell(struct rig *r, unsigned from, unsigned n, const char *gone);
void all_that_there_are(struct rig *r); /* as at the start */
void forget(struct rig *r); /* what was told */
bool was_put(const struct rig *r, unsigned i);

#endif
