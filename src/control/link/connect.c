/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The node's end: connects. */
#include <stdio.h>
#include <string.h>

#include "control/link/clink_private.h"
#include "net/dial.h"

static void on_dialled(void *ctx, int err, int fd, const char *why)
{
	struct clink *l = ctx;

	if (err) {
		clink_fail(l, err, "the coordinator at %s cannot be reached: %s", l->where, why);
		return;
	}
	dial_free(TAKE(l->dial)); /* not before: it owns `why` */
	err = clink_attach(l, fd, &l->peer);
	if (err) {
		clink_fail(l, err, "the link to %s cannot be set up: %s", l->where, tm_strerror(err));
		return;
	}
	clink_set_state(l, CLINK_UPGRADE, 0);
	if (l->events.connected)
		l->events.connected(l->events.ctx, l);
	net_begin(&l->conn);
}

/* "203.0.113.7:8443", or "hub.example.org:8443 (203.0.113.7)". */
static char *where_text(const struct clink_config *cfg, const struct endpoint *at)
{
	char literal[ENDPOINT_STR_LEN], ip[IP_STR_LEN], *text = NULL;

	if (strcmp(endpoint_format(at, literal), cfg->address) == 0)
		return strdup(literal);
	if (asprintf(&text, "%s (%s)", cfg->address, ip_format(&at->ip, ip)) < 0)
		return NULL;
	return text;
}

static int name_it(struct clink *l, const struct clink_config *cfg)
{
	char host[255];
	uint16_t port;
	int err = dial_address_parse(cfg->address, host, &port);

	if (err)
		return err;
	if (cfg->at)
		l->peer = *cfg->at;
	else
		err = endpoint_parse(cfg->address, &l->peer);
	if (err)
		return err;
	l->address = strdup(cfg->address);
	l->where = where_text(cfg, &l->peer);
	return l->address && l->where ? TM_OK : TM_ENOMEM;
}

int clink_connect_tuned(struct event_base *base, const struct clink_config *cfg,
	const struct clink_events *ev, const struct clink_tuning *t, struct clink **ret_link)
{
	struct clink *l;
	int err = clink_new(base, true, t, ev, &l);

	if (err)
		return err;

	l->own_tuning = malloc(sizeof(*t));
	err = l->own_tuning ? name_it(l, cfg) : TM_ENOMEM;
	if (!err) {
		*l->own_tuning = *t;
		l->tuning = l->own_tuning;
		err = aead_new_with(AEAD_LIBCRYPTO, &l->aead);
	}
	if (!err)
		err = dh_key_new(cfg->identity->x_priv, &l->key);
	if (!err)
		err = secure_init(
			&l->secure, l->aead, NOISE_INITIATOR, l->key, cfg->remote_key, CLINK_MSG_MAX);
	if (!err)
		err = dial_new(l->base, &l->peer, cfg->mark, on_dialled, l, &l->dial);
	if (err) {
		clink_destroy(l);
		return err;
	}
	l->overall = time_monotonic() + cfg->connect_timeout_ms * MS;
	clink_set_state(l, CLINK_DIAL, t->dial_ms);
	*ret_link = l;
	return TM_OK;
}

int clink_connect(struct event_base *base, const struct clink_config *cfg, const struct clink_events *ev,
	struct clink **ret_link)
{
	return clink_connect_tuned(base, cfg, ev, &clink_tuning_default, ret_link);
}
