/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A member of a mesh: the path core between device, wire and coordinator, as node/drive.c connects them. */
#include "control/path/birthday.h"
#include "sim/coordinator.h"
#include "sim/host.h"
#include "sim/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct host *host_by_id(const struct sim *s, const char *id)
{
	unsigned long long number = strtoull(id, NULL, 16);

	return number && number <= s->n_hosts ? s->hosts[number - 1] : NULL;
}

static struct host *host_by_key(const struct sim *s, const uint8_t key[static 32])
{
	for (size_t i = 0; i < s->n_hosts; i++) {
		if (memcmp(s->hosts[i]->pub, key, 32) == 0)
			return s->hosts[i];
	}
	return NULL;
}

/* Members of one mesh share its coordinator, which is one itself. */
static const struct host *coordinator_of(const struct host *h)
{
	return h->link ? h->link->coordinator->host : h;
}

static bool op_find(void *ctx, const char *id, const uint8_t *key, struct core_member *ret_member)
{
	const struct host *h = ctx, *other = id ? host_by_id(h->sim, id) : host_by_key(h->sim, key);

	if (!other || other == h || !other->member || coordinator_of(other) != coordinator_of(h))
		return false;
	memcpy(ret_member->id, other->id, sizeof(ret_member->id));
	memcpy(ret_member->key, other->pub, sizeof(ret_member->key));
	ret_member->host = (uint32_t)other->number + 1;
	return true;
}

static uint32_t op_random(void *ctx)
{
	const struct host *h = ctx;

	return (uint32_t)sim_random(h->sim);
}

static void op_outlet(void *ctx, const struct way_to *way, struct outlet *ret_outlet)
{
	const struct host *h = ctx;

	*ret_outlet = (struct outlet){
		.reach = h->in_mesh.family != IP_NONE && ip_eq(&h->in_mesh, &way->remote.ip) ? REACH_MESH
											     : REACH_PLAIN};
}

/* --- inputs --- */

void host_input(struct host *h, const struct core_in *in)
{
	core_input(h->core, in, h->sim->now);
}

void host_network_changed(struct host *h)
{
	struct ip v[2 * HOST_FACES];
	size_t n = 0;

	for (unsigned i = 0; i < HOST_FACES; i++) {
		if (h->face[i].ip4.family)
			v[n++] = h->face[i].ip4;
		if (h->face[i].ip6.family)
			v[n++] = h->face[i].ip6;
	}
	host_input(h, &(struct core_in){.kind = CORE_NETWORK, .network = {.v = v, .n = n}});
}

/* Where the coordinator's data port is, and who relays. */
static void tell_relays(struct host *h)
{
	const struct host *hub = h->link->coordinator->host;
	struct core_relay relays[CORE_RELAYS_MAX] = {{.n = 0}};
	size_t n = 0;

	for (size_t i = 0; i < h->sim->n_hosts && n < ARRAY_LEN(relays); i++) {
		const struct host *r = h->sim->hosts[i];

		if (!r->relay)
			continue;
		memcpy(relays[n].member.id, r->id, sizeof(r->id));
		memcpy(relays[n].member.key, r->pub, sizeof(r->pub));
		relays[n].member.host = (uint32_t)r->number + 1;
		relays[n].v[0] = r->at;
		relays[n].n = 1;
		relays[n++].streams = relay_takes_streams(r->relay);
	}
	host_input(h, &(struct core_in){.kind = CORE_SERVER,
			      .key = hub->pub,
			      .id = hub->id,
			      .server = {.v = &hub->at, .n = 1}});
	host_input(h, &(struct core_in){.kind = CORE_RELAYS, .relays = {relays, n}});
	host_settle(h);
}

void host_server(struct host *h)
{
	host_input(h, &(struct core_in){.kind = CORE_LINK, .link_up = true});
	h->knows_relays = true;
	tell_relays(h);
}

void host_recall(struct host *h)
{
	tell_relays(h);
}

void host_candidates(struct host *h, const struct host *of, const struct candidates *c, bool looks)
{
	h->told++;
	host_input(
		h, &(struct core_in){.kind = CORE_CANDIDATES, .id = of->id, .candidates = c, .looks = looks});
	host_settle(h);
}

void host_want(struct host *h, const struct peer *p)
{
	struct friendship *f = p->owner;

	if (!h->core || f->noted_at == h->sim->now)
		return; /* the plane notes it once in a turn, too */
	f->noted_at = h->sim->now;
	host_input(h, &(struct core_in){.kind = CORE_WANT, .key = p->key});
}

void host_heard(struct host *h, const struct peer *p, const struct way_to *by)
{
	if (h->core)
		host_input(h, &(struct core_in){.kind = CORE_HEARD, .key = p->key, .by = *by});
}

void host_stun(struct host *h, const struct way_to *by, const uint8_t *msg, size_t n)
{
	if (h->core)
		host_input(h, &(struct core_in){.kind = CORE_STUN, .stun = {.by = *by, .msg = msg, .n = n}});
}

/* --- outputs --- */

static void sample(struct host *h, const struct core_out *out)
{
	const struct peer *p = device_peer_find(h->device, out->peer.key);
	struct core_in in = {.kind = CORE_ACTIVITY, .key = out->peer.key};

	if (p) {
		in.activity.last_recv = atomic_load(&p->last_way_recv);
		in.activity.tx_bytes = atomic_load(&p->tx_bytes);
	}
	host_input(h, &in);
}

