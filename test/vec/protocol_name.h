/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Is a string a Noise protocol name (revision 34, chapter 8) at all, and which keys must its vectors give? */
#ifndef TM_TEST_VEC_PROTOCOL_NAME_H
#define TM_TEST_VEC_PROTOCOL_NAME_H

#include "base/util.h"

struct protocol_name {
	bool psk;
	bool init_knows_resp, resp_knows_init; /* static keys known beforehand */
};

bool protocol_name_parse(const char *name, struct protocol_name *ret_name);

#endif
