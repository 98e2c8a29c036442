/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The plane's life: opening, starting, stopping, closing; and what can be asked about it. */
#include "data/plane/plane_private.h"
#include "data/plane/streaming.h"

#include "base/secret.h"
#include "crypto/init.h"
#include "data/plane/legs.h"
#include "os/low/memory.h"
#include "os/tun.h"

#include <string.h>

/*
 * What may wait for a worker. A TCP flow that nothing else slows down fills it, so it is the round trip of
 * all others under load: 2 ms at 5 Gbit/s. Four times as much loses nothing at a flow's start and waits 4 ms;
 * half of it costs datagrams a tenth of their throughput.
 */
#define RECV_BYTES (1u << 20)
/* The same at each of the further sockets, of which there may be hundreds. */
#define FURTHER_RECV_BYTES (256u << 10)
/* What may wait for the network card of what one source made us send that has a siding: more would be in the
 * way of others. */
#define SIDING_SEND_BYTES (512u << 10)
/* What may wait for the network card, where the kernel's queueing discipline keeps it short. */
#define SEND_BYTES (4u << 20)
/* Handshakes waiting from which on cookies are demanded: a few milliseconds of Diffie-Hellman. */
enum { LOAD_THRESHOLD = 64 };
/* Datagrams of an ordinary Ethernet must fit, also when our own MTU is set smaller than the other side's. */
enum { PACKET_BYTES_MIN = 2048 };

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static int open_sockets(struct plane *p, const struct plane_config *cfg, struct diag *d)
{
	struct udp_config uc = {
		.port = cfg->listen_port,
		.mark = cfg->fwmark,
		.recv_bytes = RECV_BYTES,
		.send_bytes = SEND_BYTES,
		.offloads = (cfg->offloads & PLANE_OFFLOAD_GSO ? UDP_OFFLOAD_GSO : 0u) |
			    (cfg->offloads & PLANE_OFFLOAD_GRO ? UDP_OFFLOAD_GRO : 0u),
	};

	for (unsigned i = 0; i < cfg->workers; i++) {
		uc.with = p->udp[0];
		int err = udp_open(&uc, &p->udp[i], d);
		if (err)
			return err;
	}
	p->n_sockets = cfg->workers;
	random_bytes(&p->steer_salt, sizeof(p->steer_salt));
	(void)plane_steer(p);
	p->beside = uc;
	p->beside.with = p->udp[0];
	p->beside.send_bytes = SIDING_SEND_BYTES;
	p->further = uc;
	p->further.with = NULL;
	p->further.recv_bytes = FURTHER_RECV_BYTES;
	return TM_OK;
}

static int make_workers(struct plane *p, const struct plane_config *cfg)
{
	int err;

	p->workers = calloc(cfg->workers, sizeof(*p->workers));
	if (!p->workers)
		return TM_ENOMEM;

	for (; p->n_workers < cfg->workers; p->n_workers++) {
		err = worker_init(
			&p->workers[p->n_workers], &p->env, p->n_workers, p->udp[p->n_workers], true);
		if (err) {
			worker_deinit(&p->workers[p->n_workers]);
			return err;
		}
	}
	return worker_init(&p->self, &p->env, 0, p->udp[0], false);
}

static uint64_t epoch_now(void *ctx)
{
	struct epoch *e = ctx;

	/* Moves on, as a retirement does: a worker that has seen the new value has left what was replaced
	 * before. */
	return atomic_fetch_add_explicit(&e->global, 1, memory_order_seq_cst);
}

static int make_device(struct plane *p, const struct plane_config *cfg)
{
	struct device_config dc = {.private_key = cfg->private_key,
		.limits = cfg->limits,
		.load_threshold = LOAD_THRESHOLD,
		.lanes = cfg->workers};
	struct device_ops ops;
	int err;

	plane_fill_ops(p, &ops);
	err = device_new(&dc, &ops, &p->device);
	if (err)
		return err;

	p->env.device = p->device;
	p->env.index = device_index(p->device);
	index_set_epoch(p->env.index, epoch_now, &p->epoch);
	return TM_OK;
}

static int make_snapshot(struct plane *p, const struct plane_config *cfg)
{
	struct snapshot like = {
		.self4 = cfg->self4,
		.self6 = cfg->self6,
		.net4 = cfg->net4,
		.net6 = cfg->net6,
	};
	struct snapshot *s;

	route_table_init(&like.routes);
	int err = route_set_new(&p->routes);

	if (!err)
		err = snapshot_new(&like, &s);
	if (!err)
		atomic_store_explicit(&p->live, s, memory_order_release);
	return err;
}

