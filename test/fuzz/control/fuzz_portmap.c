/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The core of port mapping, with a gateway that says anything: what our last datagram would be answered with,
 * bent, or raw bytes, or the answer to an HTTP request. What must hold: it comes to rest, asks nobody but the
 * gateway and the group of searches, and a mapping is at an address and a port that somebody could reach.
 *
 *   input: steps  kind 1 | argument 1 | length 1 | bytes
 */
#include "control/portmap/portmap.h"
#include "fuzz/fuzz.h"

enum { WAIT, RAW, ANSWER, ANNOUNCE, HTTP, GATEWAY, END, KINDS };

static const struct endpoint gateway = {.ip = {IP_V4, {192, 168, 1, 1}}};
static const struct ip own = {IP_V4, {192, 168, 1, 7}};

struct world {
	struct portmap *core;
	ns_t now;
	struct portmap_out last; /* the last datagram to port 5351 */
	unsigned fetch;
	uint32_t dice;
};

static uint32_t dice(void *ctx)
{
	struct world *w = ctx;

	return w->dice = w->dice * 1664525 + 1013904223;
}

static void check(const struct world *w)
{
	struct portmap_view v;

	portmap_look(w->core, IP_V4, &v);
	if (v.protocol == PORTMAP_NONE)
		return;
	assert(v.external.port >= 1024);
	assert(!ip_is_unspecified(&v.external.ip) && !ip_is_loopback(&v.external.ip));
	assert(v.lease > 0 && v.problem == PORTMAP_FINE);
}

static void drain(struct world *w)
{
	const struct ip group = igd_group(IP_V4);
	struct portmap_out out;

	for (unsigned n = 0; portmap_output(w->core, w->now, &out); n++) {
		assert(n < 64);
		if (out.kind == PORTMAP_CHANGED || out.kind == PORTMAP_KEEP)
			continue;
		assert(out.n > 0 && out.n <= sizeof(out.msg));
		assert(ip_eq(&out.to.ip, &gateway.ip) ||
			(ip_eq(&out.to.ip, &group) && out.to.port == IGD_PORT));
		if (out.kind == PORTMAP_FETCH)
			w->fetch = out.fetch;
		else if (out.to.port == PCP_PORT)
			w->last = out;
	}
	check(w);
}

/* What the gateway would say to the last datagram, with some of the bytes laid over it. */
static void answer(struct world *w, unsigned at, const uint8_t *p, size_t n)
{
	struct endpoint from = {.ip = gateway.ip, .port = PCP_PORT};
	uint8_t msg[64] = {0};
	size_t len = w->last.n < 24 ? 16 : 60;

	memcpy(msg, w->last.msg, w->last.n < sizeof(msg) ? w->last.n : sizeof(msg));
	msg[1] |= 0x80;
	if (w->last.n == 12) { /* NAT-PMP: the ports stand four bytes further back */
		memmove(msg + 8, w->last.msg + 4, 8);
		memset(msg + 2, 0, 6);
	}
	for (size_t i = 0; i < n; i++)
		msg[(at + i) % len] ^= p[i];
	portmap_datagram(w->core, &from, msg, len, w->now);
}

static void step(struct world *w, uint8_t kind, uint8_t argument, const uint8_t *p, size_t n)
{
	struct endpoint from = {.ip = gateway.ip, .port = argument & 1 ? PCP_PORT : IGD_PORT};
	char *text;

	switch (kind % KINDS) {
	case WAIT:
		w->now += (ns_t)argument * argument * SEC / 64;
		break;
	case RAW:
		portmap_datagram(w->core, &from, p, n, w->now);
		break;
	case ANSWER:
		answer(w, argument, p, n);
		break;
	case ANNOUNCE:
		portmap_announced(w->core, &from, p, n, w->now);
		break;
	case HTTP:
		text = (char *)fuzz_copy(p, n);
		(void)portmap_fetched(w->core, w->fetch, text, n, argument & 1, w->now);
		free(text);
		break;
	case GATEWAY:
		portmap_gateway(w->core, IP_V4, argument & 1 ? &gateway : &(struct endpoint){0},
			argument & 1 ? &own : &(struct ip){0}, w->now);
		break;
	case END:
		portmap_end(w->core, w->now);
		break;
	}
	drain(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = {.now = 1000 * SEC, .dice = 1};
	const struct portmap_config cfg = {
		.port = 51820, .lease = PORTMAP_LEASE, .nonce = "a nonce, 12", .ctx = &w, .random = dice};

	if (portmap_new(&cfg, &w.core))
		abort();
	step(&w, GATEWAY, 1, NULL, 0);
	while (size >= 3) {
		const size_t n = data[2] < size - 3 ? data[2] : size - 3;

		step(&w, data[0], data[1], data + 3, n);
		data += 3 + n;
		size -= 3 + n;
	}
	/* Whatever was said, it ends by itself. */
	portmap_end(w.core, w.now);
	drain(&w);
	for (unsigned i = 0; i < 10 && !portmap_ended(w.core); i++) {
		char nothing[1];

		(void)portmap_fetched(w.core, w.fetch, nothing, 0, true, w.now);
		w.now += 4 * SEC;
		drain(&w);
	}
	assert(portmap_ended(w.core));
	portmap_free(w.core);
	return 0;
}
