/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The running node: its event loop, what it is told, its configuration. build.c constructs and starts the
 * parts, plugs.c plugs them into each other.
 */
#include "node/node.h"
#include "node/exit_journal.h"
#include "node/host_settings.h"
#include "node/hosting.h"

#include "base/secret.h"
#include "crypto/init.h"
#include "node/dashboard.h"
#include "node/drive.h"
#include "node/exits.h"
#include "node/fence.h"
#include "node/login.h"
#include "node/metrics_serving.h"
#include "node/node_private.h"
#include "node/offers.h"
#include "node/own_rules.h"
#include "node/router.h"
#include "node/routing.h"
#include "node/rules.h"
#include "os/handover.h"
#include "os/logfile.h"
#include "os/paths.h"
#include "wire/address.h"

#include <event2/thread.h>
#include <stdio.h>
#include <string.h>

#define STOP_DELAY (50 * MS)
enum { LOG_FILE_MAX = 4 << 20 }; /* and as much again for the one before it */

void node_paths_init(struct node_paths *p, const char *state_dir)
{
	const struct {
		char *out;
		const char *name;
	} rows[] = {
		{p->identity, "identity"},
		{p->enrolment, "node.json"},
		{p->netmap, "netmap.db"},
		{p->clock, "clock"},
		{p->db, "mesh.db"},
		{p->tls, "tls.pem"},
		{p->lock, "lock"},
		{p->log, "daemon.log"},
		{p->undo, "undo"},
		{p->undo_names, HOSTING_JOURNAL},
		{p->routes, ROUTE_SETTINGS_FILE},
		{p->settings, HOST_SETTINGS_FILE},
		{p->undo_exit, EXIT_JOURNAL},
		{p->password, LOGIN_FILE},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		os_path_in(rows[i].out, NODE_PATH_MAX, state_dir, rows[i].name);
}

/* --- plane --- */

void node_service_plane(void *ctx)
{
	struct node *n = ctx;

	loop_timer_at(n->plane_timer, plane_service(n->plane, time_monotonic()));
}

void node_kick_plane(struct node *n)
{
	loop_timer_in(n->plane_timer, 0);
}

/* --- addresses that join tokens carry --- */

static size_t own_addresses(const struct node *n, char out[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN])
{
	struct ip local[TOKEN_ADDRS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < n->config.n_addresses && count < TOKEN_ADDRS_MAX; i++)
		if (token_address(n->config.addresses[i], n->config.api_port, out[count]) == TM_OK)
			count++;
	for (size_t i = 0; !n->config.n_addresses && i < n->enrolment.n_addresses; i++)
		snprintf(out[count++], TOKEN_ADDR_LEN, "%s", n->enrolment.addresses[i]);
	if (count)
		return count;

	size_t n_local = os_local_addresses(n->config.tun, n->config.fwmark, local, ARRAY_LEN(local));
	for (size_t i = 0; i < n_local; i++)
		if (!ip_is_link_local(&local[i]))
			endpoint_format(
				&(struct endpoint){.ip = local[i], .port = n->config.api_port}, out[count++]);
	return count;
}

/* The same at the further ports, as far as there is room: somebody may be let out only to one of them. */
static size_t token_addresses(const struct node *n, char out[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN])
{
	const size_t first = own_addresses(n, out);
	size_t count = first;

	for (size_t k = 0; k < n->config.n_listen; k++) {
		struct endpoint ep;

		if (config_listen_parse(n->config.listen[k], &(struct ip){0}, &ep) != TM_OK ||
			ep.ip.family != IP_NONE)
			continue;
		for (size_t i = 0; i < first && count < TOKEN_ADDRS_MAX; i++) {
			struct address a;

			if (address_parse(out[i], &a) != TM_OK || a.kind != ADDRESS_OWN ||
				a.port != n->config.api_port)
				continue;
			a.port = ep.port;
			address_authority(&a, out[count]);
			count++;
		}
	}
	return count;
}

void node_tell_addresses(struct node *n)
{
	char text[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN];
	const char *list[TOKEN_ADDRS_MAX];
	size_t count = token_addresses(n, text);

	for (size_t i = 0; i < count; i++)
		list[i] = text[i];
	coord_set_addresses(n->coord, list, count);
}

void node_check_addresses(const struct node *n)
{
	char text[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN];
	const size_t count = own_addresses(n, text);
	struct address a;

	for (size_t i = 0; i < count; i++)
		if (address_parse(text[i], &a) == TM_OK && mesh_zone_has(mesh_zone(&n->mesh), a.host))
			log_warn("node: by an address in the mesh's own zone members will not find the "
				 "coordinator once it has moved",
				KV("address", text[i]), KV("zone", mesh_zone(&n->mesh)));
}

/* Nothing of what was known of our place in the network need hold any more. */
static void look_again(struct node *n)
{
	if (n->coord)
		node_tell_addresses(n);
	drive_network(n);
	if (n->mapper)
		mapper_network(n->mapper);
	agent_reconnect_now(n->agent);
}

void node_on_network_changed(void *ctx, enum os_network what)
{
	struct node *n = ctx;
	const bool moved =
		what == OS_NETWORK_DEFAULT || (what == OS_NETWORK_ADDRESSES && drive_is_elsewhere(n));

	inbound_ask_soon(n->inbound);
	routing_network(n);
	exits_look(n);
	offers_look(n); /* another family may lead to the internet now */
	router_look(n);
	fence_look(n);
	node_rules_network(n);
	if (!moved) {
		drive_routes(n);
		return;
	}

	LOG_LIMITED(
		LOG_INFO, &n->log.network, LOG_WHO_ALL, "node: the network changed, looking for paths again");
	look_again(n);
}

void node_on_resumed(void *ctx, ns_t slept)
{
	struct node *n = ctx;

	LOG_LIMITED(LOG_INFO, &n->log.network, LOG_WHO_ALL,
		"node: this machine has slept, looking for paths again", KV_INT("seconds", slept / SEC));
	inbound_ask_soon(n->inbound);
	look_again(n);
	/* Sessions have aged while the loop's timers stood still. */
	node_kick_plane(n);
}

/* --- orders and timers --- */

static void leave_loop(void *ctx)
{
	struct node *n = ctx;

	event_base_loopbreak(n->base);
}

/* What outlives us is given back first, if whoever keeps it answers soon; who asks twice does not wait. The
 * next program in our place takes it over by its journal. */
void node_stop_now(void *ctx)
{
	struct node *n = ctx;

	if (n->mapper && !n->stopping && !n->replacing)
		mapper_end(n->mapper, leave_loop, n);
	else
		leave_loop(n);
	n->stopping = true;
}

void node_stop_soon(struct node *n)
{
	loop_timer_in(n->stop_timer, STOP_DELAY);
}

void node_on_stop_order(void *ctx, const char *by)
{
	struct node *n = ctx;

	log_info("node: stopping", KV("signal", by));
	node_replace_never(n);
	node_stop_now(n);
}

void node_on_reload_order(void *ctx)
{
	struct diag d = {0};
	char keys[256], text[1024];

	int err = node_reload(ctx, &d, keys, sizeof(keys));
	if (err)
		log_error("node: configuration not reloaded, keeping the old one",
			KV("why", diag_format(&d, err, text, sizeof(text))));
}

/* Settings given at init or join were remembered; what the file says counts before them, so that it can
 * change them. */
static void apply_enrolment_settings(const struct enrolment *e, struct config *c)
{
	if (e->listen_port && !config_has(c, "listen_port"))
		c->listen_port = e->listen_port;
	if (e->api_port && !config_has(c, "api_port"))
		c->api_port = e->api_port;
	if (e->tun[0] && !config_has(c, "tun"))
		snprintf(c->tun, sizeof(c->tun), "%s", e->tun);
	if (e->coordinator && !config_has(c, "relay"))
		c->relay = RELAY_OFFER;
}

int node_load_config(
	const struct node_options *o, const struct enrolment *e, struct config *ret_config, struct diag *d)
{
	int err = config_load(o->config_path, o->config_explicit, ret_config, d);

	if (err)
		return err;
	apply_enrolment_settings(e, ret_config);
	if (o->log_level)
		return log_level_parse(o->log_level, &ret_config->log_level);
	return TM_OK;
}

int node_reload(struct node *n, struct diag *d, char *restart_keys, size_t restart_len)
{
	struct config next;
	int err = node_load_config(n->options, &n->enrolment, &next, d);

	/* Also of what waits for a restart: that comes when nobody is looking. */
	if (!err)
		err = config_check_host(&next, d);
	if (err)
		return err;

	config_restart_needed(&n->config, &next, restart_keys, restart_len);
	if (restart_keys[0])
		log_warn("node: some changed settings need a restart", KV("keys", restart_keys));
	n->config.log_level = next.log_level;
	n->config.log_format = next.log_format;
	node_log_configured(n);
	memcpy(n->config.advertise, next.advertise, sizeof(next.advertise));
	n->config.n_advertise = next.n_advertise;
	drive_advertise(n);
	n->config.port_mapping = next.port_mapping;
	if (n->mapper && !n->stopping)
		mapper_switch(n->mapper, next.port_mapping);
	memcpy(n->config.route_advertise, next.route_advertise, sizeof(next.route_advertise));
	n->config.n_route_advertise = next.n_route_advertise;
	n->config.route_ha = next.route_ha;
	n->config.route_snat = next.route_snat;
	n->config.route_accept = next.route_accept;
	offers_reload(n);
	routing_again(n);
	router_look(n);
	fence_look(n);
	memcpy(n->config.rules, next.rules, sizeof(next.rules));
	n->config.n_rules = next.n_rules;
	node_rules_configured(n);
	memcpy(n->config.metrics_listen, next.metrics_listen, sizeof(next.metrics_listen));
	n->config.metrics_per_peer = next.metrics_per_peer;
	metrics_serving_configure(n);
	memcpy(n->config.addresses, next.addresses, sizeof(next.addresses));
	n->config.n_addresses = next.n_addresses;
	if (n->coord) {
		node_check_addresses(n);
		node_tell_addresses(n);
	}
	n->config.dashboard = next.dashboard;
	memcpy(n->config.dashboard_admins, next.dashboard_admins, sizeof(next.dashboard_admins));
	n->config.n_dashboard_admins = next.n_dashboard_admins;
	memcpy(n->config.dashboard_listen, next.dashboard_listen, sizeof(next.dashboard_listen));
	n->config.n_dashboard_listen = next.n_dashboard_listen;
	n->config.dashboard_plain = next.dashboard_plain;
	node_dashboard_follow(n);
	log_info("node: configuration reloaded");
	return TM_OK;
}

/* The journal has times and priorities of its own; a terminal, a container's pipe keep what they get. */
static void open_log(struct node *n)
{
	if (os_stderr_is_journal())
		log_set_style(LOG_STYLE_JOURNAL);
	else
		(void)!os_logfile_open(n->paths.log, LOG_FILE_MAX, &n->logfile);
}

int node_main(const struct node_options *o, struct diag *d)
{
	char offloads[PLANE_OFFLOADS_STR];
	struct node *n = calloc(1, sizeof(*n));

	if (!n)
		return TM_ENOMEM;
	n->options = o;
	n->lock_fd = -1;
	n->log.network = n->log.mesh = LOG_LIMIT_FEW;
	n->log.path = n->log.handshake = LOG_LIMIT_DEBUG;
	n->started = time_monotonic();
	n->started_real = time_real();
	os_harden();
	os_raise_descriptors(); /* a coordinator has one per node */
	node_paths_init(&n->paths, o->state_dir);
	open_log(n);

	int err = node_build(n);
	handover_drop(); /* what the program before us had otherwise than we have it */
	if (!err)
		err = node_start(n);
	if (!err) {
		log_info("node: up", KV("name", n->enrolment.self.name),
			KV_IP("address", &n->enrolment.self.ip4), KV("tun", plane_tun_name(n->plane)),
			KV_INT("port", plane_port(n->plane)),
			KV("offloads", plane_offloads_format(plane_offloads(n->plane), offloads)),
			KV("steering", plane_steered(n->plane) ? "destination" : "flow"),
			KV("encryption", plane_aead_provider(n->plane)));
		os_daemon_ready();
		event_base_dispatch(n->base);
		err = n->result;
		node_replace_keep(n);
		if (!n->replacing)
			os_daemon_stopping();
	}
	*d = n->failure;
	node_close(n);
	const bool replacing = n->replacing;
	if (!err)
		log_info(replacing ? "node: the program that is installed now goes on" : "node: stopped");
	os_logfile_close(n->logfile);
	free(n);
	return replacing ? node_replace_become(d) : err;
}