static void fill_env(struct plane *p, const struct plane_config *cfg)
{
	size_t packet = MAX((size_t)cfg->mtu + WG_DATA_OVERHEAD + RELAY_HEADER, (size_t)PACKET_BYTES_MIN);

	p->env = (struct worker_env){
		.mtu = cfg->mtu,
		.epoch = &p->epoch,
		.events = &p->events,
		.staging = &p->staging,
		.host = cfg->host,
		.sockets = &p->sockets,
		.relays = &p->relays,
		.legs = &p->legs,
		.streams = &p->streams,
		.live = &p->live,
		.stop = &p->stop,
		.aead = cfg->aead,
		.packet_bytes = round_up(packet, 64),
	};
	p->env.slot_bytes = PACKET_HEADROOM + p->env.packet_bytes + PACKET_TAILROOM;
}

/* UDP super-packets need the header that the others brought. */
static unsigned tun_wishes(const struct plane_config *cfg)
{
	if (!(cfg->offloads & PLANE_OFFLOAD_TUN))
		return 0;
	return cfg->offloads & PLANE_OFFLOAD_USO ? TUN_OFFLOAD_TCP | TUN_OFFLOAD_UDP : TUN_OFFLOAD_TCP;
}

static int build(struct plane *p, const struct plane_config *cfg, struct diag *d)
{
	int why = bell_init(&p->stop);
	if (why)
		return diag_what(d, tm_err_from_errno(why), "cannot make a descriptor to wake threads by: %s",
			strerror(why));

	int err = tun_open(cfg->tun_name, cfg->workers, cfg->mtu, tun_wishes(cfg), &p->tun, d);
	if (err)
		return err;
	p->env.tun = p->tun;

	err = open_sockets(p, cfg, d);
	if (err)
		return err;

	err = event_queue_init(&p->events);
	if (!err)
		err = make_snapshot(p, cfg);
	if (!err)
		err = make_workers(p, cfg);
	if (!err)
		err = make_device(p, cfg);
	if (err)
		return diag_what(d, err, "cannot set up the data plane: %s", tm_strerror(err));
	return TM_OK;
}

int plane_new(const struct plane_config *cfg, const struct plane_events *ev, struct plane **ret_plane,
	struct diag *d)
{
	if (cfg->workers < 1 || cfg->workers > EPOCH_WORKERS_MAX)
		return diag_what(d, TM_EINVAL, "%u workers asked for, 1 to %d are possible", cfg->workers,
			EPOCH_WORKERS_MAX);

	struct plane *p = memory_aligned(64, sizeof(*p));
	if (!p)
		return diag_what(d, TM_ENOMEM, "out of memory");

	memset(p, 0, sizeof(*p));
	p->control = thread_self();
	p->ev = *ev;
	p->flows = cfg->flows ? cfg->flows : FILTER_FLOWS;
	p->stop = p->events.bell = BELL_NONE;
	epoch_init(&p->epoch, cfg->workers);
	fill_env(p, cfg);

	int err = build(p, cfg, d);
	if (err) {
		plane_free(p);
		return err;
	}
	p->offloads_told = plane_offloads(p);
	*ret_plane = p;
	return TM_OK;
}

int plane_start(struct plane *p)
{
	ON_CONTROL(p);
	for (unsigned i = 0; i < p->n_workers; i++) {
		int err = p->workers[i].running ? TM_OK : worker_start(&p->workers[i]);

		if (err) {
			plane_stop(p);
			return err;
		}
	}
	return TM_OK;
}

/* Workers wait nowhere but in their poll (and 5 ms at most for room in a socket), so joining is bounded. */
void plane_stop(struct plane *p)
{
	if (!p)
		return;

	ON_CONTROL(p);
	bell_ring(&p->stop);
	for (unsigned i = 0; i < p->n_workers; i++)
		worker_join(&p->workers[i]);
	bell_stop(&p->stop);
}

void plane_free(struct plane *p)
{
	if (!p)
		return;

	plane_stop(p);
	p->closing = true;
	plane_enter(p, time_monotonic());
	if (p->events.ring)
		plane_drain(p);
	device_free(p->device);
	plane_close_sockets(p);
	plane_close_sidings(p);
	plane_close_streams(p);
	plane_close_taps(p);
	free(atomic_load_explicit(&p->relays, memory_order_relaxed));
	legs_free(atomic_load_explicit(&p->legs, memory_order_relaxed));
	epoch_deinit(&p->epoch);
	if (plane_live(p))
		plane_live(p)->unused_filter = plane_live(p)->filter;
	snapshot_free(plane_live(p));
	filter_memory_free(p->memory);
	route_set_free(p->routes);
	notes_deinit(&p->notes);
	worker_deinit(&p->self);
	for (unsigned i = 0; i < p->n_workers; i++)
		worker_deinit(&p->workers[i]);
	streams_free(atomic_load_explicit(&p->streams, memory_order_relaxed));
	free(p->workers);
	event_queue_deinit(&p->events);
	for (unsigned i = EPOCH_WORKERS_MAX; i-- > 0;)
		udp_close(p->udp[i]);
	tun_close(p->tun);
	bell_deinit(&p->stop);
	memory_aligned_free(p);
}

