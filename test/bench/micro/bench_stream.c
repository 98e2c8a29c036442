/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_stream: what handing a frame on costs a relay, from one stream to another and from a stream to UDP
 * and back, through TCP connections of this machine's loopback. The time is that of the relay's calls alone
 * (with its share of the kernel's work), in nanoseconds per frame and per message, and as seconds per GB of
 * messages.
 */
#include "bench/micro/micro.h"
#include "fake/relay_worker.h"
#include "os/tcp.h"

#include <poll.h>
#include <string.h>

enum { FRAMES = 400 };

static struct relay_worker relay;
static struct stream in, out;
static int far_in, far_out; /* the members' ends */
static uint8_t sink[1 << 20], wire[RELAY_FRAME_MAX + WS_HEADER_MAX];

static void connect_pair(int *ret_near, int *ret_far)
{
	struct endpoint ep = {.ip = ip_v4((uint8_t[]){127, 0, 0, 1})}, from;
	int listener;

	if (tcp_listen(&ep, 0, 1, &listener) || tcp_connect(&ep, 0, ret_far))
		abort();
	poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, 1000);
	if (tcp_accept(listener, ret_near, &from))
		abort();
	tcp_close(listener);
}

static void open_stream(struct stream *s, uint32_t number, int *ret_far)
{
	struct plane_stream is = {.role = WS_SERVER};

	connect_pair(&is.fd, ret_far);
	tcp_queue_little(is.fd, 32 << 10);
	relay_worker_stream(&relay, number, &is, s);
}

static size_t make_wire(size_t count, size_t size)
{
	static uint8_t frame[RELAY_FRAME_MAX];
	static const uint8_t mask[WS_MASK] = {1, 2, 3, 4};

	relay_frame_head(frame, relay_pair(1, 2), (uint16_t)size, 0);
	memset(frame + RELAY_FRAME_HEAD, 0, count * size);
	for (size_t i = 0; i < count; i++)
		put_le32(frame + RELAY_FRAME_HEAD + i * size, WG_DATA);
	return ws_encode(WS_BINARY, frame, RELAY_FRAME_HEAD + count * size, mask, wire, sizeof(wire));
}

static void drain(struct udp *udp)
{
	struct datagram v[4];
	size_t n;

	while (tcp_recv(far_out, sink, sizeof(sink), &n) == TM_OK)
		;
	for (size_t i = 0; i < 4; i++)
		v[i] = (struct datagram){.data = sink + i * UDP_TRAIN_MAX, .cap = UDP_TRAIN_MAX};
	while (udp_recv(udp, v, 4))
		;
}

/* The time that the relay took for them. */
static uint64_t relay_frames(size_t len, struct udp *udp)
{
	uint64_t sum = 0;

	for (int i = 0; i < FRAMES; i++) {
		for (size_t done = 0, n; done < len; done += n)
			if (tcp_send(far_in, wire + done, len - done, &n))
				abort();
			else if (!n)
				break;
		uint64_t t = micro_clock();

		relay.w.now++;
		for (struct crowd_ready r[4]; crowd_ready(relay.w.crowd, r, 4);)
			(void)!stream_burst(&relay.w, &in.guest, WAIT_READ);
		worker_flush(&relay.w);
		sum += micro_clock() - t;
		drain(udp);
	}
	return sum;
}

static void measure(size_t count, size_t size, const struct way_to *to, const char *what, struct udp *udp)
{
	struct micro m = {0};
	size_t len = make_wire(count, size);

	relay_worker_leg(&relay, 2, &(struct plane_leg){.way = *to});
	for (int round = 0; round < MICRO_ROUNDS; round++)
		micro_add(&m, relay_frames(len, udp), FRAMES);
	printf("%-8s %5zu %5zu", what, count, size);
	micro_print(&m);
	printf(" %11.1f %8.2f\n", micro_best(&m) / (double)count, micro_best(&m) / (double)(count * size));
}

int main(void)
{
	const struct udp_config cfg = {.offloads = UDP_OFFLOAD_GSO | UDP_OFFLOAD_GRO, .recv_bytes = 4 << 20};
	struct udp *udp;

	if (udp_open(&cfg, &udp, NULL))
		return 1;
	relay_worker_start(&relay, &cfg);
	open_stream(&in, 1, &far_in);
	open_stream(&out, 2, &far_out);

	const struct way_to by_in = {.kind = WAY_RELAY_TCP, .socket = 1},
			    by_out = {.kind = WAY_RELAY_TCP, .socket = 2};
	const struct way_to by_udp = {
		.remote = {.ip = ip_v4((uint8_t[]){127, 0, 0, 1}), .port = udp_port(udp)}};
	relay_worker_leg(&relay, 1, &(struct plane_leg){.way = by_in});
	printf("to       count bytes");
	micro_head("per frame");
	printf(" per message   s per GB\n");
	measure(1, 128, &by_out, "stream", udp);
	measure(1, 1452, &by_out, "stream", udp);
	measure(16, 1452, &by_out, "stream", udp);
	measure(44, 1452, &by_out, "stream", udp);
	measure(44, 1452, &by_udp, "UDP", udp);
	micro_load();
	/* Everything went on. */
	for (size_t i = 0; i < DROP_N; i++)
		if (atomic_load(&relay.w.drops[i]))
			printf("%s %" PRIu64 "\n", plane_drop_label((enum plane_drop)i),
				atomic_load(&relay.w.drops[i]));
	return in.broken || out.broken;
}
