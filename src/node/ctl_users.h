/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What each user of this machine has asked of the open control socket lately: nobody may hold all connections
 * or keep the control thread busy, and nobody is refused for what another one does. Pure.
 */
#ifndef TM_NODE_CTL_USERS_H
#define TM_NODE_CTL_USERS_H

#include "base/time.h"
#include "base/util.h"

enum {
	CTL_USER_CONNS_MAX = 8,
	CTL_USERS_MAX = 64, /* with a connection or a debt, at once */
};
/* A question costs this, and its answer as much again for every CTL_ANSWER_UNIT bytes. */
#define CTL_QUESTION_COST (50 * MS)
enum { CTL_ANSWER_UNIT = 1 << 16 };
#define CTL_CREDIT (3 * SEC) /* who owes less may ask: 60 small questions at once, 20 a second for ever */

struct ctl_users {
	struct ctl_user {
		uint32_t uid;
		unsigned conns;
		ns_t paid_at; /* when the debt will be paid */
	} v[CTL_USERS_MAX]; /* zero = free */
};

/* One more connection of a user, which is good until the connection is closed; NULL when it has as many as it
 * may have. */
struct ctl_user *ctl_user_open(struct ctl_users *u, uint32_t uid, ns_t now);
void ctl_user_close(struct ctl_user *user);
/* May it ask now? Then the question is paid for. */
bool ctl_user_ask(struct ctl_user *user, ns_t now);
void ctl_user_answered(struct ctl_user *user, size_t bytes);

#endif
