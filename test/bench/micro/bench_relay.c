/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_relay: what handing a train on costs a relay, per train and per message, from the receive to the
 * send. First with sockets that take and give all and do nothing, so that only our own part is left; then
 * through real sockets of this machine's loopback, where the sender's and the receiver's half of the kernel's
 * work counts too.
 */
#include "bench/micro/micro.h"
#include "fake/relay_worker.h"

#include <string.h>

enum { TIMES = 100, BATCH = RX_TRAINS };

static struct relay_worker relay;
static uint8_t slot[BATCH][UDP_TRAIN_MAX];
static struct endpoint from, to;
static size_t train_n, train_step;
static bool idle_sockets;

size_t __real_udp_send(struct udp *u, struct datagram *v, size_t n);
size_t __wrap_udp_send(struct udp *u, struct datagram *v, size_t n);
size_t __wrap_udp_send(struct udp *u, struct datagram *v, size_t n)
{
	return idle_sockets ? 0 : __real_udp_send(u, v, n);
}

size_t __real_udp_recv(const struct udp *u, struct datagram *v, size_t n);
size_t __wrap_udp_recv(const struct udp *u, struct datagram *v, size_t n);
size_t __wrap_udp_recv(const struct udp *u, struct datagram *v, size_t n)
{
	if (!idle_sockets)
		return __real_udp_recv(u, v, n);
	for (size_t i = 0; i < n; i++) {
		v[i].n = train_n;
		v[i].segment = (uint16_t)train_step;
		v[i].remote = from;
		v[i].truncated = false;
	}
	return n;
}

static void fill(size_t count, size_t step)
{
	train_step = step;
	train_n = count * step;
	for (size_t i = 0; i < BATCH; i++)
		for (size_t k = 0; k < count; k++) {
			memset(slot[i] + k * step, 0, step);
			relay_put(slot[i] + k * step, relay_pair(1, 2));
			put_le32(slot[i] + k * step + RELAY_HEADER, WG_DATA);
		}
}

static void register_at(uint32_t host, const struct endpoint *ep)
{
	const struct plane_leg leg = {.way.remote = *ep};

	relay_worker_leg(&relay, host, &leg);
}

static struct endpoint here(const struct udp *u)
{
	return (struct endpoint){.ip = ip_v4((uint8_t[]){127, 0, 0, 1}), .port = udp_port(u)};
}

/* Trains through a socket of the relay's, and away again at the other end. */
static void through_kernel(struct udp *sender, struct udp *receiver, size_t trains)
{
	static uint8_t sink[4][UDP_TRAIN_MAX], source[UDP_TRAIN_MAX];
	struct datagram in[4], out = {.data = source, .n = train_n, .segment = (uint16_t)train_step};

	memcpy(source, slot[0], train_n);
	out.remote = here(relay.w.out.own);
	for (size_t i = 0; i < 4; i++)
		in[i] = (struct datagram){.data = sink[i], .cap = sizeof(sink[i])};
	for (size_t i = 0; i < trains; i += 4) {
		for (int k = 0; k < 4; k++)
			if (__real_udp_send(sender, &out, 1))
				abort();
		relay.w.now++;
		while (ingress_burst(&relay.w, 0))
			;
		while (__real_udp_recv(receiver, in, 4))
			;
	}
}

static void measure(size_t count, size_t step, struct udp *sender, struct udp *receiver)
{
	struct micro own = {0}, all = {0};

	fill(count, step);
	for (int round = 0; round < MICRO_ROUNDS; round++) {
		idle_sockets = true;
		from = here(sender);
		uint64_t t = micro_clock();

		for (int i = 0; i < TIMES; i++) {
			relay.w.now++;
			(void)!ingress_burst(&relay.w, 0);
		}
		micro_add(&own, micro_clock() - t, TIMES * BATCH);
		idle_sockets = false;
		t = micro_clock();
		through_kernel(sender, receiver, TIMES);
		micro_add(&all, micro_clock() - t, TIMES);
	}
	printf("%5zu %5zu", count, step);
	micro_print(&own);
	micro_print(&all);
	printf(" %12.1f %12.1f\n", micro_best(&own) / (double)count, micro_best(&all) / (double)count);
}

int main(void)
{
	const struct udp_config cfg = {.offloads = UDP_OFFLOAD_GSO | UDP_OFFLOAD_GRO, .recv_bytes = 4 << 20};
	struct udp *sender, *receiver;

	if (udp_open(&cfg, &sender, NULL) || udp_open(&cfg, &receiver, NULL))
		return 1;
	relay_worker_start(&relay, &cfg);
	relay.w.n_rx = BATCH;
	for (size_t i = 0; i < BATCH; i++)
		relay.w.rx[i] = (struct datagram){.data = slot[i], .cap = sizeof(slot[i])};
	from = here(sender);
	to = here(receiver);
	register_at(1, &from);
	register_at(2, &to);

	printf("count bytes");
	micro_head("own part");
	micro_head("with kernel");
	printf(" own/message  all/message  ns per train, best/median\n");
	measure(1, 128, sender, receiver);
	measure(1, 1460, sender, receiver);
	measure(16, 1460, sender, receiver);
	measure(44, 1460, sender, receiver);
	measure(64, 128, sender, receiver);
	micro_load();
	relay_worker_stop(&relay);
	udp_close(sender);
	udp_close(receiver);
	return 0;
}
