/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Builds all parts of a node, then starts them, and takes them down in reverse. Building touches nothing but
 * memory, the state directory and our own sockets and device, and calls nobody back: when the first part
 * begins to speak, all others are there to hear it.
 */
#include "base/secret.h"
#include "control/agent/identity_file.h"
#include "crypto/init.h"
#include "node/capture.h"
#include "node/dashboard.h"
#include "node/doors.h"
#include "node/drive.h"
#include "node/exits.h"
#include "node/fence.h"
#include "node/interface.h"
#include "node/metrics_serving.h"
#include "node/names.h"
#include "node/node_private.h"
#include "node/offers.h"
#include "node/ports.h"
#include "node/relaying.h"
#include "node/router.h"
#include "node/routing.h"
#include "node/rules.h"

#include <event2/thread.h>
#include <string.h>

enum { WORKERS_DEFAULT_MAX = 8 };
#define SAVE_DELAY (2 * SEC) /* of the map: many changes are one write */

/* --- building --- */

/*
 * `join` refuses such a network; one that the machine has come into since, perhaps for an hour, is no reason
 * to do without the tunnel: the more specific route counts, and all members that it does not hide are
 * reached.
 */
static void warn_of_overlaps(const struct node *n)
{
	const struct prefix *nets[] = {&n->mesh.net4, &n->mesh.net6};

	for (size_t i = 0; i < ARRAY_LEN(nets); i++) {
		struct diag d = {0};

		if (os_prefix_in_use(nets[i], n->config.tun, &d) == TM_EEXIST)
			log_warn("node: the mesh and this machine's network overlap, members there may be "
				 "out of reach",
				KV("why", d.what));
	}
}

/* Everything that needs no event loop: the state directory must be ours, whole, and enrolled. */
static int build_state(struct node *n, const struct node_options *o)
{
	int err = os_make_dir(o->state_dir, 0700, &n->failure);

	if (!err)
		err = enrolment_load(n->paths.enrolment, &n->enrolment, &n->failure);
	if (!err)
		err = node_load_config(o, &n->enrolment, &n->config, &n->failure);
	if (err)
		return err;
	node_log_configured(n);

	err = os_lock_file(n->paths.lock, &n->lock_fd, &n->failure);
	if (!err)
		err = crypto_init(&n->failure);
	if (!err)
		err = crypto_selftest(&n->failure);
	if (!err)
		err = identity_load(n->paths.identity, &n->identity, &n->failure);
	if (err)
		return err;
	n->failure = (struct diag){0}; /* the file's name is not part of what may fail next */

	n->mesh = n->enrolment.mesh;
	warn_of_overlaps(n);
	return TM_OK;
}

static int build_events(struct node *n)
{
	const struct os_orders_events orders = {
		.ctx = n, .stop = node_on_stop_order, .reload = node_on_reload_order};

	if (evthread_use_pthreads() != 0)
		return TM_ENOMEM;
	n->base = event_base_new();
	if (!n->base)
		return TM_ENOMEM;

	int err = loop_timer_new(n->base, node_service_plane, n, &n->plane_timer);
	if (!err)
		err = loop_timer_new(n->base, node_stop_now, n, &n->stop_timer);
	return err ? err : os_orders_new(n->base, &orders, &n->orders);
}

static void build_clock(struct node *n)
{
	ns_t behind = node_clock_init(&n->clock, n->paths.clock, time_real(), time_monotonic());

	if (behind)
		log_warn("node: the system clock is behind the last known time, handshakes continue from "
			 "that time",
			KV_INT("behind_s", behind / SEC));
}

static unsigned worker_count(const struct config *c)
{
	return c->workers ? c->workers : MIN(os_cores(), (unsigned)WORKERS_DEFAULT_MAX);
}

