/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From one version to the next, when the next has said that it can go on (commands_replace.c): this process
 * ends as at every stop, but keeps the TUN device and the lock of its directory, leaves what a journal
 * remembers as a crash would (an exit node's rules, a mapped port), and becomes the program that lies where
 * ours was started from (docs/decisions/0074). What waits in the tunnel's queues the next one reads; if it
 * does not come up, or is killed on the way, nothing is left but what a start or `down --cleanup` tidies up
 * after any crash.
 */
#include "loop/helper.h"
#include "node/node_private.h"
#include "os/handover.h"

void node_replace_never(struct node *n)
{
	n->ending = true;
	n->replacing = false;
}

void node_replace_keep(struct node *n)
{
	helper_free(TAKE(n->replacer));
	n->replacing = n->replacing && !n->ending && !n->result;
	if (!n->replacing)
		return;
	int err = plane_keep_tun(n->plane);
	if (!err)
		err = os_lock_keep(n->lock_fd);
	if (err) /* a device that is made anew is as good, a second later */
		log_warn("node: the tunnel's device cannot be kept for the next program", KV_ERR(err));
}

int node_replace_become(struct diag *d)
{
	return handover_become(d);
}
