/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_ingress: nanoseconds per message from the socket's train to the packet's owner, without the cipher
 * and without the TUN: sorting, the session, the replay window, the accounts, the looks at the packet and its
 * source. The packets are nobody's and end there. To be compared between two programs it is also run as
 * `valgrind --tool=callgrind --toggle-collect=ingress_burst`, which counts instructions.
 */
#include "bench/micro/micro.h"
#include "crypto/init.h"
#include "data/peer/index.h"
#include "data/plane/worker.h"

#include <string.h>

enum { BATCH = RX_TRAINS, COUNT = 44, STEP = 1452, TIMES = 50 };

static struct worker w;
static struct worker_env env = {.mtu = 1420, .packet_bytes = 2048, .slot_bytes = 2304};
static struct peer peer;
static struct keypair *kp;
static uint8_t slot[BATCH][UDP_TRAIN_MAX];
static uint64_t counter;
static uint32_t receiver;

size_t __wrap_udp_recv(const struct udp *u, struct datagram *v, size_t n);
size_t __wrap_udp_recv(const struct udp *u, struct datagram *v, size_t n)
{
	(void)u;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < COUNT; k++)
			wg_data_header(slot[i] + k * STEP, receiver, counter++);
		v[i].data = slot[i];
		v[i].n = (size_t)COUNT * STEP;
		v[i].segment = STEP;
		v[i].remote = (struct endpoint){.ip = {IP_V4, {192, 0, 2, 1}}, .port = 9};
		v[i].truncated = false;
		v[i].tos = 0;
	}
	return n;
}

size_t __wrap_aead_open_batch(struct aead *a, struct aead_op *ops, size_t n);
size_t __wrap_aead_open_batch(struct aead *a, struct aead_op *ops, size_t n)
{
	(void)a;
	for (size_t i = 0; i < n; i++)
		ops[i].err = TM_OK;
	return 0;
}

static void entropy(void *ctx, void *out, size_t n)
{
	(void)ctx;
	random_bytes(out, n);
}

static bool set_up(struct index_table **ret_index)
{
	static const uint8_t ip[20] = {0x45, 0, (STEP - WG_DATA_OVERHEAD) >> 8,
		(STEP - WG_DATA_OVERHEAD) & 0xff, [8] = 64, [9] = 17, [12] = 10, [15] = 1, [16] = 10,
		[19] = 2};

	if (index_table_new(ret_index) || index_reserve(*ret_index, &peer, 0, entropy, NULL, &receiver) ||
		keypair_new(&kp))
		return false;
	kp->peer = &peer;
	kp->limits = &wg_limits_default;
	kp->local_index = receiver;
	kp->initiator = true;
	atomic_store(&kp->confirmed, true);
	atomic_store(&peer.armed, true);
	/* Told a long time hence. */
	atomic_store(&peer.heard_again, INT64_MAX);
	index_bind(*ret_index, receiver, kp);
	for (size_t i = 0; i < BATCH; i++)
		for (size_t k = 0; k < COUNT; k++)
			memcpy(slot[i] + k * STEP + WG_DATA_HEADER, ip, sizeof(ip));
	return true;
}

int main(void)
{
	struct event_queue events;
	struct snapshot *snap = calloc(1, sizeof(*snap));
	struct micro m = {0};
	struct udp *udp;

	if (!snap || crypto_init(NULL) || udp_open(&(struct udp_config){0}, &udp, NULL) ||
		event_queue_init(&events) || !set_up(&env.index))
		return 1;
	route_table_init(&snap->routes);
	env.events = &events;
	if (worker_init(&w, &env, 0, udp, false) || coalescer_new(&w.merge))
		return 1;
	w.now = 1;
	w.snap = snap;
	w.n_rx = BATCH;
	for (int round = 0; round < MICRO_ROUNDS; round++) {
		uint64_t t = micro_clock();

		for (int i = 0; i < TIMES; i++)
			(void)!ingress_burst(&w, 0);
		micro_add(&m, micro_clock() - t, (uint64_t)TIMES * BATCH * COUNT);
	}
	if (atomic_load(&w.drops[DROP_SPOOF]) != counter)
		return 1;
	micro_print_fine(&m);
	printf("  ns per message, best/median; %" PRIu64 " messages\n", counter);
	micro_load();
	worker_deinit(&w);
	event_queue_deinit(&events);
	index_table_free(env.index);
	udp_close(udp);
	keypair_free(kp);
	free(snap);
	return 0;
}