static int build_plane(struct node *n)
{
	const struct node_rec *self = &n->enrolment.self;
	const struct plane_config cfg = {
		.tun_name = n->config.tun,
		.mtu = n->config.mtu,
		.listen_port = n->config.listen_port,
		.workers = worker_count(&n->config),
		.offloads = n->config.offloads,
		.aead = strcmp(n->config.aead, "auto") == 0 ? NULL : n->config.aead,
		.fwmark = n->config.fwmark,
		.private_key = n->identity.x_priv,
		.limits = n->config.limits,
		.flows = n->config.flows,
		.host = self->host,
		.self4 = self->ip4,
		.self6 = self->ip6,
		.net4 = n->mesh.net4,
		.net6 = n->mesh.net6,
	};
	const struct plane_events events = plugs_plane(n);

	return plane_new(&cfg, &events, &n->plane, &n->failure);
}

static int build_peers(struct node *n)
{
	const struct peers_config cfg = {
		.path = n->paths.netmap,
		.mesh = &n->mesh,
		.self_id = n->enrolment.self.id,
		.coordinator_key = n->enrolment.coordinator_key,
		.save_delay = SAVE_DELAY,
	};

	return peers_new(n->base, &cfg, &n->peers);
}

static int build_keeper(struct node *n)
{
	const struct keeper_config cfg = plugs_keeper(n);

	return keeper_new(n->base, &cfg, &n->keeper);
}

static void on_mesh_event(void *ctx, const struct event *e)
{
	struct node *n = ctx;

	events_add_mesh(n->events, e);
	node_dashboard_changed(n);
}

static void on_mesh_shown(void *ctx)
{
	node_dashboard_changed(ctx);
}

static void on_own_event(void *ctx, const struct event *e)
{
	events_add(ctx, e);
}

static void on_log(void *ctx, enum log_level level, const char *line)
{
	events_alarm(ctx, level, line);
}

static void remember_events(struct node *n)
{
	news_on_event(n->news, on_own_event, n->events);
	log_set_tap(on_log, n->events);
}

static void remember_path(void *ctx, const struct reaching_change *c)
{
	struct node *n = ctx;

	path_history_add(n->path_history, c, time_real());
}

static int build_coordinator(struct node *n)
{
	struct ports ports;

	if (!n->enrolment.coordinator)
		return TM_OK;

	int err = ports_configured(n, &ports, &n->failure);
	if (err)
		return err;
	const struct coord_config cfg = {.db_path = n->paths.db,
		.identity = &n->identity,
		.listen = ports.listen,
		.also = ports.also,
		.n_also = ports.n_also,
		.tls = &ports.tls,
		.streams = relaying_taker(n),
		.data_port = plane_port(n->plane),
		.fwmark = n->config.fwmark,
		.on_event = on_mesh_event,
		.on_change = on_mesh_shown,
		.on_event_ctx = n};

	err = coord_new(n->base, &cfg, &n->coord, &n->failure);
	if (err)
		return err;

	n->mesh = *coord_mesh(n->coord);
	node_check_addresses(n);
	node_tell_addresses(n);
	return TM_OK;
}

/* One that cannot be used is said, and direct ways remain. */
static void choose_proxy(const struct node *n, struct proxy_choice *ret_choice)
{
	struct diag d = {0};
	const char *from;
	char text[1024], at[ADDRESS_HOST_FIELD];
	int err = config_proxy(&n->config, n->enrolment.proxy, ret_choice, &from, &d);

	if (err)
		log_warn("node: the proxy cannot be used, going without",
			KV("why", diag_format(&d, err, text, sizeof(text))));
	else if (from)
		log_info("node: the coordinator is reached by a proxy first",
			KV("proxy", proxy_format(&ret_choice->proxy, at)), KV("from", from));
}

