/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One node's memory of its mesh, in a file of a directory of its own. Each test opens and closes its rig. */
#ifndef TM_UNIT_PEERS_RIG_H
#define TM_UNIT_PEERS_RIG_H

#include "control/peers/peers_private.h"
#include "unit/unit.h"

#include <event2/event.h>

struct rig {
	struct event_base *base;
	char dir[64], path[96];
	uint8_t coordinator_key[32];
	char self[NODE_ID_LEN + 1];
	struct peers *peers;
	unsigned warnings;
};

/* What happens to the file: sql_connect and sql_exec (an ALTER) fail. */
extern bool disk_is_read_only, disk_is_full;

void start(struct rig *r);
void restart(struct rig *r);
void rig_open(struct rig *r);
void rig_close(struct rig *r);
void run_ms(struct rig *r, unsigned ms);
struct node_rec record(unsigned i);
void tell(struct rig *r, struct node_rec *nodes, size_t n);
void tell_three(struct rig *r);
struct candidates candidates_of(unsigned n);
void by_hand(const struct rig *r, const char *sql);
struct relays two_relays(void);

#endif
