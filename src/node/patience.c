/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/patience.h"

bool patience_may_put_back(struct patience *p, ns_t now)
{
	if (now - p->last >= PATIENCE_QUIET)
		p->times = 0;
	p->last = now;
	if (p->times == PATIENCE_TIMES)
		return false;
	p->times++;
	return true;
}

void patience_wrote(struct patience *p, ns_t now)
{
	p->last = now;
}
