/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The node's end: connects. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "control/link/clink_private.h"
#include "net/dial.h"

const char *clink_dialled(const struct clink *l)
{
	return clink_is_proxied(l) ? "proxy" : "coordinator";
}

const char *clink_where_dialled(const struct clink *l, char buf[static ENDPOINT_STR_LEN])
{
	return clink_is_proxied(l) ? endpoint_format(&l->target->dialled, buf) : l->where;
}

static void on_dialled(void *ctx, int err, int fd, const char *why)
{
	char where[ENDPOINT_STR_LEN];
	struct clink *l = ctx;

	if (err) {
		clink_fail(l, err, "the %s at %s cannot be reached: %s", clink_dialled(l),
			clink_where_dialled(l, where), why);
		return;
	}
	dial_free(TAKE(l->dial)); /* not before: it owns `why` */
	err = clink_attach(l, fd);
	if (err) {
		clink_fail(l, err, "the link to %s cannot be set up: %s", l->where, tm_strerror(err));
		return;
	}
	clink_set_state(l, CLINK_UPGRADE, 0);
	if (!clink_is_proxied(l))
		clink_on_way(&l->conn);
	net_begin(&l->conn);
}

/* "203.0.113.7:8443", "hub.example.org:8443 (203.0.113.7)", or "hub.example.org:8443 (by the proxy
 * 192.0.2.1:3128)". */
static char *where_text(const struct clink_config *cfg, const struct clink_target *to)
{
	char literal[ENDPOINT_STR_LEN], ip[IP_STR_LEN];

	endpoint_format(&to->dialled, literal);
	if (to->via.host[0])
		return text_printf("%s (by the proxy %s)", cfg->address, literal);
	if (strcmp(literal, cfg->address) == 0)
		return strdup(literal);
	return text_printf("%s (%s)", cfg->address, ip_format(&to->dialled.ip, ip));
}

/* A name's place is to be told. */
static int literal_endpoint(const struct address *a, struct endpoint *ret_ep)
{
	char text[ADDRESS_HOST_FIELD];

	return endpoint_parse(address_authority(a, text), ret_ep);
}

static int target_fill(struct clink_target *to, const struct clink_config *cfg)
{
	int err = address_parse(cfg->address, &to->address);

	if (err)
		return err;
	to->tls = to->address.kind == ADDRESS_OWN ? cfg->tls : to->address.kind == ADDRESS_HTTPS;
	address_host_field(&to->address, to->tls, to->host_field);
	snprintf(to->path, sizeof(to->path), "%s%s", to->address.prefix,
		cfg->stream ? CLINK_STREAM_PATH : CLINK_PATH);
	to->stream = cfg->stream;
	if (cfg->via)
		to->via = *cfg->via;
	if (cfg->at)
		to->dialled = *cfg->at;
	else
		err = cfg->via ? TM_EINVAL : literal_endpoint(&to->address, &to->dialled);
	return err;
}

static int name_it(struct clink *l, const struct clink_config *cfg)
{
	l->target = calloc(1, sizeof(*l->target));
	int err = l->target ? target_fill(l->target, cfg) : TM_ENOMEM;

	if (err)
		return err;
	l->peer = l->target->dialled;
	if (cfg->via && literal_endpoint(&l->target->address, &l->peer) != TM_OK)
		l->peer = (struct endpoint){0};
	l->where = where_text(cfg, l->target);
	return l->where ? TM_OK : TM_ENOMEM;
}

static int prepare_noise(struct clink *l, const struct clink_config *cfg)
{
	int err = aead_new_with(AEAD_LIBCRYPTO, &l->aead);

	if (!err)
		err = dh_key_new(cfg->identity->x_priv, &l->key);
	if (!err)
		err = secure_init(
			&l->secure, l->aead, NOISE_INITIATOR, l->key, cfg->remote_key, CLINK_MSG_MAX);
	return err;
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
		if (!cfg->stream)
			err = prepare_noise(l, cfg);
	}
	if (!err)
		err = dial_new(l->base, &l->target->dialled, cfg->mark, on_dialled, l, &l->dial);
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
