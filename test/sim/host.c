/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A host's life: interfaces, addresses, friends, restarts. */
#include "sim/host.h"

#include "base/bytes.h"
#include "crypto/dh.h"
#include "sim/coordinator.h"
#include "sim/relay.h"
#include "wire/wg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* --- interfaces --- */

static int socket_at(const struct host *h, uint16_t port)
{
	for (unsigned i = 0; i < HOST_SOCKETS && h->n_sockets; i++)
		if (h->sockets[i].number && h->sockets[i].port == port)
			return (int)i;
	return -1;
}

uint32_t host_socket_open(struct host *h, uint16_t port)
{
	unsigned i = 0;

	if (port && (port == h->at.port || socket_at(h, port) >= 0))
		return 0;
	while (i < HOST_SOCKETS && h->sockets[i].number)
		i++;
	assert_true(i < HOST_SOCKETS);
	h->n_sockets++;
	h->sockets_most = MAX(h->sockets_most, h->n_sockets);
	h->sockets[i].number = ++h->last_socket;
	h->sockets[i].port = port;
	if (port)
		return h->sockets[i].number;
	do
		h->sockets[i].port = (uint16_t)sim_between(h->sim, 32768, 60999);
	while (h->sockets[i].port == h->at.port || socket_at(h, h->sockets[i].port) != (int)i);
	return h->sockets[i].number;
}

uint16_t host_socket_port(const struct host *h, uint32_t number)
{
	for (unsigned i = 0; i < HOST_SOCKETS; i++)
		if (h->sockets[i].number == number)
			return h->sockets[i].port;
	return 0;
}

void host_socket_close(struct host *h, uint32_t number)
{
	for (unsigned i = 0; i < HOST_SOCKETS; i++)
		if (h->sockets[i].number == number) {
			h->sockets[i].number = 0;
			h->n_sockets--;
			return;
		}
	fail_msg("%s has no socket %u to be closed", h->name, (unsigned)number);
}

static void face_forward(struct node *n, struct datagram *dg)
{
	struct face *f = CONTAINER_OF(n, struct face, in);
	struct host *h = f->host;

	if (!f->segment || (dg->to.port != h->at.port && socket_at(h, dg->to.port) < 0)) {
		sim_drop(h->sim, dg);
		return;
	}
	host_receive(h, dg);
	sim_drop(h->sim, dg);
	host_settle(h);
}

void host_plug(struct host *h, unsigned face, struct segment *g)
{
	struct face *f = &h->face[face];

	if (f->ip4.family)
		segment_leave(f->segment, &f->ip4);
	if (f->ip6.family)
		segment_leave(f->segment, &f->ip6);
	f->segment = g;
	f->ip4 = g ? segment_join(g, IP_V4, &f->in) : (struct ip){0};
	f->ip6 = g ? segment_join(g, IP_V6, &f->in) : (struct ip){0};
	f->up.next = g ? segment_node(g) : NULL;
	h->at.ip = h->face[0].ip4;
	if (!h->core)
		return;
	/* The old connection is gone with its address, and is dialled again. */
	if (h->link)
		control_link_cut(h->link, 0);
	host_network_changed(h);
	host_settle(h);
}

void host_move(struct host *h)
{
	host_plug(h, 0, h->face[0].segment);
	h->at.port++;
}

static bool face_has(const struct face *f, const struct ip *ip)
{
	return ip_eq(&f->ip4, ip) || ip_eq(&f->ip6, ip);
}

/* The interface that owns the source address asked for; else the one whose network has the destination; else
 * the first that is plugged in. NULL: no route. */
static struct face *face_towards(struct host *h, const struct ip *to, const struct ip *local)
{
	struct face *best = NULL;
	int rank = 0;

	for (unsigned i = 0; i < HOST_FACES; i++) {
		struct face *f = &h->face[i];
		int r = !f->segment || !(to->family == IP_V4 ? f->ip4 : f->ip6).family ? 0
			: local->family && face_has(f, local)                          ? 3
			: segment_has(f->segment, to)                                  ? 2
										       : 1;

		if (r > rank) {
			rank = r;
			best = f;
		}
	}
	return best;
}

void host_put_on_wire(
	struct host *h, const struct endpoint *to, const struct ip *local, const uint8_t *msg, size_t n)
{
	host_put_from(h, 0, to, local, msg, n);
}

