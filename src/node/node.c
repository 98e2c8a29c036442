/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Composition root: constructs the parts, plugs them into each other (plugs.c), runs the event loop, takes
 * everything down in reverse order.
 */
#include "node/node.h"

#include "base/secret.h"
#include "crypto/init.h"
#include "node/drive.h"
#include "node/node_private.h"

#include <event2/thread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS_DEFAULT_MAX = 8 };
#define STOP_DELAY (50 * MS)
#define SAVE_DELAY (2 * SEC) /* of the map: many changes are one write */

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
		{p->lock, "lock"},
		{p->log, "daemon.log"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		snprintf(rows[i].out, NODE_PATH_MAX, "%s/%s", state_dir, rows[i].name);
}

/* --- plane --- */

static void service_plane(void *ctx)
{
	struct node *n = ctx;

	loop_timer_at(n->plane_timer, plane_service(n->plane, time_monotonic()));
}

static void on_plane_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *ctx)
{
	service_plane(ctx);
}

void node_kick_plane(struct node *n)
{
	loop_timer_in(n->plane_timer, 0);
}

/* --- addresses that join tokens carry --- */

static size_t token_addresses(const struct node *n, char out[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN])
{
	struct ip local[TOKEN_ADDRS_MAX];
	char ip[IP_STR_LEN];
	size_t count = 0;

	for (size_t i = 0; i < n->config.n_addresses && count < TOKEN_ADDRS_MAX; i++)
		snprintf(out[count++], TOKEN_ADDR_LEN, "%.260s", n->config.addresses[i]);
	for (size_t i = 0; !n->config.n_addresses && i < n->enrolment.n_addresses; i++)
		snprintf(out[count++], TOKEN_ADDR_LEN, "%s", n->enrolment.addresses[i]);
	if (count)
		return count;

	size_t n_local = os_local_addresses(n->config.tun, local, ARRAY_LEN(local));
	for (size_t i = 0; i < n_local; i++) {
		if (ip_is_link_local(&local[i]))
			continue;
		bool v6 = local[i].family == IP_V6;
		snprintf(out[count++], TOKEN_ADDR_LEN, "%s%s%s:%u", v6 ? "[" : "", ip_format(&local[i], ip),
			v6 ? "]" : "", n->config.api_port);
	}
	return count;
}

static void update_token_addresses(struct node *n)
{
	char text[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN];
	const char *list[TOKEN_ADDRS_MAX];
	size_t count = token_addresses(n, text);

	for (size_t i = 0; i < count; i++)
		list[i] = text[i];
	coord_set_addresses(n->coord, list, count);
}

static void on_network_changed(void *ctx)
{
	struct node *n = ctx;

	log_info("node: the network changed, looking for paths again");
	if (n->coord)
		update_token_addresses(n);
	drive_network(n);
	agent_reconnect_now(n->agent);
}

/* --- signals and timers --- */

static void stop_now(void *ctx)
{
	struct node *n = ctx;

	event_base_loopbreak(n->base);
}

void node_stop_soon(struct node *n)
{
	loop_timer_in(n->stop_timer, STOP_DELAY);
}

static void on_stop_signal(evutil_socket_t sig, short what, void *ctx)
{
	struct node *n = ctx;

	(void)what;
	log_info("node: stopping", KV("signal", sigabbrev_np((int)sig)));
	event_base_loopbreak(n->base);
}

static void on_reload_signal(evutil_socket_t sig, short what, void *ctx)
{
	struct diag d = {0};
	char keys[256], text[1024];

	(void)sig, (void)what;
	int err = node_reload(ctx, &d, keys, sizeof(keys));
	if (err)
		log_error("node: configuration not reloaded, keeping the old one",
			KV("why", diag_format(&d, err, text, sizeof(text))));
}

/* Settings given at init or join were remembered and win over the file. */
static void apply_enrolment_settings(const struct enrolment *e, struct config *c)
{
	if (e->listen_port)
		c->listen_port = e->listen_port;
	if (e->api_port)
		c->api_port = e->api_port;
	if (e->tun[0])
		snprintf(c->tun, sizeof(c->tun), "%s", e->tun);
}

static int load_config(
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
	int err = load_config(n->options, &n->enrolment, &next, d);

	if (err)
		return err;

	config_restart_needed(&n->config, &next, restart_keys, restart_len);
	if (restart_keys[0])
		log_warn("node: some changed settings need a restart", KV("keys", restart_keys));
	n->config.log_level = next.log_level;
	log_set_level(next.log_level);
	memcpy(n->config.advertise, next.advertise, sizeof(next.advertise));
	n->config.n_advertise = next.n_advertise;
	drive_advertise(n);
	memcpy(n->config.addresses, next.addresses, sizeof(next.addresses));
	n->config.n_addresses = next.n_addresses;
	if (n->coord)
		update_token_addresses(n);
	log_info("node: configuration reloaded");
	return TM_OK;
}