static void use(struct host *h, const struct core_out *out)
{
	struct peer *p = device_peer_find(h->device, out->peer.key);

	h->uses++;
	if (!p)
		return;
	const struct way *before = atomic_load(&p->way);
	h->moves += before &&
		    (before->to.kind != out->way.kind || !endpoint_eq(&before->to.remote, &out->way.remote));
	assert_int_equal(device_peer_set_also(h->device, p, &out->also), TM_OK);
	assert_int_equal(device_peer_set_way(h->device, p, &out->way, h->sim->now), TM_OK);
}

static void wake(struct host *h, const struct core_out *out)
{
	struct peer *p = device_peer_find(h->device, out->peer.key);

	if (p)
		device_nudge(h->device, p, h->sim->now);
}

static void again(struct host *h, const struct core_out *out)
{
	const struct peer *p = device_peer_find(h->device, out->peer.key);

	if (p)
		host_send_again(h, p, &out->way, out->since);
}

static void lives(struct host *h, const struct core_out *out)
{
	struct peer *p = device_peer_find(h->device, out->peer.key);

	if (p)
		device_way_lives(h->device, p, out->rtt, h->sim->now);
}

static void open_sockets(struct host *h, const struct core_out *out)
{
	uint32_t v[BIRTHDAY_SOCKETS];
	size_t n = 0;

	for (; n < out->n; n++)
		v[n] = host_socket_open(h, out->port ? (uint16_t)(out->port + n) : 0);
	host_input(h, &(struct core_in){.kind = CORE_SOCKETS, .key = out->peer.key, .sockets = {v, n}});
}

static void act(struct host *h, const struct core_out *out)
{
	switch (out->kind) {
	case CORE_SEND:
		h->guesses += out->why == WHY_GUESS;
		h->guesses_there += out->why == WHY_GUESS && ip_eq(&out->way.remote.ip, &h->victim);
		h->checks += out->why != WHY_GUESS && out->why != WHY_KEEP && out->why != WHY_RELAY &&
			     out->why != WHY_PROBE && out->why != WHY_ANSWER && out->why != WHY_SIZE;
		h->probes += out->why == WHY_SIZE;
		host_put_by(h, &out->way, out->msg, out->n);
		break;
	case CORE_USE:
		use(h, out);
		break;
	case CORE_AGAIN:
		again(h, out);
		break;
	case CORE_LIVES:
		lives(h, out);
		break;
	case CORE_ASK:
		if (h->link)
			control_link_ask(h->link, out->peer.id);
		break;
	case CORE_TELL:
		if (h->link)
			control_link_tell(h->link, core_mine(h->core));
		break;
	case CORE_WAKE:
		wake(h, out);
		break;
	case CORE_SAMPLE:
		sample(h, out);
		break;
	case CORE_STREAM_OPEN:
	case CORE_STREAM_CLOSE:
		relay_want_stream(h, host_by_id(h->sim, out->peer.id), out->kind == CORE_STREAM_OPEN);
		break;
	case CORE_OPEN:
		open_sockets(h, out);
		break;
	case CORE_CLOSE:
		host_socket_close(h, out->way.socket);
		break;
	case CORE_WORKS:
	case CORE_REGISTERED:
	case CORE_PROBED:
	case CORE_NOTE:
	case CORE_OUT_N:
		break;
	}
}

bool host_run_paths(struct host *h)
{
	struct core_out out;
	bool any = false;

	while (h->core && core_output(h->core, h->sim->now, host_real_time(h), &out)) {
		char line[CORE_LINE_MAX];

		if (h->sim->trace)
			print_message("%9.3f ms %s: %s\n", (double)(h->sim->now - 1000 * SEC) / (double)MS,
				h->name, core_out_format(&out, line));
		act(h, &out);
		any = true;
	}
	return any;
}

/* --- membership --- */

void host_start_paths(struct host *h)
{
	const struct core_ops ops = {.ctx = h, .find = op_find, .random = op_random, .outlet = op_outlet};
	struct core_config cfg = {.private_key = h->priv,
		.self_id = h->id,
		.self_host = (uint32_t)h->number + 1,
		.port = h->at.port,
		.mtu = 1420};

	h->member = true;
	assert_int_equal(prefix_parse("100.101.0.0/16", &cfg.net4), TM_OK);
	assert_int_equal(prefix_parse("fd01:2:3:4::/64", &cfg.net6), TM_OK);
	assert_int_equal(core_new(&cfg, &ops, &h->core), TM_OK);
	host_network_changed(h);
	host_settle(h);
}

const struct candidates *host_mine(const struct host *h)
{
	return core_mine(h->core);
}

void sim_meet(struct host *a, struct host *b)
{
	sim_add_friend(a, b, NULL, NULL);
	sim_add_friend(b, a, NULL, NULL);
}

struct host *sim_member(struct segment *g, struct coordinator *c, const char *name)
{
	struct host *h = sim_host_in(g, name);

	host_start_paths(h);
	h->link = control_link_new(c, h);
	return h;
}

struct core_view host_path(const struct host *h, const struct host *to)
{
	struct core_view v;

	if (!core_view(h->core, to->pub, &v))
		v = (struct core_view){.state = PATH_IDLE, .not_direct = PATH_NOT_UNUSED};
	return v;
}

void host_open_doors(struct host *h)
{
	uint32_t second = host_socket_open(h, 0), silent = host_socket_open(h, 0);
	struct core_in in = {.kind = CORE_DOORS, .doors = {.second = second, .silent = silent}};

	in.doors.second_port = host_socket_port(h, second);
	in.doors.silent_port = host_socket_port(h, silent);
	host_input(h, &in);
}
