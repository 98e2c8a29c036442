/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The text of a map is the same for all who have the same version: it is made once, and so is its compressed
 * form. A snapshot stays in use while it is a little behind, with a delta after it, so that a hundred who
 * join together cost one snapshot and not a hundred.
 */
#include "control/coord/coord_private.h"
#include "control/link/clink.h"

/* A snapshot is made anew when more than this part of the members has changed since. */
enum { STALE_PART = 16, STALE_MIN = 32 };

static void view_drop(struct view *v)
{
	clink_text_unref(v->text);
	*v = (struct view){0};
}

void views_deinit(struct views *v)
{
	view_drop(&v->snapshot);
	for (size_t i = 0; i < VIEW_DELTAS; i++)
		view_drop(&v->deltas[i]);
}

static int view_make(struct coord *c, uint64_t base, struct view *v)
{
	struct jsonout o = {0};
	size_t n;

	view_drop(v);
	registry_view_put(c->reg, base, &o);
	char *text = jsonout_take(&o, &n);
	if (!text)
		return TM_ENOMEM;

	int err = clink_text_new(text, n, &v->text);
	free(text);
	if (err)
		return err;

	v->base = base;
	v->version = registry_version(c->reg);
	return TM_OK;
}

static bool snapshot_serves(const struct coord *c)
{
	const struct view *v = &c->views.snapshot;

	if (!v->text || !registry_has(c->reg, v->version))
		return false;
	return registry_changes_since(c->reg, v->version) <= STALE_MIN + registry_size(c->reg) / STALE_PART;
}

static struct view *find_delta(struct coord *c, uint64_t base)
{
	for (size_t i = 0; i < VIEW_DELTAS; i++) {
		struct view *v = &c->views.deltas[i];

		if (v->text && v->base == base && v->version == registry_version(c->reg))
			return v;
	}
	return NULL;
}

int view_get(struct coord *c, uint64_t base, struct clink_text **ret_text, uint64_t *ret_version)
{
	struct view *v = &c->views.snapshot;
	int err = TM_OK;

	if (!registry_has(c->reg, base)) {
		if (!snapshot_serves(c))
			err = view_make(c, 0, v);
	} else {
		v = find_delta(c, base);
		if (!v) {
			v = &c->views.deltas[c->views.next];
			c->views.next = (c->views.next + 1) % VIEW_DELTAS;
			err = view_make(c, base, v);
		}
	}
	if (err)
		return err;

	*ret_text = v->text;
	*ret_version = v->version;
	return TM_OK;
}