/* --- construction --- */

static int open_events(struct node *n)
{
	static const int stop_signals[] = {SIGINT, SIGTERM};

	if (evthread_use_pthreads() != 0)
		return TM_ENOMEM;
	n->base = event_base_new();
	if (!n->base)
		return TM_ENOMEM;

	int err = loop_timer_new(n->base, service_plane, n, &n->plane_timer);
	if (!err)
		err = loop_timer_new(n->base, stop_now, n, &n->stop_timer);
	if (err)
		return err;

	for (size_t i = 0; i < ARRAY_LEN(stop_signals); i++)
		n->signals[i] = evsignal_new(n->base, stop_signals[i], on_stop_signal, n);
	n->signals[2] = evsignal_new(n->base, SIGHUP, on_reload_signal, n);
	for (size_t i = 0; i < ARRAY_LEN(n->signals); i++)
		if (!n->signals[i] || event_add(n->signals[i], NULL) != 0)
			return TM_ENOMEM;
	signal(SIGPIPE, SIG_IGN);
	return TM_OK;
}

static void open_clock(struct node *n)
{
	ns_t behind = node_clock_init(&n->clock, n->paths.clock, time_real(), time_monotonic());

	if (behind)
		log_warn("node: the system clock is behind the last known time, handshakes continue from "
			 "that time",
			KV_INT("behind_s", behind / SEC));
}

static int open_peers(struct node *n)
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

static int open_keeper(struct node *n)
{
	const struct keeper_config cfg = plugs_keeper(n);

	return keeper_new(n->base, &cfg, &n->keeper, &n->failure);
}

static int open_coordinator(struct node *n)
{
	struct coord_config cfg = {.db_path = n->paths.db,
		.identity = &n->identity,
		.data_port = plane_port(n->plane),
		.fwmark = n->config.fwmark};

	if (!n->enrolment.coordinator)
		return TM_OK;

	int err = ip_parse(n->config.api_listen, &cfg.listen.ip);
	if (err)
		return diag_what(
			&n->failure, err, "api_listen \"%s\" is not an IP address", n->config.api_listen);
	cfg.listen.port = n->config.api_port;
	err = coord_new(n->base, &cfg, &n->coord, &n->failure);
	if (err)
		return err;

	n->mesh = *coord_mesh(n->coord);
	update_token_addresses(n);
	return TM_OK;
}

static unsigned worker_count(const struct config *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (c->workers)
		return c->workers;
	return cores < 1 ? 1 : cores > WORKERS_DEFAULT_MAX ? WORKERS_DEFAULT_MAX : (unsigned)cores;
}

static int open_plane(struct node *n)
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
		.self4 = self->ip4,
		.self6 = self->ip6,
		.net4 = n->mesh.net4,
		.net6 = n->mesh.net6,
	};
	const struct plane_events events = plugs_plane(n);

	int err = plane_new(&cfg, &events, &n->plane, &n->failure);
	if (err)
		return err;

	const struct prefix addrs[] = {{self->ip4, n->mesh.net4.len}, {self->ip6, n->mesh.net6.len}};
	err = os_if_configure(plane_tun_name(n->plane), addrs, ARRAY_LEN(addrs), &n->failure);
	if (err)
		return err;

	n->plane_event = event_new(n->base, plane_fd(n->plane), EV_READ | EV_PERSIST, on_plane_readable, n);
	if (!n->plane_event || event_add(n->plane_event, NULL) != 0)
		return TM_ENOMEM;
	return plane_start(n->plane);
}

