/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/fence.h"

#include "node/node_private.h"
#include "node/offers.h"

struct fence {
	struct os_fence *os;
	/* networks that may call */
	struct prefix v[NODE_ROUTES_MAX];
	size_t n;
	bool failing;
};

/* True: others than before. */
static bool find_callers(const struct node *n)
{
	struct fence *f = n->fence;
	struct route_settings approved;
	size_t count = 0;
	bool news = false;

	offers_approved(n, &approved);
	for (size_t i = 0; i < approved.n; i++) {
		const struct own_net *net = &approved.nets[i];

		if (net->snat)
			continue;
		news |= count >= f->n || !prefix_eq(&f->v[count], &net->prefix);
		f->v[count++] = net->prefix;
	}
	news |= count != f->n;
	f->n = count;
	return news;
}

static void set(struct node *n)
{
	struct diag d = {0};
	int err = os_fence_set(n->fence->os, n->fence->v, n->fence->n, &d);

	if (err && !n->fence->failing)
		log_warn("node: who is in a network with this machine may call its addresses in the mesh, "
			 "past "
			 "the policy",
			KV("why", d.what[0] ? d.what : tm_strerror(err)));
	n->fence->failing = err != TM_OK;
}

void fence_look(struct node *n)
{
	(void)find_callers(n);
	set(n);
}

void fence_routes(struct node *n)
{
	if (find_callers(n))
		set(n);
}

int fence_open(struct node *n)
{
	n->fence = calloc(1, sizeof(*n->fence));
	return n->fence ? os_fence_new(plane_tun_name(n->plane), n->config.fwmark, &n->fence->os) : TM_ENOMEM;
}

void fence_close(struct node *n)
{
	struct fence *f = TAKE(n->fence);

	if (!f)
		return;
	os_fence_free(f->os);
	free(f);
}
