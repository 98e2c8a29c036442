/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Our own candidates: host addresses, configured endpoints, and the server-reflexive address that STUN found.
 * Pure: puts together what it is given.
 */
#ifndef TM_CONTROL_PATH_MINE_H
#define TM_CONTROL_PATH_MINE_H

#include "mesh/model.h"

struct mine_in {
	const struct ip *local;
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