static int open_agent(struct node *n)
{
	const struct agent_events events = plugs_agent(n);
	const struct agent_config cfg = {
		.enrolment = &n->agent_enrolment,
		.identity = &n->identity,
		.peers = n->peers,
		.version = TM_VERSION,
		.fwmark = n->config.fwmark,
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
	return agent_new(n->base, &cfg, &events, &n->agent, &n->failure);
}

static int open_paths(struct node *n)
{
	int err = drive_open(n);

	if (err)
		return err;
	drive_advertise(n);
	drive_network(n);
	agent_start(n->agent);
	return TM_OK;
}

/* A convenience: without it the node is as good as with it. */
static void open_responder(struct node *n)
{
	const struct responder_config cfg = plugs_responder(n);
	struct diag d = {0};
	char text[1024];
	int err = cfg.port ? responder_new(n->base, &cfg, &n->responder, &d) : TM_OK;

	if (err)
		log_warn("node: other members cannot run a bench against this node",
			KV("why", diag_format(&d, err, text, sizeof(text))));
}

static int open_host(struct node *n, const struct node_options *o)
{
	int err = os_netmon_new(n->base, plane_tun_name(n->plane), on_network_changed, n, &n->netmon);

	if (err)
		return diag_what(&n->failure, err, "network changes cannot be watched: %s", tm_strerror(err));
	return ctl_new(n->base, o->socket_path, n->config.socket_group[0] ? n->config.socket_group : NULL,
		node_command, n, &n->ctl, &n->failure);
}

/* Everything that needs no event loop: the state directory must be ours, whole, and enrolled. */
static int open_state(struct node *n, const struct node_options *o)
{
	int err = os_make_dir(o->state_dir, 0700, &n->failure);

	if (!err)
		err = enrolment_load(n->paths.enrolment, &n->enrolment, &n->failure);
	if (!err)
		err = load_config(o, &n->enrolment, &n->config, &n->failure);
	if (err)
		return err;
	log_set_level(n->config.log_level);

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
	const struct prefix *nets[] = {&n->mesh.net4, &n->mesh.net6};
	for (size_t i = 0; i < ARRAY_LEN(nets); i++) {
		err = os_prefix_in_use(nets[i], n->config.tun, &n->failure);
		if (err == TM_EEXIST)
			diag_hint(&n->failure, "the mesh's addresses and this machine's network must not "
					       "overlap: change one of them");
		if (err)
			return err;
	}
	return TM_OK;
}

static int node_open(struct node *n, const struct node_options *o)
{
	int err = os_check_privileges(&n->failure);

	if (!err)
		err = open_state(n, o);
	if (!err)
		err = open_events(n);
	if (!err)
		open_clock(n);
	if (!err)
		err = open_plane(n);
	if (!err)
		err = open_peers(n);
	if (!err)
		err = open_keeper(n);
	if (!err)
		err = open_coordinator(n);
	if (!err)
		err = open_agent(n);
	if (!err)
		err = open_paths(n);
	if (!err)
		open_responder(n);
	if (!err)
		err = open_host(n, o);
	return err;
}

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

static void node_close(struct node *n)
{
	ctl_free(n->ctl);
	os_netmon_free(n->netmon);
	responder_free(n->responder); /* while the plane can still carry the end of its connections */
	keeper_free(TAKE(n->keeper));
	drive_close(n);
	agent_free(TAKE(n->agent));
	peers_free(TAKE(n->peers));
	coord_free(n->coord);
	if (n->plane)
		plane_stop(n->plane);
	free_event(n->plane_event);
	loop_timer_free(n->plane_timer);
	plane_free(n->plane);
	loop_timer_free(n->stop_timer);
	for (size_t i = 0; i < ARRAY_LEN(n->signals); i++)
		free_event(n->signals[i]);
	if (n->base) {
		/* Cancelled name look-ups release their memory in one more turn of the loop. */
		event_base_loop(n->base, EVLOOP_NONBLOCK);
		event_base_free(n->base);
	}
	libevent_global_shutdown();
	identity_wipe(&n->identity);
	enrolment_wipe(&n->enrolment);
	enrolment_wipe(&n->agent_enrolment);
	wipe(&n->mesh, sizeof(n->mesh));
	if (n->lock_fd >= 0)
		close(n->lock_fd);
}

int node_main(const struct node_options *o, struct diag *d)
{
	char offloads[PLANE_OFFLOADS_STR];
	struct node *n = calloc(1, sizeof(*n));

	if (!n)
		return TM_ENOMEM;
	n->options = o;
	n->lock_fd = -1;
	n->started = time_monotonic();
	os_harden();
	os_raise_descriptors(); /* a coordinator has one per node */
	node_paths_init(&n->paths, o->state_dir);

	int err = node_open(n, o);
	if (!err) {
		log_info("node: up", KV("name", n->enrolment.self.name),
			KV_IP("address", &n->enrolment.self.ip4), KV("tun", plane_tun_name(n->plane)),
			KV_INT("port", plane_port(n->plane)),
			KV("offloads", plane_offloads_format(plane_offloads(n->plane), offloads)),
			KV("steering", plane_steered(n->plane) ? "destination" : "flow"),
			KV("encryption", plane_aead_provider(n->plane)));
		os_daemon_ready();
		event_base_dispatch(n->base);
		os_daemon_stopping();
		err = n->result;
	}
	*d = n->failure;
	node_close(n);
	free(n);
	if (!err)
		log_info("node: stopped");
	return err;
}
