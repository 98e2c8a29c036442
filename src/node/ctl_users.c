/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/ctl_users.h"

static struct ctl_user *user_find(struct ctl_users *u, uint32_t uid)
{
	for (size_t i = 0; i < CTL_USERS_MAX; i++)
		if (u->v[i].uid == uid && (u->v[i].conns || u->v[i].paid_at))
			return &u->v[i];
	return NULL;
}

/* One who holds nothing and owes nothing is forgotten. */
static struct ctl_user *user_add(struct ctl_users *u, uint32_t uid, ns_t now)
{
	for (size_t i = 0; i < CTL_USERS_MAX; i++)
		if (!u->v[i].conns && u->v[i].paid_at <= now) {
			u->v[i] = (struct ctl_user){.uid = uid};
			return &u->v[i];
		}
	return NULL;
}

struct ctl_user *ctl_user_open(struct ctl_users *u, uint32_t uid, ns_t now)
{
	struct ctl_user *user = user_find(u, uid);

	if (!user)
		user = user_add(u, uid, now);
	if (!user || user->conns == CTL_USER_CONNS_MAX)
		return NULL;

	user->conns++;
	return user;
}

void ctl_user_close(struct ctl_user *user)
{
	user->conns--;
}

bool ctl_user_ask(struct ctl_user *user, ns_t now)
{
	if (user->paid_at - now >= CTL_CREDIT)
		return false;

	user->paid_at = MAX(user->paid_at, now) + CTL_QUESTION_COST;
	return true;
}

void ctl_user_answered(struct ctl_user *user, size_t bytes)
{
	user->paid_at += (ns_t)(bytes / CTL_ANSWER_UNIT) * CTL_QUESTION_COST;
}
