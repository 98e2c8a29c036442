/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Plugs the control link's server into the coordinator: the only file of coord/ that knows the transport. */
#include "control/coord/coord.h"

#include "control/coord/coord_private.h"
#include "control/link/clink.h"

/* Far above anything a node has to say; the largest is a list of 16 candidates. Whoever has not proved to be
 * alive may have no more than a greeting needs. */
enum { RECEIVE_MAX = 64 << 10, RECEIVE_FIRST = 8 << 10 };

static int link_send(void *link, struct clink_text *t)
{
	return clink_send_text(link, t);
}

static size_t link_queued(const void *link)
{
	return clink_queued(link);
}

static void link_close(void *link, const char *why)
{
	clink_close(link, why);
}

static const struct coord_conn_ops link_ops = {.send = link_send, .queued = link_queued, .close = link_close};

static void on_up(void *ctx, struct clink *l)
{
	struct coord *c = ctx;
	struct conn *n;
	int err = conn_open(c, &link_ops, l, clink_peer_key(l), clink_peer_address(l), &n);

	if (err) {
		LOG_LIMITED(LOG_WARN, &c->log.refused, LOG_WHO_ALL, "coord: closing a new link", KV_ERR(err));
		clink_close(l, "the coordinator is out of memory");
		return;
	}
	clink_set_user(l, n);
}

static void on_message(void *ctx, struct clink *l, const msg_object *m)
{
	struct conn *n = clink_user(l);

	(void)ctx;
	if (!n)
		return;
	conn_message(n, m);
}

static bool on_known(void *ctx, const uint8_t *key)
{
	return conn_key_is_free(ctx, key);
}

static void on_greeted(void *ctx, const uint8_t *key)
{
	conn_key_came(ctx, key);
}

static void on_drained(void *ctx, struct clink *l)
{
	struct conn *n = clink_user(l);

	(void)ctx;
	if (n)
		conn_drained(n);
}

static void on_closed(void *ctx, struct clink *l, int err, const char *why)
{
	struct coord *c = ctx;
	struct conn *n = clink_user(l);

	if (!n)
		return;

	LOG_LIMITED(LOG_DEBUG, &c->log.links, log_who_ip(&n->from.ip), "coord: link closed",
		KV_EP("from", clink_peer_address(l)), KV_ERR(err), KV("why", why));
	clink_set_user(l, NULL);
	conn_closed(n);
}

int coord_new(
	struct event_base *base, const struct coord_config *cfg, struct coord **ret_coord, struct diag *d)
{
	const struct clink_tls tls = cfg->tls ? (struct clink_tls){cfg->tls->certificate, cfg->tls->key,
							cfg->tls->own, cfg->tls->hosts, cfg->tls->n_hosts}
					      : (struct clink_tls){0};
	struct coord_tuning tuning = coord_tuning_default();
	struct clink_server_config server = {
		.listen = cfg->listen,
		.also = cfg->also,
		.n_also = cfg->n_also,
		.tls = cfg->tls ? &tls : NULL,
		.streams = cfg->streams,
		.identity = cfg->identity,
		.max_links = NETMAP_NODES_MAX + 64, /* members, and newcomers that enrol */
		.receive_max = RECEIVE_MAX,
		.receive_first = RECEIVE_FIRST,
		.mark = cfg->fwmark,
	};
	struct coord *c;

	int err = coord_core_new(base, cfg, &tuning, &c, d);
	if (err)
		return err;

	struct clink_events events = {
		.ctx = c,
		.up = on_up,
		.message = on_message,
		.drained = on_drained,
		.closed = on_closed,
		.known = on_known,
		.greeted = on_greeted,
	};
	err = clink_server_new(base, &server, &events, &c->server, d);
	if (err) {
		coord_core_free(c);
		return err;
	}
	*ret_coord = c;
	return TM_OK;
}

void coord_free(struct coord *c)
{
	if (!c)
		return;

	/* Jobs still under way answer into links that are gone: forget the links first, as their ends would
	 * have. */
	c->stopping = true;
	LIST_FOREACH_SAFE (n, &c->conns, struct conn, in_conns)
		conn_closed(n);
	clink_server_free(c->server);
	c->server = NULL;
	coord_core_free(c);
}

uint16_t coord_port(const struct coord *c)
{
	return c->server ? clink_server_port(c->server) : 0;
}
