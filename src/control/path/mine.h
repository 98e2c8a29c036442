/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Our own candidates: host addresses, configured endpoints, and the server-reflexive address that STUN found.
 * Pure: puts together what it is given. Of what is found by itself, at most six of a kind: each costs every
 * peer a check, and what nobody chose must not push out what somebody did.
 */
#ifndef TM_CONTROL_PATH_MINE_H
#define TM_CONTROL_PATH_MINE_H

#include "mesh/model.h"

enum { MINE_KIND_MAX = 6, MINE_REFLEXIVE_ROOM = 3 };

struct mine_in {
	const struct ip *local; /* the best first */
	size_t n_local;
	uint16_t port;
	const struct endpoint *advertise; /* may be translated ports: sent as server-reflexive */
	size_t n_advertise;
	const struct endpoint *reflexive; /* under which the world sees us */
	size_t n_reflexive;
	struct prefix net4, net6; /* of the mesh: nothing in them is ever a candidate */
};

void mine_gather(const struct mine_in *in, struct candidates *ret_c);

#endif