static int build_agent(struct node *n)
{
	struct proxy_choice proxy = {0};
	const struct agent_events events = plugs_agent(n);
	struct agent_config cfg = {
		.relay = n->config.relay == RELAY_OFFER,
		.enrolment = &n->agent_enrolment,
		.identity = &n->identity,
		.peers = n->peers,
		.version = TM_VERSION,
		.fwmark = n->config.fwmark,
		.proxy = &proxy,
	};

	n->agent_enrolment = n->enrolment;
	if (n->coord) {
		const struct ip *listen = &(struct ip){0};
		struct ip parsed;

		/* Our own coordinator is reached where it listens: on loopback unless it was bound to one
		 * address. */
		if (ip_parse(n->config.api_listen, &parsed) == TM_OK)
			listen = &parsed;
		struct endpoint ep = {.ip = *listen, .port = coord_port(n->coord)};
		if (ip_is_unspecified(listen))
			ep.ip = ip_v4_host(0x7f000001);
		n->agent_enrolment.n_addresses = 1;
		endpoint_format(&ep, n->agent_enrolment.addresses[0]);
	}
	if (!n->coord)
		choose_proxy(n, &proxy);
	if (!n->coord && cfg.relay)
		cfg.n_relay_tcp = ports_numbers(&n->config, cfg.relay_tcp);
	int err = agent_new(n->base, &cfg, &events, &n->agent, &n->failure);
	wipe(&proxy, sizeof(proxy));
	return err;
}

int node_build(struct node *n)
{
	int err = os_check_privileges(&n->failure);

	if (!err)
		err = build_state(n, n->options);
	if (!err)
		err = build_events(n);
	if (!err)
		build_clock(n);
	if (!err)
		err = build_plane(n);
	if (!err)
		err = drive_open(n);
	if (!err)
		err = build_peers(n);
	if (!err)
		err = node_rules_init(n);
	if (!err)
		err = events_new(n->base, &n->events);
	if (!err)
		err = news_new(&n->news);
	if (!err)
		remember_events(n);
	if (!err)
		err = reaching_new(&n->reaching);
	if (!err)
		err = path_history_new(&n->path_history);
	if (!err)
		reaching_on_change(n->reaching, remember_path, n);
	if (!err)
		err = relaying_open(n);
	if (!err)
		err = build_keeper(n);
	if (!err)
		err = netcheck_new(n, &n->netcheck);
	if (!err)
		err = names_open(n);
	if (!err)
		err = offers_open(n);
	if (!err)
		err = routing_open(n);
	if (!err)
		err = router_open(n);
	if (!err)
		err = fence_open(n);
	if (!err)
		err = exits_open(n);
	if (!err)
		err = captures_open(n);
	if (!err)
		err = build_coordinator(n);
	if (!err)
		err = node_dashboard_open(n);
	if (!err)
		err = reporting_new(n, &n->reporting);
	if (!err)
		err = build_agent(n);
	return err;
}

/* --- starting --- */

static void on_plane_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *ctx)
{
	node_service_plane(ctx);
}

static int start_plane(struct node *n)
{
	int err = interface_configure(n);

	if (err)
		return err;

	n->plane_event = event_new(n->base, plane_fd(n->plane), EV_READ | EV_PERSIST, on_plane_readable, n);
	if (!n->plane_event || event_add(n->plane_event, NULL) != 0)
		return TM_ENOMEM;
	return plane_start(n->plane);
}

/* A convenience: without it the node is as good as with it. */
static void start_responder(struct node *n)
{
	const struct responder_config cfg = plugs_responder(n);
	struct diag d = {0};
	char text[1024];
	int err = cfg.port ? responder_new(n->base, &cfg, &n->responder, &d) : TM_OK;

	if (err)
		log_warn("node: other members cannot run a bench against this node",
			KV("why", diag_format(&d, err, text, sizeof(text))));
}

static int start_inbound(struct node *n)
{
	const struct inbound_config cfg = plugs_inbound(n);
	int err = inbound_new(n->base, &cfg, &n->inbound);

	if (!err)
		inbound_ask(n->inbound);
	return err;
}

/* A node that nothing maps a port to is a node. */
static void start_mapper(struct node *n)
{
	struct mapper_config cfg;
	int err = plugs_mapper(n, &cfg);

	if (!err)
		err = mapper_new(n->base, &cfg, &n->mapper);
	if (err)
		log_warn("node: no port can be mapped", KV_ERR(err));
	else
		mapper_switch(n->mapper, n->config.port_mapping);
}

static int start_netmon(struct node *n)
{
	const struct os_netmon_events events = {
		.ctx = n, .changed = node_on_network_changed, .own = interface_on_changed};
	int err = os_netmon_new(n->base, plane_tun_name(n->plane), &events, &n->netmon);

	if (err)
		diag_what(&n->failure, err, "network changes cannot be watched: %s", tm_strerror(err));
	return err;
}

