/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/cmd/rejoin.h"

#include <inttypes.h>
#include <string.h>

#include "base/secret.h"
#include "cli/core/daemon.h"
#include "cli/core/proxy.h"

enum { REJOIN_TIMEOUT_MS = 5000 }; /* a node starts without its coordinator, too */

bool rejoin_applies(const struct cli *c, const struct token *t, struct enrolment *ret_was)
{
	struct diag ignored = {0};

	if (enrolment_load(c->paths.enrolment, ret_was, &ignored) != TM_OK)
		return false;
	if (!ret_was->coordinator &&
		ct_eq(ret_was->coordinator_key, t->coordinator_key, sizeof(t->coordinator_key)))
		return true;
	enrolment_wipe(ret_was);
	return false;
}

/* The settings stay as they are, and so do the old addresses as far as there is room. */
static void keep_the_rest(struct enrolment *now, const struct enrolment *was)
{
	now->listen_port = was->listen_port;
	now->api_port = was->api_port;
	memcpy(now->tun, was->tun, sizeof(now->tun));
	memcpy(now->proxy, was->proxy, sizeof(now->proxy));
	for (size_t i = 0; i < was->n_addresses; i++)
		addresses_add(now->addresses, &now->n_addresses, was->addresses[i]);
}

/* As it was, but for what the token says. */
static void unheard_of(struct enrolment *now, const struct enrolment *was, const struct token *t)
{
	*now = *was;
	now->n_addresses = 0;
	memset(now->addresses, 0, sizeof(now->addresses));
	for (size_t i = 0; i < t->n_addrs; i++)
		addresses_add(now->addresses, &now->n_addresses, t->addrs[i]);
}

static bool same_node(const struct enrolment *a, const struct enrolment *b)
{
	return strcmp(a->self.id, b->self.id) == 0 && a->self.host == b->self.host &&
	       ip_eq(&a->self.ip4, &b->self.ip4) && ip_eq(&a->self.ip6, &b->self.ip6) &&
	       ct_eq(a->mesh.secret, b->mesh.secret, sizeof(a->mesh.secret));
}

static bool same_settings(const struct setup_opts *o, const struct enrolment *was)
{
	return (!o->listen_port || o->listen_port == was->listen_port) &&
	       (!o->tun || strcmp(o->tun, was->tun) == 0);
}

/* The running daemon has the enrolment's file; it takes the addresses as it goes. */
static int tell_daemon(struct setup *s, const struct enrolment *now, struct diag *d)
{
	json_t *list = json_array(), *reply = NULL;

	for (size_t i = 0; i < now->n_addresses; i++)
		json_array_append_new(list, json_string(now->addresses[i]));
	int err = cli_ask(s->c, "coordinator.addresses", json_pack("{s:o}", "addresses", list),
		ASK_TIMEOUT_MS, &reply, d);
	json_decref(reply);
	return err;
}

/* A node that ran must not lie there stopped because of what was wanted of it. */
static void go_back(struct setup *s, bool ran, const struct enrolment *was)
{
	char why[sizeof(struct diag) + 16];
	struct diag d = {0}, ignored = {0};
	int err = TM_OK;

	if (s->started)
		(void)!daemon_stop(s->c, &ignored); /* it may come up too late */
	if (s->lock_fd < 0)
		err = setup_lock(s, &d);
	if (!err)
		err = enrolment_save(s->c->paths.enrolment, was, &d);
	if (!err && ran)
		err = setup_start(s, &d);
	if (err)
		cli_note(s->c, "it could not be made what it was before: %s",
			diag_format(&d, err, why, sizeof(why)));
}

static int start_anew(
	struct setup *s, bool runs, const struct enrolment *was, struct enrolment *now, struct diag *d)
{
	int err = runs ? daemon_stop(s->c, d) : TM_OK;

	if (err && err != TM_ENOENT)
		return err;
	*d = (struct diag){0}; /* that it has gone by itself is as good */
	err = setup_lock(s, d);
	if (err && !runs)
		return err; /* nothing was changed */
	if (!err)
		err = setup_save(s, now, d);
	if (!err && !s->opts->foreground && (runs || !s->opts->no_up))
		err = setup_start(s, d);
	if (err)
		go_back(s, runs, was);
	return err;
}

int rejoin(struct setup *s, const struct token *t, const struct enrolment *was, struct enrolment *ret_now,
	struct diag *unheard, struct diag *d)
{
	bool deaf;
	os_pid runs = daemon_pid(s->c, &deaf);

	if (runs && s->opts->foreground) {
		diag_hint(d, "`tunnelmesh down` stops it");
		return diag_what(d, TM_EBUSY, "tunnelmesh is running already (process %" PRId64 ")", runs);
	}
	int err = setup_identity(s, d);
	if (err)
		return err;

	struct proxy_choice proxy;
	s->proxy_from = cli_proxy(s->c, &s->config, was->proxy, &proxy);
	cli_progress(s->c, "joining");
	int heard = enrol(t, &s->identity, s->opts->name ? s->name : was->self.name, TM_VERSION, &proxy,
		REJOIN_TIMEOUT_MS, ret_now, unheard);
	cli_progress(s->c, NULL);
	wipe(&proxy, sizeof(proxy));
	if (heard == TM_EPERM) {
		*d = *unheard;
		return heard;
	}
	if (heard == TM_OK)
		*unheard = (struct diag){0};
	else
		unheard_of(ret_now, was, t);
	if (!prefix_eq(&ret_now->mesh.net4, &was->mesh.net4) ||
		!prefix_eq(&ret_now->mesh.net6, &was->mesh.net6)) {
		diag_hint(d, "`tunnelmesh leave` first, then join again");
		return diag_what(
			d, TM_EEXIST, "the mesh has other address ranges than when this machine joined");
	}
	keep_the_rest(ret_now, was);
	if (runs && !deaf && same_node(ret_now, was) && same_settings(s->opts, was))
		return tell_daemon(s, ret_now, d);
	return start_anew(s, runs != 0, was, ret_now, d);
}