/* What flows are remembered in, from the first rules on: most meshes that have none need no memory for it. */
static int make_memory(struct plane *p)
{
	struct filter_memory_config cfg = {.parts = p->n_workers, .flows = p->flows};

	if (p->memory)
		return TM_OK;

	int err = siphash_key_random(&cfg.key);
	return err ? err : filter_memory_new(&cfg, &p->memory);
}

static int make_filter(struct plane *p, struct rules *rules_take, struct snapshot *next)
{
	const struct snapshot *live = plane_live(p);
	const struct filter_space space = {.net4 = live->net4, .net6 = live->net6, .host = p->env.host};
	const ns_t since = live->filter ? filter_since(live->filter) : time_monotonic();
	int err = make_memory(p);

	if (!err)
		err = filter_new(&space, rules_take, since, &next->filter);
	next->memory = p->memory;
	return err;
}

int plane_set_rules(struct plane *p, struct rules *rules_take)
{
	struct snapshot *live = plane_live(p), *next;
	int err;

	ON_CONTROL(p);
	err = snapshot_new(live, &next);
	if (err)
		return err;

	next->filter = NULL;
	if (rules_take)
		err = make_filter(p, rules_take, next);
	if (err) {
		snapshot_free(next);
		return err;
	}
	live->unused_filter = live->filter;
	plane_publish(p, next);
	return TM_OK;
}

int plane_set_networks(struct plane *p, const struct prefix *v, size_t n)
{
	struct snapshot *next;

	ON_CONTROL(p);
	if (n > PLANE_NETWORKS_MAX)
		return TM_EFULL;
	int err = snapshot_new(plane_live(p), &next);
	if (err)
		return err;

	next->n_networks = n;
	if (n)
		memcpy(next->networks, v, n * sizeof(*v));
	plane_publish(p, next);
	return TM_OK;
}

void plane_publish(struct plane *p, struct snapshot *next_take)
{
	struct snapshot *old = atomic_exchange_explicit(&p->live, next_take, memory_order_acq_rel);

	p->self.snap = next_take;
	epoch_retire(&p->epoch, &old->retired, old, snapshot_free);
}

uint16_t plane_port(const struct plane *p)
{
	return udp_port(p->udp[0]);
}

int plane_keep_tun(const struct plane *p)
{
	return tun_keep(p->tun);
}

const char *plane_tun_name(const struct plane *p)
{
	return tun_name(p->tun);
}

unsigned plane_offloads(const struct plane *p)
{
	unsigned tun = tun_offloads(p->tun), udp = UDP_OFFLOAD_GSO | UDP_OFFLOAD_GRO, got = 0;

	for (unsigned i = 0; i < p->n_workers; i++) {
		udp &= udp_offloads(p->udp[i]);
		tun &= ~atomic_load_explicit(&p->workers[i].merge_refused, memory_order_relaxed);
	}
	got |= tun & TUN_OFFLOAD_TCP ? PLANE_OFFLOAD_TUN : 0u;
	got |= tun & TUN_OFFLOAD_UDP ? PLANE_OFFLOAD_USO : 0u;
	got |= udp & UDP_OFFLOAD_GSO ? PLANE_OFFLOAD_GSO : 0u;
	got |= udp & UDP_OFFLOAD_GRO ? PLANE_OFFLOAD_GRO : 0u;
	return got;
}

unsigned plane_offload_losses(const struct plane *p)
{
	return p->offload_losses;
}

const char *plane_aead_provider(const struct plane *p)
{
	return aead_provider(p->self.aead);
}

bool plane_steered(const struct plane *p)
{
	return tun_steered(p->tun);
}

unsigned plane_workers(const struct plane *p)
{
	return p->n_workers;
}

int plane_fd(const struct plane *p)
{
	return bell_fd(&p->events.bell);
}

uint64_t plane_udp_overflows(const struct plane *p)
{
	uint64_t sum = 0;

	for (unsigned k = 0; k < p->n_workers; k++)
		sum += udp_overflows(p->udp[k]);
	return sum;
}

void plane_drops(const struct plane *p, uint64_t ret_counts[static DROP_N])
{
	for (size_t i = 0; i < DROP_N; i++) {
		uint64_t sum = atomic_load_explicit(&p->self.drops[i], memory_order_relaxed);

		for (unsigned k = 0; k < p->n_workers; k++)
			sum += atomic_load_explicit(&p->workers[k].drops[i], memory_order_relaxed);
		ret_counts[i] = sum;
	}
	/* Those that we never saw. */
	ret_counts[DROP_TUN_QUEUE_FULL] = tun_overflows(p->tun);
	ret_counts[DROP_RELAY_SHARE] = plane_siding_overflows(p);
	ret_counts[DROP_NO_USE] = pit_count(&p->pit);
	ret_counts[DROP_UDP_QUEUE_FULL] += plane_udp_overflows(p);
}
