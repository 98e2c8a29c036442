/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How often what somebody else rewrote is put back: a few times, and again after it was left alone a while.
 * Who does not put it back may write it later, and is then as impatient as before, until that was left alone.
 * Pure. Private to node/.
 */
#ifndef TM_NODE_PATIENCE_H
#define TM_NODE_PATIENCE_H

#include "base/time.h"
#include "base/util.h"

struct patience {
	unsigned times;
	ns_t last;
};
enum { PATIENCE_TIMES = 5 };
#define PATIENCE_QUIET (5 * SEC)
bool patience_may_put_back(struct patience *p, ns_t now); /* and notes it */
void patience_wrote(struct patience *p, ns_t now); /* without having been asked to put it back */

#endif