void host_put_from(struct host *h, uint16_t port, const struct endpoint *to, const struct ip *local,
	const uint8_t *msg, size_t n)
{
	struct face *f = h->leaves_by ? &h->face[h->leaves_by - 1] : face_towards(h, &to->ip, local);
	unsigned type = wg_classify(msg, n);
	struct endpoint from = {.port = port ? port : h->at.port};
	struct datagram *dg;

	if (!f)
		return;
	from.ip = to->ip.family == IP_V4 ? f->ip4 : f->ip6;
	dg = sim_datagram(h->sim, &from, to, msg, n);
	h->sent[type]++;
	memcpy(&h->last[type], dg, offsetof(struct datagram, bytes) + n);
	sim_on_wire(h->sim, dg);
	f->up.super.forward(&f->up.super, dg);
}

struct link *host_line(struct host *h)
{
	return &h->face[0].up;
}

void host_set_line(struct host *h, unsigned loss, unsigned duplicate, unsigned corrupt, ns_t jitter)
{
	struct link *l = host_line(h);

	l->loss = loss;
	l->duplicate = duplicate;
	l->corrupt = corrupt;
	l->jitter = jitter;
}

/* --- life --- */

static void dig_up(struct host *h)
{
	for (size_t i = 0; i < h->n_graves; i++)
		h->grave_free[i](h->grave[i]);
	h->n_graves = 0;
}

void host_settle(struct host *h)
{
	unsigned turns = 0;

	do {
		h->next = device_run(h->device, h->sim->now);
		if (++turns == 1000)
			fail_msg("%s never comes to rest", h->name);
	} while (host_run_paths(h));
	if (h->core)
		h->next = ns_min(h->next, core_next(h->core));
	assert_true(h->next > h->sim->now);
	dig_up(h);
	sim_wake(h->sim, &h->waker, sim_late(h->sim, h->number, h->next));
}

static void host_wake(struct waker *w)
{
	host_settle(CONTAINER_OF(w, struct host, waker));
}

static void shut_down(struct host *h)
{
	for (size_t i = 0; i < h->sim->n_hosts; i++) {
		struct friendship *f = h->friends[i];

		if (!f)
			continue;
		if (f->p)
			f->p->owner = NULL;
		f->p = NULL;
		f->n_staged = 0;
	}
	device_free(h->device);
	memset(h->sockets, 0, sizeof(h->sockets));
	h->n_sockets = 0;
	core_free(TAKE(h->core));
	dig_up(h);
}

static void host_free(struct owned *o)
{
	struct host *h = CONTAINER_OF(o, struct host, owned);

	shut_down(h);
	for (size_t i = 0; i < h->sim->n_hosts; i++) {
		if (!h->friends[i])
			continue;
		free(h->friends[i]->seen);
		free(h->friends[i]->kept);
		free(h->friends[i]);
	}
	free(h);
}

/* The same number has the same keys in every world. */
static void take_keys(struct host *h)
{
	static struct {
		uint8_t priv[32], pub[32];
		bool made;
	} keys[SIM_HOSTS];

	if (!keys[h->number].made) {
		struct sim dice = {.rng = h->number};

		sim_entropy(&dice, keys[h->number].priv, 32);
		dh_clamp(keys[h->number].priv);
		assert_int_equal(dh_public(keys[h->number].priv, keys[h->number].pub), TM_OK);
		keys[h->number].made = true;
	}
	memcpy(h->priv, keys[h->number].priv, 32);
	memcpy(h->pub, keys[h->number].pub, 32);
}

static struct host *new_host(struct segment *g, const char *name, const struct wg_limits *l)
{
	struct sim *s = g->sim;
	struct host *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	assert_true(s->n_hosts < SIM_HOSTS);
	h->sim = s;
	h->name = name;
	h->number = s->n_hosts;
	snprintf(h->id, sizeof(h->id), "%016zx", h->number + 1);
	h->limits = *l;
	h->at.port = HOST_PORT;
	h->waker.wake = host_wake;
	for (unsigned i = 0; i < HOST_FACES; i++) {
		h->face[i].host = h;
		h->face[i].in.forward = face_forward;
		link_init(&h->face[i].up, s, NULL, 10 * MS);
	}
	host_plug(h, 0, g);
	take_keys(h);
	host_boot_device(h);
	s->hosts[s->n_hosts++] = h;
	sim_own(s, &h->owned, host_free);
	return h;
}

struct host *sim_host_in(struct segment *g, const char *name)
{
	return new_host(g, name, &wg_limits_default);
}

