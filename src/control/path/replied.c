/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/replied.h"

static bool is_empty(const struct replied *r)
{
	for (size_t i = 0; i < REPLIED_RECENT; i++)
		if (r->recent[i])
			return false;
	return true;
}

bool replied_accept(struct replied *r, uint64_t stamp)
{
	size_t oldest = 0;

	if (stamp <= r->floor)
		return false;

	for (size_t i = 0; i < REPLIED_RECENT; i++) {
		if (r->recent[i] == stamp)
			return false;
		if (r->recent[i] < r->recent[oldest])
			oldest = i;
	}
	/* The first one ever: nothing that left its sender much earlier can still be on its way. */
	if (is_empty(r) && stamp > REPLIED_SLACK_NS)
		r->floor = MAX(r->floor, stamp - REPLIED_SLACK_NS);

	/* Older than all that are remembered, and all places are taken: it can no longer be told from a
	 * replay. */
	if (stamp < r->recent[oldest])
		return false;
	if (r->recent[oldest] > r->floor)
		r->floor = r->recent[oldest];
	r->recent[oldest] = stamp;
	return true;
}

uint64_t replied_newest(const struct replied *r)
{
	uint64_t newest = r->floor;

	for (size_t i = 0; i < REPLIED_RECENT; i++)
		newest = MAX(newest, r->recent[i]);
	return newest;
}

void replied_seed(struct replied *r, uint64_t newest)
{
	r->floor = MAX(r->floor, newest);
}
