/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_seal: nanoseconds per packet from its place in the arena to the socket's door, by size of the batch:
 * the counter, the header, the seal, the queue, the accounts. Beside it the seal alone, and the queue with
 * what needs no sealing. The socket takes all and does nothing.
 */
#include "bench/micro/micro.h"
#include "crypto/init.h"
#include "data/plane/worker.h"
#include "os/low/memory.h"

#include <string.h>

enum { TIMES = 200 };

static struct worker w;
static struct worker_env env = {.mtu = 1420, .packet_bytes = 2048, .slot_bytes = 2304};
static struct peer peer;
static struct keypair *kp;
static struct way way = {.to.remote = {.ip = {IP_V4, {192, 0, 2, 1}}, .port = 9}, .payload_max = 65507};

size_t __wrap_udp_send(struct udp *u, struct datagram *v, size_t n);
size_t __wrap_udp_send(struct udp *u, struct datagram *v, size_t n)
{
	(void)u, (void)v, (void)n;
	return 0;
}

static void whole(size_t batch, size_t bytes)
{
	struct seal_run run;

	if (seal_begin(&w, &peer, kp, &way, (unsigned)batch, true, &run) != TM_OK)
		abort();
	for (size_t i = 0; i < batch; i++)
		seal_put(&w, &run, seal_room(&w, 0, bytes), bytes);
	worker_flush(&w);
}

static void sealed(size_t batch, size_t bytes)
{
	for (size_t i = 0; i < batch; i++)
		w.seal.op[i] = (struct aead_op){
			.key = kp->send_key, .counter = i, .data = w.seal.arena + 64 + i * 1472, .n = bytes};
	if (aead_seal_batch(w.aead, w.seal.op, batch) > 0)
		abort();
}

static void queued(size_t batch, size_t bytes)
{
	for (size_t i = 0; i < batch; i++)
		worker_emit(&w, &way, w.seal.arena + i * 1472, bytes, 0);
	worker_flush(&w);
}

static void measure(size_t batch, size_t bytes)
{
	static void (*const what[])(size_t batch, size_t bytes) = {whole, sealed, queued};
	struct micro m[3] = {0};

	for (int round = 0; round < MICRO_ROUNDS; round++)
		for (int c = 0; c < 3; c++) {
			uint64_t t = micro_clock();

			for (int k = 0; k < TIMES; k++)
				what[c](batch, bytes);
			micro_add(&m[c], micro_clock() - t, TIMES * batch);
		}
	printf("%5zu %5zu", batch, bytes);
	for (int c = 0; c < 3; c++)
		micro_print_fine(&m[c]);
	printf("\n");
}

int main(void)
{
	struct udp *udp;
	struct event_queue events;

	if (crypto_init(NULL) || udp_open(&(struct udp_config){0}, &udp, NULL) || event_queue_init(&events))
		return 1;
	env.events = &events;
	if (worker_init(&w, &env, 0, udp, false) || keypair_new(&kp))
		return 1;
	kp->peer = &peer;
	atomic_store(&peer.armed, true);
	w.now = 1;
	w.seal.arena = memory_aligned(64, SEAL_ARENA_BYTES);
	if (!w.seal.arena)
		return 1;
	memset(w.seal.arena, 0x45, SEAL_ARENA_BYTES);

	printf("batch bytes");
	micro_head("whole");
	micro_head("seal alone");
	micro_head("queue alone");
	printf("  ns per packet, best/median; AEAD %s\n", aead_provider(w.aead));
	for (size_t batch = 1; batch <= OUT_MAX; batch = batch == 1 ? 16 : batch == 16 ? 45 : batch + 147) {
		measure(batch, 64);
		measure(batch, 1392);
	}
	micro_load();
	worker_deinit(&w);
	event_queue_deinit(&events);
	udp_close(udp);
	keypair_free(kp);
	return 0;
}
