/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The node's end: finds the coordinator and connects. */
#include <string.h>

#include "control/link/clink_private.h"
#include "net/dial.h"

static void on_dialled(void *ctx, int err, int fd, const struct endpoint *peer, const char *why)
{
	struct clink *l = ctx;

	if (err == TM_ENOENT) {
		clink_fail(l, err, "the coordinator's name in %s cannot be resolved: %s", l->address, why);
		return;
	}
	if (err) {
		clink_fail(l, err, "the coordinator at %s cannot be reached: %s", l->address, why);
		return;
	}
	dial_free(TAKE(l->dial)); /* not before: it owns `why` */
	err = clink_attach(l, fd, peer);
	if (err) {
		clink_fail(l, err, "the link to %s cannot be set up: %s", l->address, tm_strerror(err));
		return;
	}
	clink_set_state(l, CLINK_UPGRADE, 0);
	net_begin(&l->conn);
}

static int dial_begin(struct clink *l, const struct clink_config *cfg)
{
	const struct dial_config dial = {.address = cfg->address,
		.first = cfg->last_known,
		.stagger_ms = l->tuning->stagger_ms,
		.mark = cfg->mark};

	return dial_new(l->base, &dial, on_dialled, l, &l->dial);
}

int clink_connect_tuned(struct event_base *base, const struct clink_config *cfg,
	const struct clink_events *ev, const struct clink_tuning *t, struct clink **ret_link)
{
	struct clink *l;
	int err = clink_new(base, true, t, ev, &l);

	if (err)
		return err;

	l->address = strdup(cfg->address);
	l->own_tuning = malloc(sizeof(*t));
	if (l->address && l->own_tuning) {
		*l->own_tuning = *t;
		l->tuning = l->own_tuning;
		err = aead_new_with(AEAD_LIBCRYPTO, &l->aead);
	} else {
		err = TM_ENOMEM;
	}
	if (!err)
		err = dh_key_new(cfg->identity->x_priv, &l->key);
	if (!err)
		err = secure_init(
			&l->secure, l->aead, NOISE_INITIATOR, l->key, cfg->remote_key, CLINK_MSG_MAX);
	if (!err)
		err = dial_begin(l, cfg);
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