/* Without it what a sleep has cut off is found out by its silence, as anything else. */
static void start_resume(struct node *n)
{
	int err = os_resume_new(n->base, node_on_resumed, n, &n->resume);

	if (err)
		log_warn("node: sleeps of this machine cannot be seen", KV_ERR(err));
}

/* A node works without it; and its path is longer than that of the socket which it cannot do without. */
static void start_open_ctl(struct node *n)
{
	char path[NODE_PATH_MAX];
	struct diag d = {0};
	char why[sizeof(struct diag) + 16];

	snprintf(path, sizeof(path), "%s" CTL_OPEN_SUFFIX, n->options->socket_path);
	const struct ctl_config cfg = {.path = path, .open = true, .handler = node_question, .ctx = n};
	int err = ctl_new(n->base, &cfg, &n->open_ctl, &d);
	if (err)
		log_warn("node: only root can ask for the status",
			KV("why", diag_format(&d, err, why, sizeof(why))));
}

/* Last: whoever finds it answering finds everything up. */
static int start_ctl(struct node *n)
{
	const struct ctl_config cfg = {.path = n->options->socket_path,
		.group = n->config.socket_group,
		.handler = node_command,
		.ctx = n};

	int err = ctl_new(n->base, &cfg, &n->ctl, &n->failure);
	if (!err)
		start_open_ctl(n);
	return err;
}

int node_start(struct node *n)
{
	int err = start_plane(n);

	if (err)
		return err;

	exits_look(n);
	fence_look(n);
	drive_advertise(n);
	drive_network(n);
	doors_open(n);
	start_mapper(n);
	drive_input(n, &(struct core_in){.kind = CORE_LINK, .link_up = false}); /* not yet */
	agent_start(n->agent);
	start_responder(n);
	names_start(n);
	metrics_serving_configure(n);
	node_dashboard_follow(n);
	err = start_inbound(n);
	if (!err)
		err = start_netmon(n);
	if (err)
		return err;
	start_resume(n);
	return start_ctl(n);
}

/* --- the end --- */

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

void node_close(struct node *n)
{
	ctl_free(n->open_ctl);
	ctl_free(n->ctl);
	os_resume_free(TAKE(n->resume));
	os_netmon_free(TAKE(n->netmon));
	inbound_free(TAKE(n->inbound));
	mapper_free(TAKE(n->mapper));
	interface_close(n);
	metrics_serving_close(n);
	responder_free(n->responder); /* while the plane can still carry the end of its connections */
	keeper_free(TAKE(n->keeper));
	names_close(n);
	netcheck_free(TAKE(n->netcheck));
	offers_close(n);
	exits_close(n);
	fence_close(n);
	router_close(n);
	routing_close(n);
	captures_close(n);
	reporting_free(TAKE(n->reporting));
	agent_free(TAKE(n->agent));
	coord_free(TAKE(n->coord)); /* whose port hands streams to the next */
	node_dashboard_close(n);
	relaying_close(n);
	drive_close(n);
	node_rules_deinit(n);
	peers_free(TAKE(n->peers));
	news_free(TAKE(n->news));
	reaching_free(TAKE(n->reaching));
	path_history_free(TAKE(n->path_history));
	if (n->plane)
		plane_stop(n->plane);
	log_set_tap(NULL, NULL); /* whoever could be in it has ended */
	events_free(TAKE(n->events));
	free_event(n->plane_event);
	loop_timer_free(n->plane_timer);
	plane_free(n->plane);
	loop_timer_free(n->stop_timer);
	loop_timer_free(TAKE(n->logging.over));
	os_orders_free(n->orders);
	if (n->base)
		event_base_free(n->base);
	libevent_global_shutdown();
	identity_wipe(&n->identity);
	enrolment_wipe(&n->enrolment);
	enrolment_wipe(&n->agent_enrolment);
	wipe(&n->mesh, sizeof(n->mesh));
	os_unlock_file(n->lock_fd);
}
