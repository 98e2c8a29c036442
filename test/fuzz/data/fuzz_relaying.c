/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A worker that is a relay (host 9) between a stream (host 1), a stream (host 2) and an address (host 3):
 * whatever comes in, only whole messages that a relay carries go out, with a header that names the receiver.
 *
 *   input: kind 1 | kind 0: bytes of host 1's stream; 1: messages on it, each length 2 | bytes; 2: size of
 * the train's datagrams 2 | the train, from host 3's address
 */
#include "fuzz/fuzz.h"

#include "crypto/init.h"
#include "data/peer/device.h"
#include "fake/relay_worker.h"

static struct relay_worker relay;
static const struct endpoint third = {.ip = {IP_V4, {192, 0, 2, 3}}, .port = 3};
static struct {
	const uint8_t *p;
	size_t n;
} input;
static uint8_t out[4 << 20]; /* by host 2's stream */
static size_t n_out;
static uint8_t slot[UDP_TRAIN_MAX];
static uint16_t train_step;

/* --- the worker's surroundings --- */

size_t __wrap_udp_send(struct udp *u, struct datagram *v, size_t n);
size_t __wrap_udp_send(struct udp *u, struct datagram *v, size_t n)
{
	(void)u;
	for (size_t i = 0; i < n; i++) {
		const size_t step = v[i].segment ? v[i].segment : v[i].n;

		assert(endpoint_eq(&v[i].remote, &third) && v[i].no_wait);
		assert(v[i].n > 0 && (step == v[i].n || v[i].n / step <= UDP_SEND_TRAIN_DATAGRAMS));
		assert(!v[i].segment || v[i].n <= UDP_SEND_TRAIN_BYTES);
		for (size_t at = 0; at < v[i].n; at += step) {
			const size_t len = MIN(step, v[i].n - at);

			assert(relay_other(relay_get(v[i].data + at, len), 3));
			assert(relay_carries(v[i].data + at + RELAY_HEADER, len - RELAY_HEADER));
		}
	}
	return 0;
}

size_t __wrap_udp_recv(const struct udp *u, struct datagram *v, size_t n);
size_t __wrap_udp_recv(const struct udp *u, struct datagram *v, size_t n)
{
	(void)u, (void)n;
	if (!input.n)
		return 0;
	memcpy(slot, input.p, input.n);
	*v = (struct datagram){.data = slot, .n = input.n, .segment = train_step, .remote = third};
	input.n = 0;
	return 1;
}

static int read_in(void *ctx, uint8_t *p, size_t n, size_t *ret_n)
{
	(void)ctx;
	if (!input.n)
		return TM_EAGAIN;
	*ret_n = MIN(n, input.n);
	memcpy(p, input.p, *ret_n);
	input.p += *ret_n;
	input.n -= *ret_n;
	return TM_OK;
}

static int write_out(void *ctx, const uint8_t *p, size_t n, size_t *ret_n)
{
	if (ctx && n_out + n <= sizeof(out)) {
		memcpy(out + n_out, p, n);
		n_out += n;
	}
	*ret_n = n;
	return TM_OK;
}

static bool nothing_pending(void *ctx)
{
	(void)ctx;
	return false;
}

static const struct plane_stream_io io = {.read = read_in, .write = write_out, .pending = nothing_pending};

static void add_leg(uint32_t host, const struct way_to *to)
{
	relay_worker_leg(&relay, host, &(struct plane_leg){.way = *to});
}

static void open_stream(struct stream *s, uint32_t number)
{
	const struct way_to to = {.kind = WAY_RELAY_TCP, .socket = number};
	const struct plane_stream is = {
		.fd = -1, .io = &io, .ctx = number == 2 ? out : NULL, .role = WS_SERVER, .host = number};

	relay_worker_stream(&relay, number, &is, s);
	add_leg(number, &to);
}

static void close_stream(struct stream *s)
{
	frame_free(s->writing);
	frames_deinit(&s->queue);
	ws_decoder_deinit(&s->in);
}

static void start(void)
{
	static const uint8_t key[32] = {8, [31] = 64};
	const struct device_config dc = {.private_key = key};
	struct device *device;

	if (crypto_init(NULL) || device_new(&dc, &(struct device_ops){0}, &device))
		abort();
	relay.env.device = device;
	relay.env.index = device_index(device);
	relay_worker_start(&relay, &(struct udp_config){0});
	relay.w.n_rx = 1;
	add_leg(3, &(struct way_to){.remote = third});
}

/* --- what went out --- */

static void check_out(void)
{
	struct rd in = rd_over(out, n_out);
	struct ws_decoder d;
	struct ws_event ev;

	ws_decoder_init(&d, WS_CLIENT, RELAY_FRAME_MAX);
	for (;;) {
		struct relay_frame f;

		assert(ws_decode(&d, &in, &ev) == TM_OK);
		if (ev.kind == WS_EV_MORE)
			break;
		assert(ev.kind == WS_EV_MESSAGE && relay_frame_decode(ev.data, ev.n, &f) == TM_OK);
		assert(relay_other(f.pair, 2));
		for (size_t at = 0; at < f.n; at += f.segment)
			assert(relay_carries(f.train + at, MIN((size_t)f.segment, f.n - at)));
	}
	ws_decoder_deinit(&d);
}

/* As a client of the relay would say it. */
static size_t wrap_messages(const uint8_t *p, size_t n, uint8_t *to, size_t max)
{
	static const uint8_t mask[WS_MASK] = {0};
	struct rd r = rd_over(p, n);
	size_t len = 0;

	while (rd_left(&r) > 2) {
		size_t one = rd_be16(&r);

		one = MIN(one, rd_left(&r));
		len += ws_encode(WS_BINARY, rd_bytes(&r, one), one, mask, to + len, max - len);
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t wrapped[1 << 20];
	static bool started;
	struct stream s[2];
	struct event e;

	if (size < 3 || size > 60000)
		return 0;
	if (!started)
		start();
	started = true;
	n_out = 0;
	open_stream(&s[0], 1);
	open_stream(&s[1], 2);
	if (data[0] % 3 == 2) {
		train_step = get_be16(data + 1);
		input.p = data + 3;
		input.n = size - 3;
		if (train_step >= input.n)
			train_step = 0;
		(void)!ingress_burst(&relay.w, 0);
	} else {
		input.p = data[0] % 3 ? wrapped : data + 1;
		input.n =
			data[0] % 3 ? wrap_messages(data + 1, size - 1, wrapped, sizeof(wrapped)) : size - 1;
		(void)!stream_burst(&relay.w, &s[0].guest, WAIT_READ);
		worker_flush(&relay.w);
	}
	check_out();
	input.n = 0;
	while (event_take(&relay.events, &e))
		;
	close_stream(&s[0]);
	close_stream(&s[1]);
	atomic_store(&atomic_load(&relay.streams)->broken, NULL);
	return 0;
}
