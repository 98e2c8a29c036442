/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who goes by the policy in force: as nodes say that are linked. What one says counts as long as its link. */
#include "base/jsonout.h"
#include "control/coord/coord_private.h"

enum { OTHERS_SHOWN = 16 };

void policy_held(struct conn *n, const msg_object *m)
{
	n->says_policy = msg_policy_held_get(m, &n->policy_held) == TM_OK;
}

static bool goes_by(const struct conn *n, uint64_t version)
{
	return n->says_policy && n->policy_held == version;
}

static void put_other(const struct conn *n, struct jsonout *o)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "name", n->member->s.rec.name);
	if (n->says_policy)
		jsonout_int(o, "version", (int64_t)n->policy_held);
	else
		jsonout_null(o, "version");
	jsonout_object_end(o);
}

void policy_put_holders(const struct coord *c, struct jsonout *o)
{
	const uint64_t version = c->policy.version;
	int64_t linked = 0, holders = 0;
	unsigned others = 0;

	jsonout_object(o, "holders");
	jsonout_list(o, "others");
	LIST_FOREACH (n, &c->conns, struct conn, in_conns) {
		if (n->state != CONN_MEMBER)
			continue;
		linked++;
		if (goes_by(n, version))
			holders++;
		else if (others++ < OTHERS_SHOWN)
			put_other(n, o);
	}
	jsonout_list_end(o);
	jsonout_int(o, "linked", linked);
	jsonout_int(o, "in_force", holders);
	jsonout_object_end(o);
}

size_t policy_behind(const struct coord *c)
{
	size_t behind = 0;

	LIST_FOREACH (n, &c->conns, struct conn, in_conns)
		behind += c->policy.version && n->state == CONN_MEMBER && !goes_by(n, c->policy.version);
	return behind;
}