struct host *sim_host_with_limits(struct sim *s, const char *name, const struct wg_limits *l)
{
	return new_host(s->internet, name, l);
}

struct host *sim_host(struct sim *s, const char *name)
{
	return sim_host_in(s->internet, name);
}

void host_restart(struct host *h)
{
	struct {
		struct endpoint at;
		uint8_t psk[32], stamp[WG_TAI64N];
		uint64_t check_stamp;
	} *kept = calloc(h->sim->n_hosts, sizeof(*kept));

	assert_non_null(kept);
	/* What a real node keeps on disk. */
	for (size_t i = 0; i < h->sim->n_hosts; i++) {
		const struct way *way;

		if (!h->friends[i])
			continue;
		way = atomic_load(&h->friends[i]->p->way);
		if (way)
			kept[i].at = way->to.remote;
		memcpy(kept[i].psk, h->friends[i]->p->hs.psk, 32);
		(void)device_peer_stamp(h->friends[i]->p, kept[i].stamp);
		if (h->core)
			kept[i].check_stamp = core_stamp(h->core, h->sim->hosts[i]->pub);
	}
	shut_down(h);
	relay_end_streams(h);
	host_boot_device(h);
	if (h->member)
		host_start_paths(h);
	for (size_t i = 0; i < h->sim->n_hosts; i++) {
		if (!h->friends[i])
			continue;
		sim_add_friend(h, h->sim->hosts[i], kept[i].psk, h->member ? NULL : &kept[i].at);
		device_peer_seed_stamp(h->friends[i]->p, kept[i].stamp);
		if (h->member)
			core_seed_stamp(h->core, h->sim->hosts[i]->pub, kept[i].check_stamp);
	}
	if (h->link)
		control_link_cut(h->link, 0);
	if (h->knows_relays)
		host_recall(h);
	free(kept);
}

/* --- friends --- */

struct friendship *sim_friend(const struct host *a, const struct host *b)
{
	return a->friends[b->number];
}

struct friendship *sim_add_friend(
	struct host *a, struct host *b, const uint8_t *psk, const struct endpoint *at)
{
	static const uint8_t no_psk[32];
	struct friendship *f = sim_friend(a, b);

	if (!f) {
		f = a->friends[b->number] = calloc(1, sizeof(*f));
		assert_non_null(f);
		f->self = a;
		f->other = b;
	}
	assert_int_equal(device_peer_add(a->device, b->pub, psk ? psk : no_psk, &f->p), TM_OK);
	f->p->owner = f;
	f->p->follows = !a->member; /* for a stock WireGuard host nobody chooses ways */
	if (at)
		assert_int_equal(
			device_peer_set_way(a->device, f->p, &(struct way_to){.remote = *at}, a->sim->now),
			TM_OK);
	return f;
}

void sim_befriend(struct host *a, struct host *b, const uint8_t *psk)
{
	sim_add_friend(a, b, psk, &b->at);
	sim_add_friend(b, a, psk, &a->at);
}

bool host_has_session(const struct host *a, const struct host *b)
{
	return atomic_load(&sim_friend(a, b)->p->current) != NULL;
}

uint64_t host_datagrams(const struct host *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(h->sent); i++)
		n += h->sent[i];
	return n;
}

static void expect_all_arrived(struct host *from, struct host *to)
{
	struct friendship *out = sim_friend(from, to), *in = sim_friend(to, from);

	if (in->received != out->sent || in->twice || in->garbage)
		fail_msg("%s -> %s: sent %llu, arrived %llu, twice %llu, garbage %llu, given up %u (seed "
			 "%llu)",
			from->name, to->name, (unsigned long long)out->sent, (unsigned long long)in->received,
			(unsigned long long)in->twice, (unsigned long long)in->garbage, out->dropped,
			(unsigned long long)from->sim->seed);
}

void expect_nothing_lost(struct host *a, struct host *b)
{
	expect_all_arrived(a, b);
	expect_all_arrived(b, a);
}

void expect_connected(struct host *a, struct host *b)
{
	uint64_t a_had = sim_friend(a, b)->received, b_had = sim_friend(b, a)->received;

	host_send(a, b);
	host_send(b, a);
	sim_run(a->sim, 1 * SEC);
	if (sim_friend(a, b)->received == a_had || sim_friend(b, a)->received == b_had)
		fail_msg("%s and %s are not connected (seed %llu)", a->name, b->name,
			(unsigned long long)a->sim->seed);
}
