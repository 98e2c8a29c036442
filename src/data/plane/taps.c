/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which taps there are: with the snapshot workers learn of a new one, and have left one that is gone. */
#include "data/plane/plane_private.h"
#include "data/plane/tap.h"

int plane_tap_open(struct plane *p, const uint8_t key[static 32], uint32_t keep, struct tap **ret_tap)
{
	struct snapshot *next;
	struct tap *t;

	ON_CONTROL(p);
	if (plane_live(p)->n_taps == PLANE_TAPS_MAX)
		return TM_EFULL;
	int err = tap_new(key, keep, &t);
	if (err)
		return err;
	err = snapshot_new(plane_live(p), &next);
	if (err) {
		tap_free(t);
		return err;
	}
	next->taps[next->n_taps++] = t;
	plane_publish(p, next);
	*ret_tap = t;
	return TM_OK;
}

static void leave_out(struct snapshot *s, const struct tap *t)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_taps; i++)
		if (s->taps[i] != t)
			s->taps[n++] = s->taps[i];
	s->n_taps = n;
}

void plane_tap_close(struct plane *p, struct tap *t)
{
	struct snapshot *next;

	ON_CONTROL(p);
	/* Without memory it stays until the end: nobody reads it, and it is full soon. */
	if (!t || snapshot_new(plane_live(p), &next) != TM_OK)
		return;
	leave_out(next, t);
	plane_publish(p, next);
	epoch_retire(&p->epoch, tap_retired(t), t, tap_free);
}

void plane_close_taps(struct plane *p)
{
	struct snapshot *live = plane_live(p);

	while (live && live->n_taps)
		tap_free(live->taps[--live->n_taps]);
}
