/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/release.h"

#include <string.h>

#include "net/tcp.h"
#include "net/tls.h"
#include "net/websocket.h"
#include "os/tcp.h"

/* Nobody's timers look after it any more; under the half minute after which mappings of translators end. */
enum { WATCH_IDLE_S = 20, WATCH_DEAD_S = 20 };

static int keep_rest(struct net_layer *owner, struct net_released *r)
{
	const uint8_t *p;
	size_t n = websocket_rest(owner, &p);

	r->early = n ? malloc(n) : NULL;
	if (n && !r->early)
		return TM_ENOMEM;
	if (n)
		memcpy(r->early, p, n);
	r->n_early = n;
	return TM_OK;
}

int net_release(struct net_layer *owner, struct net_released *ret_r)
{
	struct net_conn *c = owner->conn;
	struct net_released r = {.fd = -1};

	if (net_queued(owner))
		return TM_EAGAIN;
	int err = keep_rest(owner, &r);
	if (!err)
		err = tls_release(c, &r.tls, &r.early, &r.n_early);
	if (err) {
		net_released_deinit(&r);
		return err;
	}
	r.fd = net_tcp_release(c);
	tcp_watch(r.fd, WATCH_IDLE_S, WATCH_DEAD_S);
	if (r.tls)
		tls_io_attach(r.tls, r.fd);
	*ret_r = r;
	return TM_OK;
}

void net_released_deinit(struct net_released *r)
{
	if (r->tls)
		tls_io_free(r->tls);
	if (r->fd >= 0)
		tcp_close(r->fd);
	free(r->early);
	*r = (struct net_released){.fd = -1};
}
