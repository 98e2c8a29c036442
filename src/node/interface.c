/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/interface.h"

#include <stdio.h>

#include "node/exits.h"
#include "node/fence.h"
#include "node/node_private.h"
#include "node/routing.h"

/*
 * Whoever takes them away again and again has the interface in a configuration of its own: then once in a
 * while is enough. As long as that goes on it is told once.
 */
#define CONTEST_EVERY (10 * SEC)
#define CONTEST_OVER (2 * CONTEST_EVERY) /* nothing was missing for so long */
enum { CONTEST_AFTER = 5 /* times */ };
/* What fails is tried again, soon at first: somebody may have taken away an address while its route was put
 * back. */
#define AGAIN_FIRST (100 * MS)

static void addresses(const struct node *n, struct prefix ret_addrs[static 2])
{
	ret_addrs[0] = (struct prefix){n->enrolment.self.ip4, n->mesh.net4.len};
	ret_addrs[1] = (struct prefix){n->enrolment.self.ip6, n->mesh.net6.len};
}

static void look(void *ctx);

int interface_configure(struct node *n)
{
	struct prefix addrs[2];
	int err = loop_timer_new(n->base, look, n, &n->interface.again);

	addresses(n, addrs);
	return err ? err : os_if_configure(plane_tun_name(n->plane), addrs, ARRAY_LEN(addrs), &n->failure);
}

static void tell(struct node *n, const struct os_if_restored *r)
{
	if (n->interface.in_a_row == CONTEST_AFTER)
		log_warn(
			"node: another program changes the tunnel's interface again and again, now it is put "
			"right every few seconds only: tell that program to leave it alone",
			KV("if", plane_tun_name(n->plane)));
	if (n->interface.in_a_row != 1)
		return;
	log_warn("node: another program changed the tunnel's interface, put back what was missing",
		KV("if", plane_tun_name(n->plane)), KV("link", r->link ? "was down" : "was up"),
		KV_INT("addresses", r->addresses), KV_INT("routes", r->routes));
}

static void look(void *ctx)
{
	struct node *n = ctx;
	struct prefix addrs[2];
	struct os_if_restored r;
	struct diag d = {0};
	char text[512];
	ns_t now = time_monotonic();

	addresses(n, addrs);
	int err = os_if_restore(plane_tun_name(n->plane), addrs, ARRAY_LEN(addrs), &r, &d);
	if (err && err != TM_ENOENT) { /* a device that is gone ends the node by itself */
		const ns_t wait = ns_min(AGAIN_FIRST << MIN(n->interface.failed, 10U), CONTEST_EVERY);
		if (++n->interface.failed == 2)
			log_warn("node: the tunnel's interface lacks what another program took away, trying "
				 "again",
				KV("why", diag_format(&d, err, text, sizeof(text))));
		loop_timer_in(n->interface.again, wait);
		return;
	}
	n->interface.failed = 0;
	exits_look(n);
	fence_look(n);
	routing_network(n); /* whoever took those away mostly took ours, too */
	if (err || (!r.link && !r.addresses && !r.routes))
		return;
	n->interface.in_a_row = n->interface.in_a_row && now - n->interface.last < CONTEST_OVER
					? n->interface.in_a_row + 1
					: 1;
	n->interface.last = now;
	tell(n, &r);
}

void interface_on_changed(void *node)
{
	struct node *n = node;

	if (loop_timer_is_set(n->interface.again))
		return;
	if (n->interface.in_a_row >= CONTEST_AFTER && time_monotonic() - n->interface.last < CONTEST_EVERY)
		loop_timer_at(n->interface.again, n->interface.last + CONTEST_EVERY);
	else
		look(n);
}

void interface_close(struct node *n)
{
	loop_timer_free(TAKE(n->interface.again));
}
