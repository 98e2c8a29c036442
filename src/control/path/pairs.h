/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The pairs of a path, and where they lead. Routes change, so that is asked before a pair is checked or used,
 * not when it is added. Private to control/path.
 */
#ifndef TM_CONTROL_PATH_PAIRS_H
#define TM_CONTROL_PATH_PAIRS_H

#include "control/path/turn.h"

/* An index, -1 = there is none. */
int pairs_find(const struct path *p, const struct way_to *way);
/* -1 = no room. */
int pairs_add(struct path *p, const struct way_to *way, enum candidate_type type, ns_t now);
void pairs_remove(struct path *p, unsigned i);

/* The longest message by that way as long as nothing is known of it; 0: whatever there is. */
uint16_t pairs_payload(const struct way_to *way);

/* Where packets leave when the kernel chooses their source. */
struct outlet pairs_outlet(const struct way_to *way, const struct turn *t);
/* Looks where the pair leads now; false: back into the mesh. */
bool pairs_look(struct pair *pair, const struct turn *t);
/*
 * The way back by which a packet came. It is sent from the address where that came in, unless what has this
 * source leaves by another interface, as after a change of the default route: a provider may drop it there.
 */
struct way_to pairs_way_back(const struct way_to *by, const struct turn *t);

#endif
